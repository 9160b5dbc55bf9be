"""Lambda handler of `advanced-model-tuning-service`."""

from __future__ import annotations

from typing import Any

from lambdas.advanced_model_tuning_service.alarming import alarm
from lambdas.advanced_model_tuning_service.ending import fail, promote, reject, roll_back
from lambdas.advanced_model_tuning_service.noting import note_stopped
from lambdas.advanced_model_tuning_service.planning import plan, start
from lambdas.advanced_model_tuning_service.retiring import retire
from lambdas.contracts.tuning_run import TuningRequest
from lambdas.runtime.step import engine_handler
from lambdas.runtime.validation import strictly


def as_start(event: dict[str, Any]) -> dict[str, Any]:
    """Read an event without an action, `{}` too, as the fields of a tuning request that shall be started."""
    request = strictly(TuningRequest, event, "The request")
    return {"action": "start", "request": request.model_dump(mode="json", exclude_unset=True)}


handler = engine_handler(
    start, plan, promote, reject, roll_back, retire, alarm, fail, note_stopped, without_action=as_start
)
