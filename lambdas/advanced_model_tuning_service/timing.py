"""How long each step of an execution took, and what it kept busy, from the history that Step Functions keeps."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lambdas.report.facts import StepTime

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions.type_defs import HistoryEventTypeDef

TASK_ENDS = ("TaskSucceeded", "TaskFailed", "TaskTimedOut")
MEGABYTES = 1024.0


def step_times(events: Sequence[HistoryEventTypeDef], memory_mb: Mapping[str, int]) -> tuple[StepTime, ...]:
    """Add up an execution by the states of its main line; what runs inside a map belongs to the map.

    A state that has not been left, such as the one that is writing the report, is not listed; nor is one that invoked
    nothing.

    Parameters
    ----------
    events : sequence of events
        Of `GetExecutionHistory`, oldest first.
    memory_mb : mapping of str to int
        Memory of each function by its name; without it there is time and no cost.
    """
    by_id = {event["id"]: event for event in events}
    times: list[StepTime] = []
    state, entered, within = "", 0.0, ""
    invocations, busy, gigabyte_seconds = 0, 0.0, 0.0
    sized = True
    for event in events:
        kind, at = event["type"], event["timestamp"].timestamp()
        if kind.endswith("StateEntered") and not within:
            state, entered = event["stateEnteredEventDetails"]["name"], at
            within = state if kind == "MapStateEntered" else ""
            invocations, busy, gigabyte_seconds, sized = 0, 0.0, 0.0, True
        elif kind == "MapRunStarted":  # a distributed map: its invocations are in histories of their own
            invocations, sized = invocations + 1, False
        elif kind in TASK_ENDS:
            scheduled = _scheduled(event, by_id)
            if scheduled is None:
                continue
            seconds = at - scheduled["timestamp"].timestamp()
            memory = memory_mb.get(_function(scheduled))
            invocations, busy = invocations + 1, busy + seconds
            sized = sized and memory is not None
            gigabyte_seconds += seconds * (memory or 0) / MEGABYTES
        elif kind.endswith("StateExited") and event["stateExitedEventDetails"]["name"] == (within or state):
            if invocations:
                times.append(
                    StepTime(
                        state=state,
                        seconds=at - entered,
                        invocations=invocations,
                        busy_seconds=busy,
                        gigabyte_seconds=gigabyte_seconds if sized else None,
                    )
                )
            within, invocations = "", 0
    return tuple(times)


def _scheduled(event: HistoryEventTypeDef, by_id: Mapping[int, HistoryEventTypeDef]) -> HistoryEventTypeDef | None:
    """Return the event that scheduled a task, which lies at most two links before its end."""
    found: HistoryEventTypeDef | None = event
    for _ in range(3):
        if found is None or found["type"] == "TaskScheduled":
            break
        found = by_id.get(found.get("previousEventId", 0))
    return found if found is not None and found["type"] == "TaskScheduled" else None


def _function(scheduled: HistoryEventTypeDef) -> str:
    """Return the name of the function that a task invoked: the last part of its ARN, without a version."""
    parameters: dict[str, Any] = json.loads(scheduled.get("taskScheduledEventDetails", {}).get("parameters") or "{}")
    parts = str(parameters.get("FunctionName", "")).split(":")
    return parts[6] if len(parts) > 6 else parts[0]
