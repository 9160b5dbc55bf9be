"""A step: one action of one function, its request and its result, and the handler that dispatches to it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, get_args

from aws_lambda_powertools.metrics import MetricUnit
from pydantic import ValidationError

from lambdas.adapters.errors import named_faults
from lambdas.contracts.base import MAX_RESULT_BYTES, Contract
from lambdas.contracts.metrics import Metric
from lambdas.core.errors import AmtsError, InvalidRequestError
from lambdas.runtime.observability import flush_metrics, logger, measure_step, peak_memory_mb, tracer
from lambdas.runtime.stores import Stores, stores_of_invocation
from lambdas.runtime.validation import one_line

Request = TypeVar("Request", bound=Contract)
Result = TypeVar("Result", bound=Contract)
Event = dict[str, Any]
Handler = Callable[[Event, Any], dict[str, Any]]


@dataclass(frozen=True)
class Step(Generic[Request, Result]):
    """One action: a function from its request to its result, callable as it was written."""

    action: str
    request_model: type[Request]
    result_model: type[Result]
    function: Callable[[Request, Stores], Result]

    def __call__(self, request: Request, stores: Stores) -> Result:
        """Run the step."""
        return self.function(request, stores)

    def answer(self, event: Event, stores: Stores) -> dict[str, Any]:
        """Check an event, run the step and return its result as JSON values.

        Raises
        ------
        InvalidRequestError
            If the event breaks its contract, or asks for more than fits into a result.
        """
        try:
            request = self.request_model.model_validate(event)
        except ValidationError as error:
            raise InvalidRequestError(one_line(f"The event of '{self.action}'", error, self.request_model)) from None
        with named_faults():
            answer = self.function(request, stores).model_dump(mode="json")
        size = len(json.dumps(answer).encode())
        if size > MAX_RESULT_BYTES:
            raise InvalidRequestError(
                f"The result of '{self.action}' has {size} bytes, more than {MAX_RESULT_BYTES}: ask for a shorter "
                "lookback_days or fewer symbols, or set a longer window_days."
            )
        return answer


def step(
    request_model: type[Request], result_model: type[Result]
) -> Callable[[Callable[[Request, Stores], Result]], Step[Request, Result]]:
    """Turn a function into the step of the action that its request names.

    Examples
    --------
    >>> from lambdas.contracts.tuning_run import OutcomeResult, RejectRequest
    >>> @step(RejectRequest, OutcomeResult)
    ... def keep_champion(request: RejectRequest, stores: Stores) -> OutcomeResult:
    ...     return OutcomeResult(outcome="REJECTED", champion=None, message="The champion stays.")
    >>> keep_champion.action
    'reject'
    """
    (action,) = get_args(request_model.model_fields["action"].annotation)

    def decorate(function: Callable[[Request, Stores], Result]) -> Step[Request, Result]:
        return Step(action, request_model, result_model, function)

    return decorate


def engine_handler(*steps: Step[Any, Any], without_action: Callable[[Event], Event] | None = None) -> Handler:
    """Return the Lambda handler that gives each event to the step of its `action`.

    Parameters
    ----------
    *steps : Step
        What the function can do.
    without_action : callable, optional
        Makes an event with an action of one without; by default such an event is refused.
    """
    by_action = {one.action: one for one in steps}

    def handler(event: Event, context: Any) -> dict[str, Any]:
        if "action" not in event and without_action is not None:
            event = without_action(event)
        action = event.get("action")
        chosen = by_action.get(action) if isinstance(action, str) else None
        if chosen is None:
            raise InvalidRequestError(f"There is no action {action!r} here; the actions are {', '.join(by_action)}.")
        return _observed(chosen, event, context)

    return tracer.capture_lambda_handler(handler) if not tracer.disabled else handler


def _observed(chosen: Step[Any, Any], event: Event, context: Any) -> dict[str, Any]:
    """Run a step with its log lines, its duration and its errors."""
    stores = stores_of_invocation(context)
    # The request id leads to what Lambda itself writes of the same invocation.
    logger.append_keys(
        correlation_id=event.get("run_id", stores.request_id), action=chosen.action, request_id=stores.request_id
    )
    begun = time.monotonic()
    try:
        logger.info("step begins")
        answer = chosen.answer(event, stores)
        ended = {"seconds": round(time.monotonic() - begun, 3), "peak_memory_mb": round(peak_memory_mb())}
        logger.info("step ends", extra=ended)
        return answer
    except Exception as error:
        measure_step(Metric.STEP_ERRORS, 1, MetricUnit.Count, chosen.action)
        if isinstance(error, AmtsError):  # says itself what was wrong; the stack adds nothing
            logger.error("step failed", extra={"error": type(error).__name__, "reason": str(error)})
        else:
            logger.exception("step failed unexpectedly")
        raise
    finally:
        if limit := getattr(context, "memory_limit_in_mb", None):
            measure_step(Metric.STEP_MEMORY, peak_memory_mb() / float(limit) * 100, MetricUnit.Percent, chosen.action)
        measure_step(Metric.STEP_DURATION, (time.monotonic() - begun) * 1000, MetricUnit.Milliseconds, chosen.action)
        flush_metrics()
        logger.remove_keys(["correlation_id", "action", "request_id"])
