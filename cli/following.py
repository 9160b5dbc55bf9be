"""Follow an execution of a state machine: which state it is in, how far its Maps are, how it ends."""

from __future__ import annotations

import datetime as dt
import json
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from cli.console import errors
from cli.deployment import LOCAL, Deployment

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions.type_defs import HistoryEventTypeDef

SECONDS_BETWEEN_LOOKS = {LOCAL: 0.5}
SECONDS_BETWEEN_LOOKS_REMOTE = 3.0
_DECISIONS = ("ChoiceState", "PassState", "SucceedState", "FailState", "WaitState")


@dataclass(frozen=True)
class Ending:
    """How an execution ended."""

    status: str
    output: dict[str, Any] | None
    error: str | None
    cause: str | None

    @property
    def message(self) -> str | None:
        """What the error said: of a function's exception its message, else the cause as it is."""
        if self.cause is None:
            return None
        try:
            said = json.loads(self.cause)
        except ValueError:
            return self.cause
        return str(said.get("errorMessage", self.cause)) if isinstance(said, dict) else self.cause


@dataclass(frozen=True)
class Entered:
    """A state was entered."""

    state: str
    at: dt.datetime
    decides: bool = False


@dataclass(frozen=True)
class Left:
    """A state was left, after so many seconds."""

    state: str
    seconds: float
    decides: bool = False


@dataclass(frozen=True)
class Advanced:
    """A Map has done so many of its items."""

    state: str
    done: int
    total: int | None


@dataclass(frozen=True)
class Stumbled:
    """A task failed. Whether it is tried again, the machine decides."""

    state: str
    error: str


Step = Entered | Left | Advanced | Stumbled


@dataclass
class HistoryReader:
    """Turn the events of an execution's history into steps that a person follows.

    AWS reports each iteration of a Map, the emulator only the tasks in it; either is counted. How many items a Map has
    stands in AWS's event; elsewhere it is the length of the list of that name in an earlier task's result.

    Parameters
    ----------
    items
        Of each Map state, the last name in its `Items` expression: ``folds`` for ``{% $plan.folds %}``.
    """

    items: Mapping[str, str] = field(default_factory=dict)
    _seen: int = 0
    _entered: dict[str, dt.datetime] = field(default_factory=dict)
    _map: str | None = None
    _current: str = ""
    _total: int | None = None
    _iterations: int = 0
    _tasks: int = 0
    _reports_iterations: bool = False
    _lengths: dict[str, int] = field(default_factory=dict)

    def steps(self, events: Iterable[HistoryEventTypeDef]) -> Iterator[Step]:
        """Yield what the events say that were not read before. `events` is the history from its beginning."""
        for event in list(events)[self._seen :]:
            self._seen += 1
            yield from self._read(event)

    def _read(self, event: HistoryEventTypeDef) -> Iterator[Step]:
        kind = event["type"]
        if kind.endswith("StateEntered"):
            name = event["stateEnteredEventDetails"]["name"]
            if self._map is None:
                self._current = name
                self._entered[name] = event["timestamp"]
                if kind == "MapStateEntered":
                    self._map, self._iterations, self._tasks, self._reports_iterations = name, 0, 0, False
                    self._total = self._lengths.get(self.items.get(name, ""))
                yield Entered(name, event["timestamp"], decides=kind.startswith(_DECISIONS))
        elif kind.endswith("StateExited"):
            name = event["stateExitedEventDetails"]["name"]
            if self._map in (None, name):
                self._map = None
                seconds = (event["timestamp"] - self._entered.get(name, event["timestamp"])).total_seconds()
                yield Left(name, seconds, decides=kind.startswith(_DECISIONS))
        elif kind == "MapStateStarted":
            self._total = event["mapStateStartedEventDetails"]["length"]
            yield Advanced(self._current, 0, self._total)
        elif kind == "MapIterationStarted":
            self._reports_iterations = True
        elif kind == "MapIterationSucceeded":
            self._iterations += 1
            yield Advanced(self._current, self._iterations, self._total)
        elif kind in ("TaskFailed", "TaskTimedOut"):
            failed = event.get("taskFailedEventDetails")
            yield Stumbled(self._current, failed.get("error", "unknown") if failed else "States.Timeout")
        elif kind == "TaskSucceeded":
            if self._map is None:
                self._remember_lengths(event["taskSucceededEventDetails"].get("output", ""))
            elif not self._reports_iterations:
                self._tasks += 1
                yield Advanced(self._current, self._tasks, self._total)

    def _remember_lengths(self, output: str) -> None:
        try:
            result = json.loads(output)
        except ValueError:
            return
        payload = result.get("Payload", result) if isinstance(result, dict) else {}
        if isinstance(payload, dict):
            self._lengths |= {name: len(value) for name, value in payload.items() if isinstance(value, list)}


