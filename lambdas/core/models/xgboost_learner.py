"""Gradient-boosted trees by XGBoost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from lambdas.core.market_data.panel import FloatArray
from lambdas.core.models.learner import FitRows, Learner, area_under_curve
from lambdas.core.models.training_data import Matrix

MAX_ROUNDS = 300
MIN_ROUNDS = 20
"""Fewer trees rank too coarsely: a tree of depth 4 knows 16 values, the rest are ties."""
DEFAULT_ROUNDS = 60
PATIENCE = 20
"""Not below `MIN_ROUNDS`: so many trees are there when it ends."""
MAX_BINS = 64
"""Daily features are noise beyond their 64 quantiles; a quarter of the default is twice as fast."""


class XGBoostLearner(Learner):
    """Histogram trees of XGBoost; see `Learner` and `XGBoostParameters`."""

    name = "xgboost"
    file_name = "xgboost.ubj"

    def __init__(
        self,
        learning_rate: float = 0.07,
        max_depth: int = 4,
        min_leaf_share: float = 0.005,
        subsample: float = 0.8,
        colsample: float = 0.6,
        l2: float = 5.0,
        horizon: int = 21,
        seed: int = 0,
        n_threads: int = 1,
    ) -> None:
        self.learning_rate = learning_rate
        self.max_depth = max_depth
        self.min_leaf_share = min_leaf_share
        self.subsample = subsample
        self.colsample = colsample
        self.l2 = l2
        self.horizon = horizon
        self.seed = seed
        self.n_threads = n_threads

    @property
    def _default_rounds(self) -> int:
        return DEFAULT_ROUNDS

    def _stop_early(self, rows: FitRows, before: slice, after: slice, label: FloatArray, weight: FloatArray) -> int:
        import xgboost

        train = self._binned(rows, before, label, weight)
        stop = self._binned(rows, after, label, weight, train)

        def area(prediction: FloatArray, _: Any) -> tuple[str, float]:
            return "area", area_under_curve(label[after], prediction)

        booster = xgboost.train(
            {**self._parameters(weight[before]), "disable_default_eval_metric": True},
            train,
            MAX_ROUNDS,
            evals=[(stop, "stop")],
            custom_metric=area,
            maximize=True,
            early_stopping_rounds=PATIENCE,
            verbose_eval=False,
        )
        rounds = max(int(booster.best_iteration) + 1, MIN_ROUNDS)
        self.booster_ = booster[:rounds]
        return rounds

    def _fit_rounds(self, rows: FitRows, label: FloatArray, weight: FloatArray, rounds: int) -> None:
        import xgboost

        train = self._binned(rows, slice(0, len(rows.X)), label, weight)
        self.booster_ = xgboost.train(self._parameters(weight), train, rounds, verbose_eval=False)

    def _probability(self, X: Matrix) -> FloatArray:
        return np.asarray(self.booster_.inplace_predict(X), dtype=np.float64)

    def save(self, folder: Path) -> None:
        """Write the booster as UBJSON."""
        self.booster_.save_model(folder / self.file_name)

    def _load(self, folder: Path) -> None:
        import xgboost

        self.booster_ = xgboost.Booster({"nthread": self.n_threads}, model_file=folder / self.file_name)

    def _binned(
        self, rows: FitRows, part: slice, label: FloatArray, weight: FloatArray, like: Any | None = None
    ) -> Any:
        """Bins of the rows, or of a part of them by the same edges, made once, with the labels and weights of this fit.

        The edges of early stopping are those of the whole fit: they know no labels.
        """
        import xgboost

        key = f"xgboost {part.start} {part.stop}"
        if key not in rows.cache:
            if like is None and part.stop - part.start < len(rows.X):
                like = self._binned(rows, slice(0, len(rows.X)), label, weight)
            rows.cache[key] = xgboost.QuantileDMatrix(
                rows.X[part], label[part], ref=like, max_bin=MAX_BINS, nthread=self.n_threads
            )
        matrix = rows.cache[key]
        matrix.set_info(label=label[part], weight=weight[part])
        return matrix

    def _parameters(self, weight: FloatArray) -> dict[str, Any]:
        return {
            "objective": "binary:logistic",
            "tree_method": "hist",
            "max_bin": MAX_BINS,
            "eta": self.learning_rate,
            "max_depth": self.max_depth,
            # XGBoost counts the weight of a leaf in curvature p (1 - p), a quarter a row at p = 1/2.
            "min_child_weight": self.min_leaf_share * float(weight.sum()) / 4,
            "subsample": self.subsample,
            "colsample_bytree": self.colsample,
            "lambda": self.l2,
            "seed": self.seed,
            "nthread": self.n_threads,
            "verbosity": 0,
        }
