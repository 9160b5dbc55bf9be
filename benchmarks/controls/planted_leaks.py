"""Features that know the future, one of each kind that is met in practice; the truncation test must name them all."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from lambdas.core.errors import LookAheadError
from lambdas.core.features import FEATURES, assert_no_look_ahead
from lambdas.core.features.cross_section import ranks
from lambdas.core.features.feature import Family, Feature, Market, shifted
from lambdas.core.features.reports import Figure, reports_of
from lambdas.core.features.sector import sector_strength, sectors_of
from lambdas.core.market_data.panel import FloatArray, MarketDataset
from lambdas.core.market_data.sources.simulated import SimulatedSource

N_DATES = 6
N_CONSECUTIVE = 8  # a gap that is filled backwards shows only on the session of the gap


def tomorrows_return(market: Market) -> FloatArray:
    """Return of the next session."""
    return np.vstack([market.returns[1:], np.full((1, market.returns.shape[1]), np.nan)])


def return_of_the_outcome(market: Market) -> FloatArray:
    """Return of the next 21 sessions: the label itself."""
    price = market.price
    return np.vstack([price[21:] / price[:-21] - 1.0, np.full((21, price.shape[1]), np.nan)])


def rank_of_tomorrow(market: Market) -> FloatArray:
    """Rank among the symbols of the return of the next session."""
    return ranks(tomorrows_return(market).astype(np.float32)).astype(np.float64)


def centred_average(market: Market) -> FloatArray:
    """Average price of the session and both neighbours."""
    price = market.price
    return np.vstack([price[:1], (price[:-2] + price[1:-1] + price[2:]) / 3, price[-1:]])


def scaled_by_the_whole_sample(market: Market) -> FloatArray:
    """Return over the volatility of all sessions, later ones too."""
    scaled: FloatArray = market.returns / np.nanstd(market.returns, axis=0)
    return scaled


def rank_in_all_of_time(market: Market) -> FloatArray:
    """Rank of the price among those of all sessions."""
    return np.asarray(rankdata(np.nan_to_num(market.price), axis=0))


def filled_backwards(market: Market) -> FloatArray:
    """Price in which every fifth is missing and filled with the one after it."""
    thinned = market.price.copy()
    thinned[::5] = np.nan
    return pd.DataFrame(thinned).bfill().to_numpy()


def price_of_the_end(market: Market) -> FloatArray:
    """Price as a fraction of the last one."""
    fraction: FloatArray = market.price / market.price[-1]
    return fraction


def report_joined_on_its_period(market: Market) -> FloatArray:
    """Earnings from the day the quarter ended, weeks before anybody knew them."""
    reports = reports_of(market)
    return reports.value_by_session(Figure(reports.figure("eps").value, reports.period))


def filed_figure_at_the_announcement(market: Market) -> FloatArray:
    """Revenue from the announcement of the earnings, days before the filing that holds it."""
    reports = reports_of(market)
    revenue, eps = reports.figure("revenue"), reports.figure("eps")
    return reports.value_by_session(Figure(revenue.value, eps.known))


def sector_of_tomorrow(market: Market) -> FloatArray:
    """Strength of the sector up to the next session."""
    strength = sector_strength(market, 21)
    return np.vstack([strength[1:], np.full((1, strength.shape[1]), np.nan)])


def sector_of_all_of_time(market: Market) -> FloatArray:
    """Price against the mean of its sector over all sessions."""
    mean = np.nanmean(sectors_of(market).means(market.price), axis=0, keepdims=True)
    relative: FloatArray = market.price / sectors_of(market).of_each_symbol(np.repeat(mean, len(market.price), axis=0))
    return relative


def yield_of_the_same_evening(market: Market) -> FloatArray:
    """Treasury yield on its own date, which is published after the close."""
    macro = market.dataset.macro
    if macro is None:
        return np.full_like(market.price, np.nan)
    yields: FloatArray = macro["ust10y"].ffill(limit=5).to_numpy()[:, np.newaxis] + 0.0 * market.price
    return yields


def beta_to_the_same_evening(market: Market) -> FloatArray:
    """Return times the change of the dollar of the same date, which settles after the close."""
    macro = market.dataset.macro
    if macro is None:
        return np.full_like(market.price, np.nan)
    dollar = macro["dxy"].ffill(limit=5).to_numpy()[:, np.newaxis]
    exposure: FloatArray = market.returns * (dollar - shifted(dollar, 1))
    return exposure


_LEAKS: tuple[tuple[Callable[[Market], FloatArray], Family, str | None], ...] = (
    (tomorrows_return, "technical", None),
    (return_of_the_outcome, "technical", None),
    (rank_of_tomorrow, "technical", None),
    (centred_average, "technical", None),
    (scaled_by_the_whole_sample, "technical", None),
    (rank_in_all_of_time, "technical", None),
    (filled_backwards, "technical", None),
    (price_of_the_end, "technical", None),
    (report_joined_on_its_period, "fundamental", "fundamentals.eps"),
    (filed_figure_at_the_announcement, "fundamental", "fundamentals.revenue"),
    (yield_of_the_same_evening, "macro", "macro.ust10y"),
    (beta_to_the_same_evening, "macro", "macro.dxy"),
    (sector_of_tomorrow, "sector", "securities.sector"),
    (sector_of_all_of_time, "sector", "securities.sector"),
)

LEAKS = tuple(
    Feature(
        compute.__name__,
        family,
        str(compute.__doc__),
        "1",
        0,
        "planted",
        compute,
        needs=() if needs is None else (needs,),
    )
    for compute, family, needs in _LEAKS
)


def catch(leaks: tuple[Feature, ...] = LEAKS, seed: int = 0) -> dict[str, bool]:
    """Put each leak beside a sound feature and ask the truncation test.

    Returns
    -------
    dict of str to bool
        Whether the leak was found and the sound feature was not blamed; `all features of the registry` is True if
        none of them was.
    """
    dataset = SimulatedSource(seed, n_symbols=14, first=dt.date(2017, 1, 3)).market().dataset
    days = _dates(dataset, seed)
    found = {leak.name: _names_of_leaks(dataset, days, leak) for leak in leaks}
    caught = {name: message.endswith(f"of {name}") for name, message in found.items()}
    return {**caught, "all features of the registry": _is_sound(dataset, days)}


def _dates(dataset: MarketDataset, seed: int) -> list[dt.date]:
    rows = np.random.default_rng(seed).choice(np.arange(300, len(dataset.sessions) - 30), N_DATES, replace=False)
    consecutive = range(int(rows[0]), int(rows[0]) + N_CONSECUTIVE)
    return [dataset.sessions[row].date() for row in sorted({*rows, *consecutive})]


def _names_of_leaks(dataset: MarketDataset, days: list[dt.date], leak: Feature) -> str:
    """Return the part of the message that names the features, empty if nothing was found."""
    try:
        assert_no_look_ahead(dataset, days, [FEATURES[0], leak])
    except LookAheadError as error:
        return str(error).split(";")[0]
    return ""


def _is_sound(dataset: MarketDataset, days: list[dt.date]) -> bool:
    try:
        assert_no_look_ahead(dataset, days)
    except LookAheadError:
        return False
    return True