def follow(deployment: Deployment, execution_arn: str) -> Ending:
    """Show an execution until it ends: live on a terminal, else one line a change. Says nothing on standard output.

    Parameters
    ----------
    deployment
        Where it runs.
    execution_arn
        Which one; it may have ended already.

    Returns
    -------
    Ending
        Its status with the output, or the error and its cause.
    """
    client = deployment.step_functions
    reader = HistoryReader(_map_items(deployment, execution_arn))
    pause = SECONDS_BETWEEN_LOOKS.get(deployment.environment, SECONDS_BETWEEN_LOOKS_REMOTE)
    with _display() as display:
        while True:
            described = client.describe_execution(executionArn=execution_arn)
            for step in reader.steps(_history(deployment, execution_arn)):
                display.show(step)
            if described["status"] != "RUNNING":
                break
            time.sleep(pause)
    output = described.get("output")
    return Ending(
        status=described["status"],
        output=json.loads(output) if output and described["status"] == "SUCCEEDED" else None,
        error=described.get("error"),
        cause=described.get("cause"),
    )


def _history(deployment: Deployment, execution_arn: str) -> Iterator[HistoryEventTypeDef]:
    pages = deployment.step_functions.get_paginator("get_execution_history").paginate(
        executionArn=execution_arn, PaginationConfig={"PageSize": 1000}
    )
    for page in pages:
        yield from page["events"]


def _map_items(deployment: Deployment, execution_arn: str) -> dict[str, str]:
    described = deployment.step_functions.describe_state_machine_for_execution(executionArn=execution_arn)
    states: dict[str, dict[str, Any]] = json.loads(described["definition"])["States"]
    names = {name: re.findall(r"[A-Za-z_]\w*", str(state.get("Items", ""))) for name, state in states.items()}
    return {name: found[-1] for name, found in names.items() if found}


class _Display:
    """One line for each step; on a terminal the present one turns a spinner."""

    def __init__(self, progress: Progress | None) -> None:
        self._progress = progress
        self._task = progress.add_task("starting", total=None) if progress else None
        self._announced = ""

    def show(self, step: Step) -> None:
        match step:
            case Entered(state, at, decides):
                if self._progress and self._task is not None:
                    self._progress.reset(self._task, total=None)
                self._say(state, f"{at.astimezone():%H:%M:%S}  {state}{'' if decides else ' ...'}")
            case Left(state, seconds, decides):
                if self._progress and not decides:
                    errors.print(f"[green]done[/]      {escape(state)} [dim]{seconds:.1f} s[/]")
            case Advanced(state, done, total):
                count = f"{done} of {total}" if total is not None else str(done)
                if self._progress and self._task is not None:
                    self._progress.update(self._task, total=total, completed=done)
                self._say(f"{state}  {count}", f"{' ' * 10}{count}" if done else "")
            case Stumbled(state, error):
                errors.print(f"[yellow]attempt failed[/]  {escape(f'{state}: {error}')}", soft_wrap=True)

    def _say(self, live: str, line: str) -> None:
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, description=escape(live))
        elif line:
            errors.print(escape(line), soft_wrap=True)


@contextmanager
def _display() -> Iterator[_Display]:
    if not errors.is_terminal:
        yield _Display(None)
        return
    # What is left is told of a Map, by the items that are done; of a single step nobody knows it.
    left = (TextColumn("left"), TimeRemainingColumn())
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn(), *left)
    with Progress(*columns, console=errors, transient=True) as progress:
        yield _Display(progress)
