"""How runs begin and end: the service on real stores, with gates recorded as the engines record them."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from pathlib import Path
from typing import Any

import boto3
import pytest
from in_memory_account import NAMES, Account, call

from lambdas.adapters.errors import StoreAccessError
from lambdas.advanced_model_tuning_service.handler import handler
from lambdas.core.errors import (
    ArtefactIntegrityError,
    ChampionChangedError,
    GateNotPassedError,
    InvalidRequestError,
)
from lambdas.core.values import GateRecord

GATES = ("data_quality", "backtesting", "market", "risk", "deployment")


def version(number: int) -> str:
    return f"v20260101-{number:012x}"


def planned(run_id: str, request: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    return {
        "action": "plan",
        "workflow": "advanced-model-tuning",
        "run_id": run_id,
        "execution_arn": f"arn:aws:states:us-east-1:123456789012:execution:tuning:{run_id}",
        "started_at": "2026-11-22T02:00:00.123Z",
        "request": request or {},
        **changes,
    }


def ended(account: Account, run_id: str, outcome: str = "REJECTED") -> None:
    """End a run as its last step would, so that another may begin."""
    account.stores.analytics.close_run(run_id, {"outcome": outcome, "message": outcome, "champion": None})


def gate(name: str, verdict: str = "PASS") -> GateRecord:
    return GateRecord(gate=name, verdict=verdict, checks=(), reason=f"The {name} gate says {verdict}.")  # type: ignore[arg-type]


def candidate(account: Account, tmp_path: Path, number: int) -> str:
    """An artefact as the ensemble engine leaves it."""
    folder = tmp_path / f"model{number}"
    folder.mkdir()
    (folder / "weights.json").write_text(json.dumps({"number": number}))
    digest = hashlib.sha256((folder / "weights.json").read_bytes()).hexdigest()
    (folder / "manifest.json").write_text(json.dumps({"files": {"weights.json": digest}}))
    account.stores.models.save(folder, version(number))
    return version(number)


def judged(
    account: Account, tmp_path: Path, run_id: str, number: int, champion: str | None, **verdicts: str
) -> dict[str, Any]:
    """A run whose gates are all recorded; returns the event that promotes its candidate.

    Runs start a day apart: the lock of one that did not end has expired when the next begins.
    """
    call(handler, planned(run_id, started_at=f"2026-11-{number:02d}T02:00:00Z"))
    for name in GATES:
        facts = {"version": version(number), "champion": champion} if name == "deployment" else {}
        account.stores.analytics.record_gate(run_id, gate(name, verdicts.get(name, "PASS")), **facts)
    candidate(account, tmp_path, number)
    return {"action": "promote", "run_id": run_id, "version": version(number), "expected_champion": champion}


class TestStart:
    def test_an_empty_event_starts_the_tuning_machine(self, account: Account) -> None:
        arn = call(handler, {})["execution_arn"]
        execution = boto3.client("stepfunctions").describe_execution(executionArn=arn)
        assert ":execution:tuning:on-demand-" in arn
        assert json.loads(execution["input"]) == {}

    def test_fields_travel_and_mode_chooses_the_machine(self, account: Account) -> None:
        arn = call(handler, {"mode": "daily", "as_of": "2026-11-20"})["execution_arn"]
        execution = boto3.client("stepfunctions").describe_execution(executionArn=arn)
        assert ":execution:assessment:" in arn
        assert json.loads(execution["input"]) == {"mode": "daily", "as_of": "2026-11-20"}

    def test_a_repeated_invocation_starts_nothing_again(self, account: Account) -> None:
        arns = {call(handler, {}, aws_request_id="one")["execution_arn"] for _ in range(2)}
        assert len(arns) == 1

    def test_an_unknown_action_names_the_known_ones(self, account: Account) -> None:
        with pytest.raises(InvalidRequestError, match="no action 'tune' here; the actions are start, plan, promote"):
            call(handler, {"action": "tune"})


BAD_REQUESTS: list[tuple[dict[str, Any], str]] = [
    ({"symbls": ["AAPL"]}, "`symbls` is not a field. Its fields are data, symbols, as_of"),
    ({"hit_rate": 0.1}, "`hit_rate` is not a field.*thresholds are settings of the deployment"),
    ({"gates": {"hit_rate": 0.1}}, "`gates` is not a field"),
    ({"symbols": ["AAPL", "<script>"]}, "`symbols.1` .*not '<script>'"),
    ({"symbols": []}, "`symbols` .*at least 1"),
    ({"symbols": "AAPL"}, "`symbols` .*not 'AAPL'"),
    ({"as_of": "2026-11-23"}, "`as_of` 2026-11-23 is not between 1990-01-01 and the day of the run, 2026-11-22"),
    ({"as_of": "1929-10-24"}, "`as_of` 1929-10-24 is not between"),
    ({"as_of": 20191231}, "`as_of`"),
    ({"as_of": "last friday"}, "`as_of`"),
    ({"data": "s3://somebody-elses-bucket/data"}, "not in a bucket of this deployment"),
    ({"data": "bloomberg"}, "`data`"),
    ({"lookback_days": 10}, "`lookback_days` should be greater than or equal to 30, not 10"),
    ({"lookback_days": 1e9}, "`lookback_days`"),
    ({"lookback_days": "1095"}, "`lookback_days`"),
    ({"dry_run": "yes"}, "`dry_run`"),
    ({"dry_run": True, "rollback_to": "previous"}, "not both"),
    ({"mode": "daily"}, "`mode` daily is the machine daily-assessment"),
    ({"rollback_to": "previous"}, "there was no champion before"),
    ({"rollback_to": "latest"}, "`rollback_to`"),
    ({"rollback_to": version(7)}, "was never promoted"),
    ({"reason": "x" * 201}, "`reason`"),
]


class TestPlan:
    @pytest.mark.parametrize(("request_", "message"), BAD_REQUESTS, ids=[json.dumps(r)[:40] for r, _ in BAD_REQUESTS])
    def test_bad_input_is_refused_by_name_and_writes_nothing(
        self, account: Account, request_: dict[str, Any], message: str
    ) -> None:
        before = account.contents()
        with pytest.raises(InvalidRequestError, match=message) as caught:
            call(handler, planned("bad", request_))
        assert "\n" not in str(caught.value)
        assert account.contents() == before
        assert account.announcements == []

    def test_input_that_is_no_object_is_refused(self, account: Account) -> None:
        with pytest.raises(InvalidRequestError, match="`request` should be a valid dictionary"):
            call(handler, planned("bad", ["AAPL"]))  # type: ignore[arg-type]

    def test_defaults_come_from_the_settings(self, account: Account) -> None:
        plan = call(handler, planned("run-1"))
        assert plan["kind"] == "tune"
        assert plan["data"] == "simulated"
        assert plan["batches"] == [[]]
        assert (plan["lookback_days"], plan["benchmark_period_days"]) == (1095, 90)
        assert plan["champion"] is None
        record = account.stores.analytics.run("run-1")
        assert record is not None
        assert record["started_at"] == "2026-11-22T02:00:00+00:00"
        assert record["settings"]["gates"]["hit_rate"] == 0.6
        assert [run["run_id"] for run in account.stores.analytics.last_runs()] == ["run-1"]

    def test_symbols_of_the_request_come_sorted_in_batches(self, account: Account) -> None:
        account.configure(batch_size=2, universe=["ZZZ"])
        plan = call(handler, planned("run-1", {"symbols": ["MSFT", "AAPL", "BRK.B", "AAPL"]}))
        assert plan["batches"] == [["AAPL", "BRK.B"], ["MSFT"]]

    def test_the_universe_belongs_to_the_deployed_source(self, account: Account) -> None:
        account.configure(universe=["AAPL"])
        assert call(handler, planned("run-1"))["batches"] == [["AAPL"]]
        ended(account, "run-1")
        assert call(handler, planned("run-2", {"data": "sample"}))["batches"] == [[]]

    def test_the_portfolio_of_others_is_the_universe_of_the_live_source(self, account: Account) -> None:
        account.configure(data_source="yahoo", universe=["ZZZ"])
        table = account.stores.recommendations
        table.publish("OURS", "2026-11-20#v", {})
        boto3.client("dynamodb").put_item(
            TableName=NAMES["recommendations_table"],
            Item={"symbol": {"S": "AAPL"}, "recommendation_id": {"S": "theirs"}},
        )
        assert call(handler, planned("run-1"))["batches"] == [["AAPL"]]

    def test_the_live_source_needs_symbols(self, account: Account) -> None:
        account.configure(data_source="yahoo")
        with pytest.raises(InvalidRequestError, match="There are no symbols to model"):
            call(handler, planned("run-1"))

    def test_two_thousand_symbols_fit_into_a_result(self, account: Account) -> None:
        symbols = [f"S{i:05d}.X" for i in range(2000)]
        assert sum(map(len, call(handler, planned("run-1", {"symbols": symbols}))["batches"])) == 2000

    def test_an_assessment_without_champion_says_so(self, account: Account) -> None:
        plan = call(handler, planned("day-1", workflow="daily-assessment"))
        assert plan["kind"] == "nothing"
        assert account.announcements[0]["attributes"]["outcome"] == "NOTHING"
        assert "no champion yet" in account.announcements[0]["text"]

    def test_a_dry_run_touches_everything_and_says_so(self, account: Account) -> None:
        plan = call(handler, planned("dry", {"dry_run": True}))
        assert plan["kind"] == "dry_run"
        record = account.stores.analytics.run("dry")
        assert record is not None
        assert record["outcome"] == "DRY_RUN"

    @pytest.mark.parametrize("name", ["artefacts_bucket", "recommendations_table"])
    def test_a_dry_run_names_what_is_missing(self, account: Account, name: str) -> None:
        account.configure(**{name: "not-there"})
        with pytest.raises(StoreAccessError, match="was refused"):
            call(handler, planned("dry", {"dry_run": True}))

    def test_a_missing_variable_is_named(self, account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("AMTS_ANALYTICS_TABLE")
        with pytest.raises(StoreAccessError, match="AMTS_ANALYTICS_TABLE"):
            call(handler, planned("run-1"))

    def test_planned_twice_is_recorded_once(self, account: Account) -> None:
        call(handler, planned("run-1"))
        before = account.contents()
        call(handler, planned("run-1"))
        assert account.contents() == before


class TestPromote:
    def test_first_champion(self, account: Account, tmp_path: Path) -> None:
        result = call(handler, judged(account, tmp_path, "run-1", 1, None))
        assert (result["outcome"], result["champion"]) == ("PROMOTED", version(1))
        assert account.stores.registry.champion() == version(1)
        model = account.stores.analytics.model(version(1))
        assert model is not None
        assert model["replaced"] is None
        page = account.stores.objects.read(result["report_uri"]).decode()
        assert "data_quality" in page
        assert [a["attributes"]["outcome"] for a in account.announcements] == ["PROMOTED"]

    def test_a_step_run_twice_writes_and_announces_once(self, account: Account, tmp_path: Path) -> None:
        event = judged(account, tmp_path, "run-1", 1, None)
        first = call(handler, event)
        before = account.contents()["items"]
        assert call(handler, event) == first
        assert account.contents()["items"] == before
        assert len(account.announcements) == 1

    def test_a_repeat_after_a_later_promotion_reports_what_was(self, account: Account, tmp_path: Path) -> None:
        event = judged(account, tmp_path, "run-1", 1, None)
        first = call(handler, event)
        call(handler, judged(account, tmp_path, "run-2", 2, version(1)))
        assert call(handler, event) == first
        assert account.stores.registry.champion() == version(2)

    @pytest.mark.parametrize("name", GATES)
    @pytest.mark.parametrize("verdict", ["FAIL", "INSUFFICIENT_EVIDENCE"])
    def test_no_gate_can_be_left_out(self, account: Account, tmp_path: Path, name: str, verdict: str) -> None:
        event = judged(account, tmp_path, "run-1", 1, None, **{name: verdict})
        with pytest.raises(GateNotPassedError, match=f"{name} {verdict}"):
            call(handler, event)
        assert account.stores.registry.champion() is None

    def test_unrecorded_gates_do_not_pass(self, account: Account, tmp_path: Path) -> None:
        call(handler, planned("run-1"))
        event = {
            "action": "promote",
            "run_id": "run-1",
            "version": candidate(account, tmp_path, 1),
            "expected_champion": None,
        }
        with pytest.raises(GateNotPassedError, match="data_quality not recorded"):
            call(handler, event)

    def test_gates_of_another_candidate_do_not_count(self, account: Account, tmp_path: Path) -> None:
        event = judged(account, tmp_path, "run-1", 1, None)
        with pytest.raises(GateNotPassedError, match="judged"):
            call(handler, {**event, "version": candidate(account, tmp_path, 2)})

    def test_an_altered_artefact_is_not_promoted(self, account: Account, tmp_path: Path) -> None:
        event = judged(account, tmp_path, "run-1", 1, None)
        account.stores.objects.write(f"{account.stores.models.uri(version(1))}/weights.json", b"{}")
        with pytest.raises(ArtefactIntegrityError, match=r"weights\.json"):
            call(handler, event)

    def test_of_two_runs_one_wins(self, account: Account, tmp_path: Path) -> None:
        first, second = (judged(account, tmp_path, f"run-{n}", n, None) for n in (1, 2))
        call(handler, first)
        with pytest.raises(ChampionChangedError, match=f"the champion is now {version(1)}"):
            call(handler, second)
        ended = call(handler, {"action": "reject", "run_id": "run-2", "version": version(2), "stopped_by": None})
        assert ended["outcome"] == "SUPERSEDED"
        assert account.stores.registry.champion() == version(1)

    def test_the_condition_holds_in_the_transaction_itself(
        self, account: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The other run is promoted between this run's look at the pointer and its transaction."""
        first, second = (judged(account, tmp_path, f"run-{n}", n, None) for n in (1, 2))
        call(handler, first)
        pointer = account.stores.registry.pointer()
        answers = iter([None])
        registry = type(account.stores.registry)
        real = registry.pointer
        monkeypatch.setattr(registry, "pointer", lambda self: next(answers, pointer) and real(self))
        with pytest.raises(ChampionChangedError):
            call(handler, second)
        monkeypatch.undo()

    def test_back_and_forth_is_not_taken_for_unchanged(self, account: Account, tmp_path: Path) -> None:
        """v1, v2, back to v1: a candidate compared with the first v1 is still compared with v1, and may go on."""
        call(handler, judged(account, tmp_path, "run-1", 1, None))
        call(handler, judged(account, tmp_path, "run-2", 2, version(1)))
        call(handler, {"action": "roll_back", "run_id": "back", "version": version(1), "reason": "drill"})
        result = call(handler, judged(account, tmp_path, "run-3", 3, version(1)))
        assert result["champion"] == version(3)


