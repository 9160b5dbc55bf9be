"""The execution input of `advanced-model-tuning` and `daily-assessment`, and the steps of the coordinator."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Literal

from pydantic import Field

from lambdas.contracts.base import Contract, ExecutionArn, ModelVersion, RunId, S3Uri, Symbol
from lambdas.core.values import GateRecord

DataSource = Literal["yahoo", "sample", "simulated"] | S3Uri


Outcome = Literal[
    "PROMOTED",
    "SHADOWED",
    "REJECTED",
    "SUPERSEDED",
    "ROLLED_BACK",
    "FAILED",
    "DRY_RUN",
    "ASSESSED",
    "NOTHING",
    "BUSY",
]
"""How a run ended."""


class TuningRequest(Contract):
    """The execution input. `{}` is valid: every field has a default.

    Thresholds are no fields of it, on purpose: an unknown field is refused.
    """

    data: DataSource | None = Field(default=None, description="Where data comes from; null is the deployed setting.")
    symbols: tuple[Symbol, ...] | None = Field(
        default=None,
        min_length=1,
        max_length=2000,
        description="Symbols to model; null is the portfolio, the configured universe, or all that the source has.",
    )
    as_of: dt.date | None = Field(default=None, description="Nothing later is used; null is the newest session.")
    lookback_days: int | None = Field(
        default=None,
        ge=30,
        le=7320,
        description="Length of the walk-forward, calendar days; null is the deployed setting.",
    )
    benchmark_period_days: int | None = Field(
        default=None, ge=30, le=730, description="Length of the holdout, calendar days; null is the deployed setting."
    )
    mode: Literal["comprehensive", "daily"] = Field(
        default="comprehensive", description="On demand: which state machine is started."
    )
    dry_run: bool = Field(default=False, description="Check data access, permissions and settings; fit nothing.")
    rollback_to: ModelVersion | Literal["previous"] | None = Field(
        default=None, description="Make this promoted version champion again; nothing is fitted."
    )
    reason: Annotated[str, Field(max_length=200)] = Field(default="on demand", description="Recorded with the run.")
    requested_by: Annotated[str, Field(max_length=200)] = Field(
        default="", description="Who asked, recorded with the run and with a change of the champion."
    )


class StartRequest(Contract):
    """Invoking `advanced-model-tuning-service` directly starts an execution; any field of `TuningRequest` may stand."""

    action: Literal["start"] = "start"
    request: TuningRequest = TuningRequest()


class StartResult(Contract):
    """The execution that was started."""

    execution_arn: str


class PlanRequest(Contract):
    """First step of both machines: check the untrusted execution input and resolve what it leaves open."""

    action: Literal["plan"]
    workflow: Literal["advanced-model-tuning", "daily-assessment"]
    run_id: RunId = Field(description="Name of the execution.")
    execution_arn: str
    started_at: dt.datetime
    request: dict[str, Any] = Field(description="Execution input, unchecked.")
    timeout_hours: float = Field(default=6.0, gt=0.0, description="After it the machine ends the execution by itself.")


class PlanResult(Contract):
    """What the rest of the machine needs to know about the run."""

    kind: Literal["tune", "assess", "dry_run", "rollback", "nothing", "busy"]
    explanation: str = Field(description="One sentence for the console.")
    data: DataSource
    batches: tuple[tuple[Symbol, ...], ...] = Field(
        description="Symbols by batch; one empty batch asks for everything the source has."
    )
    as_of: dt.date | None
    lookback_days: int
    benchmark_period_days: int
    champion: ModelVersion | None
    shadow: ModelVersion | None = Field(
        default=None, description="Scored daily beside the champion, published nowhere."
    )
    rollback_to: ModelVersion | None = None


class PromoteRequest(Contract):
    """Make the candidate champion, if every recorded gate says PASS and the champion is the one compared with."""

    action: Literal["promote"]
    run_id: RunId
    version: ModelVersion
    expected_champion: ModelVersion | None
    judged: Literal["candidate", "shadow"] = Field(default="candidate", description="Which gates of the run are meant.")
    holdout_predictions_uri: S3Uri | None = Field(default=None, description="What live scores are compared with.")
    left_behind: ModelVersion | None = Field(default=None, description="The run's candidate, if it is another model.")


class RejectRequest(Contract):
    """Record a run that ends without a promotion: the gate that stopped it, or a comparison that became stale."""

    action: Literal["reject"]
    run_id: RunId
    version: ModelVersion | None = None
    stopped_by: GateRecord | None = Field(default=None, description="None: superseded by another promotion.")
    predictions_uris: tuple[S3Uri, ...] = Field(default=(), description="Walk-forward folds of the candidate's run.")
    holdout_predictions_uri: S3Uri | None = None


class RollBackRequest(Contract):
    """Make an earlier champion champion again, after its artefact's hashes were verified."""

    action: Literal["roll_back"]
    run_id: RunId
    version: ModelVersion
    reason: str
    requested_by: str = ""


class AlarmRequest(Contract):
    """Announce that the live gate failed, unless that was done less than a week ago."""

    action: Literal["alarm"]
    run_id: RunId
    version: ModelVersion
    gate: GateRecord
    started_at: dt.datetime


class AlarmResult(Contract):
    """Whether a tuning run shall be started: at most one a week by this route."""

    start_tuning: bool
    message: str


class RetireRequest(Contract):
    """Delete the artefacts of old models, never those of the champion, the one before it, or the shadow."""

    action: Literal["retire"]
    run_id: RunId
    keep: int = Field(ge=1, description="The newest versions that stay whatever became of them.")


class FailRequest(Contract):
    """Record and announce an exception that retries did not cure."""

    action: Literal["fail"]
    run_id: RunId
    workflow: Literal["advanced-model-tuning", "daily-assessment"]
    error: str
    cause: str
    failed_step: str = Field(default="", description="Name of the state.")


class NoteStoppedRequest(Contract):
    """See to it that an execution that did not end well is on record. EventBridge asks, now and then late or twice."""

    action: Literal["note_stopped"]
    workflow: Literal["advanced-model-tuning", "daily-assessment"]
    run_id: RunId = Field(description="Name of the execution.")
    execution_arn: ExecutionArn
    started_at: dt.datetime = Field(description="Step Functions tells it in milliseconds since 1970.")
    status: Literal["ABORTED", "FAILED", "TIMED_OUT"] = Field(description="Of the execution.")


class NoteStoppedResult(Contract):
    """Whether there was no record before."""

    opened: bool


class OutcomeResult(Contract):
    """How a run ended, as it was recorded and announced."""

    outcome: Outcome
    champion: ModelVersion | None
    message: str
    report_uri: S3Uri | None = None
