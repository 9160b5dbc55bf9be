"""How recommendations that were really issued have done, measured like a backtest."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lambdas.core.backtest.bootstrap import resampled_sums, upper_bound, widening
from lambdas.core.backtest.evidence import BOOTSTRAP_SEED, MIN_BLOCKS
from lambdas.core.backtest.hits import hits_by_date, volatility_groups
from lambdas.core.labels import compute_outcomes, eligible, execution_prices, trade_prices
from lambdas.core.market_data.panel import MarketDataset
from lambdas.core.settings import ModelSettings


@dataclass(frozen=True)
class LiveSkill:
    """Hit rate of matured live recommendations, what no skill would have scored, and the bound of the difference."""

    n_matured: int
    hit_rate: float | None
    base_rate: float | None
    skill_upper: float | None


def live_skill(dataset: MarketDataset, issued: Mapping[dt.date, Sequence[str]], settings: ModelSettings) -> LiveSkill:
    """Measure issued recommendations, whose outcome stands in the data, against all eligible symbols of their dates.

    Parameters
    ----------
    dataset : MarketDataset
    issued : mapping of decision session to symbols
        Sessions and symbols that are not in the data set are left out.
    settings : ModelSettings

    Returns
    -------
    LiveSkill
        The bound is one-sided, by the stationary bootstrap over sessions from the first issued one to the last that
        matured (definitions, section 7); None where they are fewer than two blocks.
    """
    recommended = np.zeros(dataset.prices.shape, dtype=np.bool_)
    columns = {symbol: column for column, symbol in enumerate(dataset.prices.symbols)}
    for day, symbols in issued.items():
        row = row_of(dataset, day)
        if row is not None:
            recommended[row, [columns[symbol] for symbol in symbols if symbol in columns]] = True
    outcomes = compute_outcomes(dataset, settings.portfolio)
    rows = np.flatnonzero(recommended.any(axis=1) & outcomes.matured)
    if not len(rows):
        return LiveSkill(0, None, None, None)
    first, last = int(rows[0]), int(rows[-1])
    span = slice(first, last + 1)
    allowed = eligible(dataset, settings.portfolio.min_history_sessions)
    hit = outcomes.absolute_hit if settings.gates.hit_definition == "absolute" else outcomes.relative_hit
    hits = hits_by_date(
        hit[span], recommended[span], allowed[span], volatility_groups(dataset.prices, allowed, first, last)
    )
    upper = None
    if last - first + 1 >= MIN_BLOCKS * settings.portfolio.horizon:
        columns_to_resample = np.column_stack([hits.hits, hits.n_matured, hits.base, hits.n_compared])
        draws = settings.evidence.bootstrap_draws
        sums = resampled_sums(columns_to_resample, settings.portfolio.horizon, draws, BOOTSTRAP_SEED)
        with np.errstate(invalid="ignore", divide="ignore"):
            skill = sums[:, 0] / sums[:, 1] - sums[:, 2] / sums[:, 3]
        horizon, confidence = settings.portfolio.horizon, settings.evidence.confidence
        upper = upper_bound(skill, confidence, hits.skill, widening(last - first + 1, horizon, horizon, confidence))
    return LiveSkill(int(hits.n_matured.sum()), hits.hit_rate, hits.base_rate, upper)


def outcomes_of(
    dataset: MarketDataset, row: int, symbols: Sequence[str], settings: ModelSettings
) -> dict[str, dict[str, float | bool | None]]:
    """Return entry, exit, returns and hits of recommendations of one matured session, by symbol.

    A symbol that is not in the data set, or had no trade price at the entry, is left out: it stays open.
    """
    outcomes = compute_outcomes(dataset, settings.portfolio)
    entry = trade_prices(dataset.prices)[row + 1]
    leave = execution_prices(dataset.prices)[row + 1 + settings.portfolio.horizon]
    settled = {}
    for symbol in symbols:
        column = dataset.prices.symbols.index(symbol) if symbol in dataset.prices.symbols else None
        if column is None or not np.isfinite(outcomes.net[row, column]):
            continue
        benchmark = float(outcomes.benchmark[row])
        relative = float(outcomes.relative_hit[row, column])
        settled[symbol] = {
            "entry_price": float(entry[column]),
            "exit_price": float(leave[column]),
            "gross_return": float(outcomes.gross[row, column]),
            "net_return": float(outcomes.net[row, column]),
            "benchmark_return": benchmark if np.isfinite(benchmark) else None,
            "hit": bool(outcomes.absolute_hit[row, column]),
            "relative_hit": bool(relative) if np.isfinite(relative) else None,
        }
    return settled


def row_of(dataset: MarketDataset, day: dt.date) -> int | None:
    """Return the row of a session, or None where the data set does not have it."""
    row = int(dataset.sessions.get_indexer(pd.DatetimeIndex([pd.Timestamp(day)]))[0])
    return None if row < 0 else row
