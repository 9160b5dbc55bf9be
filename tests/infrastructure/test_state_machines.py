"""What holds for every state of both machines, in every environment."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from asl_interpreter import walk
from assemblies import Assembly
from project import MACHINES
from step_answers import REQUESTS

from cdk_app.definitions import FOLDER, as_text
from cli.documents.state_machines import diagram
from lambdas.contracts.errors import PERMANENT_ERRORS, RETRYABLE_ERRORS

LONGEST_STEP_SECONDS = 600


def tasks(machine: dict[str, Any]) -> list[tuple[str, dict[str, Any], dict[str, Any] | None]]:
    return [(name, state, around) for name, state, around in walk(machine) if state["Type"] == "Task"]


def expressions(value: Any) -> list[str]:
    match value:
        case dict():
            return [found for item in value.values() for found in expressions(item)]
        case list():
            return [found for item in value for found in expressions(item)]
        case str() if value.startswith("{%"):
            return [value]
        case _:
            return []


def test_every_state_says_what_it_is_for(machine: dict[str, Any]) -> None:
    names = [name for name, _, _ in walk(machine)]
    assert len(names) == len(set(names))
    for name, state, _ in walk(machine):
        assert len(name) <= 80, name
        assert name[0].isupper()
        assert state["Comment"], name


WHERE_ERRORS_LEAD = {
    "Record failure": "Run failed",
    # A model that nobody sees must not keep the champion's recommendations back.
    "Score newest session with the shadow": "Publish and settle recommendations",
}


def test_every_task_has_a_limit_and_a_way_to_fail(machine: dict[str, Any]) -> None:
    for name, state, around in tasks(machine):
        assert 60 <= state["TimeoutSeconds"] <= LONGEST_STEP_SECONDS + 60, name
        catch = (around or state)["Catch"][-1]
        assert catch["ErrorEquals"] == ["States.ALL"], name
        assert catch["Next"] == WHERE_ERRORS_LEAD.get(name, "Record failure"), name


def test_a_task_outlives_its_function(assembly: Assembly) -> None:
    timeouts = {f["FunctionName"]: f["Timeout"] for f in assembly.resources("AWS::Lambda::Function").values()}
    for name in MACHINES.values():
        for sentence, state, _ in tasks(assembly.machine(name)):
            if function := state["Arguments"].get("FunctionName"):
                assert state["TimeoutSeconds"] > timeouts[function], sentence


def test_there_is_one_retry_policy(machine: dict[str, Any]) -> None:
    (policy,) = {json.dumps(state["Retry"], sort_keys=True) for _, state, _ in tasks(machine)}
    entries = json.loads(policy)
    retried = [error for entry in entries for error in entry["ErrorEquals"]]
    assert len(retried) == len(set(retried))
    assert {
        *RETRYABLE_ERRORS,
        "Lambda.TooManyRequestsException",
        "Lambda.ServiceException",
        "Lambda.AWSLambdaException",
        "Lambda.SdkClientException",
        "Lambda.ClientExecutionTimeoutException",
        "Lambda.Unknown",
        "Runtime.ExitError",
        "Sandbox.Timedout",
        "States.Timeout",
    } <= set(retried)
    for entry in entries:
        assert entry["JitterStrategy"] == "FULL"
        assert entry["BackoffRate"] > 1
        assert 1 <= entry["MaxAttempts"] <= 10
        assert entry["IntervalSeconds"] <= entry["MaxDelaySeconds"] <= 300


def test_what_waiting_does_not_cure_is_not_retried(machine: dict[str, Any]) -> None:
    for name, state, around in walk(machine):
        for entry in state.get("Retry", []):
            assert not set(entry["ErrorEquals"]) & {*PERMANENT_ERRORS, "States.ALL", "States.TaskFailed"}, name
        if around is None and state["Type"] == "Map":
            assert "Retry" not in state  # an iteration was retried already; the Map would repeat all of them


def test_events_have_the_fields_of_their_contracts(machine: dict[str, Any]) -> None:
    for name, state, _ in tasks(machine):
        if not state["Resource"].endswith("lambda:invoke"):
            continue
        event = state["Arguments"]["Payload"]
        request = REQUESTS[state["Arguments"]["FunctionName"], event["action"]]
        assert set(event) == set(request.model_fields), name


def test_an_iteration_sees_only_its_input(machine: dict[str, Any]) -> None:
    """A child execution of a Distributed Map has no outer variables, and a name of its own."""
    for name, state, around in walk(machine):
        if around is not None:
            for expression in expressions({key: state[key] for key in ("Arguments", "Output")}):
                assert set(re.findall(r"\$\w+(?:\.\w+)?", expression)) <= {"$states.input", "$states.result"}, name
                assert "context" not in expression


def test_thresholds_are_literals(machine: dict[str, Any]) -> None:
    """No gate reads a threshold from the input, a variable or a record: only numbers stand on the right."""
    comparisons = [
        found
        for _, state, _ in walk(machine)
        if state["Type"] == "Choice"
        for rule in state["Choices"]
        for found in re.findall(r"(?:>=|<=|>|<) ([^ )]+)", rule["Condition"])
    ]
    assert comparisons
    assert all(re.fullmatch(r"[0-9.]+", right) for right in comparisons), comparisons


def test_machines_are_limited_traced_and_logged(assembly: Assembly) -> None:
    machines = assembly.resources("AWS::StepFunctions::StateMachine")
    log_groups = assembly.resources("AWS::Logs::LogGroup")
    assert {m["StateMachineName"] for m in machines.values()} == set(MACHINES.values())
    for properties in machines.values():
        definition = assembly.machine(properties["StateMachineName"])
        assert definition["QueryLanguage"] == "JSONata"
        assert definition["TimeoutSeconds"] in (6 * 3600, 3600)
        assert properties["TracingConfiguration"] == {"Enabled": True}
        logging = properties["LoggingConfiguration"]
        # Every transition; what was handed in and what steps answered is in the execution's history alone.
        assert (logging["Level"], logging["IncludeExecutionData"]) == ("ALL", False)
        (destination,) = logging["Destinations"]
        (group, _) = destination["CloudWatchLogsLogGroup"]["LogGroupArn"]["Fn::GetAtt"]
        assert log_groups[group]["LogGroupName"] == f"/aws/vendedlogs/states/{properties['StateMachineName']}"


@pytest.mark.parametrize(("environment", "mode"), [("local", "INLINE"), ("dev", "INLINE"), ("prod", "DISTRIBUTED")])
def test_maps_fan_out_as_the_environment_says(request: pytest.FixtureRequest, environment: str, mode: str) -> None:
    assembly: Assembly = request.getfixturevalue(environment)
    maps = [s for name in MACHINES.values() for _, s, _ in walk(assembly.machine(name)) if s["Type"] == "Map"]
    assert len(maps) == 4
    for state in maps:
        assert state["ItemProcessor"]["ProcessorConfig"]["Mode"] == mode
        assert state["MaxConcurrency"] >= 1


@pytest.mark.parametrize("name", sorted(MACHINES.values()))
def test_the_documents_hold_the_definition(prod: Assembly, name: str) -> None:
    """The whole definition, retries included; `make docs` writes it anew, and the difference is what a review reads."""
    documented = (FOLDER / f"{name}.asl.json").read_text()
    assert json.loads(documented) == prod.machine(name)
    assert documented == as_text(prod.machine(name))


@pytest.mark.parametrize("name", sorted(MACHINES.values()))
def test_a_diagram_shows_every_state_and_every_way_but_failures(prod: Assembly, name: str) -> None:
    definition, drawn = prod.machine(name), diagram(name)
    failure = {"Record failure", "Run failed"}
    for state in set(definition["States"]) - failure:
        assert re.search(rf'"{re.escape(state)}["<]', drawn), state
    ways = {
        (state, successor)
        for state, body in definition["States"].items()
        for successor in [
            *(rule["Next"] for rule in body.get("Choices", ())),
            *(catcher["Next"] for catcher in body.get("Catch", ()) if catcher["ErrorEquals"] != ["States.ALL"]),
            *(body[key] for key in ("Next", "Default") if key in body),
        ]
    }
    assert len(re.findall(r"-->|-\.->", drawn)) == len(ways)
