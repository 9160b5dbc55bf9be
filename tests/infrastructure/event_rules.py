"""The EventBridge rules of a synthesized template, and what they make of an event: patterns and input transformers."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

ACCOUNT, REGION = "000000000000", "us-east-1"
Event = dict[str, Any]


@dataclass(frozen=True)
class Rule:
    """One rule: what it waits for, and whom it tells what.

    Attributes
    ----------
    pattern : dict
        With ARNs in place of references.
    targets : tuple of (str, dict)
        The name of a function, and the input transformer of the target.
    """

    pattern: Mapping[str, Any]
    targets: tuple[tuple[str, Mapping[str, Any]], ...]

    def told(self, event: Event) -> Iterator[tuple[str, Event]]:
        """Yield the functions that are invoked for an event, each with what it is handed."""
        if matches(self.pattern, event):
            for function, transformer in self.targets:
                yield function, transformed(transformer, event)


def rules_of(template: Mapping[str, Any]) -> tuple[Rule, ...]:
    """Return the rules of a template whose targets are its functions."""
    resources = template["Resources"]
    known = {
        name: resource["Properties"].get("FunctionName") or resource["Properties"].get("StateMachineName")
        for name, resource in resources.items()
        if resource["Type"] in ("AWS::Lambda::Function", "AWS::StepFunctions::StateMachine")
    }
    return tuple(
        Rule(
            _with_arns(resource["Properties"]["EventPattern"], known),
            tuple(
                (known[target["Arn"]["Fn::GetAtt"][0]], target["InputTransformer"])
                for target in resource["Properties"]["Targets"]
            ),
        )
        for resource in resources.values()
        if resource["Type"] == "AWS::Events::Rule"
    )


def _with_arns(value: Any, machines: Mapping[str, str]) -> Any:
    match value:
        case {"Ref": name}:
            return f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:{machines[name]}"
        case dict():
            return {key: _with_arns(part, machines) for key, part in value.items()}
        case list():
            return [_with_arns(part, machines) for part in value]
        case _:
            return value


def matches(pattern: Mapping[str, Any], event: Mapping[str, Any]) -> bool:
    """Say whether an event has, wherever the pattern names values, one of them. Other operators are not known here.

    Examples
    --------
    >>> matches({"detail": {"status": ["ABORTED", "FAILED"]}}, {"source": "x", "detail": {"status": "FAILED"}})
    True
    >>> matches({"source": ["aws.states"]}, {"detail": {}})
    False
    """
    for key, wanted in pattern.items():
        if isinstance(wanted, dict):
            if not isinstance(event.get(key), dict) or not matches(wanted, event[key]):
                return False
            continue
        if not all(isinstance(one, str) for one in wanted):
            raise NotImplementedError(wanted)
        if event.get(key) not in wanted:
            return False
    return True


def transformed(transformer: Mapping[str, Any], event: Event) -> Event:
    """Return what an input transformer makes of an event; a path that the event does not have is an error here.

    Examples
    --------
    >>> transformed({"InputPathsMap": {"at": "$.detail.at"}, "InputTemplate": '{"at":<at>}'}, {"detail": {"at": 5}})
    {'at': 5}
    """
    paths: Mapping[str, str] = transformer["InputPathsMap"]

    def value(found: re.Match[str]) -> str:
        there: Any = event
        for part in paths[found[1]].removeprefix("$.").split("."):
            there = there[part]
        return json.dumps(there)

    made: Event = json.loads(re.sub(r"<([^<>]+)>", value, transformer["InputTemplate"]))
    return made


def status_change(machine: str, name: str, status: str, *, started_at: dt.datetime, stopped_at: dt.datetime) -> Event:
    """Return the event that Step Functions sends when the status of an execution changes, as its documentation has it.

    Source: https://docs.aws.amazon.com/step-functions/latest/dg/eventbridge-integration.html
    """
    execution = f"arn:aws:states:{REGION}:{ACCOUNT}:execution:{machine}:{name}"
    return {
        "version": "0",
        "id": "315c1398-40ff-a850-213b-158f73e60175",
        "detail-type": "Step Functions Execution Status Change",
        "source": "aws.states",
        "account": ACCOUNT,
        "time": stopped_at.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": REGION,
        "resources": [execution],
        "detail": {
            "executionArn": execution,
            "stateMachineArn": f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:{machine}",
            "name": name,
            "status": status,
            "startDate": round(started_at.timestamp() * 1000),
            "stopDate": round(stopped_at.timestamp() * 1000),
            "input": "{}",
            "inputDetails": {"included": True},
            "output": None,
            "outputDetails": None,
        },
    }