class TestRollBack:
    def test_twice_goes_back_twice(self, account: Account, tmp_path: Path) -> None:
        champion = None
        for number in (1, 2, 3):
            call(handler, judged(account, tmp_path, f"run-{number}", number, champion))
            champion = version(number)
        for back_to in (2, 1):
            plan = call(handler, planned(f"back-{back_to}", {"rollback_to": "previous"}))
            assert (plan["kind"], plan["rollback_to"]) == ("rollback", version(back_to))
            event = {"action": "roll_back", "run_id": f"back-{back_to}", "version": version(back_to), "reason": "drill"}
            result = call(handler, event)
            assert (result["outcome"], result["champion"]) == ("ROLLED_BACK", version(back_to))
            assert call(handler, event) == result
        with pytest.raises(InvalidRequestError, match="no champion before"):
            call(handler, planned("back-0", {"rollback_to": "previous"}))
        assert call(handler, planned("again", {"rollback_to": version(3)}))["rollback_to"] == version(3)

    def test_to_the_champion_itself_is_refused(self, account: Account, tmp_path: Path) -> None:
        call(handler, judged(account, tmp_path, "run-1", 1, None))
        with pytest.raises(InvalidRequestError, match="is the champion already"):
            call(handler, planned("back", {"rollback_to": version(1)}))

    @pytest.mark.parametrize("name", ["weights.json", "manifest.json"])
    def test_an_altered_artefact_does_not_come_back(self, account: Account, tmp_path: Path, name: str) -> None:
        call(handler, judged(account, tmp_path, "run-1", 1, None))
        call(handler, judged(account, tmp_path, "run-2", 2, version(1)))
        account.stores.objects.write(f"{account.stores.models.uri(version(1))}/{name}", b'{"files": {}}')
        with pytest.raises(ArtefactIntegrityError):
            call(handler, {"action": "roll_back", "run_id": "back", "version": version(1), "reason": "drill"})
        assert account.stores.registry.champion() == version(2)


