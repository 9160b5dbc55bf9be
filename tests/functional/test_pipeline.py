"""Whole runs of both machines, in process, on small simulated markets: the real core, the real stores."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pandas as pd
import pytest
from in_memory_account import NAMES, Account, call, deployed

from cli import in_process as machine
from lambdas.adapters.dynamodb import from_item
from lambdas.backtesting_engine.handler import handler as backtesting
from lambdas.contracts.base import MAX_RESULT_BYTES
from lambdas.core.features import build_features
from lambdas.core.market_data.dataset import dataset_hash, read_dataset, write_dataset
from lambdas.core.market_data.sources import SimulatedSource
from lambdas.core.models.market_view import market_view
from lambdas.core.settings import ModelSettings
from lambdas.core.walk_forward import walk_forward
from lambdas.ensemble_model_engine.handler import handler as ensemble
from lambdas.report.numbers import percent

SMALL = ModelSettings.model_validate(
    {
        "portfolio": {"horizon": 5, "min_history_sessions": 130},
        "walk_forward": {
            "window_days": 60,
            "lookback_days": 240,
            "benchmark_period_days": 90,
            "train_years": 1.0,
            "min_train_sessions": 100,
            "training_stride": 3,
        },
        "tuning": {"n_trials": 1, "inner_folds": 2, "cadence_windows": 0, "network_seeds": 1},
        "evidence": {"bootstrap_draws": 300, "random_portfolios": 50},
        "gates": {"hit_rate": 0.55},
    }
)
"""The gates of the definitions, evidence required, but for the hit rate: five sessions are close to a coin toss."""

GATES = ["data_quality", "backtesting", "market", "risk", "deployment"]
FIRST, LAST = dt.date(2014, 1, 2), dt.date(2016, 12, 30)


def market(folder: Path, rank_ic: float) -> Path:
    source = SimulatedSource(seed=1, n_symbols=20, signal_rank_ic=rank_ic, first=FIRST, last=LAST)
    write_dataset(source.load(None, as_of=None).dataset, folder)
    return folder


@dataclass
class World:
    """An account in which a market with a planted signal was tuned once."""

    account: Account
    folder: Path
    data: str
    run: machine.Run
    end: dict[str, Any]

    def items(self, table: str) -> list[dict[str, Any]]:
        return [from_item(item) for item in boto3.client("dynamodb").scan(TableName=NAMES[table])["Items"]]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with pytest.MonkeyPatch.context() as monkeypatch, deployed(monkeypatch) as account:
        monkeypatch.setenv("OMP_NUM_THREADS", "1")
        account.configure(model=SMALL)
        folder = market(tmp_path_factory.mktemp("planted") / "data", 0.6)
        data = account.upload(folder, "planted")
        run, end = machine.tune("run-1", {"data": data})
        yield World(account, folder, data, run, end)


class TestPlantedSignal:
    def test_it_is_promoted_by_every_gate(self, world: World) -> None:
        gates = world.account.stores.analytics.gates("run-1")
        assert {name: gate["verdict"] for name, gate in gates.items()} == dict.fromkeys(GATES, "PASS")
        assert list(gates) == GATES
        assert world.end["outcome"] == "PROMOTED"
        assert world.account.stores.registry.champion() == world.end["champion"]

    def test_the_artefact_is_complete_and_says_where_it_came_from(self, world: World) -> None:
        manifest = world.account.stores.models.manifest(world.end["champion"])
        build = world.run.result("build")
        assert manifest["lineage"]["dataset_hash"] == build["dataset_hash"]
        assert manifest["lineage"]["as_of"] == LAST.isoformat()
        evaluated = world.run.result("evaluate")
        assert manifest["lineage"]["metrics"]["hit_rate"] == evaluated["hit_rate"]

    def test_the_ledger_counts_every_trial_once(self, world: World) -> None:
        tuned = [result for _, event, result in world.run.steps if event["action"] == "tune"]
        trials = sum(result["trials"] for result in tuned)
        assert trials == len(tuned) * 3 * SMALL.tuning.n_trials
        assert world.run.result("evaluate")["ledger_trials"] == trials

    def test_the_trials_of_the_searches_are_evidence(self, world: World) -> None:
        reports = world.account.stores.reports
        evaluated = reports.read(world.run.result("evaluate")["evaluation_uri"])
        validated = reports.read(world.run.result("validate")["validation_uri"])["validation"]["evaluation"]
        trials = evaluated["trials"]
        assert trials["n_trials"] == world.run.result("evaluate")["ledger_trials"]
        assert -1 < trials["correlation"] <= 1
        for evidence in (evaluated["evaluation"]["evidence"], validated["evidence"]):
            assert evidence["n_trials"] == trials["n_trials"]
            assert 1 <= evidence["effective_trials"] <= evidence["n_trials"]
            assert evidence["expected_best_sharpe"] > 0
            assert evidence["trial_correlation"] == trials["correlation"]
            assert evidence["pbo"] == trials["pbo"] is not None
            assert evidence["spa_p_value"] == trials["spa_p_value"] is not None

    def test_a_search_is_counted_once_by_whichever_run_gets_to_it(self, world: World) -> None:
        """One run searched and failed; two others of different folds reuse its search, and one makes another."""
        _, event, found = next(step for step in world.run.steps if step[1]["action"] == "tune")
        before = world.account.stores.ledger.total()
        other = {**event, "run_id": "broken", "point": {**event["point"], "train_first": "2015-02-02"}}
        searched = call(ensemble, other)
        assert searched["trials"] == 3 * SMALL.tuning.n_trials
        assert world.account.stores.ledger.total() == before
        evaluate = next(event for _, event, _ in world.run.steps if event["action"] == "evaluate")
        for run_id, uris in (
            ("reuses-1", evaluate["predictions_uris"]),
            ("reuses-2", evaluate["predictions_uris"][1:]),
        ):
            searches = [found["hyperparameters_uri"], searched["hyperparameters_uri"]]
            request = {**evaluate, "run_id": run_id, "predictions_uris": uris, "hyperparameters_uris": searches}
            assert call(backtesting, request)["ledger_trials"] == before + searched["trials"]

    def test_the_report_tells_the_same_numbers(self, world: World) -> None:
        page = world.account.stores.objects.read(world.end["report_uri"]).decode()
        report = json.loads(world.account.stores.objects.read(world.end["report_uri"].replace(".html", ".json")))
        assert percent(world.run.result("evaluate")["hit_rate"]) in page
        assert "Deployed" in page
        assert report["quality"]["n_symbols"] == 20
        index = world.account.stores.objects.read(world.account.stores.reports.index_uri()).decode()
        assert 'href="run-1/report.html"' in index
        assert [gate["gate"] for gate in report["gates"]] == GATES
        assert report["evaluation"]["pooled"]["hit_rate"] == world.run.result("evaluate")["hit_rate"]
        assert report["run"]["outcome"] == "PROMOTED"

    def test_the_steps_predict_what_the_core_predicts_in_one_go(self, world: World) -> None:
        """Fanned out over functions, through Parquet and a stored artefact, or in one process: the same numbers."""
        dataset = read_dataset(world.folder)
        whole = walk_forward(
            market_view(dataset, build_features(dataset), SMALL.portfolio),
            LAST,
            SMALL,
            dataset_hash(dataset),
            n_threads=1,
        ).predictions
        fitted = [result for _, event, result in world.run.steps if event["action"] in ("fit_fold", "fit_candidate")]
        predictions = world.account.stores.predictions
        steps = pd.concat([pd.read_parquet(predictions.download(result["predictions_uri"])) for result in fitted])
        pd.testing.assert_frame_equal(steps.reset_index(drop=True), whole, check_exact=True, check_dtype=False)

    def test_results_are_small(self, world: World) -> None:
        sizes = {event["action"]: len(json.dumps(result)) for _, event, result in world.run.steps}
        assert max(sizes.values()) < MAX_RESULT_BYTES

    def test_every_step_run_twice_writes_once(self, world: World) -> None:
        before = world.account.contents()
        call(*world.run.steps[0][:2])  # what it answers now names the new champion; what it wrote stands
        for handler, event, result in world.run.steps[1:]:
            again = call(handler, event)
            assert {**again, "reused": None} == {**result, "reused": None}, event["action"]
            assert world.account.contents() == before, event["action"]
        assert [a["attributes"]["outcome"] for a in world.account.announcements] == ["PROMOTED"]

    def test_the_same_run_again_reuses_and_confirms(self, world: World) -> None:
        ledger = world.account.stores.ledger.total()
        run, end = machine.tune("run-2", {"data": world.data})
        assert all(r["reused"] for _, e, r in run.steps if e["action"] in ("tune", "fit_fold"))
        assert world.account.stores.ledger.total() == ledger
        # The candidate is the champion itself, so it is not worse than it, and nothing lies before it still.
        assert (end["outcome"], end["champion"]) == ("PROMOTED", world.end["champion"])
        pointer = world.account.stores.registry.pointer()
        assert pointer is not None
        assert (pointer["previous"], pointer["run_id"]) == (None, "run-2")

    def test_a_race_is_lost_gracefully(self, world: World) -> None:
        """While this run is judged, the champion is moved by another one."""
        registry = world.account.stores.registry
        rival = "v20161230-aaaaaaaaaaaa"

        def move(version: str, previous: str | None, run_id: str) -> None:
            registry.change(
                version, expected=registry.champion(), previous=previous, run_id=run_id, run={"outcome": "X"}, model={}
            )

        champion = world.end["champion"]
        _, end = machine.tune(
            "run-3", {"data": world.data}, before_promotion=lambda: move(rival, champion, "the-other")
        )
        assert (end["outcome"], end["champion"]) == ("SUPERSEDED", rival)
        move(champion, None, "and-back")

    def test_a_search_stops_in_time(self, world: World) -> None:
        _, event, _ = next(step for step in world.run.steps if step[1]["action"] == "tune")
        other = {**event, "point": {**event["point"], "train_last": "2015-12-01"}}
        result = call(ensemble, other, seconds=30.0)
        assert result["deadline_reached"]
        assert result["trials"] == 0


class TestNullMarket:
    def test_nothing_is_promoted(self, world: World, tmp_path: Path) -> None:
        data = world.account.upload(market(tmp_path / "null", 0.0), "null")
        run, end = machine.tune("null-1", {"data": data})
        assert end["outcome"] == "REJECTED"
        assert "fit_candidate" not in run.actions
        assert run.result("evaluate")["gate"]["verdict"] != "PASS"
        assert world.account.stores.registry.champion() == world.end["champion"]
        assert world.account.announcements[-1]["attributes"]["outcome"] == "REJECTED"


class TestData:
    def test_too_few_symbols_stop_the_run_early(self, world: World) -> None:
        known = sorted(pd.read_parquet(world.folder / "prices.parquet")["symbol"].unique())[:3]
        run, end = machine.tune("thin", {"data": world.data, "symbols": [*known, "NOPE", "NADA"]})
        assert run.actions == ["plan", "collect", "build", "reject", "retire"]
        assert run.result("collect")["n_problems"] == 2
        assert run.result("build")["symbol_coverage"] == pytest.approx(0.6)
        assert "data is not good enough" in end["message"]

    def test_batches_make_the_same_data_set_as_one(self, world: World) -> None:
        whole = machine.Run("whole").prepare({"data": world.data, "as_of": "2016-06-30"})[1]
        symbols = sorted(pd.read_parquet(world.folder / "prices.parquet")["symbol"].unique())
        world.account.stores.analytics.close_run("whole", {"outcome": "X", "message": "", "champion": None})
        world.account.configure(model=SMALL, batch_size=7)
        run = machine.Run("batched")
        batched = run.prepare({"data": world.data, "symbols": symbols, "as_of": "2016-06-30"})[1]
        world.account.configure(model=SMALL)
        assert run.actions.count("collect") == 3
        assert batched["dataset_hash"] == whole["dataset_hash"]
        assert batched["as_of"] == whole["as_of"] == "2016-06-30"

    def test_one_hundred_and_twenty_folds_fit_into_a_result(self, world: World) -> None:
        many = SMALL.model_dump()
        many["portfolio"] |= {"min_history_sessions": 2}
        many["walk_forward"] |= {"window_days": 7, "min_train_sessions": 50}
        world.account.configure(model=ModelSettings.model_validate(many))
        event = {
            "action": "plan",
            "run_id": "many",
            "dataset_uri": world.run.result("build")["dataset_uri"],
            "lookback_days": 840,
            "benchmark_period_days": 90,
        }
        result = call(backtesting, event)
        world.account.configure(model=SMALL)
        assert len(result["folds"]) == 120
        assert len(json.dumps(result)) < MAX_RESULT_BYTES


@pytest.fixture(scope="module")
def days(world: World) -> list[tuple[machine.Run, dict[str, Any]]]:
    """Two assessments, seven sessions apart."""
    return [machine.assess(f"day-{day}", {"data": world.data, "as_of": day}) for day in ("2016-12-01", "2016-12-12")]


class TestDailyAssessment:
    """What the first day publishes has matured on the second."""

    def published(self, world: World, day: str) -> list[dict[str, Any]]:
        return sorted(
            (item for item in world.items("recommendations_table") if item["decision_session"] == day),
            key=lambda item: item["rank"],
        )

    def test_the_most_probable_are_published_with_their_dates(
        self, world: World, days: list[tuple[machine.Run, dict[str, Any]]]
    ) -> None:
        run, result = days[0]
        items = self.published(world, "2016-12-01")
        predicted = pd.read_parquet(
            world.account.stores.predictions.download(run.result("recommend")["predictions_uri"])
        ).set_index("symbol")["probability"]
        likely = predicted[predicted >= 0.5].sort_values(ascending=False)
        assert [item["symbol"] for item in items] == list(likely.index[: len(items)])
        assert len(items) == result["n_published"] == min(5, len(likely))
        assert [item["probability"] for item in items] == pytest.approx(list(likely)[: len(items)])
        for item in items:
            assert (item["entry_session"], item["maturity_session"]) == ("2016-12-02", "2016-12-09")
            assert 1 <= len(item["reasons"]) <= 3
            assert (item["version"], item["run_id"], item["written_by"]) == (
                world.end["champion"],
                "day-2016-12-01",
                "amts",
            )

    def test_what_matured_is_settled_at_the_opens(
        self, world: World, days: list[tuple[machine.Run, dict[str, Any]]]
    ) -> None:
        items = self.published(world, "2016-12-01")
        assert days[1][1]["n_settled"] == len(items) > 0
        prices = pd.read_parquet(world.folder / "prices.parquet").set_index(["symbol", "date"])
        opens = prices["open"] * prices["adj_close"] / prices["close"]
        for item in items:
            entry = opens[item["symbol"], pd.Timestamp("2016-12-02")]
            leave = opens[item["symbol"], pd.Timestamp("2016-12-09")]
            net = leave / entry * (1 - 0.0005) ** 2 - 1
            assert item["status"] == "settled"
            assert item["entry_price"] == pytest.approx(entry)
            assert item["net_return"] == pytest.approx(net)
            assert item["hit"] == (net > 0)
        hits = [item["hit"] for item in items]
        assert days[1][1]["live_hit_rate"] == pytest.approx(sum(hits) / len(hits))

    def test_too_little_live_evidence_is_no_alarm(self, days: list[tuple[machine.Run, dict[str, Any]]]) -> None:
        assert days[1][1]["gate"]["verdict"] == "INSUFFICIENT_EVIDENCE"

    def test_the_run_is_recorded(self, world: World, days: list[tuple[machine.Run, dict[str, Any]]]) -> None:
        record = world.account.stores.analytics.run("day-2016-12-12")
        assert record is not None
        assert record["outcome"] == "ASSESSED"
        assert "Settled" in record["message"]

    def test_every_step_run_twice_writes_once(
        self, world: World, days: list[tuple[machine.Run, dict[str, Any]]]
    ) -> None:
        before = world.account.contents()
        for run, _ in days:
            for handler, event, result in run.steps[1:]:
                assert call(handler, event) == result, event["action"]
                assert world.account.contents() == before, event["action"]

    def test_a_second_run_of_the_day_publishes_nothing_again(
        self, world: World, days: list[tuple[machine.Run, dict[str, Any]]]
    ) -> None:
        before = self.published(world, "2016-12-12")
        _, result = machine.assess("day-again", {"data": world.data, "as_of": "2016-12-12"})
        assert (result["n_published"], result["n_settled"]) == (0, 0)
        assert self.published(world, "2016-12-12") == before

    def test_late_data_is_not_published(self, world: World, days: list[tuple[machine.Run, dict[str, Any]]]) -> None:
        run, result = machine.assess("late", {"data": world.data, "as_of": "2017-01-04"})
        assert run.result("build")["staleness_sessions"] == 2
        assert result["n_published"] == 0
        assert self.published(world, LAST.isoformat()) == []
        record = world.account.stores.analytics.run("late")
        assert record is not None
        assert "2 sessions late" in record["message"]
