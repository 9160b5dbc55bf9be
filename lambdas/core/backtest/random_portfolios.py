"""Portfolios that pick by lot: what the same rule, dates and numbers of positions give without any skill.

1 000 of them are simulated at once, exactly as in `portfolio.py`, costs and netting included. One loop runs over the
rolls; at each, the picks of all portfolios are a 0/1 matrix, and the growth of all their baskets one matrix product.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from lambdas.core.backtest.metrics import NO_VARIATION
from lambdas.core.backtest.portfolio import SESSIONS_PER_YEAR
from lambdas.core.market_data.panel import BoolArray, FloatArray, IntArray


@dataclass(frozen=True)
class RandomPortfolios:
    """Outcome of each random portfolio, arrays of shape (n_portfolios,)."""

    total_return: FloatArray
    sharpe_ratio: FloatArray


def simulate_random_portfolios(
    trade: FloatArray,
    mark: FloatArray,
    eligible: BoolArray,
    positions: IntArray,
    first: int,
    last: int,
    horizon: int,
    cost: float,
    cash_rate: FloatArray,
    n_portfolios: int,
    seed: int,
) -> RandomPortfolios:
    """Simulate portfolios that draw their recommendations from the eligible symbols of each decision.

    Parameters
    ----------
    trade, mark : ndarray of shape (n_sessions, n_symbols)
        `execution_prices` and `mark_prices`.
    eligible : ndarray of bool, shape (n_sessions, n_symbols)
    positions : ndarray of int, shape (n_sessions,)
        Number of symbols the judged portfolio recommended at each session; at most all eligible ones are drawn.
    first, last, horizon, cost, cash_rate
        As in `simulate_arrays`.
    n_portfolios : int
    seed : int

    Returns
    -------
    RandomPortfolios
        `sharpe_ratio` is NaN where returns do not vary.
    """
    random = np.random.default_rng(seed)

    def draw(session: int) -> BoolArray:
        candidates = np.flatnonzero(eligible[session])
        picks = np.zeros((n_portfolios, eligible.shape[1]), dtype=np.bool_)
        picks[:, candidates] = draw_subsets(random, n_portfolios, candidates.size, int(positions[session]))
        return picks

    equity = simulate_many(draw, n_portfolios, trade, mark, first, last, horizon, cost, cash_rate)
    excess = equity[:, 1:] / equity[:, :-1] - 1.0 - cash_rate[first + 1 : last + 1]
    deviation = excess.std(axis=1, ddof=1)
    sharpe = np.divide(
        excess.mean(axis=1), deviation, out=np.full(n_portfolios, np.nan), where=deviation > NO_VARIATION
    )
    return RandomPortfolios(total_return=equity[:, -1] - 1.0, sharpe_ratio=sharpe * np.sqrt(SESSIONS_PER_YEAR))


def simulate_many(
    picks_at: Callable[[int], BoolArray],
    n_portfolios: int,
    trade: FloatArray,
    mark: FloatArray,
    first: int,
    last: int,
    horizon: int,
    cost: float,
    cash_rate: FloatArray,
) -> FloatArray:
    """Simulate many portfolios on the same prices; one of them alone is `simulate_arrays`, which is faster for it.

    Parameters
    ----------
    picks_at : callable
        Recommendations of a session: a bool array of shape (n_portfolios, n_symbols). Asked once a session, in order.

    Returns
    -------
    ndarray of shape (n_portfolios, last - first + 1)
        Equity at each close, 1 at the close of `first`.
    """
    n_rolls = last - first
    opens = np.nan_to_num(trade[first + 1 : last + 1])
    closes = np.nan_to_num(mark[first + 1 : last + 1])
    cash_index = np.concatenate([[1.0], np.cumprod(1.0 + cash_rate[first + 1 : last + 1])])
    equity = np.zeros((n_portfolios, n_rolls + 1))
    equity[:, 0] = 1.0
    baskets: dict[int, _Baskets] = {}
    for m in range(n_rolls):
        picks = picks_at(first + m)
        count = picks.sum(axis=1)
        traded = (count > 0).astype(np.float64)
        if m == 0:
            value = np.full(n_portfolios, 1.0 / horizon)
        else:
            old = baskets[max(m - horizon, 0)]
            growth = old.growth_to_roll[m]
            value = old.value * growth
            traded += (old.count > 0) - 2.0 * _kept(old, picks, count, opens[m], growth)
        value *= 1.0 - cost * np.maximum(traded, 0.0)

        # Roll 0 is sold at each of the next h opens, for one tranche after the other; any other roll h sessions on.
        sold = [roll for roll in (range(1, horizon + 1) if m == 0 else (m + horizon,)) if roll < n_rolls]
        ahead = min(horizon, n_rolls - m)
        prices = np.concatenate([closes[m : m + ahead], opens[sold]])
        cash = np.concatenate([cash_index[m + 1 : m + 1 + ahead], cash_index[sold]]) / cash_index[m]
        grown = _growth(
            picks, count, np.divide(prices, opens[m], out=np.zeros_like(prices), where=opens[m] > 0.0), cash
        )
        # Tranches that have not rolled yet hold copies of the first basket.
        copies = np.arange(horizon, horizon - ahead, -1) if m == 0 else np.ones(ahead)
        equity[:, m + 1 : m + 1 + ahead] += value[:, np.newaxis] * copies * grown[:, :ahead]
        to_roll = {roll: grown[:, ahead + i] for i, roll in enumerate(sold)}
        baskets[m] = _Baskets(picks, count, value, opens[m], to_roll)
        baskets.pop(m - horizon, None)
    return equity


def draw_subsets(random: np.random.Generator, n_rows: int, n: int, size: int) -> BoolArray:
    """Draw a uniformly random subset of `size` of n elements for each row, as a bool array of shape (n_rows, n).

    Elements are drawn one by one and those drawn before are drawn again, which treats all elements alike; for more
    than half of them the ones left out are drawn. Four times faster than sorting random keys.
    """
    size = min(size, n)
    if 2 * size > n:
        return ~draw_subsets(random, n_rows, n, n - size)
    chosen = np.zeros((n_rows, n), dtype=np.bool_)
    if size == 0:
        return chosen
    np.put_along_axis(chosen, random.integers(0, n, (n_rows, size)), True, axis=1)
    count = chosen.sum(axis=1)
    short = np.flatnonzero(count < size)
    while short.size:
        element = random.integers(0, n, short.size)
        count[short] += ~chosen[short, element]
        chosen[short, element] = True
        short = short[count[short] < size]
    return chosen


@dataclass(frozen=True)
class _Baskets:
    """What one roll bought for all portfolios: picks, their number, the value put in, entry prices of all symbols."""

    picks: BoolArray
    count: IntArray
    value: FloatArray
    entry: FloatArray
    growth_to_roll: dict[int, FloatArray]


def _growth(picks: BoolArray, count: IntArray, price_ratio: FloatArray, cash_ratio: FloatArray) -> FloatArray:
    """Multiple of the value put in, shape (n_portfolios, n_prices), for price_ratio of shape (n_prices, n_symbols)."""
    grown: FloatArray = picks.astype(np.float64) @ price_ratio.T
    grown /= np.maximum(count, 1)[:, np.newaxis]
    grown[count == 0] = cash_ratio
    return grown


def _kept(old: _Baskets, picks: BoolArray, count: IntArray, price: FloatArray, growth: FloatArray) -> FloatArray:
    """Part of each value that is in the old and in the new basket: sum over symbols of min(held, target)."""
    n_portfolios, n_symbols = picks.shape
    row, symbol = np.divmod(np.flatnonzero(old.picks & picks), n_symbols)
    held = price[symbol] / old.entry[symbol] / (old.count[row] * growth[row])
    kept: FloatArray = np.bincount(row, np.minimum(held, 1.0 / count[row]), minlength=n_portfolios).astype(np.float64)
    return kept
