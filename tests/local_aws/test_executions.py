"""Whole executions of the deployed application: what they leave in DynamoDB, S3, SNS and the execution history.

Everything is real but the account: the synthesized stacks, the CDK CLI, the state machines, the five functions. The
market is simulated and small, so that a run takes seconds; thresholds are the deployed defaults.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from cli import main
from cli.deployment import Deployment
from cli.local_aws import application
from cli.local_aws.emulator import Emulator
from cli.local_aws.place import Place
from lambdas.contracts.outputs import StackOutput
from lambdas.core.market_data.dataset import write_dataset
from lambdas.core.market_data.sources import SimulatedSource

pytestmark = pytest.mark.slow

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
N_FOLDS = 4


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


@pytest.fixture(scope="module")
def app(place: Place, running: Emulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """Deploy the application once, with small settings, and listen to its topic."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in SETTINGS.items():
            patch.setenv(name, value)
        patch.setenv("AMTS_ENV", "local")
        patch.setenv("AMTS_LOCAL_HOME", str(place.home))
        if not (place.project / "node_modules" / ".bin" / "cdk").exists():
            pytest.skip("the CDK CLI is not installed. Run: make setup")
        deployment = application.up(place)
        queues = deployment.session.client("sqs", endpoint_url=deployment.endpoint)
        queue_url = queues.create_queue(QueueName="heard")["QueueUrl"]
        queue_arn = queues.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["QueueArn"])["Attributes"][
            "QueueArn"
        ]
        topics = deployment.session.client("sns", endpoint_url=deployment.endpoint)
        topics.subscribe(TopicArn=deployment[StackOutput.ALERT_TOPIC_ARN], Protocol="sqs", Endpoint=queue_arn)
        yield App(deployment, running, queue_url, tmp_path_factory.mktemp("runs"))


def market(folder: Path, signal_rank_ic: float, seed: int = 1) -> Path:
    """A small simulated market as a data set folder."""
    source = SimulatedSource(
        seed=seed, n_symbols=24, signal_rank_ic=signal_rank_ic, first=dt.date(2014, 1, 2), last=dt.date(2016, 12, 30)
    )
    write_dataset(source.load(None, as_of=None).dataset, folder)
    return folder


