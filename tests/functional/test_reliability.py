"""What the fault bench found, and what was mended for it (docs/reliability.md)."""

from __future__ import annotations

import datetime as dt
from typing import Any

import boto3
import pytest
from in_memory_account import NAMES, Account, call

from lambdas.advanced_model_tuning_service.handler import handler as service
from lambdas.core.errors import ArtefactIntegrityError, InvalidRequestError


def plan(run_id: str, day: int) -> dict[str, object]:
    return {
        "action": "plan",
        "workflow": "advanced-model-tuning",
        "run_id": run_id,
        "execution_arn": f"arn:aws:states:us-east-1:123456789012:execution:tuning:{run_id}",
        "started_at": f"2026-11-{day:02d}T02:00:00Z",
        "request": {},
    }


def stopped(run_id: str, day: int, status: str = "ABORTED") -> dict[str, object]:
    """What the rule of the deployment hands to the service (tests/infrastructure/test_stop_notice.py)."""
    return {
        "action": "note_stopped",
        "workflow": "advanced-model-tuning",
        "run_id": run_id,
        "execution_arn": f"arn:aws:states:us-east-1:123456789012:execution:tuning:{run_id}",
        "started_at": int(dt.datetime(2026, 11, day, 2, tzinfo=dt.UTC).timestamp() * 1000) + 123,
        "status": status,
    }


def listed(account: Account, run_id: str) -> list[dict[str, Any]]:
    return [run for run in account.stores.analytics.last_runs(100) if run["run_id"] == run_id]


def alter(bucket: str, key: str) -> None:
    """Change a digit of an object and keep what its writer recorded."""
    s3 = boto3.client("s3")
    found = s3.get_object(Bucket=bucket, Key=key)
    content = found["Body"].read().replace(b"1", b"2")
    s3.put_object(Bucket=bucket, Key=key, Body=content, Metadata=found["Metadata"])


def test_a_search_that_was_altered_is_not_read(account: Account) -> None:
    uri = account.stores.tuning.uri("key")
    account.stores.tuning.save(uri, {"trials": 11})
    alter(NAMES["performance_bucket"], "tuning/key.json")

    with pytest.raises(ArtefactIntegrityError, match="not what its writer recorded"):
        account.stores.tuning.find(uri)


def test_a_run_that_was_lost_is_ended_by_a_later_one(account: Account) -> None:
    call(service, plan("lost", 1))
    call(service, plan("too-early", 2))
    assert "outcome" not in (account.stores.analytics.run("lost") or {})

    call(service, plan("next-week", 8))

    for run_id in ("lost", "too-early"):
        record = account.stores.analytics.run(run_id) or {}
        assert (record["outcome"], record["error"]) == ("FAILED", "LostRun")
    assert "outcome" not in (account.stores.analytics.run("next-week") or {})
    assert {told["attributes"]["run_id"] for told in account.announcements} == {"lost", "too-early"}


def test_a_failure_is_announced_though_its_evaluation_was_altered(account: Account) -> None:
    call(service, plan("run-1", 1))
    account.stores.reports.write(account.stores.reports.uri("run-1", "evaluation.json"), {"key": "1"})
    alter(NAMES["performance_bucket"], "reports/run-1/evaluation.json")
    event = {"action": "fail", "run_id": "run-1", "workflow": "advanced-model-tuning", "error": "X", "cause": "y"}

    assert call(service, event)["outcome"] == "FAILED"
    assert [told["attributes"]["outcome"] for told in account.announcements] == ["FAILED"]


