"""Commands of AWS in the runbook: that there are such calls, with such parameters, as AWS's own models have them."""

from __future__ import annotations

import re
import shlex

import botocore.session
import pytest
from botocore import xform_name
from project import ROOT

TEXT = (ROOT / "docs" / "runbook.md").read_text()
COMMANDS = [line.strip() for line in TEXT.splitlines() if line.strip().startswith("aws ")]
OF_THE_CLI = {"query", "output", "max-items", "cli-input-json", "cli-binary-format"}
RENAMED = {"s3api": "s3", "notification-endpoint": "endpoint"}
"""What the command line calls otherwise than the service does."""
SESSION = botocore.session.Session()


def objection(command: str) -> str | None:
    """Say what AWS does not know of a command line; None is a line that can be typed."""
    _, service, call, *words = shlex.split(command)
    service = RENAMED.get(service, service)
    if service not in SESSION.get_available_services():
        return f"there is no service {service}"
    model = SESSION.get_service_model(service)
    calls = {xform_name(name, "-"): name for name in model.operation_names}
    if call not in calls:
        return f"{service} has no call {call}"
    shape = model.operation_model(calls[call]).input_shape
    members = {xform_name(name, "-"): name for name in (shape.members if shape else {})}
    options = [word.removeprefix("--") for word in words if word.startswith("--")]
    given = {RENAMED.get(option, option) for option in options}
    unknown = given - set(members) - OF_THE_CLI
    needed = {name for name, member in members.items() if shape and member in shape.required_members}
    missing = set() if "cli-input-json" in given else needed - given
    return f"{call}: unknown {sorted(unknown)}, missing {sorted(missing)}" if unknown or missing else None


@pytest.mark.parametrize("command", sorted(set(COMMANDS)))
def test_a_command_of_the_runbook_can_be_typed(command: str) -> None:
    assert objection(command) is None
    for inner in re.findall(r"\$\((aws [^)]*)\)", command):
        assert objection(inner.replace('`"', "").replace('"`', "")) is None


def test_there_are_commands_for_what_only_aws_has() -> None:
    calls = {" ".join(command.split()[1:3]) for command in COMMANDS}
    assert {
        "stepfunctions stop-execution", "stepfunctions redrive-execution", "dynamodb delete-item", "sqs purge-queue",
        "s3api list-object-versions", "scheduler update-schedule", "logs filter-log-events",
    } <= calls  # fmt: skip


@pytest.mark.parametrize(
    "wrong",
    [
        "aws stepfunction start-execution --state-machine-arn X",
        "aws sqs purge --queue-url X",
        "aws sqs purge-queue --queue X",
        "aws dynamodb delete-item --table-name X",
    ],
)
def test_a_wrong_command_is_noticed(wrong: str) -> None:
    assert objection(wrong) is not None
