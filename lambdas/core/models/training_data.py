"""Rows for the learners: one a decision date and symbol."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from lambdas.core.errors import InsufficientHistoryError, InvalidDatasetError, TrainingFailedError
from lambdas.core.features import FeatureSet
from lambdas.core.labels import Outcomes
from lambdas.core.market_data.panel import BoolArray, FloatArray, IntArray

Matrix = npt.NDArray[np.float32]
Target = Literal["absolute", "relative"]


@dataclass(frozen=True)
class TrainingData:
    """Labelled rows, sorted by decision and then by symbol.

    Attributes
    ----------
    X : float32 ndarray of shape (n_rows, n_features)
        Features; NaN where missing, never infinite.
    y : ndarray of shape (n_rows,)
        1.0 for a hit of the target, else 0.0.
    net_return : ndarray of shape (n_rows,)
        Net return of the decision (definitions, section 2).
    decisions, columns : ndarray of int, shape (n_rows,)
        Session number and symbol column of each row.
    names : tuple of str of length n_features
    """

    X: Matrix
    y: FloatArray
    net_return: FloatArray
    decisions: IntArray
    columns: IntArray
    names: tuple[str, ...]

    @property
    def dates(self) -> IntArray:
        """Session numbers of the decision dates, strictly ascending."""
        return np.unique(self.decisions)

    def rows_of(self, dates: IntArray) -> slice:
        """Return the rows of a run of neighbouring decision dates."""
        first = int(np.searchsorted(self.decisions, dates[0], side="left"))
        return slice(first, int(np.searchsorted(self.decisions, dates[-1], side="right")))


def training_data(
    features: FeatureSet,
    outcomes: Outcomes,
    eligible: BoolArray,
    first: int,
    last: int,
    stride: int,
    target: Target,
) -> TrainingData:
    """Collect the eligible, labelled rows of the decisions `first` to `last`.

    Parameters
    ----------
    features : FeatureSet
        Of shape (n_sessions, n_symbols, n_features).
    outcomes : Outcomes
        Arrays of shape (n_sessions, n_symbols). Only those of the decisions asked for are read.
    eligible : ndarray of bool, shape (n_sessions, n_symbols)
    first, last : int
        Session numbers, both included. The caller answers for ``last + 1 + horizon`` not reaching the first test
        decision.
    stride : int
        Every n-th session counted back from `last`, so that the newest allowed decision is always among them.
    target : {"absolute", "relative"}
        Which hit is learned.

    Raises
    ------
    InvalidDatasetError
        If a feature of these rows is infinite.
    InsufficientHistoryError
        If there is no row.
    TrainingFailedError
        If every outcome is the same, or every feature is constant or missing: nothing can be learned.
    """
    dates = np.arange(last, first - 1, -stride, dtype=np.int64)[::-1]
    hits = outcomes.absolute_hit if target == "absolute" else outcomes.relative_hit
    labelled = eligible[dates] & np.isfinite(hits[dates]) & np.isfinite(outcomes.net[dates])
    position, columns = np.nonzero(labelled)
    decisions = dates[position]
    span = f"{_day(features.sessions, first)} to {_day(features.sessions, last)}"
    if len(decisions) == 0:
        raise InsufficientHistoryError(
            f"training part {span}: no symbol is eligible with a known outcome; give data that begins earlier, or "
            f"lower min_history_sessions"
        )
    data = TrainingData(
        X=feature_rows(features, decisions, columns),
        y=hits[decisions, columns],
        net_return=outcomes.net[decisions, columns],
        decisions=decisions,
        columns=columns.astype(np.int64),
        names=tuple(features.names),
    )
    if data.y.min() == data.y.max():
        what = "a hit" if data.y[0] else "no hit"
        raise TrainingFailedError(
            f"training part {span}: every one of {len(data.y)} outcomes is {what} ({target}); give more symbols or a "
            f"longer history, or train on the other target"
        )
    if not informative_columns(data.X).any():
        raise TrainingFailedError(
            f"training part {span}: all {len(data.names)} features are constant or missing; check the feature set"
        )
    return data


def feature_rows(features: FeatureSet, decisions: IntArray, columns: IntArray) -> Matrix:
    """Features of single decisions and symbols, shape (n_rows, n_features).

    Raises
    ------
    InvalidDatasetError
        If one is infinite: a division by zero upstream, which a median or a tree would silently swallow.
    """
    X = np.ascontiguousarray(features.values[decisions, columns], dtype=np.float32)
    if np.isinf(X).any():
        row, feature = (int(k) for k in np.argwhere(np.isinf(X))[0])
        raise InvalidDatasetError(
            f"feature {features.names[feature]} of {features.symbols[int(columns[row])]} on "
            f"{_day(features.sessions, int(decisions[row]))} is infinite; a missing value must be NaN"
        )
    return X


def informative_columns(X: Matrix) -> npt.NDArray[np.bool_]:
    """Which columns hold at least two different values.

    The rule by which features are dropped, fitted on the rows of the very fit: all missing, or one value wherever it
    is not missing, counts as uninformative, since which rows are missing is mostly a matter of when a source began.

    Examples
    --------
    >>> informative_columns(np.array([[1, 2, np.nan], [1, np.nan, np.nan], [1, 3, np.nan]], dtype=np.float32))
    array([False,  True, False])
    """
    low = np.min(X, axis=0, where=~np.isnan(X), initial=np.inf)
    high = np.max(X, axis=0, where=~np.isnan(X), initial=-np.inf)
    return np.asarray(low < high)


def _day(sessions: pd.DatetimeIndex, number: int) -> str:
    return str(sessions[number].date())
