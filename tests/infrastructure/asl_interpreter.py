"""A small interpreter of the JSONata states that the two machines are made of.

It knows Task, Map, Choice, Pass and Fail with Assign, Output, Arguments, ItemSelector and Catch, as AWS documents
them; retries are the emulator's to show. Expressions are evaluated by `jsonata-python`, a port of the reference.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from jsonata import Jsonata
from jsonata.utils import Utils

EXECUTION_NAME = "run-1"
EXECUTION_ARN = "arn:aws:states:us-east-1:123456789012:execution:advanced-model-tuning:run-1"
STARTED_AT = "2026-11-22T07:00:00.000Z"


class StateError(Exception):
    """An error of a state, by the name that Catch sees."""

    def __init__(self, name: str, cause: str | None = "because") -> None:
        super().__init__(f"{name}: {cause}")
        self.output = {"Error": name} if cause is None else {"Error": name, "Cause": cause}


Respond = Callable[[str, dict[str, Any], dict[str, Any]], Any]
"""Result of a Task from its name, its definition and its evaluated arguments; may raise `StateError`."""


@dataclass
class Execution:
    """What an execution did."""

    definition: dict[str, Any]
    respond: Respond
    request: Any = field(default_factory=dict)
    path: list[str] = field(default_factory=list)
    variables: dict[str, Any] = field(default_factory=dict)
    output: Any = None
    failed: dict[str, str] | None = None

    def run(self) -> Execution:
        """Follow the states to an end."""
        try:
            self.output = self._follow(self.definition, copy.deepcopy(self.request), {})
        except StateError as error:
            self.failed = error.output
        return self

    def _follow(self, scope: dict[str, Any], value: Any, context: dict[str, Any]) -> Any:
        name = scope["StartAt"]
        while True:
            state = scope["States"][name]
            self.path.append(name)
            try:
                value, successor = self._step(name, state, value, context)
            except StateError as error:
                catcher = next(
                    (
                        c
                        for c in state.get("Catch", [])
                        if {"States.ALL", error.output["Error"]} & set(c["ErrorEquals"])
                    ),
                    None,
                )
                if catcher is None:
                    raise
                caught = {"errorOutput": error.output, "input": value}
                self._assign(catcher, caught, context | {"State": {"Name": name}})
                value, successor = error.output, catcher["Next"]
            if successor is None:
                return value
            name = successor

    def _step(self, name: str, state: dict[str, Any], value: Any, context: dict[str, Any]) -> tuple[Any, str | None]:
        states = {"input": value}
        match state["Type"]:
            case "Choice":
                for rule in state["Choices"]:
                    if self._fill(rule["Condition"], states, context) is True:
                        self._assign(rule, states, context)
                        return value, rule["Next"]
                self._assign(state, states, context)
                return value, state["Default"]
            case "Fail":
                raise StateError(
                    self._fill(state["Error"], states, context), self._fill(state["Cause"], states, context)
                )
            case "Task":
                states["result"] = self.respond(name, state, self._fill(state["Arguments"], states, context))
                default = states["result"]
            case "Map":
                states["result"] = default = [
                    self._item(state, states, context | {"Map": {"Item": {"Index": index, "Value": item}}})
                    for index, item in enumerate(self._fill(state["Items"], states, context))
                ]
            case "Pass":
                default = value
            case other:
                raise NotImplementedError(other)
        output = self._fill(state["Output"], states, context) if "Output" in state else default
        self._assign(state, states, context)
        return output, state.get("Next")

    def _item(self, state: dict[str, Any], states: dict[str, Any], context: dict[str, Any]) -> Any:
        """Run one iteration as a child execution: without outer variables, under another name."""
        child = Execution(state["ItemProcessor"], self.respond, path=self.path)
        selected = self._fill(state["ItemSelector"], states, context)
        return child._follow(child.definition, selected, {"Execution": {"Name": "a-child"}})

    def _assign(self, holder: dict[str, Any], states: dict[str, Any], context: dict[str, Any]) -> None:
        # All of them see the values from before: as on AWS, not in order.
        self.variables |= {name: self._fill(value, states, context) for name, value in holder.get("Assign", {}).items()}

    def _fill(self, template: Any, states: dict[str, Any], context: dict[str, Any]) -> Any:
        if isinstance(template, dict):
            return {key: self._fill(value, states, context) for key, value in template.items()}
        if isinstance(template, list):
            return [self._fill(value, states, context) for value in template]
        if isinstance(template, str) and template.startswith("{%"):
            execution = {
                "Execution": {
                    "Name": EXECUTION_NAME,
                    "Id": EXECUTION_ARN,
                    "StartTime": STARTED_AT,
                    "Input": self.request,
                }
            }
            return evaluate(template, self.variables, {**states, "context": execution | context})
        return template


def evaluate(template: str, variables: dict[str, Any], states: dict[str, Any] | None = None) -> Any:
    """Evaluate ``{% … %}``; what comes out undefined is an error, as on AWS."""
    expression = template.removeprefix("{%").removesuffix("%}").strip()
    # Copied: the evaluator marks the lists it has seen. A variable that is None would be undefined to it.
    bindings = {
        name: Utils.NULL_VALUE if value is None else value
        for name, value in copy.deepcopy({**variables, "states": states or {}}).items()
    }
    try:
        value = Jsonata.jsonata(expression).evaluate(None, bindings)
        defined = value is not None or Jsonata.jsonata(f"$exists({expression})").evaluate(None, bindings)
    except Exception as error:
        raise StateError("States.QueryEvaluationError", f"{expression}: {error}") from error
    if not defined:
        raise StateError("States.QueryEvaluationError", f"{expression} is undefined")
    return None if value is Utils.NULL_VALUE else value


def walk(definition: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any], dict[str, Any] | None]]:
    """Yield every state, those of Maps too: its name, the state, and the Map around it."""
    for name, state in definition["States"].items():
        yield name, state, None
        if state["Type"] == "Map":
            yield from ((inner, found, state) for inner, found in state["ItemProcessor"]["States"].items())
