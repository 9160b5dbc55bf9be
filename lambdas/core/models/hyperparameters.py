"""Hyper-parameters of the three learners: values, defaults and the space they are searched in.

Sizes are shares of the training rows where they can be, so that what was found on one fold and universe means the same
on another. How long a learner is trained is no hyper-parameter: early stopping decides it in every fit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from pydantic import Field

from lambdas.core.settings import Target
from lambdas.core.values import Value

LearnerName = Literal["xgboost", "lightgbm", "network"]
Parameters = dict[str, bool | int | float]
LEARNER_NAMES: tuple[LearnerName, ...] = ("xgboost", "lightgbm", "network")


class LabelParameters(Value):
    """What a learner is fitted on: no arguments of the learner itself."""

    relative_share: float = Field(
        default=0.5, ge=0, le=1, description="Weight of the relative hit in the target `blend`; the rank has the rest."
    )
    uniqueness: bool = Field(default=False, description="Weigh rows by the average uniqueness of their outcome.")


class XGBoostParameters(LabelParameters):
    """Depth-limited trees, level by level."""

    learning_rate: float = Field(default=0.07, gt=0, le=1)
    max_depth: int = Field(default=4, ge=1, le=12)
    min_leaf_share: float = Field(default=0.005, ge=0, lt=0.5, description="Rows of a leaf over rows of the fit.")
    subsample: float = Field(default=0.8, gt=0, le=1)
    colsample: float = Field(default=0.6, gt=0, le=1)
    l2: float = Field(default=5.0, ge=0)


class LightGBMParameters(LabelParameters):
    """Leaf-limited trees, best leaf first."""

    learning_rate: float = Field(default=0.07, gt=0, le=1)
    num_leaves: int = Field(default=15, ge=2, le=256)
    min_leaf_share: float = Field(default=0.005, ge=0, lt=0.5, description="Rows of a leaf over rows of the fit.")
    subsample: float = Field(default=0.8, gt=0, le=1)
    colsample: float = Field(default=0.6, gt=0, le=1)
    l2: float = Field(default=5.0, ge=0)


class NetworkParameters(LabelParameters):
    """Two hidden layers of equal width."""

    learning_rate: float = Field(default=2e-3, gt=0, le=1)
    width: int = Field(default=32, ge=4, le=512)
    dropout: float = Field(default=0.15, ge=0, lt=1)
    weight_decay: float = Field(default=1e-2, ge=0)


class Hyperparameters(Value):
    """What a tuning point decides, for all learners."""

    xgboost: XGBoostParameters = XGBoostParameters()
    lightgbm: LightGBMParameters = LightGBMParameters()
    network: NetworkParameters = NetworkParameters()

    def of(self, learner: LearnerName) -> Parameters:
        """Return all values of one learner."""
        values: Parameters = getattr(self, learner).model_dump()
        return values

    def arguments(self, learner: LearnerName) -> Parameters:
        """Return the keyword arguments of one learner: its values without those of `LabelParameters`."""
        return {name: value for name, value in self.of(learner).items() if name not in LabelParameters.model_fields}

    def label(self, learner: LearnerName) -> LabelParameters:
        """Return what one learner is fitted on."""
        values: LabelParameters = getattr(self, learner)
        return values

    def replace(self, learner: LearnerName, values: Parameters) -> Hyperparameters:
        """Return a copy with the values of one learner replaced; unknown names are refused."""
        return Hyperparameters.model_validate({**self.model_dump(), learner: values})


def _suggest_trees(trial: Any) -> Parameters:
    return {
        "learning_rate": trial.suggest_float("learning_rate", 0.02, 0.15, log=True),
        "min_leaf_share": trial.suggest_float("min_leaf_share", 0.001, 0.03, log=True),
        "subsample": trial.suggest_float("subsample", 0.5, 1.0),
        "colsample": trial.suggest_float("colsample", 0.3, 1.0),
        "l2": trial.suggest_float("l2", 0.5, 50.0, log=True),
    }


def _suggest_xgboost(trial: Any) -> Parameters:
    return {**_suggest_trees(trial), "max_depth": trial.suggest_int("max_depth", 2, 6)}


def _suggest_lightgbm(trial: Any) -> Parameters:
    return {**_suggest_trees(trial), "num_leaves": trial.suggest_int("num_leaves", 4, 48, log=True)}


def _suggest_network(trial: Any) -> Parameters:
    return {
        "learning_rate": trial.suggest_float("learning_rate", 5e-4, 6e-3, log=True),
        "width": trial.suggest_int("width", 16, 64, step=16),
        "dropout": trial.suggest_float("dropout", 0.0, 0.4),
        "weight_decay": trial.suggest_float("weight_decay", 1e-4, 0.3, log=True),
    }


_LEARNER_SPACE: dict[LearnerName, Callable[[Any], Parameters]] = {
    "xgboost": _suggest_xgboost,
    "lightgbm": _suggest_lightgbm,
    "network": _suggest_network,
}


def suggest(learner: LearnerName, trial: Any, target: Target) -> Parameters:
    """Ask an Optuna trial for all values of one learner. Every default lies inside the space."""
    values = _LEARNER_SPACE[learner](trial)
    values["uniqueness"] = trial.suggest_categorical("uniqueness", [False, True])
    share = trial.suggest_float("relative_share", 0.0, 1.0, step=0.25) if target == "blend" else None
    return values if share is None else {**values, "relative_share": share}
