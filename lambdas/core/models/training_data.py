"""Rows for the learners: one a decision date and symbol."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from lambdas.core.errors import InsufficientHistoryError, InvalidDatasetError, TrainingFailedError
from lambdas.core.features import FeatureSet
from lambdas.core.labels import Outcomes
from lambdas.core.market_data.panel import BoolArray, FloatArray, IntArray
from lambdas.core.models.exposures import exposures_of
from lambdas.core.models.market_view import MarketView
from lambdas.core.settings import ModelSettings, Target

Matrix = npt.NDArray[np.float32]

MIN_ROWS = 50
"""Fewer rows than that, in a whole training part, are a mistake in the data and no sample."""


@dataclass(frozen=True)
class TrainingData:
    """Labelled rows, sorted by decision and then by symbol.

    Attributes
    ----------
    X : float32 ndarray of shape (n_rows, n_features)
        Features; NaN where missing, never infinite.
    y : ndarray of shape (n_rows,)
        1.0 for a hit, else 0.0: an absolute one if that is the target, else a relative one.
    net_return : ndarray of shape (n_rows,)
        Net return of the decision (definitions, section 2).
    decisions, columns : ndarray of int, shape (n_rows,)
        Session number and symbol column of each row.
    names : tuple of str of length n_features
    target : Target
    rank : ndarray of shape (n_rows,), optional
        Rank of the residual return (`labels.residual_ranks`), where the target needs it.
    exposures : ndarray of shape (n_rows, n_exposures), optional
        What scores may be neutralised to (`exposures`); NaN where missing. None if a feature for it is not there.
    """

    X: Matrix
    y: FloatArray
    net_return: FloatArray
    decisions: IntArray
    columns: IntArray
    names: tuple[str, ...]
    target: Target = "relative"
    rank: FloatArray | None = None
    exposures: FloatArray | None = None

    def label(self, relative_share: float) -> FloatArray:
        """Return what a learner is fitted on, in [0, 1], shape (n_rows,).

        The log loss is linear in its label, so fitting on the blend ``w * hit + (1 - w) * rank`` is minimising w
        times the loss of a head for the hit plus 1 - w times that of a head for the rank, with one model.

        Parameters
        ----------
        relative_share : float
            w, read by the target `blend` only.
        """
        if self.rank is None:
            return self.y
        share = relative_share if self.target == "blend" else 0.0
        label: FloatArray = share * self.y + (1.0 - share) * self.rank
        return label

    @property
    def dates(self) -> IntArray:
        """Session numbers of the decision dates, strictly ascending."""
        return np.unique(self.decisions)

    def rows_of(self, dates: IntArray) -> slice:
        """Return the rows of a run of neighbouring decision dates."""
        first = int(np.searchsorted(self.decisions, dates[0], side="left"))
        return slice(first, int(np.searchsorted(self.decisions, dates[-1], side="right")))


def training_rows(market: MarketView, first: int, last: int, settings: ModelSettings) -> TrainingData:
    """Collect the rows of the decisions `first` to `last` as the settings want them.

    Raises
    ------
    InsufficientHistoryError
        If there are fewer than `MIN_ROWS` rows.
    InvalidDatasetError, TrainingFailedError
        As `training_data`.
    """
    target = settings.tuning.target
    stride = settings.walk_forward.training_stride
    features = market.features
    data = training_data(features, market.outcomes, market.eligible, first, last, stride, target)
    if len(data.y) < MIN_ROWS:
        raise InsufficientHistoryError(
            f"training part {_day(features.sessions, first)} to {_day(features.sessions, last)}: {len(data.y)} rows "
            f"with a known outcome, {MIN_ROWS} are the minimum; give more symbols or a longer history, or lower "
            f"training_stride"
        )
    if target in ("residual_rank", "blend"):
        dates, position = np.unique(data.decisions, return_inverse=True)
        data = replace(data, rank=market.residual_ranks(dates)[position, data.columns])
    if settings.tuning.neutralise != "never":
        data = replace(data, exposures=exposures_of(features, data.decisions, data.columns))
    return data


def average_uniqueness(decisions: IntArray, columns: IntArray, horizon: int) -> FloatArray:
    """Weights by how little the outcome interval of a row overlaps others of its symbol.

    Lopez de Prado 2018, section 4.4: with c_t rows of the symbol whose interval (i, i + 1 + h] holds session t, the
    uniqueness of a row is the mean of 1 / c_t over its interval.

    Parameters
    ----------
    decisions, columns : ndarray of int, shape (n_rows,)
        Session number and symbol of each row of the fit; only these count as overlapping.
    horizon : int

    Returns
    -------
    ndarray of shape (n_rows,)
        With the mean 1.

    Examples
    --------
    >>> average_uniqueness(np.array([0, 3, 20]), np.array([0, 0, 0]), horizon=3).round(3)
    array([0.955, 0.955, 1.091])
    """
    length = horizon + 1
    start = decisions - decisions.min()
    shape = (int(start.max()) + length + 1, int(columns.max()) + 1)
    # Interval of a row: sessions start + 1 ... start + length, as differences to be summed up.
    change = np.zeros(shape)
    np.add.at(change, (start + 1, columns), 1.0)
    ends = start + length + 1
    inside = ends < shape[0]
    np.add.at(change, (ends[inside], columns[inside]), -1.0)
    concurrency = np.cumsum(change, axis=0)
    summed = np.cumsum(1.0 / np.maximum(concurrency, 1.0), axis=0)
    uniqueness = (summed[start + length, columns] - summed[start, columns]) / length
    weights: FloatArray = uniqueness / uniqueness.mean()
    return weights


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
    target : Target
        Decides which hit `y` is. Rank and exposures are added by `training_rows`.

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
        target=target,
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
