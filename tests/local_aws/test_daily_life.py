"""Daily life and its faults, by whole executions of the deployed machine: what is published, and what is not.

The functions' own tests (`tests/functional/test_faults.py`) go further into each fault; here it is the machine that has
to lead the run to the right end, once, with nothing published that should not be.
"""

from __future__ import annotations

import http.client
import io
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pandas as pd
import pytest
from deployed_app import App

from lambdas.adapters.dynamodb import from_item
from lambdas.adapters.objects import INDEX
from lambdas.contracts.outputs import StackOutput

pytestmark = pytest.mark.slow

DAYS = iter(f"2016-11-{day:02d}" for day in (1, 2, 3, 4, 7, 8, 9, 10, 11, 14, 15, 16, 17, 18))
"""Each test asks about a session of its own: what was predicted once is found again, and would prove nothing."""


def assess(app: App, promoted: dict[str, Any], day: str, **request: Any) -> dict[str, Any]:
    """Assess a session, and add what the execution said at its end."""
    ended = app.start(StackOutput.ASSESSMENT_MACHINE_ARN, {"data": promoted["data"], "as_of": day, **request})
    return ended | {"said": json.loads(ended.get("output") or "{}")}


def published(app: App, day: str) -> list[dict[str, Any]]:
    """Return what stands in the table of a session, by rank."""
    table = app.deployment[StackOutput.RECOMMENDATIONS_TABLE]
    items = [from_item(item) for item in app.deployment.dynamodb.scan(TableName=table)["Items"]]
    return sorted((item for item in items if item["decision_session"] == day), key=lambda item: int(item["rank"]))


def test_a_day_without_new_prices_publishes_nothing(app: App, promoted: dict[str, Any]) -> None:
    """The data ends on Friday, 30 December: on Tuesday it is a session late, on Friday too late for anything."""
    late = assess(app, promoted, "2017-01-03")
    assert (late["status"], late["said"]["outcome"]) == ("SUCCEEDED", "ASSESSED")
    record = app.deployment.analytics.run(late["run_id"]) or {}
    assert "Nothing was published: the newest prices, of 2016-12-30, are 1 sessions late" in record["message"]
    stale = assess(app, promoted, "2017-01-06")
    assert (stale["status"], stale["said"].get("outcome")) == ("SUCCEEDED", "REJECTED"), stale.get("cause")
    assert app.announced(stale["run_id"]) == ["REJECTED"]
    assert not [item for item in published(app, "2016-12-30") if item["run_id"] in (late["run_id"], stale["run_id"])]


def test_half_of_the_symbols_missing_stops_at_the_data(app: App, promoted: dict[str, Any]) -> None:
    day = next(DAYS)
    ended = assess(app, promoted, day, symbols=[*symbols_of(app, promoted)[:12], *(f"NO{n}" for n in range(12))])
    assert ended["said"]["outcome"] == "REJECTED"
    assert "50 % of the symbols" in ended["said"]["message"]
    assert "Score newest session" not in app.states(ended)
    assert published(app, day) == []


def test_an_artefact_that_is_gone_publishes_nothing(app: App, promoted: dict[str, Any]) -> None:
    objects, day = app.deployment.objects, next(DAYS)
    uri = f"s3://{app.deployment[StackOutput.ARTEFACTS_BUCKET]}/models/{promoted['version']}/ensemble.json"
    whole = objects.read(uri)
    objects.delete(uri)
    try:
        ended = assess(app, promoted, day)
    finally:
        objects.write(uri, whole)
    assert (ended["status"], ended["error"]) == ("FAILED", "ArtefactIntegrityError")
    assert "ensemble.json" in ended["cause"]
    assert app.announced(ended["run_id"]) == ["FAILED"]
    assert published(app, day) == []


def test_a_feature_that_is_absent_publishes_nothing(app: App, promoted: dict[str, Any]) -> None:
    """The reports are not in the data today; the champion was fitted with them."""
    objects, day = app.deployment.objects, next(DAYS)
    without = f"{promoted['data']}-without-reports"
    for name in objects.names(promoted["data"]):
        if name not in ("fundamentals.parquet", INDEX):  # as a person uploads it: without an index
            objects.write(f"{without}/{name}", objects.read(f"{promoted['data']}/{name}"))
    ended = assess(app, promoted, day, data=without)
    assert (ended["status"], ended["error"]) == ("FAILED", "InvalidDatasetError")
    assert "missing, the model was fitted with them" in ended["cause"]
    assert published(app, day) == []


