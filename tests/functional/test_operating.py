"""A run that was stopped starts again, and what a person is told of an altered model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import boto3
import pytest
from in_memory_account import NAMES, Account, call
from test_coordinator import candidate, planned, version

from cli import main, run, status
from cli.deployment import Deployment
from lambdas.advanced_model_tuning_service.handler import handler
from lambdas.contracts.outputs import StackOutput
from lambdas.core.errors import ArtefactIntegrityError

WORKFLOWS = {"tuning": "advanced-model-tuning", "assessment": "daily-assessment"}
CHAMPION = {"version": version(1), "previous": None, "since": "2026-11-01T02:00:00+00:00", "run_id": "first"}


class TestRedrive:
    """A run that was stopped has recorded no end, so its lock would keep everybody out until it expires."""

    @pytest.fixture
    def deployment(self, account: Account, monkeypatch: pytest.MonkeyPatch) -> Deployment:
        machines = {one: account.stores.environment.model_dump()[f"{one}_machine_arn"] for one in WORKFLOWS}
        outputs = {
            StackOutput.ANALYTICS_TABLE: NAMES["analytics_table"],
            StackOutput.TUNING_MACHINE_ARN: machines["tuning"],
            StackOutput.ASSESSMENT_MACHINE_ARN: machines["assessment"],
        }
        found = Deployment("local", outputs, boto3.Session())
        monkeypatch.setattr(status, "attach", lambda _: found)
        monkeypatch.setattr(run, "finish", lambda *_, **__: None)  # moto starts executions and runs no state of them
        return found

    def begun(self, deployment: Deployment, kind: str, name: str, request: dict[str, Any]) -> str:
        """Start an execution of a machine, and take the first step of it."""
        machine = {"tuning": StackOutput.TUNING_MACHINE_ARN, "assessment": StackOutput.ASSESSMENT_MACHINE_ARN}[kind]
        started = deployment.step_functions.start_execution(
            stateMachineArn=deployment[machine], name=name, input=json.dumps(request)
        )
        assert self.plan(started["executionArn"], kind, request) in ("tune", "assess")
        return started["executionArn"]

    def plan(self, arn: str, kind: str, request: dict[str, Any]) -> str:
        client = boto3.client("stepfunctions")
        started = client.describe_execution(executionArn=arn)["startDate"].isoformat()
        event = planned(arn.rpartition(":")[2], request, workflow=WORKFLOWS[kind], started_at=started)
        return str(call(handler, event)["kind"])

    def redriven(self, deployment: Deployment, kind: str, before: str) -> str:
        machine = {"tuning": StackOutput.TUNING_MACHINE_ARN, "assessment": StackOutput.ASSESSMENT_MACHINE_ARN}[kind]
        listed = deployment.step_functions.list_executions(stateMachineArn=deployment[machine])["executions"]
        (arn,) = [one["executionArn"] for one in listed if one["executionArn"] != before]
        return arn

    @pytest.mark.parametrize("kind", WORKFLOWS)
    def test_a_run_that_was_stopped_goes_on_at_once(
        self, account: Account, deployment: Deployment, tmp_path: Path, kind: str
    ) -> None:
        candidate(account, tmp_path, 1)
        account.stores.analytics_table.put({"PK": "CHAMPION", "SK": "POINTER", **CHAMPION})
        request = {"symbols": ["AAPL", "MSFT"], "lookback_days": 365}
        arn = self.begun(deployment, kind, "stopped", request)
        deployment.step_functions.stop_execution(executionArn=arn)

        assert main.call(main.app, ["redrive", "stopped"]) == 0

        again = self.redriven(deployment, kind, arn)
        asked = json.loads(deployment.step_functions.describe_execution(executionArn=again)["input"])
        assert request.items() <= asked.items()
        assert asked["reason"] == "redrive of stopped"
        assert self.plan(again, kind, asked) != "busy"

    def test_a_run_that_is_under_way_keeps_its_lock(
        self, account: Account, deployment: Deployment, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self.begun(deployment, "tuning", "at-work", {})
        before = account.contents()
        assert main.call(main.app, ["redrive", "at-work"]) == 2
        assert "RUNNING; only one that failed" in capsys.readouterr().err
        assert account.contents() == before

    def test_another_run_keeps_the_lock_that_it_took_meanwhile(self, account: Account, deployment: Deployment) -> None:
        stopped = self.begun(deployment, "tuning", "stopped", {})
        deployment.step_functions.stop_execution(executionArn=stopped)
        lock = {"PK": "LOCK", "SK": "advanced-model-tuning"}
        theirs = lock | {"run_id": "other", "since": "2026-01-01", "expires_at": "2999-01-01T00:00:00+00:00"}
        account.stores.analytics_table.put(theirs)
        assert main.call(main.app, ["redrive", "stopped"]) == 0
        assert account.stores.analytics_table.get(lock) == theirs


def test_of_an_altered_model_file_nobody_is_told_to_delete_it(account: Account, tmp_path: Path) -> None:
    """What can be computed again may be deleted; the champion's file may not."""
    name = candidate(account, tmp_path, 1)
    uri = f"{account.stores.models.uri(name)}/weights.json"
    account.stores.objects.write(uri, b"{}")
    with pytest.raises(ArtefactIntegrityError) as caught:
        account.stores.models.download(name)
    assert "Restore it" in str(caught.value)
    assert "amts rollback" in str(caught.value)
    assert "elete" not in str(caught.value)
