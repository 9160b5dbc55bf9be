"""The weekly look at the shadow: its live record is evidence, and it is asked what every candidate is asked."""

from __future__ import annotations

from typing import Any

import pandas as pd

from lambdas.adapters.analytics import gate_record
from lambdas.adapters.datasets import hash_of_uri
from lambdas.contracts.backtesting import JudgeShadowRequest, JudgeShadowResult, LiveSession
from lambdas.core.errors import InvalidPredictionsError, InvalidRequestError
from lambdas.core.labels import MARKET
from lambdas.core.live.shadow import FrozenRecord, judge_shadow, matured_sessions
from lambdas.core.validation.values import Validation
from lambdas.core.values import GateRecord, TrialEvidence
from lambdas.runtime.market import load_dataset, load_predictions
from lambdas.runtime.step import step
from lambdas.runtime.stores import Stores

SUBJECT = "shadow"


@step(JudgeShadowRequest, JudgeShadowResult)
def judge(request: JudgeShadowRequest, stores: Stores) -> JudgeShadowResult:
    """Judge the shadow on its walk-forward, its holdout and its live record; it leaves if it misses a threshold."""
    seat = stores.shadow.holder()
    if seat is None or seat["version"] != request.version:
        return JudgeShadowResult(verdict="FAIL", reason=f"{request.version} is not the shadow any more.")
    dataset, horizon = load_dataset(stores, request.dataset_uri), stores.settings.portfolio.horizon
    sessions = live_of(request.version, stores)
    n_matured = matured_sessions([one.decision_session for one in sessions], dataset, horizon)
    if n_matured < horizon:
        return JudgeShadowResult(
            verdict="INSUFFICIENT_EVIDENCE",
            reason=f"{n_matured} live sessions of shadow {request.version} have matured; {horizon} are waited for.",
        )
    if expired := [uri for uri in frozen_uris(seat) if stores.predictions.facts(uri) is None]:
        return JudgeShadowResult(
            verdict="INSUFFICIENT_EVIDENCE",
            reason=f"{len(expired)} files of the record of {request.version} have expired: it cannot be measured.",
        )
    # Each look is a trial: it deflates the Sharpe ratio of this model, and of every later one.
    look = f"shadow-{request.version}-{hash_of_uri(request.dataset_uri)}"
    n_trials = stores.ledger.add(look, trials=1, run_id=request.run_id)
    evaluated = stores.reports.read(stores.reports.uri(seat["run_id"], "evaluation.json"))
    walk_forward = pd.concat([load_predictions(stores, uri) for uri in seat["predictions_uris"]], ignore_index=True)
    holdout = load_predictions(stores, seat["holdout_predictions_uri"])
    quality = stores.analytics.gates(request.run_id).get("data_quality")
    if quality is None:
        raise InvalidRequestError(
            f"Run {request.run_id} has not recorded its data_quality gate; run it from the start."
        )
    try:
        backtesting, validation = judge_shadow(
            dataset,
            FrozenRecord.of(walk_forward, holdout, predictions_of(sessions, stores)),
            stores.settings,
            n_trials=n_trials,
            trials=TrialEvidence.model_validate(evaluated["trials"]),
            data_quality=gate_record(quality),
            benchmark_period_days=request.benchmark_period_days,
            champion=request.champion,
            champion_frozen=champion_record(request.champion, stores),
        )
    except InvalidPredictionsError as error:
        return JudgeShadowResult(verdict="INSUFFICIENT_EVIDENCE", reason=str(error)[:900])
    return concluded(request, seat["holdout_predictions_uri"], backtesting, validation, stores)


def frozen_uris(seat: dict[str, Any]) -> list[str]:
    """Return where the predictions lie that led to the shadow."""
    return [*seat["predictions_uris"], seat["holdout_predictions_uri"]]


def concluded(
    request: JudgeShadowRequest, holdout_uri: str, backtesting: GateRecord, validation: Validation, stores: Stores
) -> JudgeShadowResult:
    """Record the verdicts of the shadow beside those of the run's own candidate."""
    gates = (backtesting, validation.market_gate, validation.risk_gate, validation.deployment_gate)
    quality = gate_record(stores.analytics.gates(request.run_id)["data_quality"])
    for gate in (quality, *gates):
        facts = {"version": request.version, "champion": request.champion} if gate.gate == "deployment" else {}
        stores.analytics.record_gate(request.run_id, gate, of=SUBJECT, **facts)
    failed = next((gate for gate in gates[:3] if gate.verdict == "FAIL"), None)
    compared = validation.champion
    if failed is None and compared is not None and compared.difference_upper is not None and not compared.not_worse:
        failed = validation.deployment_gate
    evaluation = validation.evaluation
    if failed is not None:
        stores.shadow.leave(request.version, request.run_id, failed.reason)
    verdict = "FAIL" if failed is not None else validation.deployment_gate.verdict
    verdict = "INSUFFICIENT_EVIDENCE" if failed is None and verdict == "FAIL" else verdict
    return JudgeShadowResult(
        verdict=verdict,
        reason=(failed or validation.deployment_gate).reason[:900],
        holdout_predictions_uri=holdout_uri,
        hit_rate=evaluation.pooled.hit_rate,
        matched_skill_lower=evaluation.evidence.matched_skill_lower,
        market_outperformance=None
        if evaluation.holdout is None
        else evaluation.holdout.market_outperformance.get(MARKET),
        active_return_lower=evaluation.evidence.active_return_lower,
        sharpe_ratio=evaluation.trailing.sharpe_ratio,
        max_drawdown=evaluation.trailing.max_drawdown,
        deflated_sharpe=evaluation.evidence.deflated_sharpe,
        champion_not_worse=compared is None or compared.not_worse,
        target_met=validation.target.target_met,
        gates=gates,
    )


def live_of(version: str, stores: Stores) -> list[LiveSession]:
    """Return the live sessions of a model, in time order, whose predictions have not expired."""
    ours = (one for one in stores.analytics.live_sessions().sessions if one.version == version)
    kept = (one for one in ours if stores.predictions.facts(one.predictions_uri) is not None)
    return sorted(kept, key=lambda one: one.decision_session)


def predictions_of(sessions: list[LiveSession], stores: Stores) -> pd.DataFrame:
    """Return what was predicted on live sessions, as it was recorded then."""
    frames = [load_predictions(stores, one.predictions_uri) for one in sessions]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=["date", "symbol", "probability"])


def champion_record(champion: str | None, stores: Stores) -> pd.DataFrame | None:
    """Return the champion's own frozen predictions: its holdout, and what it was recorded to predict since."""
    if champion is None:
        return None
    frames = []
    holdout = (stores.analytics.model(champion) or {}).get("holdout_predictions_uri")
    if holdout and stores.predictions.facts(holdout) is not None:
        frames.append(load_predictions(stores, holdout)[["date", "symbol", "probability"]])
    frames.append(predictions_of(live_of(champion, stores), stores)[["date", "symbol", "probability"]])
    return pd.concat(frames, ignore_index=True).drop_duplicates(["date", "symbol"], ignore_index=True)
