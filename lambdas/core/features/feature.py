"""How a feature is declared, and the market as every feature sees it."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, TypeVar

import numpy as np

from lambdas.core.features.windows import Rolling
from lambdas.core.market_data.panel import FloatArray, MarketDataset

_T = TypeVar("_T")
Family = Literal["technical", "macro", "sector", "fundamental"]
FAMILIES: tuple[Family, ...] = ("technical", "macro", "sector", "fundamental")
RANK_SUFFIX = "_rank"


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
    market_wide : bool
        Whether it is the same for all symbols of a date, so that ranks and z-scores of it would say nothing.
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
    market_wide: bool = False

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns it fills."""
        return (self.name, f"{self.name}{RANK_SUFFIX}") if self.ranked else (self.name,)


class Market:
    """A data set as features read it; what several of them need is computed once.

    Everything is float64 of shape (n_sessions, n_symbols) unless it says otherwise, NaN where there is no value.
    """

    def __init__(self, dataset: MarketDataset) -> None:
        self.dataset = dataset
        self._shared: dict[Hashable, object] = {}

    def shared(self, key: Hashable, compute: Callable[[Market], _T]) -> _T:
        """Return what `compute` makes of this market; computed once for each key."""
        if key not in self._shared:
            self._shared[key] = compute(self)
        return self._shared[key]  # type: ignore[return-value]

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
    def rolling_price(self) -> Rolling:
        """Windows of prices."""
        return Rolling(self.price)

    @cached_property
    def rolling_returns(self) -> Rolling:
        """Windows of daily returns."""
        return Rolling(self.returns)

    @cached_property
    def rolling_log_returns(self) -> Rolling:
        """Windows of daily logarithmic returns."""
        return Rolling(np.log1p(self.returns))

    def macro(self, column: str) -> FloatArray:
        """Macro series as known at each close, shape (n_sessions, 1).

        The VIX is an index that is published all day: its close of a session is usable at that session's close. The
        Treasury publishes its yields in the evening, and dollar indices settle after the close of the exchange:
        a session sees the value of the session before. Gaps of up to five sessions keep the last value.
        """
        series = self.macro_of_the_day(column)
        return shifted(series, 1) if column in LAGGED_MACRO else series

    def macro_of_the_day(self, column: str) -> FloatArray:
        """Macro series of each session itself, shape (n_sessions, 1): the close may not know it yet."""
        assert self.dataset.macro is not None, "a feature that needs macro.* is not computed without it"  # noqa: S101
        series = self.dataset.macro[column].astype(float).ffill(limit=5)
        return np.asarray(series, dtype=np.float64)[:, np.newaxis]


LAGGED_MACRO = ("ust3m", "ust2y", "ust10y", "dxy")
"""Series of which the close of a session knows the value of the session before only."""


def change(values: FloatArray, sessions: int) -> FloatArray:
    """Relative change over `sessions` rows; NaN in the first ones."""
    result = np.empty(values.shape)
    result[:sessions] = np.nan
    if sessions < len(values):
        np.divide(values[sessions:], values[:-sessions], out=result[sessions:])
        result[sessions:] -= 1.0
    return result


def shifted(values: FloatArray, sessions: int) -> FloatArray:
    """Values `sessions` rows earlier; NaN in the first ones."""
    result = np.empty(values.shape)
    result[:sessions] = np.nan
    if sessions < len(values):
        result[sessions:] = values[: len(values) - sessions]
    return result


def difference(values: FloatArray, sessions: int) -> FloatArray:
    """Change over `sessions` rows in units of the values; NaN in the first ones."""
    return values - shifted(values, sessions)


def mean_of_columns(values: FloatArray) -> FloatArray:
    """Mean of the values of each row, shape (n_rows, 1); NaN where there is none."""
    known = ~np.isnan(values)
    count = known.sum(axis=1, keepdims=True)
    total = np.where(known, values, 0.0).sum(axis=1, keepdims=True)
    return np.asarray(np.where(count > 0, total / np.maximum(count, 1), np.nan))
