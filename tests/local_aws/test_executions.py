"""Whole executions of the deployed application: what they leave in DynamoDB, S3, SNS and the execution history.

Everything is real but the account: the synthesized stacks, the CDK CLI, the state machines, the five functions. The
market is simulated and small, so that a run takes seconds; thresholds are the deployed defaults.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from deployed_app import App
from small_market import market

from cli.local_aws.emulator import Emulator
from lambdas.adapters.analytics import utc
from lambdas.contracts.outputs import StackOutput

pytestmark = pytest.mark.slow

N_FOLDS = 4


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
    items = app.deployment.dynamodb.scan(TableName=table)["Items"]  # other tests of the session published, too
    newest = [item for item in items if item["decision_session"]["S"] == "2016-12-30"]
    assert len(newest) == 5  # min_positions of 24 symbols
    assert {item["version"]["S"] for item in newest} == {promoted["version"]}
    assert max(item["decision_session"]["S"] for item in items) == "2016-12-30"


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


def test_an_execution_that_is_stopped_before_it_wrote_anything_is_on_record(app: App) -> None:
    """By Step Functions' own event, the deployed rule, its transformer and the function."""
    client = app.deployment.step_functions
    machine = app.deployment[StackOutput.ASSESSMENT_MACHINE_ARN]
    execution = client.start_execution(stateMachineArn=machine, name="stopped-at-once")["executionArn"]
    client.stop_execution(executionArn=execution)
    deadline = time.monotonic() + 60
    while app.deployment.analytics.run("stopped-at-once") is None and time.monotonic() < deadline:
        time.sleep(0.1)

    record = app.deployment.analytics.run("stopped-at-once") or {}
    told = client.describe_execution(executionArn=execution)
    assert told["status"] == "ABORTED"
    assert "kind" not in record, "the execution came as far as its plan, so nothing was shown"
    assert "outcome" not in record
    assert (record["stopped_as"], record["execution_arn"]) == ("ABORTED", execution)
    assert record["workflow"] == "daily-assessment"
    assert record["started_at"] == utc(told["startDate"])
    assert app.announced("stopped-at-once") == []


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
