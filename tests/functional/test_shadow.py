"""The shadow's life by the real handlers: seated for want of evidence, scored and never published, judged, promoted."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from in_memory_account import NAMES, Account, call, deployed
from test_coordinator import candidate, ended, gate, judged, planned, version
from test_pipeline import SMALL, market

from cli import in_process as machine
from cli.history import history
from lambdas.advanced_model_tuning_service.handler import handler as service
from lambdas.backtesting_engine.handler import handler as backtesting
from lambdas.core.errors import GateNotPassedError
from lambdas.core.settings import ModelSettings
from lambdas.core.values import GateCheck, GateRecord

BEYOND_REACH = SMALL.model_copy(update={"gates": SMALL.gates.model_copy(update={"deflated_sharpe": 1.0})})
"""No finite series proves a Sharpe ratio with certainty: the candidate lacks evidence, and nothing else."""

WITHIN_REACH = SMALL.model_copy(update={"gates": SMALL.gates.model_copy(update={"deflated_sharpe": 0.5})})

DAYS = ("2016-10-31", "2016-11-01", "2016-11-02", "2016-11-03", "2016-11-04", "2016-11-07")
LATER = "2016-11-30"


@pytest.fixture(scope="class")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Account, str, dict[str, Any]]]:
    with pytest.MonkeyPatch.context() as monkeypatch, deployed(monkeypatch) as account:
        monkeypatch.setenv("OMP_NUM_THREADS", "1")
        account.configure(model=BEYOND_REACH)
        data = account.upload(market(tmp_path_factory.mktemp("planted") / "data", 0.6), "planted")
        _, end = machine.tune("run-1", {"data": data, "as_of": DAYS[0]})
        for day in DAYS:
            started = dt.datetime.combine(dt.date.fromisoformat(day), dt.time(13), dt.UTC) + dt.timedelta(days=1)
            machine.assess(f"day-{day}", {"data": data, "as_of": day}, started_at=started)
        yield account, data, end


class TestLife:
    """Tuned once, watched for six sessions, judged when five of them have matured."""

    def seat(self, account: Account) -> str:
        shadow = account.stores.shadow.version()
        assert shadow is not None
        return shadow

    def test_a_candidate_that_lacks_evidence_only_is_seated(self, world: tuple[Account, str, dict[str, Any]]) -> None:
        account, _, end = world
        assert end["outcome"] == "SHADOWED"
        verdicts = {name: item["verdict"] for name, item in account.stores.analytics.gates("run-1").items()}
        assert verdicts["risk"] == "INSUFFICIENT_EVIDENCE"
        assert account.stores.registry.champion() is None
        assert account.announcements[0]["attributes"]["outcome"] == "SHADOWED"
        model = account.stores.analytics.model(self.seat(account))
        assert model is not None
        assert model["outcome"] == "SHADOWED"

    def test_it_is_scored_daily_and_published_nowhere(self, world: tuple[Account, str, dict[str, Any]]) -> None:
        account, _, _ = world
        sessions = account.stores.analytics.live_sessions().sessions
        assert sorted(one.decision_session.isoformat() for one in sessions) == list(DAYS)
        assert {(one.role, one.version) for one in sessions} == {("shadow", self.seat(account))}
        assert boto3.client("dynamodb").scan(TableName=NAMES["recommendations_table"])["Items"] == []
        runs = account.stores.analytics.last_runs(20)
        assert all("no champion" in run["message"] for run in runs if run["run_id"].startswith("day-"))

    def test_one_that_cannot_be_scored_holds_nothing_up_and_is_told_of(
        self, world: tuple[Account, str, dict[str, Any]]
    ) -> None:
        account, data, _ = world
        objects, uri = account.stores.objects, account.stores.models.uri(self.seat(account))
        whole = objects.read(f"{uri}/ensemble.json")
        objects.write(f"{uri}/ensemble.json", whole + b" ")
        try:
            started = dt.datetime(2016, 11, 9, 13, tzinfo=dt.UTC)
            run, _ = machine.assess("altered", {"data": data, "as_of": "2016-11-08"}, started_at=started)
        finally:
            objects.write(f"{uri}/ensemble.json", whole)
        assert run.actions[-1] == "settle"
        record = account.stores.analytics.run("altered") or {}
        assert record["outcome"] == "ASSESSED"
        assert f"Shadow {self.seat(account)} could not be scored" in record["message"]
        assert len(account.stores.analytics.live_sessions().sessions) == len(DAYS)

    def test_its_live_record_is_judged_counted_and_promoted(self, world: tuple[Account, str, dict[str, Any]]) -> None:
        account, data, _ = world
        shadow = self.seat(account)
        run = machine.Run("weekly")
        plan, dataset = run.prepare({"data": data, "as_of": LATER})
        assert plan["shadow"] == shadow
        event = {
            "action": "judge_shadow",
            "run_id": "weekly",
            "dataset_uri": dataset["dataset_uri"],
            "version": shadow,
            "champion": None,
            "benchmark_period_days": 90,
        }
        before = account.stores.ledger.total()
        still_short = call(backtesting, event)
        assert still_short["verdict"] == "INSUFFICIENT_EVIDENCE"
        assert still_short["deflated_sharpe"] < 1.0
        assert account.stores.ledger.total() == before + 1
        promotion = {
            "action": "promote",
            "run_id": "weekly",
            "version": shadow,
            "expected_champion": None,
            "judged": "shadow",
        }
        with pytest.raises(GateNotPassedError, match="risk INSUFFICIENT_EVIDENCE"):
            call(service, promotion)

        account.configure(model=WITHIN_REACH)
        passed = call(backtesting, event)
        assert account.stores.ledger.total() == before + 1  # the same look
        assert passed["verdict"] == "PASS", passed["reason"]
        assert (passed["deflated_sharpe"], passed["hit_rate"]) == (
            still_short["deflated_sharpe"],
            still_short["hit_rate"],
        )
        result = call(service, promotion | {"left_behind": version(9)})
        assert (result["outcome"], result["champion"]) == ("PROMOTED", shadow)
        assert account.stores.shadow.version() is None
        assert [one["event"] for one in account.stores.shadow.changes()] == ["SHADOWED", "SHADOW_ENDED"]
        assert call(service, promotion | {"left_behind": version(9)}) == result
        left = account.stores.analytics.model(version(9))
        assert left is not None
        assert left["outcome"] == "REJECTED"
        account.configure(model=BEYOND_REACH)

    def test_too_short_a_record_is_no_look(self, world: tuple[Account, str, dict[str, Any]]) -> None:
        account, data, _ = world
        account.stores.shadow.take("v20160101-000000000001", "x", {})
        before = account.stores.ledger.total()
        event = {
            "action": "judge_shadow",
            "run_id": "weekly",
            "dataset_uri": machine.Run("weekly").prepare({"data": data, "as_of": LATER})[1]["dataset_uri"],
            "version": "v20160101-000000000001",
            "champion": None,
            "benchmark_period_days": 90,
        }
        result = call(backtesting, event)
        assert (result["verdict"], account.stores.ledger.total()) == ("INSUFFICIENT_EVIDENCE", before)
        assert "0 live sessions" in result["reason"]
        assert call(backtesting, event | {"version": "v20160101-000000000002"})["verdict"] == "FAIL"
        account.stores.shadow.leave("v20160101-000000000001", "x", "test")


class TestSeat:
    """Who is seated, by the recorded gates."""

    def reject(self, account: Account, tmp_path: Path, run_id: str, number: int, **verdicts: str) -> dict[str, Any]:
        judged(account, tmp_path, run_id, number, None, **verdicts)
        stopped = gate(next(iter(verdicts)), next(iter(verdicts.values())))
        return call(
            service,
            {
                "action": "reject",
                "run_id": run_id,
                "version": version(number),
                "stopped_by": stopped.model_dump(mode="json"),
                "predictions_uris": [],
                "holdout_predictions_uri": "s3://amts-test-performance/predictions/x.parquet",
            },
        )

    @pytest.mark.parametrize(
        ("verdicts", "outcome"),
        [
            ({"risk": "INSUFFICIENT_EVIDENCE", "deployment": "FAIL"}, "SHADOWED"),
            ({"market": "INSUFFICIENT_EVIDENCE", "risk": "INSUFFICIENT_EVIDENCE", "deployment": "FAIL"}, "SHADOWED"),
            ({"market": "INSUFFICIENT_EVIDENCE", "risk": "FAIL", "deployment": "FAIL"}, "REJECTED"),
            ({"market": "FAIL", "deployment": "FAIL"}, "REJECTED"),
            ({"deployment": "FAIL"}, "REJECTED"),
        ],
    )
    def test_evidence_may_be_missing_and_nothing_else(
        self, account: Account, tmp_path: Path, verdicts: dict[str, str], outcome: str
    ) -> None:
        assert self.reject(account, tmp_path, "run-1", 1, **verdicts)["outcome"] == outcome
        assert (account.stores.shadow.version() is not None) == (outcome == "SHADOWED")

    def test_who_is_worse_than_the_champion_is_not_seated(self, account: Account, tmp_path: Path) -> None:
        judged(account, tmp_path, "run-1", 1, None, risk="INSUFFICIENT_EVIDENCE")
        worse = GateCheck(
            metric="champion_difference_upper",
            value=-0.1,
            comparison=">=",
            threshold=0.0,
            passed=False,
            kind="threshold",
        )
        record = GateRecord(gate="deployment", verdict="FAIL", checks=(worse,), reason="Worse.")
        account.stores.analytics.record_gate("run-1", record, version=version(1), champion=None)
        event = {
            "action": "reject",
            "run_id": "run-1",
            "version": version(1),
            "stopped_by": record.model_dump(mode="json"),
            "holdout_predictions_uri": "s3://amts-test-performance/predictions/x.parquet",
        }
        assert call(service, event)["outcome"] == "REJECTED"

    def test_the_seat_is_kept_by_who_has_it(self, account: Account, tmp_path: Path) -> None:
        short = {"risk": "INSUFFICIENT_EVIDENCE", "deployment": "FAIL"}
        assert self.reject(account, tmp_path, "run-1", 1, **short)["outcome"] == "SHADOWED"
        assert self.reject(account, tmp_path, "run-2", 2, **short)["outcome"] == "REJECTED"
        assert account.stores.shadow.version() == version(1)

    def test_who_was_watched_too_long_leaves_it_to_another(self, account: Account, tmp_path: Path) -> None:
        """Judged every week, promoted never, no threshold missed: after a year the seat is free."""
        short = {"risk": "INSUFFICIENT_EVIDENCE", "deployment": "FAIL"}
        call(service, planned("run-1", started_at="2025-01-05T07:00:00Z"))
        assert self.reject(account, tmp_path, "run-1", 1, **short)["outcome"] == "SHADOWED"
        for run_id, started_at, holder in (
            ("run-2", "2026-01-04T07:00:00Z", version(1)),  # 364 days
            ("run-3", "2026-01-11T07:00:00Z", None),
        ):
            call(service, planned(run_id, started_at=started_at))
            ended(account, run_id)
            assert account.stores.shadow.version() == version(1)
            retire = {"action": "retire", "run_id": run_id, "keep": 100}
            first = call(service, retire)
            assert account.stores.shadow.version() == holder
            assert call(service, retire) == first  # a repeated step changes nothing
        *_, left = account.stores.shadow.changes()
        assert (left["event"], left["version"], left["run_id"]) == ("SHADOW_ENDED", version(1), "run-3")
        assert "371 days, 365 at most" in left["reason"]
        assert len(account.stores.shadow.changes()) == 2
        assert account.stores.models.exists(version(1))
        assert self.reject(account, tmp_path, "run-4", 2, **short)["outcome"] == "SHADOWED"


def test_status_shows_what_became_of_each_model(account: Account, tmp_path: Path) -> None:
    """Promoted, rolled back, superseded and shadowed."""
    call(service, judged(account, tmp_path, "run-1", 1, None))
    call(service, judged(account, tmp_path, "run-2", 2, version(1)))
    call(service, planned("run-3", started_at="2026-11-23T02:00:00Z"))
    superseded = candidate(account, tmp_path, 3)
    call(service, {"action": "reject", "run_id": "run-3", "version": superseded, "stopped_by": None})
    account.stores.shadow.take(version(4), "run-4", {"reason": "too few trials"})
    back = {"action": "roll_back", "run_id": "back", "version": version(1), "reason": "drill", "requested_by": "ann"}
    call(service, back)
    ended(account, "run-4")
    told = {(one["event"], one["version"]) for one in history(account.stores)}  # type: ignore[arg-type]
    assert told == {
        ("PROMOTED", version(1)),
        ("PROMOTED", version(2)),
        ("SUPERSEDED", version(3)),
        ("SHADOWED", version(4)),
        ("ROLLED_BACK", version(1)),
    }
    (rolled_back,) = [one for one in history(account.stores) if one["event"] == "ROLLED_BACK"]  # type: ignore[arg-type]
    assert (rolled_back["replaced"], rolled_back["reason"], rolled_back["requested_by"]) == (version(2), "drill", "ann")


def test_settings_of_the_life_differ_only_in_what_proof_is_asked() -> None:
    assert BEYOND_REACH.model_dump(exclude={"gates"}) == SMALL.model_dump(exclude={"gates"})
    assert isinstance(BEYOND_REACH, ModelSettings)
