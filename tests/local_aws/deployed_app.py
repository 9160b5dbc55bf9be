"""The deployed application, as tests of whole executions use it."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from cli import main
from cli.console import SetupError
from cli.deployment import Deployment
from cli.local_aws.emulator import Emulator
from cli.local_aws.place import Place
from lambdas.contracts.outputs import StackOutput


def require_tools(place: Place) -> None:
    """Skip without the emulator or Node."""
    for name in ("ministack", "node"):
        try:
            place.tool(name)
        except SetupError as error:
            pytest.skip(str(error))


@dataclass(frozen=True)
class App:
    """The deployed application, with a queue that hears what it announces."""

    deployment: Deployment
    emulator: Emulator
    queue_url: str
    folder: Path
    heard: list[dict[str, Any]] = field(default_factory=list)

    def run(self, *arguments: str) -> tuple[int, dict[str, Any]]:
        """Run `amts run` and return its exit status and what it wrote as JSON."""
        out = self.folder / "run.json"
        out.unlink(missing_ok=True)
        status = main.call(main.app, ["run", *arguments, "--json", str(out)])
        return status, json.loads(out.read_text())

    def announced(self, run_id: str) -> list[str]:
        """Return the outcomes that were announced of a run."""
        queues = self.deployment.session.client("sqs", endpoint_url=self.deployment.endpoint)
        while messages := queues.receive_message(QueueUrl=self.queue_url, MaxNumberOfMessages=10).get("Messages"):
            self.heard.extend(json.loads(message["Body"])["MessageAttributes"] for message in messages)
            for message in messages:
                queues.delete_message(QueueUrl=self.queue_url, ReceiptHandle=message["ReceiptHandle"])
        return [heard["outcome"]["Value"] for heard in self.heard if heard["run_id"]["Value"] == run_id]

    def history(self, run: dict[str, Any]) -> list[Any]:
        """Return the events of a run's execution."""
        return self.deployment.step_functions.get_execution_history(executionArn=run["execution"])["events"]

    def states(self, run: dict[str, Any]) -> list[str]:
        """Return the states that a run's execution entered."""
        entered = [event.get("stateEnteredEventDetails") for event in self.history(run)]
        return [details["name"] for details in entered if details]

    def start(self, machine: StackOutput, execution_input: dict[str, Any]) -> dict[str, Any]:
        """Start an execution with any input at all, and wait for its end."""
        client = self.deployment.step_functions
        arn = client.start_execution(stateMachineArn=self.deployment[machine], input=json.dumps(execution_input))
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            ended = client.describe_execution(executionArn=arn["executionArn"])
            if ended["status"] != "RUNNING":
                return {**ended, "execution": ended["executionArn"], "run_id": ended["name"]}
            time.sleep(0.1)
        raise AssertionError("the execution did not end in two minutes")
