"""Executions that did not end well reach the service: the rules, what they hand over, and what happens if it fails."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest
from assemblies import Assembly
from event_rules import ACCOUNT, REGION, rules_of, status_change
from project import MACHINES

from lambdas.contracts.tuning_run import NoteStoppedRequest

SERVICE = "advanced-model-tuning-service"
STARTED = dt.datetime(2019, 2, 26, 23, 50, 14, 968000, tzinfo=dt.UTC)
"""As in the example of the documentation: 1551225014968."""
NOT_WELL = ("ABORTED", "FAILED", "TIMED_OUT")


def told(assembly: Assembly, machine: str, status: str, **detail: Any) -> list[tuple[str, dict[str, Any]]]:
    """Whom the rules of an environment tell of an execution, and what."""
    event = status_change(machine, "on-demand-1", status, started_at=STARTED, stopped_at=STARTED)
    event["detail"] |= detail
    rules = rules_of(assembly.template("Pipeline"))
    return [one for rule in rules for one in rule.told(event)]


@pytest.mark.parametrize("machine", sorted(MACHINES.values()))
@pytest.mark.parametrize("status", NOT_WELL)
def test_the_service_is_told_in_the_words_of_its_contract(assembly: Assembly, machine: str, status: str) -> None:
    ((function, event),) = told(assembly, machine, status)

    assert function == SERVICE
    assert event["started_at"] == 1551225014968
    assert set(event) == set(NoteStoppedRequest.model_fields)
    assert NoteStoppedRequest.model_validate(event) == NoteStoppedRequest(
        action="note_stopped",
        workflow=machine,  # type: ignore[arg-type]
        run_id="on-demand-1",
        execution_arn=f"arn:aws:states:{REGION}:{ACCOUNT}:execution:{machine}:on-demand-1",
        started_at=STARTED,
        status=status,  # type: ignore[arg-type]
    )


def test_what_somebody_handed_in_goes_no_further(assembly: Assembly) -> None:
    (plain,) = told(assembly, "daily-assessment", "ABORTED")
    (other,) = told(assembly, "daily-assessment", "ABORTED", input='{"reason": "private"}', cause="private")

    assert plain == other


@pytest.mark.parametrize("status", ["RUNNING", "SUCCEEDED", "PENDING_REDRIVE"])
def test_nobody_is_told_of_executions_that_are_well(assembly: Assembly, status: str) -> None:
    assert told(assembly, "advanced-model-tuning", status) == []


@pytest.mark.parametrize("machine", ["advanced-model-tuning-two", "advanced-model-tuning/fit", "somebody-elses"])
def test_nobody_is_told_of_other_machines_or_of_the_children_of_a_map(assembly: Assembly, machine: str) -> None:
    assert told(assembly, machine, "ABORTED") == []


def test_events_of_others_are_not_taken_for_those_of_step_functions(assembly: Assembly) -> None:
    event = status_change("daily-assessment", "a", "ABORTED", started_at=STARTED, stopped_at=STARTED)
    for changed in ({"source": "ours"}, {"detail-type": "another"}):
        assert [one for rule in rules_of(assembly.template("Pipeline")) for one in rule.told(event | changed)] == []


def test_a_second_deployment_listens_to_its_own_machines(synthesize: Any) -> None:
    second = synthesize("local", name_suffix="-two")

    ((function, event),) = told(second, "daily-assessment-two", "ABORTED")

    assert (function, event["workflow"]) == (f"{SERVICE}-two", "daily-assessment")
    NoteStoppedRequest.model_validate(event)
    assert told(second, "daily-assessment", "ABORTED") == []


def test_what_cannot_be_handed_over_lands_in_the_queue(assembly: Assembly) -> None:
    rules = assembly.resources("AWS::Events::Rule")
    assert len(rules) == 2
    (queue,) = assembly.resources("AWS::SQS::Queue")
    policies = json.dumps(assembly.resources("AWS::SQS::QueuePolicy"))
    for name, rule in rules.items():
        assert rule["State"] == "ENABLED"
        (target,) = rule["Targets"]
        assert target["DeadLetterConfig"]["Arn"] == {"Fn::GetAtt": [queue, "Arn"]}
        assert target["RetryPolicy"] == {"MaximumEventAgeInSeconds": 86400, "MaximumRetryAttempts": 185}
        assert name in policies
    statements = [
        statement
        for policy in assembly.resources("AWS::SQS::QueuePolicy").values()
        for statement in policy["PolicyDocument"]["Statement"]
        if statement["Effect"] == "Allow"
    ]
    assert len(statements) == 2
    for statement in statements:
        assert statement["Principal"] == {"Service": "events.amazonaws.com"}
        assert statement["Action"] == "sqs:SendMessage"
        assert statement["Resource"] == {"Fn::GetAtt": [queue, "Arn"]}
        ((source,),) = [condition.values() for condition in statement["Condition"].values()]
        assert source["Fn::GetAtt"][0] in rules


def test_what_the_function_cannot_do_is_tried_again_and_lands_there_too(assembly: Assembly) -> None:
    """EventBridge hands over to Lambda's own queue; an error of the function is not seen there."""
    (config,) = assembly.resources("AWS::Lambda::EventInvokeConfig").values()
    (queue,) = assembly.resources("AWS::SQS::Queue")
    (service,) = [n for n, f in assembly.resources("AWS::Lambda::Function").items() if f["FunctionName"] == SERVICE]

    assert config["FunctionName"] == {"Ref": service}
    assert config["MaximumRetryAttempts"] == 2
    assert config["DestinationConfig"] == {"OnFailure": {"Destination": {"Fn::GetAtt": [queue, "Arn"]}}}


def test_only_the_two_rules_may_invoke_a_function_from_outside(assembly: Assembly) -> None:
    rules = assembly.resources("AWS::Events::Rule")
    functions = assembly.resources("AWS::Lambda::Function")
    permissions = list(assembly.resources("AWS::Lambda::Permission").values())

    assert {permission["SourceArn"]["Fn::GetAtt"][0] for permission in permissions} == set(rules)
    assert len(permissions) == len(rules)
    for permission in permissions:
        assert permission["Principal"] == "events.amazonaws.com"
        assert permission["Action"] == "lambda:InvokeFunction"
        assert functions[permission["FunctionName"]["Fn::GetAtt"][0]]["FunctionName"] == SERVICE
