"""How a run ends: promoted, rejected, rolled back or failed; recorded once, reported, announced."""

from __future__ import annotations

import datetime as dt
import json
import re
from typing import Any, get_args

from lambdas.adapters.analytics import gate_record, now
from lambdas.adapters.models import MANIFEST
from lambdas.adapters.registry import KEPT, RETIRED
from lambdas.advanced_model_tuning_service.announcing import announce, conclude
from lambdas.contracts.metrics import Metric
from lambdas.contracts.tuning_run import (
    FailRequest,
    OutcomeResult,
    PromoteRequest,
    RejectRequest,
    RollBackRequest,
)
from lambdas.core.errors import ArtefactIntegrityError, ChampionChangedError, GateNotPassedError, InvalidRequestError
from lambdas.core.values import GateName, GateRecord
from lambdas.runtime.observability import count
from lambdas.runtime.step import step
from lambdas.runtime.stores import Stores

TUNING = "advanced-model-tuning"
PROMOTION_GATES: tuple[str, ...] = tuple(gate for gate in get_args(GateName) if gate != "live")
MAX_CAUSE = 2000


@step(PromoteRequest, OutcomeResult)
def promote(request: PromoteRequest, stores: Stores) -> OutcomeResult:
    """Make the candidate champion, in one transaction, after checking again what the machine has checked."""
    if ended_before(stores, request.run_id, "PROMOTED"):
        return after_promotion(request, stores)
    check_gates(request, stores)
    stores.models.verify(request.version)
    replaced = replaced_by(request.version, request.expected_champion, stores)
    message = f"{request.version} is champion now" + (f", in place of {replaced}." if replaced else "; the first one.")
    moved = stores.registry.change(
        request.version,
        expected=request.expected_champion,
        previous=replaced,
        run_id=request.run_id,
        run={"outcome": "PROMOTED", "message": message, "version": request.version, "champion": request.version},
        model={
            "outcome": "PROMOTED",
            "run_id": request.run_id,
            "replaced": replaced,
            "artefact": KEPT,
            "model_uri": stores.models.uri(request.version),
            "manifest_sha256": manifest_hash(request.version, stores),
            "holdout_predictions_uri": request.holdout_predictions_uri,
        },
        facts={"event": "PROMOTED", **asked_for(request.run_id, stores)},
    )
    if moved:
        count(Metric.PROMOTIONS)
    return after_promotion(request, stores)


def after_promotion(request: PromoteRequest, stores: Stores) -> OutcomeResult:
    """Empty the seat of a shadow that is champion now, note the candidate that stayed behind, and tell."""
    stores.shadow.leave(request.version, request.run_id, "It is champion now.")
    if request.left_behind is not None and request.left_behind != request.version:
        stores.analytics.record_model(
            request.left_behind,
            {
                "outcome": "REJECTED",
                "run_id": request.run_id,
                "artefact": KEPT,
                "model_uri": stores.models.uri(request.left_behind),
                "judged_at": now(),
            },
        )
    return conclude(stores, request.run_id)


@step(RejectRequest, OutcomeResult)
def reject(request: RejectRequest, stores: Stores) -> OutcomeResult:
    """Record a run that leaves the champion as it is: a gate stopped it, or another promotion came first."""
    gate = request.stopped_by
    outcome, message = "SUPERSEDED" if gate is None else "REJECTED", why_rejected(gate, stores)
    if gate is not None and takes_the_seat(request, message, stores):
        outcome = "SHADOWED"
        message += f" {request.version} is the shadow now: what is missing is evidence, and its live record is some."
    ended = end_run(stores, request.run_id, outcome, message, version=request.version)
    if request.version is not None:
        stores.analytics.record_model(
            request.version,
            {
                "outcome": outcome,
                "run_id": request.run_id,
                "stopped_by": gate.gate if gate else None,
                "artefact": KEPT,
                "model_uri": stores.models.uri(request.version),
                "holdout_predictions_uri": request.holdout_predictions_uri,
                "judged_at": now(),
            },
        )
    return ended


