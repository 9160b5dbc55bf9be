"""What the three learners have in common: the scikit-learn interface, checks, and when to stop."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassifierMixin

from lambdas.core.errors import TrainingFailedError
from lambdas.core.market_data.panel import FloatArray, IntArray
from lambdas.core.models.training_data import Matrix, informative_columns

STOPPING_SHARE = 0.2
"""Part of the newest decision dates that early stopping is judged on."""
MIN_FIT_ROWS = 20
_CHUNK_ROWS = 16_384  # predicting copies the columns that are used, and no more than so many rows at a time
MIN_STOPPING_DATES = 10
"""Fewer dates than this, before or in the stopping slice, and there is no early stopping."""


@dataclass
class FitRows:
    """Features of one fit, checked and binned once for every learner and configuration that is fitted on them.

    Attributes
    ----------
    X : float32 ndarray of shape (n_rows, n_informative)
        The informative columns; the caller's own array where all are.
    columns : ndarray of int
        Which columns those are.
    n_features : int
        Before uninformative ones were left out.
    before, after : slice or None
        The part that early stopping trains on, and the newest dates that it is judged on; see `stopping_split`.
    cache : dict
        What a learner made of the rows (bins, scaled inputs), by its own key. Never labels or weights.
    """

    X: Matrix
    columns: IntArray
    n_features: int
    before: slice | None
    after: slice | None
    cache: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, X: npt.ArrayLike, decisions: IntArray | None, horizon: int) -> FitRows:
        """Check features and choose the rows of early stopping.

        Raises
        ------
        TrainingFailedError
            If there are too few rows, no informative feature, or an infinite value.
        """
        features = _as_matrix(X)
        if len(features) < MIN_FIT_ROWS:
            raise TrainingFailedError(f"{len(features)} rows are too few to fit on, {MIN_FIT_ROWS} are the minimum")
        columns = np.flatnonzero(informative_columns(features))
        if len(columns) == 0:
            raise TrainingFailedError(f"all {features.shape[1]} features are constant or missing")
        split = None if decisions is None else stopping_split(decisions, horizon)
        return cls(
            X=features if len(columns) == features.shape[1] else np.ascontiguousarray(features[:, columns]),
            columns=columns,
            n_features=features.shape[1],
            before=split[0] if split else None,
            after=split[1] if split else None,
        )


class Learner(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn carries no types
    """A binary classifier that takes missing values, stops in time, and gives the same bits for the same seed.

    `fit` trains twice: first without the newest fifth of the dates (and the gap before it) to find how many rounds
    are best there, by the area under the ROC curve; then on all rows for that many rounds. The curve, not the
    likelihood: what is bought is the top of a ranking, and the likelihood of a slice moves with its base rate.

    Labels may be soft, any number from 0 to 1: the log loss is the cross-entropy with them.

    Parameters that every learner has
    ---------------------------------
    horizon : int
        Sessions from entry to exit; the gap before the stopping slice.
    seed : int
        Of everything random.
    n_threads : int
        At most so many threads; the result does not depend on it.

    Attributes
    ----------
    classes_ : ndarray [0, 1]
    columns_ : ndarray of int
        Features that were used: those that `informative_columns` left.
    rounds_ : int
        Trees or epochs trained.
    """

    name: ClassVar[str]
    file_name: ClassVar[str]
    horizon: int
    seed: int
    n_threads: int

    def fit(
        self,
        X: npt.ArrayLike,
        y: npt.ArrayLike,
        sample_weight: npt.ArrayLike | None = None,
        decisions: IntArray | None = None,
    ) -> Self:
        """Fit on rows of features and hits.

        Parameters
        ----------
        X : array of shape (n_rows, n_features)
            NaN where missing. Infinite values are refused.
        y : array of shape (n_rows,)
            0 or 1, or anything between.
        sample_weight : array of shape (n_rows,), optional
        decisions : ndarray of int, shape (n_rows,), optional
            Session number of each row, ascending. Without it there is no early stopping: the time order is unknown.

        Raises
        ------
        TrainingFailedError
            If there are fewer than `MIN_FIT_ROWS` rows, one class only, no informative feature, or an infinite value.
        """
        try:
            rows = FitRows.of(X, decisions, self.horizon)
        except TrainingFailedError as error:
            raise TrainingFailedError(f"{self.name}: {error}") from None
        return self.fit_rows(rows, y, sample_weight)

    def fit_rows(
        self, rows: FitRows, y: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None, *, refit: bool = True
    ) -> Self:
        """Fit on rows that were prepared before; the same bits as `fit`. `rows` gains what is worth keeping.

        Without `refit` the model that early stopping found is kept: it has not learned from the newest fifth, and costs
        half. Where early stopping is not possible, it is fitted on all rows either way.
        """
        label = np.asarray(y, dtype=np.float64)
        weight = np.ones(len(label)) if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
        if len(rows.X) != len(label) or len(weight) != len(label):
            raise TrainingFailedError(f"{self.name}: {len(rows.X)} rows, {len(label)} outcomes, {len(weight)} weights")
        if not (np.isfinite(weight).all() and weight.min() >= 0 and weight.sum() > 0):
            raise TrainingFailedError(f"{self.name}: weights must be finite, not negative, and not all zero")
        if not (label.min() >= 0 and label.max() <= 1 and label.min() < 0.5 < label.max()):
            raise TrainingFailedError(
                f"{self.name}: outcomes must hold both 0 and 1, or soft values on both sides of 1/2, "
                f"got {np.unique(label)[:5]}"
            )
        self.classes_ = np.array([0, 1])
        self.n_features_in_ = rows.n_features
        self.columns_ = rows.columns
        self.rounds_ = self._default_rounds
        if rows.before is not None and rows.after is not None:
            before, after = rows.before, rows.after
            if all(label[part].min() < 0.5 < label[part].max() for part in (before, after)):
                self.rounds_ = self._stop_early(rows, before, after, label, weight)
                if not refit:
                    return self
        self._fit_rounds(rows, label, weight, self.rounds_)
        return self

    def predict_proba(self, X: npt.ArrayLike) -> FloatArray:
        """Return the probability of no hit and of a hit, shape (n_rows, 2)."""
        features = _as_matrix(X)
        if features.shape[1] != self.n_features_in_:
            raise ValueError(f"{self.name}: fitted on {self.n_features_in_} features, got {features.shape[1]}")
        if len(features) == 0:
            return np.empty((0, 2))
        begins = range(0, len(features), _CHUNK_ROWS)
        chunks = (np.ascontiguousarray(features[b : b + _CHUNK_ROWS, self.columns_]) for b in begins)
        hit = np.concatenate([self._probability(chunk) for chunk in chunks])
        return np.column_stack([1.0 - hit, hit])

    def predict(self, X: npt.ArrayLike) -> npt.NDArray[np.int64]:
        """Return the more probable class, shape (n_rows,)."""
        labels: npt.NDArray[np.int64] = self.classes_[(self.predict_proba(X)[:, 1] >= 0.5).astype(int)]
        return labels

    def state(self) -> dict[str, Any]:
        """Return what besides the files of `save` makes the fitted learner, as JSON values."""
        parameters = {key: value for key, value in self.get_params().items() if key != "n_threads"}
        return {
            "parameters": parameters,
            "n_features": self.n_features_in_,
            "columns": self.columns_.tolist(),
            "rounds": self.rounds_,
        }

    @classmethod
    def restore(cls, folder: Path, state: dict[str, Any], n_threads: int) -> Self:
        """Rebuild a fitted learner from its files and its `state`."""
        learner = cls(**state["parameters"], n_threads=n_threads)
        learner.classes_ = np.array([0, 1])
        learner.n_features_in_ = int(state["n_features"])
        learner.columns_ = np.array(state["columns"], dtype=np.int64)
        learner.rounds_ = int(state["rounds"])
        learner._load(folder)
        return learner

    def __sklearn_tags__(self) -> Any:
        """Say that missing values are taken and that there are two classes."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.classifier_tags.multi_class = False
        return tags

    @property
    @abstractmethod
    def _default_rounds(self) -> int:
        """Rounds where early stopping is not possible."""

    @abstractmethod
    def _stop_early(self, rows: FitRows, before: slice, after: slice, label: FloatArray, weight: FloatArray) -> int:
        """Train on `before`, keep the model with the best area under the ROC curve on `after`, return its rounds."""

    @abstractmethod
    def _fit_rounds(self, rows: FitRows, label: FloatArray, weight: FloatArray, rounds: int) -> None:
        """Train exactly so many rounds on all rows."""

    @abstractmethod
    def _probability(self, X: Matrix) -> FloatArray:
        """Probability of a hit of each row."""

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write the learner's file."""

    @abstractmethod
    def _load(self, folder: Path) -> None:
        """Read the learner's file."""


