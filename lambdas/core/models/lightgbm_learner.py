"""Gradient-boosted trees by LightGBM."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from lambdas.core.market_data.panel import FloatArray
from lambdas.core.models.learner import FitRows, Learner, area_under_curve
from lambdas.core.models.training_data import Matrix
from lambdas.core.models.xgboost_learner import DEFAULT_ROUNDS, MAX_BINS, MAX_ROUNDS, MIN_ROUNDS, PATIENCE

BINNING = {
    "max_bin": MAX_BINS - 1,
    "feature_pre_filter": False,  # bins are shared by configurations whose leaves have other sizes
    "force_row_wise": True,
    "deterministic": True,
    "verbosity": -1,
}


class LightGBMLearner(Learner):
    """Leaf-wise trees of LightGBM; see `Learner` and `LightGBMParameters`."""

    name = "lightgbm"
    file_name = "lightgbm.txt"

    def __init__(
        self,
        learning_rate: float = 0.07,
        num_leaves: int = 15,
        min_leaf_share: float = 0.005,
        subsample: float = 0.8,
        colsample: float = 0.6,
        l2: float = 5.0,
        horizon: int = 21,
        seed: int = 0,
        n_threads: int = 1,
    ) -> None:
        self.learning_rate = learning_rate
        self.num_leaves = num_leaves
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
        import lightgbm

        def area(prediction: FloatArray, _: Any) -> tuple[str, float, bool]:
            return "area", area_under_curve(label[after], prediction), True

        booster = lightgbm.train(
            {**self._parameters(before.stop - before.start), "metric": "None"},
            self._binned(rows, before, label, weight),
            MAX_ROUNDS,
            valid_sets=[self._binned(rows, after, label, weight)],
            feval=area,
            callbacks=[lightgbm.early_stopping(PATIENCE, verbose=False)],
        )
        self.booster_ = booster.free_dataset()
        return max(int(booster.best_iteration), MIN_ROUNDS)

    def _fit_rounds(self, rows: FitRows, label: FloatArray, weight: FloatArray, rounds: int) -> None:
        import lightgbm

        train = self._binned(rows, slice(0, len(rows.X)), label, weight)
        self.booster_ = lightgbm.train(self._parameters(len(rows.X)), train, rounds)
        self.booster_.free_dataset()

    def _binned(self, rows: FitRows, part: slice, label: FloatArray, weight: FloatArray) -> Any:
        """Bins of the rows, or of a part of them, made once, with the labels and weights of this fit."""
        import lightgbm

        if "lightgbm" not in rows.cache:
            whole = lightgbm.Dataset(rows.X, label, params=BINNING | {"num_threads": self.n_threads})
            rows.cache["lightgbm"] = whole.construct()
        binned = rows.cache["lightgbm"]
        if part.stop - part.start < len(rows.X):
            key = f"lightgbm {part.start} {part.stop}"
            if key not in rows.cache:
                rows.cache[key] = binned.subset(list(range(part.start, part.stop))).construct()
            binned = rows.cache[key]
        # `set_weight` drops weights that are all 1, and would leave those of the fit before in force.
        return binned.set_label(label[part]).set_field("weight", weight[part].astype(np.float32))

    def _probability(self, X: Matrix) -> FloatArray:
        return np.asarray(
            self.booster_.predict(X, num_iteration=self.rounds_, num_threads=self.n_threads), dtype=np.float64
        )

    def save(self, folder: Path) -> None:
        """Write the booster in LightGBM's text format."""
        # The file lists the number of threads, which must not decide the identity of a model that it does not shape.
        text = re.sub(r"\[num_threads: \d+\]", "[num_threads: 0]", self.booster_.model_to_string())
        (folder / self.file_name).write_text(text, encoding="utf-8", newline="\n")

    def _load(self, folder: Path) -> None:
        import lightgbm

        self.booster_ = lightgbm.Booster(model_str=(folder / self.file_name).read_text(encoding="utf-8"))

    def _parameters(self, n_rows: int) -> dict[str, Any]:
        return {
            **BINNING,
            "objective": "cross_entropy",
            "learning_rate": self.learning_rate,
            "num_leaves": self.num_leaves,
            "min_data_in_leaf": max(1, round(self.min_leaf_share * n_rows)),
            "min_sum_hessian_in_leaf": 0.0,
            "bagging_fraction": self.subsample,
            "bagging_freq": 1,
            "feature_fraction": self.colsample,
            "lambda_l2": self.l2,
            "seed": self.seed,
            "num_threads": self.n_threads,
        }
