"""Steps of `ensemble-model-engine`."""

from __future__ import annotations

import datetime as dt
from typing import Literal

from pydantic import Field

from lambdas.contracts.base import Contract, ModelVersion, RunId, S3Uri
from lambdas.core.values import FiniteOrNone, FoldPlan, TuningPoint


class TuneRequest(Contract):
    """Search hyper-parameters on what was known before the first decision of the tuning point."""

    action: Literal["tune"]
    run_id: RunId
    dataset_uri: S3Uri
    point: TuningPoint
    champion: ModelVersion | None = Field(
        default=None,
        description="Its hyper-parameters are tried too, where they were searched on earlier data than this point's.",
    )


class TuneResult(Contract):
    """Where the hyper-parameters lie, and how many configurations were scored, failed and pruned ones too."""

    point: int
    hyperparameters_uri: S3Uri
    trials: int = Field(ge=0)
    pruned: int = Field(default=0, ge=0)
    inner_sharpe_ratio: FiniteOrNone
    deadline_reached: bool = Field(
        default=False, description="The best so far; the same search later goes on where this one stopped."
    )
    reused: bool = Field(default=False, description="Same data, settings and code: nothing was searched again.")


class FitFoldRequest(Contract):
    """Fit on the training part of one walk-forward fold and predict its decisions."""

    action: Literal["fit_fold"]
    run_id: RunId
    dataset_uri: S3Uri
    fold: FoldPlan
    hyperparameters_uri: S3Uri


class FitFoldResult(Contract):
    """Out-of-sample predictions of one fold."""

    fold: int
    predictions_uri: S3Uri
    n_predictions: int
    combination: str = Field(description="voting, stacking, or the name of the best single learner.")
    left_out: tuple[str, ...] = Field(default=(), description="Learners that failed, the run went on without them.")
    neutralised: bool = Field(default=False, description="Whether scores were made neutral to beta and volatility.")
    brier_score: FiniteOrNone = Field(
        default=None, description="On inner out-of-fold rows later than those it was calibrated on."
    )
    expected_calibration_error: FiniteOrNone = Field(default=None, description="On the same rows.")
    reused: bool = False


class FitCandidateRequest(Contract):
    """Fit the candidate on all that precedes the holdout, and predict the holdout with it, frozen."""

    action: Literal["fit_candidate"]
    run_id: RunId
    dataset_uri: S3Uri
    holdout: FoldPlan
    hyperparameters_uri: S3Uri
    champion: ModelVersion | None = Field(description="Scored on the same holdout, where it is out of sample too.")


class FitCandidateResult(Contract):
    """The artefact that is validated and, if it passes, deployed."""

    version: ModelVersion
    model_uri: S3Uri
    predictions_uri: S3Uri
    champion_predictions_uri: S3Uri | None
    champion_not_scorable: str | None = Field(
        default=None, max_length=500, description="Why the champion could not be scored on this data, if it could not."
    )
    combination: str
    left_out: tuple[str, ...] = ()
    neutralised: bool = False
    brier_score: FiniteOrNone = None
    expected_calibration_error: FiniteOrNone = None


class RecommendRequest(Contract):
    """Score the newest session with the champion."""

    action: Literal["recommend"]
    run_id: RunId
    dataset_uri: S3Uri
    version: ModelVersion


class RecommendResult(Contract):
    """Probabilities of the newest session, ranked; nothing is published yet."""

    predictions_uri: S3Uri
    session: dt.date
    n_predictions: int