class TestRejectAndFail:
    def test_a_rejection_names_the_gate_and_keeps_the_champion(self, account: Account, tmp_path: Path) -> None:
        call(handler, judged(account, tmp_path, "run-1", 1, None))
        call(handler, planned("run-2"))
        stopped_by = gate("backtesting", "FAIL")
        account.stores.analytics.record_gate("run-2", stopped_by)
        event = {"action": "reject", "run_id": "run-2", "stopped_by": stopped_by.model_dump(mode="json")}
        result = call(handler, event)
        assert call(handler, event) == result
        assert (result["outcome"], result["champion"]) == ("REJECTED", version(1))
        assert f"Champion {version(1)} stays" in result["message"]
        assert [a["attributes"]["outcome"] for a in account.announcements] == ["PROMOTED", "REJECTED"]
        report = json.loads(account.stores.objects.read(account.stores.reports.uri("run-2", "report.json")))
        assert [g["gate"] for g in report["gates"]] == ["backtesting"]

    def test_a_failure_is_recorded_and_announced_readably(self, account: Account) -> None:
        call(handler, planned("run-1"))
        cause = json.dumps({"errorType": "InvalidDatasetError", "errorMessage": "prices.parquet: no column <close>"})
        event = {
            "action": "fail",
            "run_id": "run-1",
            "workflow": "advanced-model-tuning",
            "error": "InvalidDatasetError",
            "cause": cause,
        }
        result = call(handler, event)
        assert call(handler, event) == result
        assert result["message"] == "InvalidDatasetError: prices.parquet: no column <close>"
        (announced,) = account.announcements
        assert announced["attributes"]["outcome"] == "FAILED"
        page = account.stores.objects.read(result["report_uri"]).decode()
        assert "no column &lt;close&gt;" in page
        assert "<close>" not in page

    def test_a_refused_input_leaves_a_record_of_its_failure(self, account: Account) -> None:
        event = {
            "action": "fail",
            "run_id": "never-planned",
            "workflow": "daily-assessment",
            "error": "InvalidRequestError",
            "cause": "not json {",
        }
        assert call(handler, event)["outcome"] == "FAILED"
        assert [run["run_id"] for run in account.stores.analytics.last_runs()] == ["never-planned"]

    def test_a_failure_after_the_end_does_not_rewrite_it(self, account: Account, tmp_path: Path) -> None:
        call(handler, judged(account, tmp_path, "run-1", 1, None))
        event = {
            "action": "fail",
            "run_id": "run-1",
            "workflow": "advanced-model-tuning",
            "error": "States.Timeout",
            "cause": "too long",
        }
        assert call(handler, event)["outcome"] == "PROMOTED"
        record = account.stores.analytics.run("run-1")
        assert record is not None
        assert record["outcome"] == "PROMOTED"
        assert account.announcements[-1]["attributes"]["outcome"] == "FAILED"

    def test_a_rejected_candidate_never_becomes_a_former_champion(self, account: Account, tmp_path: Path) -> None:
        call(handler, planned("run-1"))
        rejected = candidate(account, tmp_path, 1)
        call(
            handler,
            {
                "action": "reject",
                "run_id": "run-1",
                "version": rejected,
                "stopped_by": gate("market", "FAIL").model_dump(mode="json"),
            },
        )
        with pytest.raises(InvalidRequestError, match="never promoted"):
            call(handler, planned("back", {"rollback_to": rejected}))


def test_started_at_may_be_any_zone(account: Account) -> None:
    call(handler, planned("run-1", started_at="2026-11-22T21:30:00-05:00"))
    record = account.stores.analytics.run("run-1")
    assert record is not None
    assert dt.datetime.fromisoformat(record["started_at"]) == dt.datetime(2026, 11, 23, 2, 30, tzinfo=dt.UTC)