class TestAnExecutionThatWasStopped:
    def test_it_gets_a_record_once_and_nothing_else_happens(self, account: Account) -> None:
        before = account.contents()

        first = call(service, stopped("run-1", 1))
        noted = account.contents()
        second = call(service, stopped("run-1", 1))

        assert (first, second) == ({"opened": True}, {"opened": False})
        assert account.contents() == noted
        assert noted["objects"] == before["objects"]
        assert len(noted["items"][NAMES["analytics_table"]]) == 2  # the record, and its line in the list
        (record,) = listed(account, "run-1")
        assert {name: value for name, value in record.items() if name not in ("PK", "SK")} == {
            "run_id": "run-1",
            "workflow": "advanced-model-tuning",
            "execution_arn": "arn:aws:states:us-east-1:123456789012:execution:tuning:run-1",
            "started_at": "2026-11-01T02:00:00+00:00",
            "stopped_as": "ABORTED",
        }
        assert account.announcements == []

    @pytest.mark.parametrize("ends", [False, True])
    def test_a_record_that_is_there_stays_as_it_is(self, account: Account, ends: bool) -> None:
        call(service, plan("run-1", 1))
        if ends:
            account.stores.analytics.close_run("run-1", {"outcome": "PROMOTED", "message": "m", "champion": None})
        before = account.contents()

        assert call(service, stopped("run-1", 1, "TIMED_OUT")) == {"opened": False}
        assert account.contents() == before

    def test_a_failure_that_was_recorded_stays_listed_once_when_the_notice_comes(self, account: Account) -> None:
        """Its record was opened by the failure, at another second than the execution."""
        call(service, {"action": "fail", "run_id": "run-1", "workflow": "daily-assessment", "error": "X", "cause": "y"})
        before = account.contents()

        call(service, stopped("run-1", 1, "FAILED"))

        assert account.contents() == before
        assert len(listed(account, "run-1")) == 1

    def test_the_next_run_ends_it_after_two_days_and_not_before(self, account: Account) -> None:
        call(service, stopped("lost", 1))
        call(service, plan("next-day", 2))
        assert "outcome" not in (account.stores.analytics.run("lost") or {})

        call(service, plan("next-week", 8))

        record = account.stores.analytics.run("lost") or {}
        assert (record["outcome"], record["error"]) == ("FAILED", "LostRun")
        assert "lost" in {told["attributes"]["run_id"] for told in account.announcements}

    def test_a_redrive_plans_it_as_if_nothing_had_been_noted(self, account: Account) -> None:
        call(service, plan("whole", 1))
        account.stores.analytics.close_run("whole", {"outcome": "REJECTED", "message": "m", "champion": None})
        call(service, stopped("redriven", 1))

        assert call(service, plan("redriven", 1))["kind"] == "tune"

        whole, redriven = (account.stores.analytics.run(name) or {} for name in ("whole", "redriven"))
        ended = {"outcome", "message", "champion", "ended_at"}
        assert redriven.keys() - whole.keys() == {"stopped_as"}
        assert whole.keys() - redriven.keys() == ended
        own = {"PK", "run_id", "execution_arn"}
        assert {k: redriven[k] for k in whole.keys() - ended - own} == {k: whole[k] for k in whole.keys() - ended - own}
        assert len(listed(account, "redriven")) == 1

    def test_a_redrive_after_it_was_ended_plans_nothing_into_the_record(self, account: Account) -> None:
        call(service, stopped("lost", 1))
        call(service, plan("next-week", 8))
        account.stores.analytics.close_run("next-week", {"outcome": "REJECTED", "message": "m", "champion": None})
        before = account.stores.analytics.run("lost")

        call(service, plan("lost", 1))

        assert account.stores.analytics.run("lost") == before

    def test_a_record_whose_writer_was_killed_before_it_was_listed_is_listed(self, account: Account) -> None:
        """The next run looks for lost ones in the list."""
        call(service, plan("run-1", 1))
        table = account.stores.analytics_table
        (line,) = [item for item in table.query("RUNS") if item["run_id"] == "run-1"]
        table.client.delete_item(TableName=table.name, Key={name: {"S": line[name]} for name in ("PK", "SK")})
        assert listed(account, "run-1") == []
        record = account.stores.analytics.run("run-1")

        call(service, stopped("run-1", 1))

        assert listed(account, "run-1") == [record]

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("run_id", "a/b"),
            ("execution_arn", "arn:aws:states:us-east-1:123456789012:execution:tuning/fit:0c8e"),
            ("execution_arn", "arn:aws:states:us-east-1:123456789012:stateMachine:tuning"),
            ("status", "SUCCEEDED"),
            ("workflow", "another"),
            ("input", "{}"),
        ],
    )
    def test_what_is_not_of_this_form_is_refused(self, account: Account, field: str, value: str) -> None:
        before = account.contents()

        with pytest.raises(InvalidRequestError, match=field):
            call(service, stopped("run-1", 1) | {field: value})

        assert account.contents() == before
