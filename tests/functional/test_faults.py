"""Daily life and its faults, by the real handlers on real stores: what is published, and what is not.

One small market is tuned once; each test runs its own days on it.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pandas as pd
import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError
from in_memory_account import NAMES, Account, call, deployed
from test_pipeline import SMALL, market

from cli import in_process as machine
from lambdas.adapters.dynamodb import from_item
from lambdas.adapters.errors import TransientStoreError
from lambdas.advanced_model_tuning_service.handler import handler as service
from lambdas.core.errors import ArtefactIntegrityError, InvalidDatasetError
from lambdas.core.market_data.dataset import read_dataset, write_dataset

NEW_YORK_MORNING = dt.time(13, 0)  # UTC


class World:
    """An account with a champion, and the folder it was fitted on."""

    def __init__(self, account: Account, folder: Path) -> None:
        self.account = account
        self.folder = folder
        self.data = account.upload(folder, "planted")
        self.champion = str(machine.tune("run-1", {"data": self.data, "as_of": "2016-10-31"})[1]["champion"])
        self.n = 0

    def day(self, day: str, data: str | None = None) -> tuple[machine.Run, dict[str, Any]]:
        """Assess a session on the morning after it."""
        self.n += 1
        started = dt.datetime.combine(dt.date.fromisoformat(day), NEW_YORK_MORNING, dt.UTC) + dt.timedelta(days=1)
        return machine.assess(f"day-{self.n}-{day}", {"data": data or self.data, "as_of": day}, started_at=started)

    def failed(self, name: str, started: str) -> None:
        """End a run whose step raised, as the machine's failure fragment does."""
        event = {"action": "fail", "run_id": name, "workflow": "daily-assessment", "error": "X", "cause": "y"}
        call(service, {**event, "failed_step": "Score newest session"})

    def items(self, day: str) -> list[dict[str, Any]]:
        scanned = boto3.client("dynamodb").scan(TableName=NAMES["recommendations_table"])["Items"]
        found = [from_item(item) for item in scanned]
        return sorted((i for i in found if i.get("decision_session") == day), key=lambda i: i["rank"])

    def changed(self, tmp_path: Path, name: str, change: Any) -> str:
        """Upload the market with other prices, and return its URI."""
        prices = change(pd.read_parquet(self.folder / "prices.parquet"))
        folder = tmp_path / name
        folder.mkdir()
        for file in self.folder.iterdir():
            if file.name != "prices.parquet":
                (folder / file.name).write_bytes(file.read_bytes())
        prices.to_parquet(folder / "prices.parquet", index=False)
        write_dataset(read_dataset(folder), tmp_path / f"{name}-written")
        return self.account.upload(tmp_path / f"{name}-written", name)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with pytest.MonkeyPatch.context() as monkeypatch, deployed(monkeypatch) as account:
        monkeypatch.setenv("OMP_NUM_THREADS", "1")
        account.configure(model=SMALL)
        yield World(account, market(tmp_path_factory.mktemp("planted") / "data", 0.6))


@pytest.fixture(scope="module")
def first_day(world: World) -> list[dict[str, Any]]:
    """What was published for the first day: five symbols that mature seven sessions later."""
    world.day("2016-11-01")
    items = world.items("2016-11-01")
    assert items
    return items


class TestPricesAfterwards:
    def test_a_symbol_that_ended_settles_at_its_last_price_and_a_correction_is_noticed(
        self, world: World, first_day: list[dict[str, Any]], tmp_path: Path
    ) -> None:
        ended = first_day[0]["symbol"]

        def end(prices: pd.DataFrame) -> pd.DataFrame:
            return prices[(prices["symbol"] != ended) | (prices["date"] <= "2016-11-04")]

        _, result = world.day("2016-11-10", world.changed(tmp_path, "ended", end))
        assert result["n_settled"] == len(first_day)
        prices = pd.read_parquet(world.folder / "prices.parquet").set_index(["symbol", "date"])
        settled = next(item for item in world.items("2016-11-01") if item["symbol"] == ended)
        assert settled["exit_price"] == pytest.approx(prices.loc[(ended, pd.Timestamp("2016-11-04")), "adj_close"])

        # The next day the symbol is back: its outcome was another one.
        _, again = world.day("2016-11-11")
        assert again["n_corrected"] == 1
        corrected = next(item for item in world.items("2016-11-01") if item["symbol"] == ended)
        assert corrected["net_return_before"] == pytest.approx(settled["net_return"])
        assert corrected["net_return"] != pytest.approx(settled["net_return"], abs=1e-4)
        run = world.account.stores.analytics.run(corrected["corrected_by"])
        assert run is not None
        assert "1 corrected" in run["message"]
        _, third = world.day("2016-11-14")
        assert third["n_corrected"] == 0

    def test_a_symbol_that_left_the_data_is_closed_with_a_reason_once_it_was_waited_for(
        self, world: World, tmp_path: Path
    ) -> None:
        world.day("2016-11-15")
        gone = world.items("2016-11-15")[0]["symbol"]
        data = world.changed(tmp_path, "gone", lambda prices: prices[prices["symbol"] != gone])
        _, matured = world.day("2016-11-25", data)
        assert matured["n_unresolved"] == 0
        assert next(i for i in world.items("2016-11-15") if i["symbol"] == gone)["status"] == "open"
        run, later = world.day("2016-12-02", data)
        assert later["n_unresolved"] >= 1
        closed = next(i for i in world.items("2016-11-15") if i["symbol"] == gone)
        assert closed["status"] == "unresolved"
        assert "neither a hit nor a miss" in closed["reason"]
        before = world.account.contents()
        handler, event, result = run.steps[-1] if run.steps[-1][1]["action"] == "settle" else run.steps[-2]
        assert call(handler, event) == result
        assert world.account.contents() == before