@step(RollBackRequest, OutcomeResult)
def roll_back(request: RollBackRequest, stores: Stores) -> OutcomeResult:
    """Make a former champion champion again, after its files were checked against what was promoted."""
    if ended_before(stores, request.run_id, "ROLLED_BACK", "SUPERSEDED"):
        return conclude(stores, request.run_id)
    model = former_champion(request.version, stores)
    if manifest_hash(request.version, stores) != model["manifest_sha256"]:
        raise ArtefactIntegrityError(
            f"The {MANIFEST} of {request.version} is not the one that was promoted; choose another version."
        )
    stores.models.verify(request.version)
    before = stores.registry.champion()
    if before == request.version:
        message = f"{request.version} is champion already: another run made it so meanwhile. Nothing was changed."
        return end_run(stores, request.run_id, "SUPERSEDED", message)
    who = f" Asked for by {request.requested_by}." if request.requested_by else ""
    message = f"{request.version} is champion again, in place of {before}: {request.reason}.{who}"
    try:
        moved = stores.registry.change(
            request.version,
            expected=before,
            # One step back from here is what this version had replaced, so that rolling back twice goes back twice.
            previous=model["replaced"],
            run_id=request.run_id,
            run={"outcome": "ROLLED_BACK", "message": message, "version": request.version, "champion": request.version},
            model={"rolled_back_to_by": request.run_id},
            facts={"event": "ROLLED_BACK", "reason": request.reason, "requested_by": request.requested_by},
            model_condition={"artefact": KEPT},
        )
    except ChampionChangedError:
        found = stores.registry.champion()
        message = (
            f"The champion changed while {request.version} was brought back: it is {found} now. Look, and ask again."
        )
        return end_run(stores, request.run_id, "SUPERSEDED", message)
    if moved:
        count(Metric.ROLLBACKS)
    return conclude(stores, request.run_id)


@step(FailRequest, OutcomeResult)
def fail(request: FailRequest, stores: Stores) -> OutcomeResult:
    """Record and announce an exception that retries did not cure; the champion stays."""
    if stores.analytics.run(request.run_id) is None:  # its input was refused before there was a record
        stores.analytics.note_run(request.run_id, dt.datetime.now(dt.UTC), {"workflow": request.workflow})
    message = f"{request.error}: {readable_cause(request.cause)}"
    facts = {"error": request.error, "cause": request.cause[:MAX_CAUSE], "failed_step": request.failed_step}
    ended = end_run(stores, request.run_id, "FAILED", message, quietly=False, **facts)
    if ended.outcome == "FAILED":
        return ended
    message = f"The run had ended as {ended.outcome}; what came after it failed. {message}"
    announce(stores, (stores.analytics.run(request.run_id) or {}) | facts, "FAILED", None, message=message)
    return ended.model_copy(update={"message": message})


def end_run(
    stores: Stores, run_id: str, outcome: str, message: str, *, quietly: bool = False, **facts: str | None
) -> OutcomeResult:
    """Record how a run ended without moving the champion, then report and announce it. The first end stands."""
    values = {"outcome": outcome, "message": message, "champion": stores.registry.champion(), **facts}
    if stores.analytics.close_run(run_id, values):
        if outcome in ("REJECTED", "SHADOWED", "SUPERSEDED"):
            count(Metric.REJECTIONS)
        elif outcome == "FAILED":
            count(Metric.FAILURES)
    return conclude(stores, run_id, quietly=quietly)


def takes_the_seat(request: RejectRequest, reason: str, stores: Stores) -> bool:
    """Make a candidate the shadow if only evidence is missing, and nobody sits there; say whether it is."""
    run = stores.analytics.run(request.run_id) or {}
    if request.version is None or request.holdout_predictions_uri is None or run.get("workflow") != TUNING:
        return False
    if run.get("outcome", "SHADOWED") != "SHADOWED" or not lacks_evidence_only(request.run_id, stores):
        return False
    values = {
        "reason": reason,
        "predictions_uris": list(request.predictions_uris),
        "holdout_predictions_uri": request.holdout_predictions_uri,
    }
    return stores.shadow.take(request.version, request.run_id, values)


