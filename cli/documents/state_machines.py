"""The state machines as diagrams, from the definitions in docs/state_machines.

Those are written by `python -m cdk_app.definitions`, which needs Node; drawing them needs nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "state_machines"
State = Mapping[str, Any]

_SHAPES = {"Choice": ('{{"', '"}}'), "Map": ('[["', '"]]'), "Fail": ('(["', '"])'), "Pass": ('("', '")')}


def diagram(machine: str) -> str:
    """Return a Mermaid flowchart of one machine.

    Errors that retries do not cure lead every Task and Map to *Record failure*; those lines are left out, others that
    a state catches are dotted. States come in the order in which a run meets them.
    """
    definition = json.loads((FOLDER / f"{machine}.asl.json").read_text(encoding="utf-8"))
    states: Mapping[str, State] = definition["States"]
    order = _in_order(definition["StartAt"], states)
    ids = {name: f"s{number}" for number, name in enumerate(order)}
    lines = ["```mermaid", "flowchart TD"]
    for name in order:
        begin, end = _SHAPES.get(states[name]["Type"], ('["', '"]'))
        lines.append(f"  {ids[name]}{begin}{_title(name, states[name])}{end}")
    for name in order:
        for successor, label, caught in _ways(states[name]):
            line = "-.->" if caught else "-->"
            lines.append(f"  {ids[name]} {line}{f'|{label}|' if label else ''} {ids[successor]}")
    return "\n".join([*lines, "```"])


def _title(name: str, state: State) -> str:
    """Return the state's name, and under it the function and its action, if it calls one."""
    task = state
    if state["Type"] == "Map":
        (task,) = state["ItemProcessor"]["States"].values()
    arguments = task.get("Arguments", {})
    if "FunctionName" not in arguments:
        return name
    return f"{name}<br/><small>{arguments['FunctionName']}: {arguments['Payload']['action']}</small>"


def _in_order(start: str, states: Mapping[str, State]) -> list[str]:
    """Return the states breadth first, so that the main line comes before what leaves it."""
    found, waiting = [start], [start]
    while waiting:
        for successor, _, _ in _ways(states[waiting.pop(0)]):
            if successor not in found:
                found.append(successor)
                waiting.append(successor)
    return found


def _ways(state: State) -> Iterator[tuple[str, str, bool]]:
    """Yield where a state leads, what the line says, and whether an error leads there."""
    default = state.get("Default")
    for rule in state.get("Choices", ()):
        if rule["Next"] != default:
            yield rule["Next"], _label(rule["Condition"]), False
    if default is not None:
        yield default, "otherwise", False
    if "Next" in state:
        yield state["Next"], "", False
    for catcher in state.get("Catch", ()):
        if catcher["ErrorEquals"] != ["States.ALL"]:
            yield catcher["Next"], ", ".join(catcher["ErrorEquals"]), True


def _label(condition: str) -> str:
    """Say in a word or two when a rule of a Choice holds.

    Examples
    --------
    >>> _label("{% $plan.kind = 'tune' %}"), _label("{% $today.open = false %}")
    ('tune', 'open = false')
    >>> _label("{% ($live.gate.verdict = 'FAIL') %}")
    'FAIL'
    >>> _label("{% $type($plan.shadow) = 'string' %}"), _label("{% ($a.rate > 0.6) and ($b.rate > 0) %}")
    ('yes', 'holds')
    """
    expression = condition.removeprefix("{%").removesuffix("%}").strip()
    if found := re.fullmatch(r"\(?\$(?:\w+\.)+(\w+) = '?(\w+)'?\)?", expression):
        return found[2] if found[1] in ("kind", "verdict") else f"{found[1]} = {found[2]}"
    if re.fullmatch(r"\$type\(\$[\w.]+\) = 'string'", expression):
        return "yes"
    return "holds"
