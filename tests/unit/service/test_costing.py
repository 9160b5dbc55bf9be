"""What a run cost: from a history as Step Functions documents it and objects on S3."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import boto3
import pytest
from moto import mock_aws

from lambdas.adapters.aws import Clients
from lambdas.advanced_model_tuning_service.costing import times_and_cost
from lambdas.contracts.environment import FunctionEnvironment
from lambdas.contracts.prices import Prices
from lambdas.runtime.stores import Stores

BEGIN = dt.datetime(2026, 11, 22, tzinfo=dt.UTC)
DATASETS = "datasets-of-this-deployment"
ENVIRONMENT = {
    "artefacts_bucket": "artefacts-of-this-deployment",
    "performance_bucket": "performance-of-this-deployment",
    "datasets_bucket": DATASETS,
    "analytics_table": "analytics",
    "recommendations_table": "recommendations",
}
DEFINITION = {
    "States": {
        "Collect": {"Type": "Map", "ItemProcessor": {"States": {"One": {"Arguments": {"FunctionName": "engine"}}}}},
        "Build": {"Type": "Task", "Arguments": {"FunctionName": "arn:aws:lambda:us-east-1:1:function:engine"}},
    }
}


def happened(at: float, kind: str, **details: Any) -> dict[str, Any]:
    return {"type": kind, "timestamp": BEGIN + dt.timedelta(seconds=at), **details}


def entered(at: float, kind: str, name: str) -> dict[str, Any]:
    return happened(at, f"{kind}StateEntered", stateEnteredEventDetails={"name": name})


def exited(at: float, kind: str, name: str, output: Any) -> dict[str, Any]:
    details = {"name": name, "output": output if isinstance(output, str) else json.dumps(output)}
    return happened(at, f"{kind}StateExited", stateExitedEventDetails=details)


BATCHES = [
    {"raw_uri": f"s3://{DATASETS}/batches/1", "received_bytes": 3_000_000},
    {"raw_uri": f"s3://{DATASETS}/batches/2", "received_bytes": 1_000_000},
]
INLINE = [
    happened(0, "ExecutionStarted"),
    entered(0, "Map", "Collect"),
    entered(0, "Task", "One"),
    happened(0, "TaskScheduled"),
    happened(10, "TaskSucceeded"),
    exited(10, "Task", "One", BATCHES[0]),
    entered(10, "Task", "One"),
    happened(10, "TaskScheduled"),
    happened(15, "TaskFailed"),
    happened(15, "TaskScheduled"),
    happened(20, "TaskSucceeded"),
    exited(20, "Task", "One", BATCHES[1]),
    exited(20, "Map", "Collect", BATCHES),
    entered(20, "Task", "Build"),
    happened(20, "TaskScheduled"),
    happened(50, "TaskSucceeded"),
    exited(50, "Task", "Build", {"dataset_uri": f"s3://{DATASETS}/datasets/abc", "n_symbols": 2}),
]
DISTRIBUTED = [
    entered(0, "Map", "Collect"),
    happened(0, "MapRunStarted", mapRunStartedEventDetails={"mapRunArn": "arn:of:the:run"}),
    exited(20, "Map", "Collect", BATCHES),
    *INLINE[-4:],
]


class Answers:
    """A Step Functions client that answers as documented; the real one has no executions without an account."""

    def __init__(self, events: list[dict[str, Any]], definition: Any = DEFINITION) -> None:
        self.events, self.definition = events, definition

    def get_paginator(self, operation: str) -> Answers:
        self.operation = operation
        return self

    def paginate(self, **asked: Any) -> list[dict[str, Any]]:
        if self.operation == "get_execution_history":
            return [{"events": self.events}]
        assert asked == {"mapRunArn": "arn:of:the:run"}
        ended = [{"startDate": BEGIN, "stopDate": BEGIN + dt.timedelta(seconds=seconds)} for seconds in (10, 10)]
        return [{"executions": [*ended, {"startDate": BEGIN}]}]

    def describe_state_machine_for_execution(self, **_asked: Any) -> dict[str, Any]:
        return {"definition": json.dumps(self.definition)}


@pytest.fixture
def stores(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Stores whose bucket holds two batches and a data set, and something that belongs to no run."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    with mock_aws():
        s3 = boto3.client("s3")
        s3.create_bucket(Bucket=DATASETS)
        sizes = {"batches/1/a": 10, "batches/2/a": 20, "datasets/abc/prices": 300, "datasets/abcdef/prices": 7000}
        for key, size in sizes.items():
            s3.put_object(Bucket=DATASETS, Key=key, Body=b"x" * size)
        yield Stores(FunctionEnvironment(**ENVIRONMENT, memory_mb={"engine": 2048}), Clients())  # type: ignore[arg-type]


def test_a_run_costs_what_it_used_at_the_prices_of_the_deployment(stores: Stores) -> None:
    stores.executions._client = Answers(INLINE)  # type: ignore[assignment]
    _, cost = times_and_cost(stores, "arn:of:the:execution")
    assert cost.lambda_gb_seconds == pytest.approx((10 + 5 + 5 + 30) * 2)
    assert cost.invocations == 4
    assert cost.state_transitions == 5  # two states of the main line, two iterations, one retry
    assert (cost.stored_bytes, cost.nat_bytes) == (330, 4_000_000)
    assert cost.usd == pytest.approx(
        100 * 0.0000166667 + 4 * 0.0000002 + 5 * 0.000025 + 330e-9 * 0.023 + 0.004 * 0.045, rel=1e-12
    )
    assert cost.prices_as_of == Prices().as_of


def test_children_of_a_distributed_map_are_counted_like_iterations(stores: Stores) -> None:
    stores.executions._client = Answers(DISTRIBUTED)  # type: ignore[assignment]
    _, cost = times_and_cost(stores, "arn:of:the:execution")
    assert cost.lambda_gb_seconds == pytest.approx((10 + 10 + 30) * 2)
    assert (cost.invocations, cost.state_transitions) == (3, 4)
    assert cost.nat_bytes == 4_000_000


def test_what_is_not_known_is_not_guessed(stores: Stores) -> None:
    stores.executions._client = Answers(INLINE, {"States": {}})  # type: ignore[assignment]
    _, cost = times_and_cost(stores, "arn:of:the:execution")
    assert cost.invocations == 4
    assert cost.lambda_gb_seconds is cost.usd is None


def test_an_output_that_the_history_cut_short_is_passed_over(stores: Stores) -> None:
    cut = exited(50, "Task", "Build", '{"dataset_uri": "s3://da')
    stores.executions._client = Answers([*INLINE[:-1], cut])  # type: ignore[assignment]
    _, cost = times_and_cost(stores, "arn:of:the:execution")
    assert cost.stored_bytes == 30
    assert cost.usd is not None
