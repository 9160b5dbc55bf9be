"""What a run used, and what that costs: from its history, and from the sizes of what its results lie in."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from lambdas.advanced_model_tuning_service.timing import step_times
from lambdas.contracts.metrics import Metric
from lambdas.contracts.prices import RunCost
from lambdas.report.facts import StepTime
from lambdas.runtime.observability import measure
from lambdas.runtime.stores import Stores

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions.type_defs import HistoryEventTypeDef

RECEIVED = "received_bytes"
"""Field of a result: bytes that live sources answered with."""


def times_and_cost(stores: Stores, execution_arn: str) -> tuple[tuple[StepTime, ...], RunCost]:
    """Return what an execution did so far by step, and what it used."""
    executions, memory = stores.executions, stores.environment.memory_mb
    events = executions.history(execution_arn)
    functions = executions.functions(execution_arn) if events else {}
    times = step_times(
        events,
        {state: memory[function] for state, function in functions.items() if function in memory},
        executions.child_seconds,
    )
    outputs = list(outputs_of(events, set(functions)))
    gigabyte_seconds = [step.gigabyte_seconds for step in times]
    known = [value for value in gigabyte_seconds if value is not None]
    return times, RunCost.of(
        stores.environment.prices,
        lambda_gb_seconds=sum(known) if len(known) == len(gigabyte_seconds) and known else None,
        invocations=sum(step.invocations for step in times),
        state_transitions=transitions(events, times),
        stored_bytes=sum(stores.objects.size(uri) for uri in sorted(uris_in(outputs, stores))),
        nat_bytes=sum(received_in(outputs)),
    )


def record_cost(stores: Stores, run_id: str, cost: RunCost) -> None:
    """Keep with the record of a run what it cost."""
    stores.analytics.record_cost(run_id, cost.model_dump(mode="json"))
    measure(Metric.RUN_COST, cost.usd)
    measure(Metric.RUN_GB_SECONDS, cost.lambda_gb_seconds)


def transitions(events: Sequence[HistoryEventTypeDef], times: Sequence[StepTime]) -> int:
    """Return the states that were entered, retries, and the one state of each child execution.

    Retries are invocations beyond the tasks that were entered.
    """
    entered = sum(event["type"].endswith("StateEntered") for event in events)
    tasks = sum(event["type"] == "TaskStateEntered" for event in events)
    scheduled = sum(event["type"] == "TaskScheduled" for event in events)
    children = sum(step.invocations for step in times) - scheduled
    return entered + max(scheduled - tasks, 0) + max(children, 0)


def outputs_of(events: Sequence[HistoryEventTypeDef], states: set[str]) -> Iterator[Any]:
    """Yield what states of the main line gave on; one that the history cut short is passed over."""
    for event in events:
        details: Any = event.get("stateExitedEventDetails") or {}
        if details.get("name") in states and details.get("output"):
            try:
                yield json.loads(details["output"])
            except ValueError:
                continue


def uris_in(value: Any, stores: Stores) -> set[str]:
    """Return every address in the stores of this deployment that stands in a value."""
    if isinstance(value, str):
        return {value.rstrip("/")} if stores.objects.holds(value) else set()
    if isinstance(value, dict):
        value = list(value.values())
    return set[str]().union(*(uris_in(entry, stores) for entry in value)) if isinstance(value, list) else set()


def received_in(value: Any) -> Iterator[int]:
    """Yield every count of bytes that live sources answered with."""
    if isinstance(value, dict):
        if isinstance(value.get(RECEIVED), int):
            yield value[RECEIVED]
        value = list(value.values())
    if isinstance(value, list):
        for entry in value:
            yield from received_in(entry)
