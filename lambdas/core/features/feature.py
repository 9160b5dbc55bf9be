"""How a feature is declared, and the market as every feature sees it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import pandas as pd

from lambdas.core.market_data.panel import FloatArray, IntArray, MarketDataset

Family = Literal["technical", "macro", "sector", "fundamental"]
FAMILIES: tuple[Family, ...] = ("technical", "macro", "sector", "fundamental")


@dataclass(frozen=True)
class Feature:
    """One feature, declared once.

    Attributes
    ----------
    name : str
        Column name in every table.
    definition : str
        What it is, in one sentence that a reader can recompute it from.
    unit : str
        Of its values.
    lookback : int
        Sessions before the decision that it reads; for fundamentals calendar days at most.
    source : str
        Where the idea comes from.
    compute : callable
        From the market to an array of shape (n_sessions, n_symbols), or (n_sessions, 1) if it is the same for all.
        Row i may depend on what is known at the close of session i and on nothing else.
    needs : tuple of str
        ``table.column`` entries that must hold a value somewhere; without one the feature is absent.
    ranked : bool
        Whether `<name>_rank` is made of it too: its rank among the symbols of the date, from -0.5 to 0.5.
    """

    name: str
    family: Family
    definition: str
    unit: str
    lookback: int
    source: str
    compute: Callable[[Market], FloatArray]
    needs: tuple[str, ...] = ()
    ranked: bool = False


class Market:
    """A data set as features read it; what several of them need is computed once.

    Everything is float64 of shape (n_sessions, n_symbols) unless it says otherwise, NaN where there is no value.
    """

    def __init__(self, dataset: MarketDataset) -> None:
        self.dataset = dataset

    @property
    def close(self) -> FloatArray:
        """Closes adjusted for splits: the basis of per-share figures."""
        return self.dataset.prices.close

    @property
    def price(self) -> FloatArray:
        """Closes adjusted for splits and dividends: the basis of returns."""
        return self.dataset.prices.adj_close

    @property
    def volume(self) -> FloatArray:
        """Shares traded."""
        return self.dataset.prices.volume

    @cached_property
    def returns(self) -> FloatArray:
        """Total return since the session before."""
        return change(self.price, 1)

    @cached_property
    def market_returns(self) -> FloatArray:
        """Return of SPY by session, shape (n_sessions, 1); the mean of all symbols where SPY has none."""
        benchmarks = self.dataset.benchmarks
        spy = change(benchmarks.adj_close[:, [benchmarks.symbols.index("SPY")]], 1)
        return np.asarray(np.where(np.isnan(spy), mean_of_columns(self.returns), spy))

    @cached_property
    def slope_and_residual(self) -> tuple[FloatArray, FloatArray]:
        """Slope of daily returns on those of SPY over 252 sessions, and the deviation of the residual."""
        return slope_and_residual(self.returns, self.market_returns)

    @cached_property
    def sector_codes(self) -> IntArray:
        """Number of each symbol's sector, shape (n_symbols,); -1 where there is none."""
        securities = self.dataset.securities
        if securities is None or "sector" not in securities:
            return np.full(len(self.dataset.prices.symbols), -1)
        sectors = securities.set_index("symbol")["sector"].reindex(list(self.dataset.prices.symbols))
        return np.asarray(pd.factorize(sectors, sort=True)[0], dtype=np.int64)

    @cached_property
    def sector_returns(self) -> FloatArray:
        """Equally weighted return of each symbol's sector, the symbol included."""
        result = np.full(self.returns.shape, np.nan)
        for code in range(int(self.sector_codes.max(initial=-1)) + 1):
            members = np.flatnonzero(self.sector_codes == code)
            result[:, members] = mean_of_columns(np.ascontiguousarray(self.returns[:, members]))
        return result

    def macro(self, column: str) -> FloatArray:
        """Macro series as known at each close, shape (n_sessions, 1).

        The VIX is an index that is published all day: its close of a session is usable at that session's close. The
        Treasury publishes its yields in the evening, and dollar indices settle after the close of the exchange:
        a session sees the value of the session before. Gaps of up to five sessions keep the last value.
        """
        assert self.dataset.macro is not None, "a feature that needs macro.* is not computed without it"  # noqa: S101
        series = self.dataset.macro[column].astype(float).ffill(limit=5)
        if column in LAGGED_MACRO:
            series = series.shift(1)
        return np.asarray(series, dtype=np.float64)[:, np.newaxis]


LAGGED_MACRO = ("ust3m", "ust2y", "ust10y", "dxy")
"""Series of which the close of a session knows the value of the session before only."""


def change(values: FloatArray, sessions: int) -> FloatArray:
    """Relative change over `sessions` rows; NaN in the first ones."""
    result = np.full(values.shape, np.nan)
    if sessions < len(values):
        result[sessions:] = values[sessions:] / values[:-sessions] - 1.0
    return result


def shifted(values: FloatArray, sessions: int) -> FloatArray:
    """Values `sessions` rows earlier; NaN in the first ones."""
    result = np.full(values.shape, np.nan)
    if sessions < len(values):
        result[sessions:] = values[: len(values) - sessions]
    return result


def mean_of_columns(values: FloatArray) -> FloatArray:
    """Mean of the values of each row, shape (n_rows, 1); NaN where there is none."""
    known = ~np.isnan(values)
    count = known.sum(axis=1, keepdims=True)
    total = np.where(known, values, 0.0).sum(axis=1, keepdims=True)
    return np.asarray(np.where(count > 0, total / np.maximum(count, 1), np.nan))


def rolling(
    values: FloatArray, window: int, statistic: Literal["mean", "std", "max", "skew"], **options: int
) -> FloatArray:
    """Statistic of the `window` rows that end on each row; NaN with less than nine tenths of their values."""
    frame = pd.DataFrame(values).rolling(window, min_periods=int(np.ceil(0.9 * window)))
    return np.asarray(getattr(frame, statistic)(**options), dtype=np.float64)


def slope_and_residual(
    dependent: FloatArray, regressor: FloatArray, window: int = 252
) -> tuple[FloatArray, FloatArray]:
    """Regress on one regressor over rolling windows: the slope, and the standard deviation of the residual.

    `regressor` has the shape (n_sessions, 1). Sessions on which either is missing count for neither.
    """
    x = np.where(np.isnan(dependent), np.nan, regressor)
    y = np.where(np.isnan(regressor), np.nan, dependent)
    mean_x, mean_y = rolling(x, window, "mean"), rolling(y, window, "mean")
    variance_x = rolling(x * x, window, "mean") - mean_x**2
    variance_y = rolling(y * y, window, "mean") - mean_y**2
    covariance = rolling(x * y, window, "mean") - mean_x * mean_y
    slope = covariance / np.where(variance_x > 1e-12, variance_x, np.nan)
    return slope, np.sqrt(np.maximum(variance_y - slope * covariance, 0.0))
