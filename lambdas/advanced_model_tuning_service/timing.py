"""How long each step of an execution took, and what it kept busy, from the history that Step Functions keeps."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lambdas.report.facts import StepTime

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions.type_defs import HistoryEventTypeDef

TASK_ENDS = frozenset({"TaskSucceeded", "TaskFailed", "TaskTimedOut", "TaskSubmitFailed", "TaskStartFailed"})
MEGABYTES = 1024.0


@dataclass
class _Visit:
    """One state of the main line while it is open, with all that runs inside it."""

    state: str
    entered: float
    is_map: bool
    scheduled: int = 0
    ended: int = 0
    busy: float = 0.0
    functions: set[str] = field(default_factory=set)
    elsewhere: bool = False

    def left(self, at: float, memory_mb: Mapping[str, int]) -> StepTime:
        only = next(iter(self.functions)) if len(self.functions) == 1 and not self.elsewhere else ""
        memory = memory_mb.get(only)
        return StepTime(
            state=self.state,
            seconds=at - self.entered,
            invocations=self.scheduled,
            busy_seconds=self.busy,
            gigabyte_seconds=self.busy * memory / MEGABYTES if memory is not None else None,
        )


def step_times(events: Sequence[HistoryEventTypeDef], memory_mb: Mapping[str, int]) -> tuple[StepTime, ...]:
    """Add up an execution by the states of its main line; what runs inside a map belongs to the map.

    A state that has not been left, such as the one that is writing the report, is not listed; nor is one that invoked
    nothing. Which start belongs to which end does not matter: ends less starts add up to the same.

    Parameters
    ----------
    events : sequence of events
        Of `GetExecutionHistory`, oldest first.
    memory_mb : mapping of str to int
        Memory of each function by its name; without it there is time and no cost.
    """
    times: list[StepTime] = []
    visit: _Visit | None = None
    for event in events:
        kind, at = event["type"], event["timestamp"].timestamp()
        if kind.endswith("StateEntered") and (visit is None or not visit.is_map):
            visit = _Visit(event["stateEnteredEventDetails"]["name"], at, is_map=kind == "MapStateEntered")
        elif visit is None:
            continue
        elif kind == "TaskScheduled":
            visit.scheduled, visit.busy = visit.scheduled + 1, visit.busy - at
            visit.functions.add(_function(event))
        elif kind in TASK_ENDS:
            visit.ended, visit.busy = visit.ended + 1, visit.busy + at
        elif kind == "MapRunStarted":  # a distributed map: its invocations are in histories of their own
            visit.elsewhere = True
        elif kind.endswith("StateExited") and event["stateExitedEventDetails"]["name"] == visit.state:
            if visit.elsewhere or (visit.scheduled and visit.scheduled == visit.ended):
                times.append(visit.left(at, memory_mb))
            visit = None
    return tuple(times)


def _function(scheduled: HistoryEventTypeDef) -> str:
    """Return the name of the function that a task invoked: of its ARN, without a version; empty if it is not told."""
    details: Mapping[str, Any] = scheduled.get("taskScheduledEventDetails") or {}
    parameters: dict[str, Any] = json.loads(details.get("parameters") or "{}")
    parts = str(parameters.get("FunctionName", "")).split(":")
    return parts[6] if len(parts) > 6 else parts[0]
