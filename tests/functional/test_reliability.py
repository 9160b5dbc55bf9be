"""What the fault bench found, and what was mended for it (docs/reliability.md)."""

from __future__ import annotations

import boto3
import pytest
from in_memory_account import NAMES, Account, call

from lambdas.advanced_model_tuning_service.handler import handler as service
from lambdas.core.errors import ArtefactIntegrityError


def plan(run_id: str, day: int) -> dict[str, object]:
    return {
        "action": "plan",
        "workflow": "advanced-model-tuning",
        "run_id": run_id,
        "execution_arn": f"arn:aws:states:us-east-1:123456789012:execution:tuning:{run_id}",
        "started_at": f"2026-11-{day:02d}T02:00:00Z",
        "request": {},
    }


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
