"""Steps of `backtesting-engine`."""

from __future__ import annotations

import datetime as dt
from typing import Literal

from pydantic import Field

from lambdas.contracts.base import Contract, ModelVersion, RunId, S3Uri
from lambdas.contracts.tuning_run import DataSource
from lambdas.core.values import FiniteOrNone, FoldPlan, GateRecord, TuningPoint, Verdict


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


class CalendarRequest(Contract):
    """Say whether there is anything to assess on the day of a run."""

    action: Literal["calendar"]
    run_id: RunId
    data: DataSource
    as_of: dt.date | None
    started_at: dt.datetime


class CalendarResult(Contract):
    """Whether the exchange trades on the day of the run; history asked for by date has no such day."""

    open: bool
    message: str


class SettleRequest(Contract):
    """Publish the champion's recommendations of the newest session, settle what has matured, measure live skill."""

    action: Literal["settle"]
    run_id: RunId
    dataset_uri: S3Uri
    version: ModelVersion | None = Field(description="The champion; None: only the shadow was scored.")
    predictions_uri: S3Uri | None
    shadow: ModelVersion | None = None
    shadow_predictions_uri: S3Uri | None = None


class SettleResult(Contract):
    """What was published and settled, and the live gate."""

    n_published: int
    n_settled: int
    n_corrected: int = Field(default=0, description="Outcomes that prices changed after they were settled.")
    n_unresolved: int = Field(default=0, description="Recommendations that were closed without an outcome.")
    live_hit_rate: FiniteOrNone
    live_base_rate: FiniteOrNone
    live_skill_upper: FiniteOrNone
    live_max_drawdown: FiniteOrNone = None
    drifted_share: FiniteOrNone = None
    score_psi: FiniteOrNone = None
    gate: GateRecord


class JudgeShadowRequest(Contract):
    """Judge the shadow on its live record."""

    action: Literal["judge_shadow"]
    run_id: RunId
    dataset_uri: S3Uri
    version: ModelVersion
    champion: ModelVersion | None
    benchmark_period_days: int


class JudgeShadowResult(Contract):
    """The numbers that every candidate's gates compare, of the shadow's whole record."""

    verdict: Verdict
    reason: str
    holdout_predictions_uri: S3Uri | None = None
    hit_rate: FiniteOrNone = None
    matched_skill_lower: FiniteOrNone = None
    market_outperformance: FiniteOrNone = None
    active_return_lower: FiniteOrNone = None
    sharpe_ratio: FiniteOrNone = None
    max_drawdown: FiniteOrNone = None
    deflated_sharpe: FiniteOrNone = None
    champion_not_worse: bool = False
    target_met: bool = False
    gates: tuple[GateRecord, ...] = ()


class SettledOutcome(Contract):
    """Outcome of one recommendation, as it was settled, or corrected since."""

    net_return: float
    hit: bool
    run_id: RunId


class Correction(Contract):
    """An outcome that prices changed after it was settled."""

    symbol: str
    run_id: RunId
    net_return_before: float
    net_return: float
    hit_before: bool
    hit: bool


class LiveSession(Contract):
    """What one model recommended at the close of one session, and how it went."""

    decision_session: dt.date
    entry_session: dt.date
    maturity_session: dt.date
    version: ModelVersion
    role: Literal["champion", "shadow"]
    run_id: RunId
    published_at: str
    predictions_uri: S3Uri
    symbols: tuple[str, ...]
    probability: tuple[float, ...]
    open: tuple[str, ...] = Field(description="Symbols that have neither an outcome nor a reason for having none.")
    outcomes: dict[str, SettledOutcome] = Field(default_factory=dict)
    unresolved: dict[str, str] = Field(default_factory=dict)
    corrections: tuple[Correction, ...] = ()
    revision: int = Field(default=0, description="Counts the writes, so that none is lost.")
