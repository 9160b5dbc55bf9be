"""The learners by name, and fitting one so that its failure costs the run that learner and nothing more."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

import numpy as np

from lambdas.core.errors import TrainingFailedError
from lambdas.core.market_data.panel import FloatArray
from lambdas.core.models.hyperparameters import LEARNER_NAMES, Hyperparameters, LabelParameters, LearnerName
from lambdas.core.models.learner import FitRows, Learner
from lambdas.core.models.lightgbm_learner import LightGBMLearner
from lambdas.core.models.network_learner import NetworkLearner
from lambdas.core.models.seeds import derive_seed
from lambdas.core.models.training_data import Matrix, TrainingData, average_uniqueness
from lambdas.core.models.xgboost_learner import XGBoostLearner

LEARNERS: dict[LearnerName, type[Learner]] = {
    "xgboost": XGBoostLearner,
    "lightgbm": LightGBMLearner,
    "network": NetworkLearner,
}

MIN_LEARNERS = 2
"""Fewer than two make no ensemble: the run fails rather than deploy a single model under that name."""

PROBABILITY_FLOOR = 1e-6


@dataclass(frozen=True)
class LearnerFactory:
    """Makes unfitted learners; two calls with the same arguments give the same learner, bit for bit.

    `n_threads` is how many of them may be fitted at a time; each one has a single thread (`lanes`).
    """

    hyperparameters: Hyperparameters
    horizon: int
    network_seeds: int
    seed: int
    n_threads: int

    def make(self, name: LearnerName, part: int | str) -> Learner:
        """Make one learner; `part` names the fit (an inner fold, or the final one) and enters its seed."""
        arguments: dict[str, Any] = {
            **self.hyperparameters.arguments(name),
            "horizon": self.horizon,
            "seed": derive_seed(self.seed, name, part),
            "n_threads": 1,
        }
        if name == "network":
            arguments["n_members"] = self.network_seeds
        return LEARNERS[name](**arguments)


class SharedRows:
    """Rows of the fits on one training part, prepared once for all learners and configurations (`FitRows`)."""

    def __init__(self, data: TrainingData, horizon: int) -> None:
        self.data = data
        self.horizon = horizon
        self._prepared: dict[tuple[int, int], FitRows] = {}
        self._lock = threading.Lock()

    def of(self, rows: slice) -> FitRows:
        """Return the prepared features of a run of rows."""
        begin, end, _ = rows.indices(len(self.data.y))
        with self._lock:
            if (begin, end) not in self._prepared:
                part = slice(begin, end)
                self._prepared[begin, end] = FitRows.of(self.data.X[part], self.data.decisions[part], self.horizon)
            return self._prepared[begin, end]


def fit_learner(
    learner: Learner, shared: SharedRows, rows: slice, label: LabelParameters, *, refit: bool = True
) -> Learner:
    """Fit on some of the rows of a training part; `refit` as in `Learner.fit_rows`."""
    data = shared.data
    weight = average_uniqueness(data.decisions[rows], data.columns[rows], shared.horizon) if label.uniqueness else None
    return learner.fit_rows(shared.of(rows), data.label(label.relative_share)[rows], weight, refit=refit)


def logits(learner: Learner, X: Matrix) -> FloatArray:
    """Log odds of a hit, shape (n_rows,).

    Raises
    ------
    TrainingFailedError
        If a probability is not finite or, of more than one row, all are the same.
    """
    probability = learner.predict_proba(X)[:, 1]
    if not np.isfinite(probability).all():
        raise TrainingFailedError(
            f"{learner.name}: {int((~np.isfinite(probability)).sum())} probabilities are not finite"
        )
    clipped = np.clip(probability, PROBABILITY_FLOOR, 1.0 - PROBABILITY_FLOOR)
    odds: FloatArray = np.log(clipped / (1.0 - clipped))
    return odds


def require_enough(left: int, left_out: dict[str, str], where: str) -> None:
    """Raise TrainingFailedError, with every learner's reason, if fewer than `MIN_LEARNERS` are left."""
    if left < MIN_LEARNERS:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in left_out.items())
        raise TrainingFailedError(
            f"{where}: {left} of {len(LEARNER_NAMES)} learners could be fitted, {MIN_LEARNERS} are needed ({reasons}); "
            f"check the feature set and the length of the training part"
        )
