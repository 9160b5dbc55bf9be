"""Prices as wide arrays: one row a session, one column a symbol."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class PricePanel:
    """Daily prices of several symbols on the sessions of one exchange.

    Attributes
    ----------
    sessions : DatetimeIndex of length n_sessions
        Every session of the calendar from the first to the last price, without time zone, ascending.
    symbols : tuple of str of length n_symbols
        Ascending; column j of every array belongs to ``symbols[j]``.
    open, high, low, close, adj_close, volume : ndarray of shape (n_sessions, n_symbols)
        Float64. NaN where there is no price, or where the data set does not have the column at all.
        Prices in the currency of the exchange, split-adjusted; `adj_close` for dividends too (Yahoo's convention).
    """

    sessions: pd.DatetimeIndex
    symbols: tuple[str, ...]
    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    adj_close: FloatArray
    volume: FloatArray

    @property
    def shape(self) -> tuple[int, int]:
        """(n_sessions, n_symbols)."""
        return len(self.sessions), len(self.symbols)


@dataclass(frozen=True)
class MarketDataset:
    """A data set folder in memory (definitions, section 10).

    `prices` and `benchmarks` share one index of sessions; `macro` is reindexed to it, unfilled. What a data set does
    not have is None. Long frames keep the columns of the folder, dates as datetime64 without time zone, sorted by
    symbol and date.
    """

    prices: PricePanel
    benchmarks: PricePanel
    macro: pd.DataFrame | None = None
    fundamentals: pd.DataFrame | None = None
    securities: pd.DataFrame | None = None
    membership: pd.DataFrame | None = None

    @property
    def sessions(self) -> pd.DatetimeIndex:
        """Sessions of the prices and of the benchmarks alike."""
        return self.prices.sessions