@pytest.fixture(scope="module")
def promoted(app: App, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The run on a market with a planted signal, which the other tests build on."""
    status, run = app.run("--data", str(market(tmp_path_factory.mktemp("planted"), 0.6)), "--fail-on-reject")
    assert (status, run["outcome"]) == (0, "PROMOTED"), run.get("message")
    return run


def test_a_planted_signal_is_deployed_with_every_gate_on_record(app: App, promoted: dict[str, Any]) -> None:
    run_id, version = promoted["run_id"], promoted["version"]

    gates = app.deployment.analytics.gates(run_id)
    assert {name: gate["verdict"] for name, gate in gates.items()} == dict.fromkeys(
        ("data_quality", "backtesting", "market", "risk", "deployment"), "PASS"
    )
    assert app.deployment.registry.champion() == version
    assert app.deployment.analytics.model(version)["outcome"] == "PROMOTED"  # type: ignore[index]
    states = app.states(promoted)
    assert states[0] == "Plan tuning run"
    assert states[-2:] == ["Promote candidate", "Retire old models"]
    assert app.announced(run_id) == ["PROMOTED"]


def test_the_artefact_is_data_whose_hashes_are_in_its_manifest(app: App, promoted: dict[str, Any]) -> None:
    objects, bucket = app.deployment.objects, app.deployment[StackOutput.ARTEFACTS_BUCKET]
    folder = f"s3://{bucket}/models/{promoted['version']}"

    files = json.loads(objects.read(f"{folder}/manifest.json"))["files"]

    assert {Path(name).suffix for name in files} <= {".json", ".ubj", ".txt", ".safetensors", ".parquet"}
    for name, sha256 in files.items():
        assert hashlib.sha256(objects.read(f"{folder}/{name}")).hexdigest() == sha256, name


def test_an_unchanged_run_searches_and_fits_nothing_again(app: App, promoted: dict[str, Any]) -> None:
    trials = app.deployment.analytics._table.get({"PK": "LEDGER", "SK": "TOTAL"})
    ended = app.start(StackOutput.TUNING_MACHINE_ARN, {"data": promoted["data"]})

    assert ended["status"] == "SUCCEEDED", ended.get("cause")
    succeeded = [event.get("taskSucceededEventDetails") for event in app.history(ended)]
    results = [details["output"] for details in succeeded if details]
    payloads = [json.loads(result).get("Payload", {}) for result in results]
    reused = [payload["reused"] for payload in payloads if "reused" in payload]
    assert reused == [True] * len(reused)
    assert len(reused) > N_FOLDS
    assert app.deployment.analytics._table.get({"PK": "LEDGER", "SK": "TOTAL"}) == trials


def test_the_daily_assessment_publishes_the_champions_recommendations_once(app: App, promoted: dict[str, Any]) -> None:
    first, _ = app.run("--mode", "daily", "--data", promoted["data"])
    again, _ = app.run("--mode", "daily", "--data", promoted["data"])

    assert (first, again) == (0, 0)
    table = app.deployment[StackOutput.RECOMMENDATIONS_TABLE]
    items = app.deployment.dynamodb.scan(TableName=table)["Items"]
    assert len(items) == 5  # min_positions of 24 symbols
    assert {item["version"]["S"] for item in items} == {promoted["version"]}
    assert {item["decision_session"]["S"] for item in items} == {"2016-12-30"}


def test_a_market_without_a_signal_keeps_the_champion(app: App, promoted: dict[str, Any], tmp_path: Path) -> None:
    status, run = app.run("--data", str(market(tmp_path / "null", 0.0)), "--fail-on-reject")

    assert (status, run["status"], run["outcome"]) == (3, "SUCCEEDED", "REJECTED")
    stopped = [gate for gate in run["gates"].values() if gate["verdict"] != "PASS"]
    assert len(stopped) == 1, "the machine goes on after a gate that did not pass"
    assert app.states(run)[-2:] == ["Keep champion", "Retire old models"]
    assert app.deployment.registry.champion() == promoted["version"]
    assert app.announced(run["run_id"]) == ["REJECTED"]


def test_a_process_that_is_killed_costs_a_retry_and_not_the_run(
    app: App, promoted: dict[str, Any], tmp_path: Path
) -> None:
    killed: list[int] = []
    done = threading.Event()
    killer = threading.Thread(target=kill_one_engine, args=(app.emulator, killed, done))
    killer.start()
    try:
        status, run = app.run("--data", str(market(tmp_path / "null", 0.0, seed=2)))
    finally:
        done.set()
        killer.join()

    assert killed, "no engine was at work"
    assert (status, run["status"]) == (0, "SUCCEEDED")
    failures = [
        event["taskFailedEventDetails"]["error"] for event in app.history(run) if "taskFailedEventDetails" in event
    ]
    assert "Runtime.ExitError" in failures


@pytest.mark.parametrize(
    "execution_input",
    [{"gates": {"hit_rate": 0.1}}, {"hit_rate": 0.1}, {"lookback_days": 1}, {"symbols": ["'; DROP"]}],
)
def test_an_input_that_the_contract_does_not_know_is_refused_by_name(app: App, execution_input: dict[str, Any]) -> None:
    ended = app.start(StackOutput.TUNING_MACHINE_ARN, execution_input)

    assert (ended["status"], ended["error"]) == ("FAILED", "InvalidRequestError")
    assert next(iter(execution_input)) in ended["cause"]
    record = app.deployment.analytics.run(ended["run_id"]) or {}
    assert (record["outcome"], record["failed_step"]) == ("FAILED", "Plan tuning run")
    assert app.announced(ended["run_id"]) == ["FAILED"]


def test_of_two_runs_at_a_time_the_second_ends_at_once(app: App, promoted: dict[str, Any]) -> None:
    client = app.deployment.step_functions
    machine, request = app.deployment[StackOutput.TUNING_MACHINE_ARN], json.dumps({"data": promoted["data"]})
    first = client.start_execution(stateMachineArn=machine, input=request)["executionArn"]
    deadline = time.monotonic() + 60
    while app.deployment.analytics.run(first.rpartition(":")[2]) is None and time.monotonic() < deadline:
        time.sleep(0.02)

    second = app.start(StackOutput.TUNING_MACHINE_ARN, {"data": promoted["data"]})

    output = json.loads(second["output"])
    assert (second["status"], output["outcome"]) == ("SUCCEEDED", "BUSY")
    assert first.rpartition(":")[2] in output["message"]
    assert app.announced(second["run_id"]) == ["BUSY"]
    while client.describe_execution(executionArn=first)["status"] == "RUNNING" and time.monotonic() < deadline + 60:
        time.sleep(0.1)
    assert client.describe_execution(executionArn=first)["status"] == "SUCCEEDED"


def test_a_broken_upload_fails_the_run_with_the_name_of_what_is_wrong(app: App, promoted: dict[str, Any]) -> None:
    champion = app.deployment.registry.champion()
    uri = f"s3://{app.deployment[StackOutput.DATASETS_BUCKET]}/uploads/broken"
    app.deployment.objects.write(f"{uri}/prices.parquet", b"PAR1 cut off")

    ended = app.start(StackOutput.TUNING_MACHINE_ARN, {"data": uri})

    assert (ended["status"], ended["error"]) == ("FAILED", "InvalidDatasetError")
    assert "prices.parquet" in ended["cause"]
    assert "Record failure" in app.states(ended)
    assert app.deployment.registry.champion() == champion


def test_an_exception_in_one_fold_ends_in_the_failure_path(app: App, promoted: dict[str, Any], tmp_path: Path) -> None:
    objects = app.deployment.objects
    folder = f"s3://{app.deployment[StackOutput.PERFORMANCE_BUCKET]}/predictions"
    facts = {}  # of the first fold, whichever market it is of: one fold of the run below
    for name in (name for name in objects.names(folder) if name.endswith(".parquet")):
        objects.download(f"{folder}/{name}", tmp_path / name)
        predictions = pd.read_parquet(tmp_path / name)
        if "fold" in predictions and predictions["fold"].iloc[0] == 0:
            uri = f"{folder}/{name.removesuffix('.parquet')}.json"
            facts[uri] = objects.read(uri)
    assert facts
    champion = app.deployment.registry.champion()
    try:
        for uri in facts:
            objects.write(uri, b'{"n_predictions": "many"}')
        ended = app.start(StackOutput.TUNING_MACHINE_ARN, {"data": promoted["data"]})
    finally:
        for uri, content in facts.items():
            objects.write(uri, content)

    assert ended["status"] == "FAILED"
    assert "n_predictions" in ended["cause"]
    assert app.states(ended)[-2:] == ["Record failure", "Run failed"]
    assert app.deployment.analytics.run(ended["run_id"])["outcome"] == "FAILED"  # type: ignore[index]
    assert app.announced(ended["run_id"]) == ["FAILED"]
    assert app.deployment.registry.champion() == champion


def test_an_altered_artefact_is_not_loaded(app: App, promoted: dict[str, Any]) -> None:
    bucket = app.deployment[StackOutput.ARTEFACTS_BUCKET]
    folder = f"s3://{bucket}/models/{promoted['version']}"
    name = next(iter(json.loads(app.deployment.objects.read(f"{folder}/manifest.json"))["files"]))
    original = app.deployment.objects.read(f"{folder}/{name}")
    app.deployment.objects.write(f"{folder}/{name}", original + b" ")
    try:  # as of another day, for which no predictions of the champion lie ready
        ended = app.start(StackOutput.ASSESSMENT_MACHINE_ARN, {"data": promoted["data"], "as_of": "2016-12-15"})
    finally:
        app.deployment.objects.write(f"{folder}/{name}", original)

    assert (ended["status"], ended["error"]) == ("FAILED", "ArtefactIntegrityError")
    assert name in ended["cause"]


def kill_one_engine(emulator: Emulator, killed: list[int], done: threading.Event) -> None:
    """Kill a warm engine process of the emulator once it is at work: its processor time has grown."""
    before = engine_seconds(emulator)
    while not done.wait(0.1):
        for pid, seconds in engine_seconds(emulator).items():
            if pid in before and seconds > before[pid]:
                os.kill(pid, signal.SIGKILL)
                killed.append(pid)
                return


def engine_seconds(emulator: Emulator) -> dict[int, int]:
    """Processor time of each process of the ensemble engine, whole seconds."""
    listing = subprocess.run(
        ["/bin/ps", "-Aww", "-o", "pid=,pgid=,time=,args="], capture_output=True, text=True, check=True
    ).stdout
    found = {}
    for line in listing.splitlines():
        pid, group, used, *arguments = line.split()
        if int(group) == emulator.pid and "lambdas.ensemble_model_engine.handler.handler" in arguments:
            parts = [float(part) for part in used.replace("-", ":").split(":")]
            found[int(pid)] = int(sum(part * 60**power for power, part in enumerate(reversed(parts))))
    return found