def lacks_evidence_only(run_id: str, stores: Stores) -> bool:
    """Say whether no gate of a run missed a threshold, and at least one has too little evidence.

    The deployment gate repeats what the others said; of its own checks, being worse than the champion is a threshold.
    """
    gates = stores.analytics.gates(run_id)
    judged = [gates[name]["verdict"] for name in PROMOTION_GATES if name in gates and name != "deployment"]
    own = [gate_record(gates["deployment"])] if "deployment" in gates else []
    missed = [one for gate in own for one in gate.checks if not one.passed and not one.metric.endswith("_gate")]
    return len(own) == 1 and not missed and "FAIL" not in judged and "INSUFFICIENT_EVIDENCE" in judged


def ended_before(stores: Stores, run_id: str, *outcomes: str) -> bool:
    """Say whether an earlier attempt of this step did its work: others may have moved the champion since."""
    run = stores.analytics.run(run_id) or {}
    if run.get("outcome", outcomes[0]) not in outcomes:
        raise InvalidRequestError(f"Run {run_id} has ended as {run['outcome']}; start a new run.")
    return "outcome" in run


def check_gates(request: PromoteRequest, stores: Stores) -> None:
    """Refuse a promotion unless this run recorded PASS for every gate, for this candidate against that champion.

    Raises
    ------
    GateNotPassedError
        Naming the gates that are missing or did not pass.
    """
    gates = stores.analytics.gates(request.run_id, of=request.judged)
    open_gates = {
        name: gates[name]["verdict"] if name in gates else "not recorded"
        for name in PROMOTION_GATES
        if name not in gates or gates[name]["verdict"] != "PASS"
    }
    if open_gates:
        found = ", ".join(f"{name} {verdict}" for name, verdict in open_gates.items())
        raise GateNotPassedError(f"{request.version} cannot be promoted by run {request.run_id}: {found}.")
    judged = gates["deployment"]
    if (judged.get("version"), judged.get("champion")) != (request.version, request.expected_champion):
        raise GateNotPassedError(
            f"The gates of run {request.run_id} judged {judged.get('version')} against {judged.get('champion')}, not "
            f"{request.version} against {request.expected_champion}."
        )


def replaced_by(version: str, expected: str | None, stores: Stores) -> str | None:
    """Return the champion that `version` follows. A champion confirmed by the same data follows whom it followed."""
    if version != expected:
        return expected
    pointer = stores.registry.pointer()
    return None if pointer is None else pointer["previous"]


def former_champion(version: str, stores: Stores) -> dict[str, Any]:
    """Return the record of a model that can be champion again.

    Raises
    ------
    InvalidRequestError
        If it never was champion, or its artefact was retired.
    """
    model = stores.analytics.model(version)
    if model is None or "promoted_at" not in model:
        raise InvalidRequestError(f"{version} was never promoted; only a former champion can come back.")
    if model["artefact"] == RETIRED:
        raise InvalidRequestError(
            f"The artefact of {version} was retired by run {model['retired_by']}; the runbook says how to restore it."
        )
    return model


def asked_for(run_id: str, stores: Stores) -> dict[str, str]:
    """Return why a run was started and who asked for it, as its record has them."""
    run = stores.analytics.run(run_id) or {}
    return {"reason": run.get("reason", ""), "requested_by": run.get("requested_by", "")}


def manifest_hash(version: str, stores: Stores) -> str:
    """Return the sha-256 of an artefact's manifest, which holds the hashes of all its files."""
    return stores.objects.sha256(f"{stores.models.uri(version)}/{MANIFEST}")


def why_rejected(gate: GateRecord | None, stores: Stores) -> str:
    """Return the sentence that a person reads first."""
    champion = stores.registry.champion()
    stays = f"Champion {champion} stays." if champion else "There is still no champion."
    if gate is None:
        return f"Another model was promoted while this run was judged. {stays}"
    if gate.gate == "data_quality":
        return f"The data is not good enough to go on: {gate.reason} {stays}"
    verdict = gate.verdict.lower().replace("_", " ")
    return f"Stopped by the {gate.gate} gate ({verdict}): {gate.reason} {stays}"


def readable_cause(cause: str) -> str:
    """Return Lambda's `errorMessage` from a cause, which may be cut in the middle of its JSON, or the cause itself.

    Examples
    --------
    >>> readable_cause('{"errorMessage": "no column close", "stackTrace": ["  File')
    'no column close'
    """
    found = re.search(r'"errorMessage":\s*("(?:[^"\\]|\\.)*")', cause)
    return str(json.loads(found[1]) if found else cause)[:MAX_CAUSE]
