"""What the three learners have in common: the scikit-learn interface, checks, and when to stop."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata
from sklearn.base import BaseEstimator, ClassifierMixin

from lambdas.core.errors import TrainingFailedError
from lambdas.core.market_data.panel import FloatArray, IntArray
from lambdas.core.models.training_data import Matrix, informative_columns

STOPPING_SHARE = 0.2
"""Part of the newest decision dates that early stopping is judged on."""
MIN_STOPPING_DATES = 10
"""Fewer dates than this, before or in the stopping slice, and there is no early stopping."""


class Learner(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn carries no types
    """A binary classifier that takes missing values, stops in time, and gives the same bits for the same seed.

    `fit` trains twice: first without the newest fifth of the dates (and the gap before it) to find how many rounds
    are best there, by the area under the ROC curve; then on all rows for that many rounds. The curve, not the
    likelihood: what is bought is the top of a ranking, and the likelihood of a slice moves with its base rate.

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
            0 or 1.
        sample_weight : array of shape (n_rows,), optional
        decisions : ndarray of int, shape (n_rows,), optional
            Session number of each row, ascending. Without it there is no early stopping: the time order is unknown.

        Raises
        ------
        TrainingFailedError
            If there is one class only, no informative feature, or an infinite value.
        """
        features = _as_matrix(X)
        hits = np.asarray(y, dtype=np.float64)
        weight = np.ones(len(hits)) if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
        if len(features) != len(hits) or len(weight) != len(hits):
            raise TrainingFailedError(f"{self.name}: {len(features)} rows, {len(hits)} outcomes, {len(weight)} weights")
        if set(np.unique(hits)) != {0.0, 1.0}:
            raise TrainingFailedError(f"{self.name}: outcomes must hold both 0 and 1, got {np.unique(hits)[:5]}")
        self.classes_ = np.array([0, 1])
        self.n_features_in_ = features.shape[1]
        self.columns_ = np.flatnonzero(informative_columns(features))
        if len(self.columns_) == 0:
            raise TrainingFailedError(f"{self.name}: all {features.shape[1]} features are constant or missing")
        if len(self.columns_) < features.shape[1]:
            features = np.ascontiguousarray(features[:, self.columns_])
        self.rounds_ = self._default_rounds
        split = None if decisions is None else stopping_split(decisions, hits, self.horizon)
        if split is not None:
            before, after = split
            self.rounds_ = self._best_rounds(
                features[before], hits[before], weight[before], features[after], hits[after]
            )
        self._fit_rounds(features, hits, weight, self.rounds_)
        return self

    def predict_proba(self, X: npt.ArrayLike) -> FloatArray:
        """Return the probability of no hit and of a hit, shape (n_rows, 2)."""
        features = _as_matrix(X)
        if features.shape[1] != self.n_features_in_:
            raise ValueError(f"{self.name}: fitted on {self.n_features_in_} features, got {features.shape[1]}")
        if len(features) == 0:
            return np.empty((0, 2))
        hit = self._probability(np.ascontiguousarray(features[:, self.columns_]))
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
    def _best_rounds(self, X: Matrix, y: FloatArray, weight: FloatArray, X_stop: Matrix, y_stop: FloatArray) -> int:
        """Find the rounds with the best area under the ROC curve on the stopping slice."""

    @abstractmethod
    def _fit_rounds(self, X: Matrix, y: FloatArray, weight: FloatArray, rounds: int) -> None:
        """Train exactly so many rounds."""

    @abstractmethod
    def _probability(self, X: Matrix) -> FloatArray:
        """Probability of a hit of each row."""

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write the learner's file."""

    @abstractmethod
    def _load(self, folder: Path) -> None:
        """Read the learner's file."""


def stopping_split(decisions: IntArray, y: FloatArray, horizon: int) -> tuple[slice, slice] | None:
    """Split rows into an earlier part and the newest dates, purged like any other test (definitions, section 6).

    Returns
    -------
    (before, after) : tuple of slice, or None
        None if either part has fewer than `MIN_STOPPING_DATES` dates or a single class.
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
    after = slice(int(np.searchsorted(decisions, first_after, side="left")), len(decisions))
    if any(y[part].min() == y[part].max() for part in (before, after)):
        return None
    return before, after


def area_under_curve(y: FloatArray, score: FloatArray) -> float:
    """Area under the ROC curve, ties counted half (Mann & Whitney 1947). `y` must hold both classes."""
    n_hits = float(y.sum())
    n_misses = len(y) - n_hits
    rank_sum = float(rankdata(score)[y > 0.5].sum())
    return (rank_sum - n_hits * (n_hits + 1) / 2) / (n_hits * n_misses)


def _as_matrix(X: npt.ArrayLike) -> Matrix:
    features = np.ascontiguousarray(X, dtype=np.float32)
    if features.ndim != 2:
        raise ValueError(f"X must have two dimensions, got {features.ndim}")
    if np.isinf(features).any():
        raise TrainingFailedError(
            f"feature column {int(np.argwhere(np.isinf(features))[0][1])} holds an infinite value"
        )
    return features