def stopping_split(decisions: IntArray, horizon: int) -> tuple[slice, slice] | None:
    """Split rows into an earlier part and the newest dates, purged like any other test (definitions, section 6).

    Returns
    -------
    (before, after) : tuple of slice, or None
        None if either part has fewer than `MIN_STOPPING_DATES` dates.
    """
    dates = np.unique(decisions)
    n_after = int(len(dates) * STOPPING_SHARE)
    if n_after < MIN_STOPPING_DATES:
        return None
    first_after = dates[-n_after]
    n_before = int(np.searchsorted(dates, first_after - horizon - 1, side="right"))
    if n_before < MIN_STOPPING_DATES:
        return None
    before = slice(0, int(np.searchsorted(decisions, dates[n_before - 1], side="right")))
    return before, slice(int(np.searchsorted(decisions, first_after, side="left")), len(decisions))


def area_under_curve(label: FloatArray, score: FloatArray) -> float:
    """Area under the ROC curve, ties counted half (Mann & Whitney 1947); soft labels count as part hit, part miss.

    A row with the label y stands for a hit of weight y and a miss of weight 1 - y. `label` must not be all 0 or all 1.
    """
    _, position = np.unique(score, return_inverse=True)
    hits = np.bincount(position, weights=label)
    misses = np.bincount(position, weights=1.0 - label)
    below = np.cumsum(misses) - misses / 2
    return float((hits * below).sum() / (hits.sum() * misses.sum()))


def _as_matrix(X: npt.ArrayLike) -> Matrix:
    features = np.ascontiguousarray(X, dtype=np.float32)
    if features.ndim != 2:
        raise ValueError(f"X must have two dimensions, got {features.ndim}")
    if np.isinf(features).any():
        raise TrainingFailedError(
            f"feature column {int(np.argwhere(np.isinf(features))[0][1])} holds an infinite value"
        )
    return features
