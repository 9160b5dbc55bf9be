"""The markets that a simulation lives through: a simulated one whose regime changes, or a folder of real data."""

from __future__ import annotations

import datetime as dt
from dataclasses import fields, replace
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from lambdas.core.errors import InvalidInputError
from lambdas.core.market_data.dataset import read_dataset, select_symbols
from lambdas.core.market_data.panel import MarketDataset, PricePanel
from lambdas.core.market_data.sources import SimulatedSource
from lambdas.core.settings import ModelSettings

RegimeChange = Literal["turn", "vanish", "never"]
STRENGTH_AFTER = {"turn": -1.0, "vanish": 0.0}
"""What is left of the signal, as a multiple of what it was."""

CHANGE_AFTER = 0.25
"""Of the simulated time: late enough to earn before, early enough to learn anew after."""

SIGNAL_RANK_IC = 0.6
"""The strongest that can be planted: within months a bound has to tell it from luck, before and after."""

SIMULATED_FROM = dt.date(2018, 1, 2)
FEATURE_HISTORY_DAYS = 420
"""Calendar days that the slowest feature looks back, and some."""


def simulated_market(
    begin: dt.date, end: dt.date, symbols: int, seed: int, change: RegimeChange, settings: ModelSettings
) -> MarketDataset:
    """Return a simulated market with all that a simulation from `begin` to `end` needs before its first day."""
    source = SimulatedSource(
        seed=seed,
        n_symbols=symbols,
        signal_rank_ic=SIGNAL_RANK_IC,
        first=min(history_begins(begin, settings), end - dt.timedelta(days=800)),
        last=end + dt.timedelta(days=5),
    )
    if change == "never":
        return source.market().dataset
    return market_with_regime_change(source, changes_on(begin, end), STRENGTH_AFTER[change])


def changes_on(begin: dt.date, end: dt.date) -> dt.date:
    """Return the first day of the other regime."""
    return begin + CHANGE_AFTER * (end - begin)


def history_begins(begin: dt.date, settings: ModelSettings) -> dt.date:
    """Return the first day of prices that the first run of a simulation can use."""
    walk = settings.walk_forward
    days = walk.lookback_days + walk.benchmark_period_days + int(365 * walk.train_years) + FEATURE_HISTORY_DAYS
    return begin - dt.timedelta(days=days)


def market_with_regime_change(source: SimulatedSource, change: dt.date, strength_after: float = -1.0) -> MarketDataset:
    """Return the market of `source` until `change`; from there on what drove prices up drives them down.

    The same seed without a signal has the same noise, so the drift of a session is the difference of the two markets'
    log returns. After the change it is multiplied by `strength_after`; everything else stays.

    Parameters
    ----------
    source : SimulatedSource
        With a signal.
    change : date
        First session of the other regime.
    strength_after : float
        -1: the signal turns. 0: it vanishes.
    """
    with_signal = source.market().dataset
    without = replace(source, signal_rank_ic=0.0).market().dataset
    after = int(with_signal.sessions.searchsorted(pd.Timestamp(change)))
    drift = np.diff(np.log(with_signal.prices.adj_close), axis=0, prepend=np.nan)
    drift -= np.diff(np.log(without.prices.adj_close), axis=0, prepend=np.nan)
    changed = np.where(np.isfinite(drift), (strength_after - 1.0) * drift, 0.0)
    changed[:after] = 0.0
    factor = np.exp(np.cumsum(changed, axis=0))
    # The open of a session comes before its drift.
    before = np.vstack([np.ones((1, factor.shape[1])), factor[:-1]])
    prices = with_signal.prices
    values = {name.name: getattr(prices, name.name) for name in fields(PricePanel)}
    values |= {name: values[name] * factor for name in ("close", "adj_close")}
    values["open"] = values["open"] * before
    highest, lowest = (extreme(values["open"], values["close"]) for extreme in (np.maximum, np.minimum))
    values["high"] = np.maximum(values["high"] * factor, highest)
    values["low"] = np.minimum(values["low"] * factor, lowest)
    verb = "turns" if strength_after < 0.0 else "vanishes" if strength_after == 0.0 else "changes"
    note = f"simulated market whose signal {verb} on {change}: no result on it says anything about real markets"
    return replace(with_signal, prices=PricePanel(**values), notes=(note,))


def folder_market(
    folder: Path, first: dt.date | None, length: dt.timedelta, symbols: int, settings: ModelSettings
) -> tuple[dt.date, MarketDataset]:
    """Return the first day of a simulation on a data set folder, and what of the folder it lives through.

    Parameters
    ----------
    folder : Path
    first : date, optional
        Default: as late as possible.
    length : timedelta
    symbols : int
        At most so many, those that were traded most on the first day: see `most_traded`.
    settings : ModelSettings

    Raises
    ------
    InvalidInputError
        If there is no such folder, or it does not hold the time asked for.
    """
    if not folder.is_dir():
        raise InvalidInputError(f"--data {folder}: neither simulated nor a data set folder here")
    dataset = read_dataset(folder)
    oldest, newest = (dataset.sessions[place].date() for place in (0, -1))
    begin = first or newest - length
    if begin + length > newest or begin <= oldest:
        raise InvalidInputError(f"--from {begin}, {length.days} days: the data set has {oldest} to {newest}")
    return begin, since(select_symbols(dataset, most_traded(dataset, begin, symbols)), history_begins(begin, settings))


def most_traded(dataset: MarketDataset, day: dt.date, symbols: int) -> tuple[str, ...]:
    """Return the symbols with the highest median dollar volume of the 252 sessions before a day, and no later one.

    Members of that day only, where the data set knows them; without volumes, the alphabetically first.
    """
    before = int(dataset.sessions.searchsorted(pd.Timestamp(day)))
    span = slice(max(before - 252, 0), before)
    dollars = pd.DataFrame(dataset.prices.close[span] * dataset.prices.volume[span], columns=dataset.prices.symbols)
    known = pd.Series(dataset.prices.close[before - 1], index=dataset.prices.symbols).dropna().index
    members = dataset.membership
    if members is not None:
        inside = (members["start"] <= pd.Timestamp(day)) & ~(members["end"] <= pd.Timestamp(day))
        known = known.intersection(pd.Index(members.loc[inside, "symbol"]))
    ranked = dollars[known].median().fillna(0.0).sort_index().sort_values(ascending=False, kind="stable")
    return tuple(sorted(ranked.index[:symbols]))


def since(dataset: MarketDataset, first: dt.date) -> MarketDataset:
    """Leave out the prices before a day; reports stay, since they are known from their release on."""
    sessions = dataset.sessions[dataset.sessions >= pd.Timestamp(first)]
    macro = dataset.macro
    if macro is not None:
        macro = macro[macro["date"] >= sessions[0]].reset_index(drop=True)
    return replace(dataset, prices=dataset.prices.on(sessions), benchmarks=dataset.benchmarks.on(sessions), macro=macro)
