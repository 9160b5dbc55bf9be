"""Hit rates and what no skill would have scored (definitions, section 2).

All of a date's recommendations share its luck, so everything is kept as sums by date: a rate is a ratio of such sums
over any span of dates, and the bootstrap of section 7 resamples them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lambdas.core.labels import has_price
from lambdas.core.market_data.panel import BoolArray, FloatArray, IntArray, PricePanel

VOLATILITY_SESSIONS = 252
MIN_VOLATILITY_RETURNS = 126
N_QUINTILES = 5
N_GROUPS = N_QUINTILES + 1  # the sixth: eligible symbols whose volatility is not known
_NO_VARIANCE = 1e-18  # of daily log returns: what the running sums leave of a price that does not move


@dataclass(frozen=True)
class HitsByDate:
    """Sums over the matured recommendations of each decision, all of shape (n_dates,).

    `base` and `matched` are the expected number of hits of the same number of picks without skill: from all eligible
    symbols of the date, and from those of each pick's own volatility group. They cover the `n_compared` picks of
    dates that have an eligible symbol; a prediction file with its own `recommended` column may leave that set.
    """

    n_recommended: FloatArray
    n_matured: FloatArray
    n_compared: FloatArray
    hits: FloatArray
    base: FloatArray
    matched: FloatArray

    def span(self, begin: int, end: int) -> HitsByDate:
        """Return the dates begin, ..., end - 1."""
        return self.select(slice(begin, end))

    def select(self, dates: slice | BoolArray) -> HitsByDate:
        """Return some of the dates."""
        return HitsByDate(
            self.n_recommended[dates],
            self.n_matured[dates],
            self.n_compared[dates],
            self.hits[dates],
            self.base[dates],
            self.matched[dates],
        )

    @property
    def hit_rate(self) -> float | None:
        """Hits / matured recommendations; None without any."""
        return _ratio(self.hits, self.n_matured)

    @property
    def base_rate(self) -> float | None:
        """Hit rate of recommending every eligible symbol, each date weighted by its number of recommendations."""
        return _ratio(self.base, self.n_compared)

    @property
    def matched_base_rate(self) -> float | None:
        """The base rate among symbols of the same volatility quintile."""
        return _ratio(self.matched, self.n_compared)

    @property
    def skill(self) -> float | None:
        """`hit_rate` - `base_rate`."""
        return _difference(self.hit_rate, self.base_rate)

    @property
    def matched_skill(self) -> float | None:
        """`hit_rate` - `matched_base_rate`."""
        return _difference(self.hit_rate, self.matched_base_rate)


def hits_by_date(hit: FloatArray, recommended: BoolArray, eligible: BoolArray, groups: IntArray) -> HitsByDate:
    """Count hits and their expectation without skill, for each decision date.

    Parameters
    ----------
    hit : ndarray of shape (n_dates, n_symbols)
        1.0, 0.0, or NaN while the outcome is not known.
    recommended, eligible : ndarray of bool, shape (n_dates, n_symbols)
    groups : ndarray of int, shape (n_dates, n_symbols)
        `volatility_groups` of the same dates.
    """
    n_dates, n_symbols = hit.shape
    known = np.isfinite(hit)
    picked, universe = recommended & known, eligible & known
    n_matured = picked.sum(axis=1).astype(np.float64)

    # Members and hits of each group of each date.
    date, symbol = np.divmod(np.flatnonzero(universe), n_symbols)
    cell = date * N_GROUPS + groups[date, symbol]
    members = np.bincount(cell, minlength=n_dates * N_GROUPS).reshape(n_dates, N_GROUPS)
    group_hits = np.bincount(cell, hit[date, symbol], n_dates * N_GROUPS).reshape(n_dates, N_GROUPS)
    size = members.sum(axis=1)
    base_rate = group_hits.sum(axis=1) / np.maximum(size, 1)
    group_rate = group_hits / np.maximum(members, 1)

    date, symbol = np.divmod(np.flatnonzero(picked), n_symbols)
    # A pick outside the eligible set has no group: it is compared with all eligible symbols of its date.
    expected = np.where(universe[date, symbol], group_rate[date, groups[date, symbol]], base_rate[date])
    has_universe = size > 0
    return HitsByDate(
        n_recommended=recommended.sum(axis=1).astype(np.float64),
        n_matured=n_matured,
        n_compared=np.where(has_universe, n_matured, 0.0),
        hits=np.bincount(date, hit[date, symbol], n_dates).astype(np.float64),
        base=np.where(has_universe, n_matured * base_rate, 0.0),
        matched=np.where(has_universe, np.bincount(date, expected, n_dates), 0.0),
    )


def volatility_groups(panel: PricePanel, eligible: BoolArray, first: int, last: int) -> IntArray:
    """Quintile of volatility of each eligible symbol among the eligible ones of its date.

    Volatility is the standard deviation (ddof 1) of the daily log returns of the adjusted close over 252 sessions, at
    least 126 of them; a return across a missing session is none. The quintile of rank r of n, by volatility and then
    symbol, is ``floor(5 * (r - 1) / n)``.

    Returns
    -------
    ndarray of int64, shape (last - first + 1, n_symbols)
        0 (calm) to 4, 5 for symbols without a volatility, -1 for symbols that are not eligible.
    """
    begin = max(first - VOLATILITY_SESSIONS, 0)
    prices = np.where(has_price(panel), panel.adj_close, np.nan)[begin : last + 1]
    returns = np.diff(np.log(prices), axis=0, prepend=np.nan)
    rows = np.arange(first - begin, last + 1 - begin)
    known = np.isfinite(returns)
    returns[~known] = 0.0
    count, total, squares = (_sum_of_window(values, rows) for values in (known.astype(np.float64), returns, returns**2))
    with np.errstate(invalid="ignore", divide="ignore"):
        variance = (squares - total**2 / count) / (count - 1.0)
    variance = np.where(variance < _NO_VARIANCE, 0.0, variance)
    allowed = eligible[first : last + 1]
    measured = allowed & (count >= MIN_VOLATILITY_RETURNS)

    order = np.argsort(np.where(measured, variance, np.inf), axis=1, kind="stable")
    place = np.empty_like(order)
    np.put_along_axis(place, order, np.broadcast_to(np.arange(order.shape[1]), order.shape), axis=1)
    quintile = N_QUINTILES * place // np.maximum(measured.sum(axis=1, keepdims=True), 1)
    groups: IntArray = np.where(measured, quintile, np.where(allowed, N_QUINTILES, -1)).astype(np.int64)
    return groups


def effective_n(hits: FloatArray, n_matured: FloatArray, mean_block: float) -> float | None:
    """Independent recommendations that would tell as much about the hit rate as the matured ones do.

    n divided by the variance inflation of the date-clustered mean: the variance that the stationary bootstrap over
    dates gives the hit rate, in closed form (Politis & Romano 1994, lemma 1), over p (1 - p) / n.

    Parameters
    ----------
    hits, n_matured : ndarray of shape (n_dates,)
        Of each decision date, in time order.
    mean_block : float
        Mean length of a block, in dates.

    Returns
    -------
    float or None
        None without matured recommendations, or if all or none of them were hits.
    """
    n = float(n_matured.sum())
    if n == 0.0:
        return None
    rate = float(hits.sum()) / n
    naive = rate * (1.0 - rate) / n
    if not naive > 0.0:
        return None
    residual = hits - rate * n_matured
    n_dates = len(residual)
    spectrum = np.abs(np.fft.rfft(residual)) ** 2
    circular_products = np.fft.irfft(spectrum, n_dates)  # sum over d of residual[d] * residual[d + lag], wrapped
    lag = np.arange(1, n_dates)
    weight = (1.0 - lag / n_dates) * (1.0 - 1.0 / mean_block) ** lag
    clustered = float(circular_products[0] + 2.0 * (weight @ circular_products[1:])) / n**2
    return n * naive / clustered if clustered > 0.0 else None


def _sum_of_window(values: FloatArray, rows: IntArray) -> FloatArray:
    """Sum of the 252 rows that end at each of `rows`."""
    running = np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(values, axis=0)])
    summed: FloatArray = running[rows + 1] - running[np.maximum(rows + 1 - VOLATILITY_SESSIONS, 0)]
    return summed


def _ratio(part: FloatArray, whole: FloatArray) -> float | None:
    total = float(whole.sum())
    return float(part.sum()) / total if total > 0.0 else None


def _difference(left: float | None, right: float | None) -> float | None:
    return None if left is None or right is None else left - right
