"""The deployed application, as tests of whole executions use it, and the small market they run on."""

from __future__ import annotations

import datetime as dt
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
from lambdas.core.market_data.dataset import write_dataset
from lambdas.core.market_data.sources import SimulatedSource

SETTINGS = {
    "AMTS_MODEL__PORTFOLIO__HORIZON": "5",
    "AMTS_MODEL__PORTFOLIO__MIN_HISTORY_SESSIONS": "130",
    "AMTS_MODEL__WALK_FORWARD__WINDOW_DAYS": "90",
    "AMTS_MODEL__WALK_FORWARD__LOOKBACK_DAYS": "360",
    "AMTS_MODEL__WALK_FORWARD__BENCHMARK_PERIOD_DAYS": "90",
    "AMTS_MODEL__WALK_FORWARD__TRAIN_YEARS": "1.0",
    "AMTS_MODEL__WALK_FORWARD__MIN_TRAIN_SESSIONS": "100",
    "AMTS_MODEL__TUNING__N_TRIALS": "1",
    "AMTS_MODEL__TUNING__INNER_FOLDS": "2",
    "AMTS_MODEL__TUNING__CADENCE_WINDOWS": "0",
    "AMTS_MODEL__TUNING__NETWORK_SEEDS": "1",
    "AMTS_MODEL__EVIDENCE__BOOTSTRAP_DRAWS": "300",
    "AMTS_MODEL__EVIDENCE__RANDOM_PORTFOLIOS": "50",
}


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


def market(folder: Path, signal_rank_ic: float, seed: int = 1) -> Path:
    """A small simulated market as a data set folder."""
    source = SimulatedSource(
        seed=seed, n_symbols=24, signal_rank_ic=signal_rank_ic, first=dt.date(2014, 1, 2), last=dt.date(2016, 12, 30)
    )
    write_dataset(source.load(None, as_of=None).dataset, folder)
    return folder