class TestFaults:
    def test_an_artefact_that_was_changed_publishes_nothing(self, world: World) -> None:
        objects, uri = world.account.stores.objects, world.account.stores.models.uri(world.champion)
        whole = objects.read(f"{uri}/ensemble.json")
        objects.write(f"{uri}/ensemble.json", whole + b" ")
        try:
            with pytest.raises(ArtefactIntegrityError, match=r"ensemble\.json"):
                world.day("2016-12-05")
        finally:
            objects.write(f"{uri}/ensemble.json", whole)
        world.failed(f"day-{world.n}-2016-12-05", "x")
        assert world.items("2016-12-05") == []
        told = world.account.announcements[-1]
        assert told["attributes"]["outcome"] == "FAILED"
        assert "Step: Score newest session" in told["text"]
        assert "amts redrive" in told["text"]
        details = json.loads(told["attributes"]["details"])
        assert (details["failed_step"], details["outcome"]) == ("Score newest session", "FAILED")

    def test_an_artefact_that_is_gone_publishes_nothing(self, world: World) -> None:
        objects, uri = world.account.stores.objects, world.account.stores.models.uri(world.champion)
        manifest = objects.read(f"{uri}/manifest.json")
        objects.delete(f"{uri}/manifest.json")
        try:
            with pytest.raises(ArtefactIntegrityError, match=r"has no manifest\.json"):
                world.day("2016-12-06")
        finally:
            objects.write(f"{uri}/manifest.json", manifest)
        world.failed(f"day-{world.n}-2016-12-06", "x")
        assert world.items("2016-12-06") == []

    def test_a_feature_that_is_absent_publishes_nothing(self, world: World, tmp_path: Path) -> None:
        """The source has no fundamentals today: the model was fitted with them."""
        folder = tmp_path / "without"
        folder.mkdir()
        for file in world.folder.iterdir():
            if file.name != "fundamentals.parquet":
                (folder / file.name).write_bytes(file.read_bytes())
        with pytest.raises(InvalidDatasetError, match="missing, the model was fitted with them"):
            world.day("2016-12-07", world.account.upload(folder, "without-fundamentals"))
        world.failed(f"day-{world.n}-2016-12-07", "x")
        assert world.items("2016-12-07") == []

    def test_half_of_the_symbols_missing_publishes_nothing_and_says_which_gate(self, world: World) -> None:
        known = sorted(pd.read_parquet(world.folder / "prices.parquet")["symbol"].unique())
        started = dt.datetime(2016, 12, 9, 13, tzinfo=dt.UTC)
        request = {"data": world.data, "as_of": "2016-12-08", "symbols": [*known[:10], *(f"NO{n}" for n in range(10))]}
        run, end = machine.assess("half", request, started_at=started)
        assert run.actions[-1] == "reject"
        assert (end["outcome"], end["champion"]) == ("REJECTED", world.champion)
        assert "50 % of the symbols" in end["message"]
        assert world.items("2016-12-08") == []
        details = json.loads(world.account.announcements[-1]["attributes"]["details"])
        assert details["stopped_by"]["gate"] == "data_quality"

    def test_a_malformed_item_is_left_alone_and_named(self, world: World) -> None:
        broken = {"PK": {"S": "LIVE"}, "SK": {"S": "2016-10-20#nonsense"}, "symbols": {"S": "not a list"}}
        boto3.client("dynamodb").put_item(TableName=NAMES["analytics_table"], Item=broken)
        run, result = world.day("2016-12-09")
        assert result["n_published"] > 0
        record = world.account.stores.analytics.run(run.run_id)
        assert record is not None
        assert "1 live records cannot be read" in record["message"]
        key = {"PK": broken["PK"], "SK": broken["SK"]}
        left = boto3.client("dynamodb").get_item(TableName=NAMES["analytics_table"], Key=key)["Item"]
        assert left == broken
        boto3.client("dynamodb").delete_item(TableName=NAMES["analytics_table"], Key=key)

    def test_items_of_others_are_left_alone(self, world: World) -> None:
        theirs = {"symbol": {"S": "not/a symbol"}, "recommendation_id": {"S": "theirs"}, "status": {"S": "open"}}
        boto3.client("dynamodb").put_item(TableName=NAMES["recommendations_table"], Item=theirs)
        world.day("2016-12-12")
        key = {name: theirs[name] for name in ("symbol", "recommendation_id")}
        found = boto3.client("dynamodb").get_item(TableName=NAMES["recommendations_table"], Key=key)["Item"]
        assert found == theirs
        world.account.configure(model=SMALL, data_source="yahoo", universe=["AAPL"])
        event = {
            "action": "plan",
            "workflow": "advanced-model-tuning",
            "run_id": "portfolio",
            "execution_arn": "arn",
            "started_at": "2016-12-13T13:00:00Z",
            "request": {},
        }
        plan = call(service, event)
        assert plan["batches"] == [["AAPL"]]
        world.account.configure(model=SMALL)
        boto3.client("dynamodb").delete_item(TableName=NAMES["recommendations_table"], Key=key)

    def test_throttling_is_retried_by_name_and_the_repeat_publishes_once(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """DynamoDB turns away the third of five recommendations, past botocore's own retries."""
        real, written = BaseClient._make_api_call, []

        def throttled(self: Any, operation: str, arguments: Any) -> Any:
            if operation == "PutItem" and arguments["TableName"] == NAMES["recommendations_table"]:
                written.append(operation)
                if len(written) == 3:
                    error = {"Error": {"Code": "ProvisionedThroughputExceededException", "Message": "slow down"}}
                    raise ClientError(error, operation)
            return real(self, operation, arguments)

        with monkeypatch.context() as patch:
            patch.setattr(BaseClient, "_make_api_call", throttled)
            with pytest.raises(TransientStoreError, match="The step is retried"):
                world.day("2016-12-13")
        run_id = f"day-{world.n}-2016-12-13"
        assert len(world.items("2016-12-13")) == 2
        started = dt.datetime(2016, 12, 14, 13, tzinfo=dt.UTC)
        _, result = machine.assess(run_id, {"data": world.data, "as_of": "2016-12-13"}, started_at=started)
        items = world.items("2016-12-13")
        assert result["n_published"] == len(items) > 2
        assert {item["run_id"] for item in items} == {run_id}

    def test_a_duplicate_delivery_of_the_schedule_is_turned_away_or_finds_everything_done(self, world: World) -> None:
        request = {"data": world.data, "as_of": "2016-12-14", "mode": "daily"}
        started = dt.datetime(2016, 12, 15, 13, tzinfo=dt.UTC)
        first = machine.Run("delivery-1", workflow="daily-assessment", started_at=started)
        assert first.plan(request)["kind"] == "assess"
        _, second = machine.assess("delivery-2", request, started_at=started)
        assert second["kind"] == "busy"
        _, done = machine.assess("delivery-1", request, started_at=started)
        _, third = machine.assess("delivery-3", request, started_at=started)
        assert done["n_published"] > 0
        assert (third["n_published"], third["n_settled"]) == (0, 0)
        assert {item["run_id"] for item in world.items("2016-12-14")} == {"delivery-1"}

    def test_no_recommendation_from_prices_that_are_late(self, world: World) -> None:
        started = dt.datetime(2017, 1, 4, 13, tzinfo=dt.UTC)
        _, late = machine.assess("late", {"data": world.data, "as_of": "2017-01-03"}, started_at=started)
        assert late["n_published"] == 0
        assert world.items("2016-12-30") == []
        _, stale = machine.assess(
            "stale", {"data": world.data, "as_of": "2017-01-06"}, started_at=dt.datetime(2017, 1, 7, 13, tzinfo=dt.UTC)
        )
        assert stale["outcome"] == "REJECTED"
        assert world.items("2016-12-30") == []