def test_a_malformed_item_is_left_alone_and_named(app: App, promoted: dict[str, Any]) -> None:
    table, day = app.deployment[StackOutput.ANALYTICS_TABLE], next(DAYS)
    broken = {"PK": {"S": "LIVE"}, "SK": {"S": "2016-10-20#nonsense"}, "symbols": {"S": "not a list"}}
    key = {name: broken[name] for name in ("PK", "SK")}
    app.deployment.dynamodb.put_item(TableName=table, Item=broken)
    try:
        ended = assess(app, promoted, day)
        found = app.deployment.dynamodb.get_item(TableName=table, Key=key)["Item"]
    finally:
        app.deployment.dynamodb.delete_item(TableName=table, Key=key)
    assert ended["said"]["outcome"] == "ASSESSED"
    assert "1 live records cannot be read" in (app.deployment.analytics.run(ended["run_id"]) or {})["message"]
    assert found == broken
    assert len(published(app, day)) == 5


def test_a_schedule_that_delivers_twice_publishes_once(app: App, promoted: dict[str, Any]) -> None:
    """At the same moment, and once more after the first has ended."""
    day, ended = next(DAYS), []

    def deliver() -> None:
        ended.append(assess(app, promoted, day))

    threads = [threading.Thread(target=deliver) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    said = sorted((one["said"]["outcome"], one["run_id"]) for one in ended)
    assert [outcome for outcome, _ in said] == ["ASSESSED", "BUSY"]
    first = said[0][1]
    again = assess(app, promoted, day)
    assert again["said"]["outcome"] == "ASSESSED"
    assert f"was published before, by run {first}" in (app.deployment.analytics.run(again["run_id"]) or {})["message"]
    assert [item["run_id"] for item in published(app, day)] == [first] * 5


def test_throttling_that_outlasts_botocore_is_cured_by_the_machine(app: App, promoted: dict[str, Any]) -> None:
    """The third recommendation is turned away through all of botocore's attempts; the repeat writes what is missing."""
    day = next(DAYS)
    with throttled(app, "backtesting-engine", writes_first=2, turned_away=6), no_waiting(app):
        ended = assess(app, promoted, day)
    assert ended["said"].get("outcome") == "ASSESSED", ended.get("cause")
    failures = [one["taskFailedEventDetails"]["error"] for one in app.history(ended) if "taskFailedEventDetails" in one]
    assert failures == ["TransientStoreError"]
    items = published(app, day)
    assert [int(item["rank"]) for item in items] == [1, 2, 3, 4, 5]
    assert {item["run_id"] for item in items} == {ended["run_id"]}


def symbols_of(app: App, promoted: dict[str, Any]) -> list[str]:
    """Return the symbols of the uploaded market."""
    prices = app.deployment.objects.read(f"{promoted['data']}/prices.parquet")
    return sorted(pd.read_parquet(io.BytesIO(prices), columns=["symbol"])["symbol"].unique())


@contextmanager
def no_waiting(app: App) -> Iterator[None]:
    """Let the emulator's machines retry at once; the policy itself is tested on the definition."""

    def scale(value: float) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", app.emulator.port, timeout=10)
        connection.request("POST", "/_ministack/config", json.dumps({"stepfunctions._SFN_WAIT_SCALE": value}))
        assert connection.getresponse().status == 200

    scale(0.0)
    try:
        yield
    finally:
        scale(1.0)


@contextmanager
def throttled(app: App, function: str, *, writes_first: int, turned_away: int) -> Iterator[None]:
    """Put a DynamoDB before a function that turns writes of recommendations away for a while."""
    table, seen = app.deployment[StackOutput.RECOMMENDATIONS_TABLE], []

    class Throttling(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers["X-Amz-Target"].endswith(".PutItem") and json.loads(body)["TableName"] == table:
                seen.append(1)
                if writes_first < len(seen) <= writes_first + turned_away:
                    kind = "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException"
                    return self.answer(400, json.dumps({"__type": kind, "message": "slow down"}).encode())
            upstream = http.client.HTTPConnection("127.0.0.1", app.emulator.port, timeout=30)
            upstream.request("POST", "/", body, dict(self.headers))
            answer = upstream.getresponse()
            return self.answer(answer.status, answer.read())

        def answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/x-amz-json-1.0")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Throttling)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    client = app.deployment.session.client("lambda", endpoint_url=app.deployment.endpoint)
    (name,) = [one["FunctionName"] for one in functions(client) if function in one["FunctionName"]]
    before = client.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    own = {"AWS_ENDPOINT_URL_DYNAMODB": f"http://127.0.0.1:{server.server_port}"}
    client.update_function_configuration(FunctionName=name, Environment={"Variables": before | own})
    try:
        yield
    finally:
        client.update_function_configuration(FunctionName=name, Environment={"Variables": before})
        server.shutdown()
    assert len(seen) > writes_first + turned_away, "the function did not come this way"


def functions(client: Any) -> list[dict[str, Any]]:
    """Return the deployed functions."""
    return [one for page in client.get_paginator("list_functions").paginate() for one in page["Functions"]]


def test_after_all_faults_the_next_day_is_an_ordinary_one(app: App, promoted: dict[str, Any]) -> None:
    day = next(DAYS)
    assert assess(app, promoted, day)["said"]["outcome"] == "ASSESSED"
    assert len(published(app, day)) == 5
