"""How long each step of an execution took, and what it kept busy, from the history that Step Functions keeps."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lambdas.report.facts import StepTime

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions.type_defs import HistoryEventTypeDef

TASK_ENDS = frozenset({"TaskSucceeded", "TaskFailed", "TaskTimedOut", "TaskSubmitFailed", "TaskStartFailed"})
MEGABYTES = 1024.0

Children = Callable[[str], Sequence[float]]
"""Seconds of each child execution of a distributed Map, by the ARN of its run."""


def no_children(_map_run_arn: str) -> Sequence[float]:
    """Know of no child executions."""
    return ()


@dataclass
class _Visit:
    """One state of the main line while it is open, with all that runs inside it."""

    state: str
    entered: float
    is_map: bool
    scheduled: int = 0
    ended: int = 0
    busy: float = 0.0
    elsewhere: bool = False

    def left(self, at: float, memory_mb: Mapping[str, int]) -> StepTime:
        memory = memory_mb.get(self.state) if self.scheduled else None
        return StepTime(
            state=self.state,
            seconds=at - self.entered,
            invocations=self.scheduled,
            busy_seconds=self.busy,
            gigabyte_seconds=self.busy * memory / MEGABYTES if memory is not None else None,
        )


def step_times(
    events: Sequence[HistoryEventTypeDef], memory_mb: Mapping[str, int], children: Children = no_children
) -> tuple[StepTime, ...]:
    """Add up an execution by the states of its main line; what runs inside a map belongs to the map.

    A state that has not been left, such as the one that is writing the report, is not listed; nor is one that invoked
    nothing. Which start belongs to which end does not matter: ends less starts add up to the same.

    Parameters
    ----------
    events : sequence of events
        Of `GetExecutionHistory`, oldest first.
    memory_mb : mapping of str to int
        Memory of the function that a state invokes, by the state's name; without it there is time and no cost.
    children : callable
        Seconds of each child execution of a distributed Map: its invocations are in histories of their own. They are
        the time from the start of a child to its end, a little more than its function was busy.
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
        elif kind in TASK_ENDS:
            visit.ended, visit.busy = visit.ended + 1, visit.busy + at
        elif kind == "MapRunStarted":
            visit.elsewhere = True
            seconds = children(event.get("mapRunStartedEventDetails", {}).get("mapRunArn", ""))
            visit.scheduled, visit.busy = len(seconds), sum(seconds)
        elif kind.endswith("StateExited") and event["stateExitedEventDetails"]["name"] == visit.state:
            if visit.elsewhere or (visit.scheduled and visit.scheduled == visit.ended):
                times.append(visit.left(at, memory_mb))
            visit = None
    return tuple(times)
