"""Prices as wide arrays: one row a session, one column a symbol."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from lambdas.core.errors import InvalidDatasetError
from lambdas.core.market_data.calendar import sessions_in

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]

FIELDS = ("open", "high", "low", "close", "adj_close", "volume")


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

    def first_sessions(self, n_sessions: int) -> PricePanel:
        """Drop what follows the first `n_sessions` sessions."""
        fields = {name: getattr(self, name)[:n_sessions] for name in FIELDS}
        return PricePanel(self.sessions[:n_sessions], self.symbols, **fields)

    def select(self, columns: IntArray) -> PricePanel:
        """Keep the symbols at `columns`, which ascend."""
        if len(columns) == len(self.symbols):
            return self
        fields = {name: np.ascontiguousarray(getattr(self, name)[:, columns]) for name in FIELDS}
        return PricePanel(self.sessions, tuple(self.symbols[column] for column in columns), **fields)

    def on(self, sessions: pd.DatetimeIndex) -> PricePanel:
        """Put the same prices on other sessions: NaN where the panel has no such session."""
        position = self.sessions.get_indexer(sessions)
        fields = {}
        for name in FIELDS:
            values = np.full((len(sessions), len(self.symbols)), np.nan)
            values[position >= 0] = getattr(self, name)[position[position >= 0]]
            fields[name] = values
        return PricePanel(sessions, self.symbols, **fields)


def empty_panel() -> PricePanel:
    """Make a panel without sessions and symbols: what a batch is in which no symbol could be collected."""
    nothing = {name: np.empty((0, 0)) for name in FIELDS}
    return PricePanel(pd.DatetimeIndex([], dtype="datetime64[ns]"), (), **nothing)


def panel_of(frame: pd.DataFrame) -> PricePanel:
    """Panel of a long frame with `date`, `symbol`, `close`, `adj_close` and any of the other fields.

    For sources whose rows are known to be sound; files of people go through `panel_file.read_panel`.

    Raises
    ------
    InvalidDatasetError
        If a date is no session of the exchange.
    """
    symbols = tuple(sorted(frame["symbol"].unique()))
    sessions = sessions_in(frame["date"].min(), frame["date"].max())
    rows = sessions.get_indexer(pd.DatetimeIndex(frame["date"]))
    if (rows < 0).any():
        row = int(np.flatnonzero(rows < 0)[0])
        raise InvalidDatasetError(
            f"symbol {frame['symbol'].iloc[row]} has a price on {frame['date'].iloc[row]:%Y-%m-%d}, which is no session"
        )
    columns = np.searchsorted(np.array(symbols), frame["symbol"].to_numpy(dtype=str))
    fields = {}
    for name in FIELDS:
        values = np.full((len(sessions), len(symbols)), np.nan)
        if name in frame:
            values[rows, columns] = frame[name].to_numpy(dtype=np.float64)
        fields[name] = values
    return PricePanel(sessions, symbols, **fields)


@dataclass(frozen=True)
class MarketDataset:
    """A data set folder in memory (definitions, section 10).

    `prices` and `benchmarks` share one index of sessions; `macro` is reindexed to it, unfilled. What a data set does
    not have is None. Long frames keep the columns of the folder, dates as datetime64 without time zone, sorted by
    symbol and date. `notes` are sentences about what a reader of its results has to know: what was repaired on
    reading, what a series really is. They travel with the folder and are no part of its content hash.
    """

    prices: PricePanel
    benchmarks: PricePanel
    macro: pd.DataFrame | None = None
    fundamentals: pd.DataFrame | None = None
    securities: pd.DataFrame | None = None
    membership: pd.DataFrame | None = None
    notes: tuple[str, ...] = ()

    @property
    def sessions(self) -> pd.DatetimeIndex:
        """Sessions of the prices and of the benchmarks alike."""
        return self.prices.sessions
