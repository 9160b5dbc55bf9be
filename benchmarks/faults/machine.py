"""Executions of the synthesized machines over the deployed handlers, with the retries that the definition says.

Waits take no time. An execution can be stopped in the middle and redriven, as Step Functions does it: from the state
that had not ended, with the variables it had. (A map is redriven whole; Step Functions would keep its finished items.)
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from benchmarks.faults.memory import remembering
from benchmarks.faults.processes import Child
from benchmarks.faults.wire import Arm, Wire
from cli.in_process import call
from lambdas.advanced_model_tuning_service.handler import handler as service
from lambdas.backtesting_engine.handler import handler as backtesting
from lambdas.ensemble_model_engine.handler import handler as ensemble
from lambdas.fundamental_data_enrichment.handler import handler as enrichment
from lambdas.market_validation_engine.handler import handler as validation
from tests.infrastructure.asl_interpreter import Execution, StateError

HANDLERS = {
    "advanced-model-tuning-service": service,
    "fundamental-data-enrichment": enrichment,
    "ensemble-model-engine": ensemble,
    "backtesting-engine": backtesting,
    "market-validation-engine": validation,
}
TUNING, DAILY = "advanced-model-tuning", "daily-assessment"


class StoppedError(Exception):
    """Somebody stopped the execution."""


@dataclass
class Trouble:
    """A fault that waits for a step of an execution.

    Attributes
    ----------
    visit : int
        Number of the step in the order in which the execution first enters its steps, from 0 on.
    attempts : int
        So many attempts of the step are hit, one after the other.
    arms : callable
        Makes the faults of one attempt.
    process : {'warm', 'own'}
        Whether the attempt runs in a process of its own, which can be killed.
    ends_as : str
        What Step Functions is told when that process ends.
    refused : str
        The Lambda service turns the invocation away with this error, and nothing runs.
    stops : bool
        The execution is stopped while the step runs; the step goes on to its end.
    """

    visit: int
    attempts: int = 1
    arms: Callable[[], list[Arm]] = list
    process: str = "warm"
    ends_as: str = "Runtime.ExitError"
    refused: str = ""
    stops: bool = False


@dataclass
class Ended:
    """How an execution ended, as `DescribeExecution` says it."""

    name: str
    workflow: str
    status: str
    output: Any = None
    error: str = ""
    cause: str = ""

    @property
    def outcome(self) -> str:
        """The outcome that the machine put out, or the status of an execution that did not get so far."""
        return str(self.output["outcome"]) if self.status == "SUCCEEDED" else self.status


@dataclass
class Visit:
    """One step that an execution entered."""

    action: str
    calls: int
    attempts: int


class Machine(Execution):
    """One execution; `start` and `redrive` follow it to an end."""

    def __init__(
        self,
        definition: dict[str, Any],
        *,
        workflow: str,
        name: str,
        request: dict[str, Any],
        started_at: dt.datetime,
        wire: Wire,
        observe: Callable[[str], None] = lambda _: None,
        trouble: tuple[Trouble, ...] = (),
    ) -> None:
        super().__init__(definition, self._task, request)
        self.workflow, self.name, self.wire, self.observe = workflow, name, wire, observe
        self.started_at, self.trouble = started_at, trouble
        self.arn = f"arn:aws:states:us-east-1:000000000000:execution:{workflow}:{name}"
        self.visits: list[Visit] = []
        self.waiting: list[Child] = []
        self.late = "end"
        self.started: list[dict[str, Any]] = []
        self._at: tuple[str, Any] = (definition["StartAt"], request)

    def start(self) -> Ended:
        """Run from the beginning."""
        return self._run(self.definition, self.request)

    def redrive(self) -> Ended:
        """Go on from the state that had not ended."""
        name, value = self._at
        return self._run({**self.definition, "StartAt": name}, value)

    def _run(self, scope: dict[str, Any], value: Any) -> Ended:
        started = self.started_at.astimezone(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        about = {"Name": self.name, "Id": self.arn, "StartTime": started, "Input": self.request}
        try:
            output = self._follow(scope, value, {"Execution": about})
        except StoppedError:
            return Ended(self.name, self.workflow, "ABORTED")
        except StateError as error:
            told = error.output
            return Ended(self.name, self.workflow, "FAILED", error=told["Error"], cause=told.get("Cause", ""))
        return Ended(self.name, self.workflow, "SUCCEEDED", output)

    def _step(self, name: str, state: dict[str, Any], value: Any, context: dict[str, Any]) -> tuple[Any, str | None]:
        self._at = (name, value)
        return super()._step(name, state, value, context)

    def _task(self, _: str, state: dict[str, Any], arguments: dict[str, Any]) -> Any:
        if state["Resource"].endswith(":startExecution"):
            self.started.append(arguments)
            return {"ExecutionArn": f"{self.arn}-started"}
        if self.late == "next step":
            self.late_ones_finish()
        event = arguments["Payload"]
        visit = len(self.visits)
        self.visits.append(Visit(event["action"], 0, 0))
        retries = [0] * len(state.get("Retry", []))
        while True:
            try:
                return {"Payload": self._attempt(visit, arguments["FunctionName"], event)}
            except StateError as error:
                if not self._tries_again(state, retries, error.output["Error"]):
                    raise

    @staticmethod
    def _tries_again(state: dict[str, Any], retries: list[int], error: str) -> bool:
        for number, retry in enumerate(state.get("Retry", [])):
            if error in retry["ErrorEquals"] or "States.ALL" in retry["ErrorEquals"]:
                retries[number] += 1
                return bool(retries[number] <= retry["MaxAttempts"])
        return False

    def _attempt(self, visit: int, function: str, event: dict[str, Any]) -> Any:
        seen = self.visits[visit]
        attempt, seen.attempts = seen.attempts, seen.attempts + 1
        due = [one for one in self.trouble if one.visit == visit and attempt < one.attempts]
        label = f"{self.name}/{visit}/{event['action']}/{attempt}"
        for one in due:
            if one.refused:
                self.wire.note({"by": label, "fault": one.refused})
                raise StateError(one.refused, "the bench turned the invocation away")
        arms = [arm for one in due for arm in one.arms()]
        written = self.wire.items_written
        try:
            if any(one.process == "own" for one in due):
                answer = self._in_own_process(label, function, event, arms, due)
            else:
                answer = self._invoke(label, function, event, arms)
        except StateError:
            if not any(one.stops for one in due):
                raise
            answer = {}
        finally:
            if due or self.wire.items_written > written:  # nothing else moves what is watched
                self.observe(label)
        if any(one.stops for one in due):
            self.wire.note({"by": label, "fault": "stopped"})
            raise StoppedError(label)
        if "error" in answer:
            raise StateError(
                answer["error"], json.dumps({"errorType": answer["error"], "errorMessage": answer["message"]})
            )
        return answer["result"]

    def _in_own_process(
        self, label: str, function: str, event: dict[str, Any], arms: list[Arm], due: list[Trouble]
    ) -> dict[str, Any]:
        child = Child(lambda: self._invoke(label, function, event, arms))
        ends_as = next(one.ends_as for one in due if one.process == "own")
        if child.stopped:
            self.waiting.append(child)
        if child.killed or child.stopped:
            raise StateError(ends_as, "the process was ended by the bench")
        answer: dict[str, Any] = child.answer()
        return answer

    def _invoke(self, label: str, function: str, event: dict[str, Any], arms: list[Arm]) -> dict[str, Any]:
        """Invoke a handler as Lambda does: what it raises comes back as the name of its class."""
        with self.wire.invocation(label, arms), remembering():
            try:
                result = call(HANDLERS[function], event)
            except Exception as error:
                return {"error": type(error).__name__, "message": str(error)}
            finally:
                visit = int(label.split("/")[1])
                self.visits[visit].calls = max(self.visits[visit].calls, self.wire.calls)
        return {"result": result}

    def late_ones_finish(self) -> None:
        """Let the processes that Step Functions gave up go on to their end."""
        waiting, self.waiting = self.waiting, []
        for child in waiting:
            child.resume()
            self.observe(f"{self.name}/late")
