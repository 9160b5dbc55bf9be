"""Steps of `backtesting-engine`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from lambdas.contracts.base import Contract, RunId, S3Uri
from lambdas.core.values import FiniteOrNone, FoldPlan, GateRecord, TuningPoint


class PlanFoldsRequest(Contract):
    """Cut the data set into walk-forward windows and the holdout."""

    action: Literal["plan"]
    run_id: RunId
    dataset_uri: S3Uri
    lookback_days: int
    benchmark_period_days: int


class PlanFoldsResult(Contract):
    """Folds in time order; the holdout is the last fold and stands apart."""

    folds: tuple[FoldPlan, ...]
    holdout: FoldPlan
    tuning_points: tuple[TuningPoint, ...]
    skipped_windows: int = Field(ge=0, description="Windows with too little training history.")


class EvaluateRequest(Contract):
    """Backtest the pooled out-of-sample predictions of all folds."""

    action: Literal["evaluate"]
    run_id: RunId
    dataset_uri: S3Uri
    predictions_uris: tuple[S3Uri, ...]
    hyperparameters_uris: tuple[S3Uri, ...] = Field(
        description="Searches of this run: their trials are evidence, and are added to the ledger once."
    )


class EvaluateResult(Contract):
    """The numbers that the backtesting gate compares; the whole evaluation lies at `evaluation_uri`."""

    evaluation_uri: S3Uri
    hit_rate: FiniteOrNone
    base_rate: FiniteOrNone
    matched_skill: FiniteOrNone
    matched_skill_lower: FiniteOrNone
    n_recommendations: int
    n_matured: int
    ledger_trials: int
    gate: GateRecord


class SettleRequest(Contract):
    """Publish the champion's recommendations of the newest session, settle what has matured, measure live skill."""

    action: Literal["settle"]
    run_id: RunId
    dataset_uri: S3Uri
    predictions_uri: S3Uri
    version: str


class SettleResult(Contract):
    """What was published and settled, and the live gate."""

    n_published: int
    n_settled: int
    live_hit_rate: FiniteOrNone
    live_base_rate: FiniteOrNone
    live_skill_upper: FiniteOrNone
    gate: GateRecord
