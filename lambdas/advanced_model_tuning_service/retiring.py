"""How long artefacts live: the newest stay, and those that users may need again, whatever their age."""

from __future__ import annotations

from typing import Any

from lambdas.adapters.registry import KEPT
from lambdas.advanced_model_tuning_service.announcing import conclude
from lambdas.contracts.tuning_run import OutcomeResult, RetireRequest
from lambdas.runtime.observability import logger
from lambdas.runtime.step import step
from lambdas.runtime.stores import Stores


@step(RetireRequest, OutcomeResult)
def retire(request: RetireRequest, stores: Stores) -> OutcomeResult:
    """Delete the artefacts of old models; what is recorded of them stays. Answers how the run ended, as before."""
    for version in too_old(request.keep, stores):
        if stores.registry.retire(version, request.run_id):
            stores.models.delete(version)
            logger.info("artefact retired", extra={"version": version})
    # A crash between mark and deletion leaves objects behind that nobody reads: the next attempt finds the mark.
    for model in stores.analytics.models():
        if model.get("retired_by") == request.run_id and model.get("artefact") != KEPT:
            stores.models.delete(model["version"])
    return conclude(stores, request.run_id)


def too_old(keep: int, stores: Stores) -> list[str]:
    """Return the versions beyond the newest `keep` whose artefacts are kept and not in use, the oldest first."""
    pointer = stores.registry.pointer() or {}
    used = {pointer.get("version"), pointer.get("previous"), stores.shadow.version()}
    by_age = sorted((model for model in stores.analytics.models() if model.get("artefact") == KEPT), key=_age)
    return [model["version"] for model in by_age[: max(len(by_age) - keep, 0)] if model["version"] not in used]


def _age(model: dict[str, Any]) -> str:
    return str(model.get("promoted_at") or model.get("judged_at") or "")
