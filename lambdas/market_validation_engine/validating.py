"""The last judgement before a deployment: the market, risk and deployment gates."""

from __future__ import annotations

from typing import Any

import pandas as pd

from lambdas.adapters.analytics import gate_record
from lambdas.adapters.datasets import hash_of_uri
from lambdas.adapters.reuse import code_version, reuse_key
from lambdas.contracts.market_validation import ValidateRequest, ValidateResult
from lambdas.contracts.metrics import Metric
from lambdas.core.errors import InvalidRequestError
from lambdas.core.exhibits.values import CandidateExhibits
from lambdas.core.gates import MARKET
from lambdas.core.settings import settings_hash
from lambdas.core.validation.candidate import validate_candidate
from lambdas.core.validation.values import Validation
from lambdas.core.values import GateRecord, TrialEvidence
from lambdas.runtime.market import load_dataset, load_predictions
from lambdas.runtime.observability import measure
from lambdas.runtime.step import step
from lambdas.runtime.stores import Stores

EARLIER_GATES = ("data_quality", "backtesting")


@step(ValidateRequest, ValidateResult)
def validate(request: ValidateRequest, stores: Stores) -> ValidateResult:
    """Judge the candidate on walk-forward and holdout as one simulation, and record the last three verdicts."""
    uri = stores.reports.uri(request.run_id, "validation.json")
    evaluated = stores.reports.read(request.evaluation_uri)
    earlier = earlier_gates(request.run_id, stores)
    key = reuse_key(
        hash_of_uri(request.dataset_uri),
        settings_hash(stores.settings),
        code_version(),
        evaluated["key"],
        *earlier,
        request.model_copy(update={"run_id": "any"}),
    )
    found = stores.reports.find(uri)
    if found is None or found["key"] != key:
        judged = judge(request, evaluated, earlier, stores)
        found = {
            "key": key,
            "version": request.version,
            "validation": judged.model_dump(mode="json"),
            "candidate": told_of(request, stores),
        }
        stores.reports.write(uri, found)
    validation = Validation.model_validate(found["validation"])
    stores.analytics.record_gate(request.run_id, validation.market_gate)
    stores.analytics.record_gate(request.run_id, validation.risk_gate)
    # What was judged against whom: a promotion is refused for any other pair.
    stores.analytics.record_gate(
        request.run_id, validation.deployment_gate, version=request.version, champion=request.champion
    )
    emit(validation)
    return result_of(validation, uri)


def judge(request: ValidateRequest, evaluated: dict[str, Any], earlier: list[GateRecord], stores: Stores) -> Validation:
    """Read what was predicted, and judge it."""
    walk_forward = pd.concat([load_predictions(stores, uri) for uri in request.predictions_uris], ignore_index=True)
    rival = request.champion_predictions_uri
    if request.champion is not None and rival is None and request.champion_not_scorable is None:
        raise InvalidRequestError(
            f"Champion {request.champion} comes without predictions of the holdout and without a reason; run it again."
        )
    return validate_candidate(
        load_dataset(stores, request.dataset_uri),
        walk_forward,
        load_predictions(stores, request.holdout_predictions_uri),
        stores.settings,
        n_trials=evaluated["result"]["ledger_trials"],
        trials=TrialEvidence.model_validate(evaluated["trials"]),
        earlier_gates=earlier,
        champion=None if rival is None else request.champion,
        champion_not_scorable=request.champion_not_scorable,
        champion_holdout=None if rival is None else load_predictions(stores, rival),
    )


def told_of(request: ValidateRequest, stores: Stores) -> dict[str, Any]:
    """Return what the fitting of the candidate left for the report."""
    facts = stores.predictions.facts(request.holdout_predictions_uri) or {}
    return {name: facts[name] for name in CandidateExhibits.model_fields if name in facts}


def earlier_gates(run_id: str, stores: Stores) -> list[GateRecord]:
    """Return the verdicts that this run recorded before, which the deployment gate reads again."""
    recorded = stores.analytics.gates(run_id)
    missing = [name for name in EARLIER_GATES if name not in recorded]
    if missing:
        raise InvalidRequestError(
            f"Run {run_id} has not recorded its {' and '.join(missing)} gate; run it from the start."
        )
    return [gate_record(recorded[name]) for name in EARLIER_GATES]


def result_of(validation: Validation, uri: str) -> ValidateResult:
    """Return the numbers that the Choice states compare."""
    holdout, trailing, evidence = (
        validation.evaluation.holdout,
        validation.evaluation.trailing,
        validation.evaluation.evidence,
    )
    return ValidateResult(
        validation_uri=uri,
        market_outperformance=None if holdout is None else holdout.market_outperformance.get(MARKET),
        active_return_lower=evidence.active_return_lower,
        sharpe_ratio=trailing.sharpe_ratio,
        max_drawdown=trailing.max_drawdown,
        deflated_sharpe=evidence.deflated_sharpe,
        champion_not_worse=validation.champion is None or validation.champion.not_worse,
        target_met=validation.target.target_met,
        recommended_deployment=validation.recommended_deployment,
        market_gate=validation.market_gate,
        risk_gate=validation.risk_gate,
        deployment_gate=validation.deployment_gate,
        competitive_score=validation.competitive_score.score,
    )


def emit(validation: Validation) -> None:
    """Add the numbers of the verdict to the metrics."""
    trailing, target = validation.evaluation.trailing, validation.target
    measure(Metric.MARKET_OUTPERFORMANCE, target.market_outperformance)
    measure(Metric.OUTPERFORMANCE_TARGET_DISTANCE, target.market_outperformance_distance)
    measure(Metric.SHARPE_RATIO, trailing.sharpe_ratio)
    measure(Metric.MAX_DRAWDOWN, trailing.max_drawdown)
    measure(Metric.COMPETITIVE_SCORE, validation.competitive_score.score)
