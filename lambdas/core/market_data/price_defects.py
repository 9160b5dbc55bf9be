"""Prices that look wrong: splits that nobody adjusted, quotes that stand still, bars that came twice, holes."""

from __future__ import annotations

import datetime as dt

import numpy as np

from lambdas.core.market_data.panel import FIELDS, BoolArray, FloatArray, IntArray, PricePanel
from lambdas.core.values import Value

SPLIT_RATIOS = (2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 10.0, 12.0, 15.0, 20.0, 25.0, 30.0, 40.0, 50.0, 100.0)
"""New shares for an old one, or old ones for a new one. Three for two is left out: a third is lost in real markets."""

SPLIT_TOLERANCE = 0.06
"""Three standard deviations of a volatile stock: the day of a split has a move of its own."""

ADJUSTED_ALIKE = 0.01
FROZEN_SESSIONS = 5
"""The same close on so many sessions in a row; liquid stocks repeat one for a third time about once in 7,000 days."""


class SuspectedSplit(Value):
    """A move of close and adjusted close alike that is nearly a split's: `ratio` new shares for an old one."""

    symbol: str
    session: dt.date
    ratio: float


class Gap(Value):
    """Sessions without a price between the first and the last one of a symbol, and how many in a row at most."""

    sessions: int
    longest: int


def suspected_splits(prices: PricePanel) -> tuple[SuspectedSplit, ...]:
    """Daily moves that a missed split would make, by symbol and session.

    A split that is adjusted moves neither close; one that only `adj_close` has moves the closes apart. What is found
    here moved both, within 6 % of a usual ratio, and may still be a real move of that size.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        moved = prices.close[1:] / prices.close[:-1]
        adjusted = prices.adj_close[1:] / prices.adj_close[:-1]
        together = np.abs(adjusted / moved - 1.0) < ADJUSTED_ALIKE
    found: dict[tuple[int, int], float] = {}
    far = np.argwhere(together & ((moved < 0.6) | (moved > 1.7)))
    ratios = np.array([*SPLIT_RATIOS, *(1.0 / ratio for ratio in SPLIT_RATIOS)])
    for row, column in far:
        off = np.abs(moved[row, column] * ratios - 1.0)
        if off.min() < SPLIT_TOLERANCE:
            found[int(column), int(row) + 1] = float(ratios[off.argmin()])
    return tuple(
        SuspectedSplit(
            symbol=prices.symbols[column], session=prices.sessions[row].date(), ratio=round(found[column, row], 6)
        )
        for column, row in sorted(found)
    )


def frozen_quotes(prices: PricePanel) -> dict[str, int]:
    """Longest run of sessions with the same close, of symbols where it is at least `FROZEN_SESSIONS`."""
    same = prices.close[1:] == prices.close[:-1]
    longest = _longest_runs(same) + 1
    return {
        symbol: int(longest[column])
        for column, symbol in enumerate(prices.symbols)
        if longest[column] >= FROZEN_SESSIONS
    }


def repeated_bars(prices: PricePanel) -> int:
    """Bars that equal the one before in every field, the volume included, though something was traded."""
    same = prices.volume[1:] > 0.0
    for name in FIELDS:
        values: FloatArray = getattr(prices, name)
        same &= values[1:] == values[:-1]
    return int(same.sum())


def gaps(prices: PricePanel) -> dict[str, Gap]:
    """Sessions without a price inside the life of a symbol."""
    missing = _inside_life(prices) & np.isnan(prices.adj_close)
    count, longest = missing.sum(axis=0), _longest_runs(missing)
    return {
        symbol: Gap(sessions=int(count[column]), longest=int(longest[column]))
        for column, symbol in enumerate(prices.symbols)
        if count[column]
    }


def ended(prices: PricePanel) -> dict[str, dt.date]:
    """Last session with a price of the symbols that end before the data does."""
    priced = ~np.isnan(prices.adj_close)
    last = len(priced) - 1 - priced[::-1].argmax(axis=0)
    return {
        symbol: prices.sessions[last[column]].date()
        for column, symbol in enumerate(prices.symbols)
        if last[column] < len(priced) - 1
    }


def _inside_life(prices: PricePanel) -> BoolArray:
    priced = ~np.isnan(prices.adj_close)
    row = np.arange(len(priced))[:, np.newaxis]
    return np.asarray((row > priced.argmax(axis=0)) & (row < len(priced) - 1 - priced[::-1].argmax(axis=0)))


def _longest_runs(marked: BoolArray) -> IntArray:
    """Longest run of marked rows in each column."""
    run = np.zeros(marked.shape[1], dtype=np.int64)
    longest = run.copy()
    for row in marked:
        run = np.where(row, run + 1, 0)
        longest = np.maximum(longest, run)
    return longest
