"""Portfolios that pick by lot: what the same rule, dates and numbers of positions give without any skill.

1 000 of them are simulated at once, exactly as in `portfolio.py`, costs and netting included. One loop runs over the
rolls; at each, the picks of all portfolios are a sparse matrix, and the growth of all their baskets one product. Picks
are kept in the order of the symbols: what reads prices or marks by them then runs through memory in one direction.
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

    def draw(session: int) -> IntArray:
        return draw_subsets(random, n_portfolios, np.flatnonzero(eligible[session]), int(positions[session]))

    equity = simulate_many(draw, n_portfolios, trade, mark, first, last, horizon, cost, cash_rate)
    excess = equity[1:] / equity[:-1]
    excess -= 1.0 + cash_rate[first + 1 : last + 1, np.newaxis]
    deviation = excess.std(axis=0, ddof=1)
    sharpe = np.divide(
        excess.mean(axis=0), deviation, out=np.full(n_portfolios, np.nan), where=deviation > NO_VARIATION
    )
    return RandomPortfolios(total_return=equity[-1] - 1.0, sharpe_ratio=sharpe * np.sqrt(SESSIONS_PER_YEAR))


def simulate_many(
    picks_at: Callable[[int], IntArray],
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
        Recommendations of a session, as columns of the prices: an int array of shape (n_portfolios, k), without
        repetition in a row. Asked once a session, in order; k may differ between sessions.

    Returns
    -------
    ndarray of shape (last - first + 1, n_portfolios)
        Equity at each close, 1 at the close of `first`.
    """
    n_rolls = last - first
    opens = np.nan_to_num(trade[first + 1 : last + 1])
    closes = np.nan_to_num(mark[first + 1 : last + 1])
    cash_index = np.concatenate([[1.0], np.cumprod(1.0 + cash_rate[first + 1 : last + 1])])
    row_begins = np.arange(n_portfolios)[:, np.newaxis] * trade.shape[1]
    bought = np.zeros(n_portfolios * trade.shape[1], dtype=np.bool_)
    equity = np.zeros((n_rolls + 1, n_portfolios))
    equity[0] = 1.0
    baskets: dict[int, _Baskets] = {}
    for m in range(n_rolls):
        picks = picks_at(first + m)
        count = picks.shape[1]
        cell = (row_begins + picks).ravel()
        if m == 0:
            value = np.full(n_portfolios, (1.0 - cost * (count > 0)) / horizon)
        else:
            old = baskets[max(m - horizon, 0)]
            growth = old.growth_to_roll[m]
            bought.fill(False)
            bought[cell] = True
            kept = _kept(old, bought, count, opens[m], growth)
            # A basket that is bought again unchanged may leave a rounding error below zero.
            traded = np.maximum((count > 0) + (old.count > 0) - 2.0 * kept, 0.0)
            value = old.value * growth * (1.0 - cost * traded)

        # Roll 0 is sold at each of the next h opens, for one tranche after the other; any other roll h sessions on.
        sold = [roll for roll in (range(1, horizon + 1) if m == 0 else (m + horizon,)) if roll < n_rolls]
        ahead = min(horizon, n_rolls - m)
        if count:
            prices = np.concatenate([closes[m : m + ahead], opens[sold]])
            ratio = np.divide(prices, opens[m], out=np.zeros_like(prices), where=opens[m] > 0.0)
            grown = _mean_of_picks(picks, ratio)
        else:
            cash = np.concatenate([cash_index[m + 1 : m + 1 + ahead], cash_index[sold]]) / cash_index[m]
            grown = np.repeat(cash[:, np.newaxis], n_portfolios, axis=1)
        to_roll = {roll: grown[ahead + i] for i, roll in enumerate(sold)}
        baskets[m] = _Baskets(cell, count, value, opens[m], to_roll)
        baskets.pop(m - horizon, None)
        closing = value * grown[:ahead]
        if m == 0:  # tranches that have not rolled yet hold copies of the first basket
            closing *= np.arange(horizon, horizon - ahead, -1)[:, np.newaxis]
        equity[m + 1 : m + 1 + ahead] += closing
    return equity


def draw_subsets(random: np.random.Generator, n_rows: int, columns: IntArray, size: int) -> IntArray:
    """Draw a uniformly random subset of some columns for each row.

    Every place of a row draws; of places with the same column all but one draw again, until there are none. That
    treats all columns alike, so all subsets are equally likely. Of more than half of the columns those left out are
    drawn. Five times faster than partitioning random keys.

    Parameters
    ----------
    random : Generator
    n_rows : int
    columns : ndarray of int, shape (n,)
        Ascending.
    size : int

    Returns
    -------
    ndarray of int, shape (n_rows, min(size, n))
        Ascending in each row.
    """
    n = len(columns)
    size = min(size, n)
    if 2 * size > n:
        left_out = draw_subsets(random, n_rows, np.arange(n), n - size)
        chosen = np.ones((n_rows, n), dtype=np.bool_)
        np.put_along_axis(chosen, left_out, False, axis=1)
        return columns.take(np.nonzero(chosen)[1].reshape(n_rows, size))
    # Of few bits, because they are drawn and sorted faster.
    kind = np.uint16 if n <= 2**16 else np.int64
    drawn = random.integers(0, max(n, 1), (n_rows, size), dtype=kind)
    drawn.sort(axis=1)
    rows, part = np.arange(n_rows), drawn
    while (repeated := np.flatnonzero(part[:, 1:] == part[:, :-1])).size:
        row, place = np.divmod(repeated, size - 1)
        part[row, place] = random.integers(0, n, len(row), dtype=kind)
        affected = row[np.diff(row, prepend=-1) > 0]
        rows, part = rows[affected], part[affected]
        part.sort(axis=1)
        drawn[rows] = part
    return columns.take(drawn.astype(np.int64))


@dataclass(frozen=True)
class _Baskets:
    """What one roll bought for all portfolios.

    Cells (portfolio times number of symbols, plus symbol) of its picks in order, their number in each portfolio, the
    value put in, entry prices of all symbols, and the growth to each roll that sells it.
    """

    cell: IntArray
    count: int
    value: FloatArray
    entry: FloatArray
    growth_to_roll: dict[int, FloatArray]


def _mean_of_picks(picks: IntArray, price_ratio: FloatArray) -> FloatArray:
    """Mean over each basket of ratios of shape (n_prices, n_symbols): shape (n_prices, n_portfolios)."""
    from scipy.sparse import csr_array  # only those who draw portfolios need it

    n_portfolios, count = picks.shape
    starts = np.arange(0, picks.size + 1, count)
    of_symbol = csr_array((np.ones(picks.size), picks.ravel(), starts), shape=(n_portfolios, price_ratio.shape[1]))
    mean: FloatArray = np.ascontiguousarray((of_symbol @ np.ascontiguousarray(price_ratio.T)).T)
    mean /= count
    return mean


def _kept(old: _Baskets, bought: BoolArray, count: int, price: FloatArray, growth: FloatArray) -> FloatArray:
    """Part of each value that is in the old and in the new basket: sum over symbols of min(held, target)."""
    both = old.cell[np.flatnonzero(bought.take(old.cell))]
    row, symbol = np.divmod(both, len(price))
    held = price[symbol] / old.entry[symbol] / (old.count * growth[row])
    part = np.minimum(held, 1.0 / max(count, 1))
    return np.bincount(row, part, minlength=len(growth)).astype(np.float64)
