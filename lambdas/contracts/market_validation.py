"""The step of `market-validation-engine`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from lambdas.contracts.base import Contract, ModelVersion, RunId, S3Uri
from lambdas.core.values import FiniteOrNone, GateRecord


class ValidateRequest(Contract):
    """Judge the candidate against the market, its risk limits and the champion."""

    action: Literal["validate"]
    run_id: RunId
    dataset_uri: S3Uri
    predictions_uris: tuple[S3Uri, ...] = Field(description="Walk-forward folds in time order.")
    holdout_predictions_uri: S3Uri
    evaluation_uri: S3Uri
    version: ModelVersion
    champion: ModelVersion | None
    champion_predictions_uri: S3Uri | None
    champion_not_scorable: str | None = Field(
        default=None, description="Why the champion has no predictions of the holdout; it is then no rival."
    )


class ValidateResult(Contract):
    """The numbers that the market, risk and deployment gates compare."""

    validation_uri: S3Uri
    market_outperformance: FiniteOrNone = Field(description="Holdout, against SPY.")
    active_return_lower: FiniteOrNone
    sharpe_ratio: FiniteOrNone = Field(description="Last 252 out-of-sample sessions.")
    max_drawdown: FiniteOrNone = Field(description="Last 252 out-of-sample sessions.")
    deflated_sharpe: FiniteOrNone
    champion_not_worse: bool
    target_met: bool
    recommended_deployment: bool
    market_gate: GateRecord
    risk_gate: GateRecord
    deployment_gate: GateRecord
    competitive_score: FiniteOrNone
