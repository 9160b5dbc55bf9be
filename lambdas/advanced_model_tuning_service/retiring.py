"""How long artefacts live: the newest stay, and those that users may need again, whatever their age."""

from __future__ import annotations

import datetime as dt
from typing import Any

from lambdas.adapters.registry import KEPT
from lambdas.advanced_model_tuning_service.announcing import conclude
from lambdas.contracts.tuning_run import OutcomeResult, RetireRequest
from lambdas.runtime.observability import logger
from lambdas.runtime.step import step
from lambdas.runtime.stores import Stores


@step(RetireRequest, OutcomeResult)
def retire(request: RetireRequest, stores: Stores) -> OutcomeResult:
    """End a shadow that was watched too long, and delete the artefacts of old models; what is recorded of them stays.

    Answers how the run ended, as before.
    """
    end_old_shadow(request.run_id, stores)
    for version in too_old(request.keep, stores):
        if stores.registry.retire(version, request.run_id):
            stores.models.delete(version)
            logger.info("artefact retired", extra={"version": version})
    # A crash between mark and deletion leaves objects behind that nobody reads: the next attempt finds the mark.
    for model in stores.analytics.models():
        if model.get("retired_by") == request.run_id and model.get("artefact") != KEPT:
            stores.models.delete(model["version"])
    return conclude(stores, request.run_id)


def end_old_shadow(run_id: str, stores: Stores) -> None:
    """Empty the seat of a shadow that was watched for `live.shadow_max_days`, so that another candidate may have it.

    By the starts of the runs, not by the clock of the step: a run that is redriven later says the same.
    """
    seat = stores.shadow.holder()
    if seat is None:
        return
    seated, today = (started(name, stores) for name in (seat["run_id"], run_id))
    limit = stores.settings.live.shadow_max_days
    if seated is None or today is None or (today - seated).days < limit:
        return
    watched = f"Watched for {(today - seated).days} days, {limit} at most: neither promoted, nor a threshold missed."
    if stores.shadow.leave(seat["version"], run_id, watched):
        logger.info("shadow ended", extra={"version": seat["version"], "reason": watched})


def started(run_id: str, stores: Stores) -> dt.datetime | None:
    """Return when a run started, by its record."""
    run = stores.analytics.run(run_id)
    return None if run is None else dt.datetime.fromisoformat(run["started_at"])


def too_old(keep: int, stores: Stores) -> list[str]:
    """Return the versions beyond the newest `keep` whose artefacts are kept and not in use, the oldest first."""
    pointer = stores.registry.pointer() or {}
    used = {pointer.get("version"), pointer.get("previous"), stores.shadow.version()}
    by_age = sorted((model for model in stores.analytics.models() if model.get("artefact") == KEPT), key=_age)
    return [model["version"] for model in by_age[: max(len(by_age) - keep, 0)] if model["version"] not in used]


def _age(model: dict[str, Any]) -> str:
    return str(model.get("promoted_at") or model.get("judged_at") or "")
