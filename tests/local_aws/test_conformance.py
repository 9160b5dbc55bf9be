"""What the state machines rely on, as AWS documents it. A new emulator version has to pass here first.

One toy function in the runtime that the adapted application uses, and machines of one or two states.
"""

from __future__ import annotations

import io
import json
import os
import signal
import time
import uuid
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cli.deployment import Deployment
from cli.local_aws.assembly import bootstrap_script
from lambdas.adapters.executions import Executions
from lambdas.advanced_model_tuning_service.timing import step_times

ROLE = "arn:aws:iam::000000000000:role/toy"
Run = Callable[..., dict[str, Any]]
GATE = {
    "Type": "Choice",
    "Choices": [
        {
            "Condition": "{% ($type($states.input.rate) = 'number' ? $states.input.rate > 0.6 : false) %}",
            "Next": "Yes",
            "Assign": {"said": "yes"},
        }
    ],
    "Default": "No",
    "Assign": {"said": "no"},
}


@pytest.fixture(scope="module")
def toy(aws: Deployment) -> Callable[[int], str]:
    """A toy function with the given timeout; returns its name."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as zipped:
        zipped.writestr("bootstrap", bootstrap_script(Path(__file__).parent, "toy"))
    functions = aws.session.client("lambda", endpoint_url=aws.endpoint)
    made: dict[int, str] = {}

    def make(timeout: int) -> str:
        if timeout not in made:
            made[timeout] = f"toy-{timeout}"
            functions.create_function(
                FunctionName=made[timeout],
                Runtime="provided.al2023",
                Handler="toy_function.handler",
                Role=ROLE,
                Code={"ZipFile": archive.getvalue()},
                Timeout=timeout,
            )
        return made[timeout]

    return make


@pytest.fixture
def run(aws: Deployment) -> Run:
    """Run a machine of the given states to its end."""

    def run_machine(
        states: dict[str, Any], execution_input: Any = None, meanwhile: Callable[[], None] | None = None
    ) -> dict[str, Any]:
        machine = aws.step_functions.create_state_machine(
            name=f"toy-{uuid.uuid4().hex}",
            roleArn=ROLE,
            definition=json.dumps({"QueryLanguage": "JSONata", "StartAt": next(iter(states)), "States": states}),
        )["stateMachineArn"]
        arn = aws.step_functions.start_execution(stateMachineArn=machine, input=json.dumps(execution_input or {}))
        if meanwhile:
            meanwhile()
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            ended = aws.step_functions.describe_execution(executionArn=arn["executionArn"])
            if ended["status"] != "RUNNING":
                history = aws.step_functions.get_execution_history(executionArn=arn["executionArn"])["events"]
                output = json.loads(ended["output"]) if ended["status"] == "SUCCEEDED" else None
                return {**ended, "output": output, "history": [event["type"] for event in history]}
            time.sleep(0.05)
        raise AssertionError("the execution did not end in a minute")

    return run_machine


def task(function: str, payload: Any, **fields: Any) -> dict[str, Any]:
    return {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Arguments": {"FunctionName": function, "Payload": payload},
        "Output": "{% $states.result.Payload %}",
        **({} if "Next" in fields else {"End": True}),
        **fields,
    }


def test_a_map_runs_two_at_a_time_in_warm_processes_and_keeps_the_order(toy: Any, run: Run) -> None:
    states = {
        "Plan": {"Type": "Pass", "Assign": {"plan": {"items": [3, 1, 2, 4]}, "run": "r1"}, "Next": "Each"},
        "Each": {
            "Type": "Map",
            "Items": "{% $plan.items %}",
            "MaxConcurrency": 2,
            "ItemSelector": {"echo": "{% $run & ':' & $string($states.context.Map.Item.Value) %}", "sleep": 0.5},
            "ItemProcessor": {
                "ProcessorConfig": {"Mode": "INLINE"},
                "StartAt": "One",
                "States": {"One": task(toy(20), "{% $states.input %}")},
            },
            "End": True,
        },
    }

    results = run(states)["output"]

    assert [result["echo"] for result in results] == ["r1:3", "r1:1", "r1:2", "r1:4"]
    assert len({result["pid"] for result in results}) == 2
    moments = sorted([(r["began"], 1) for r in results] + [(r["ended"], -1) for r in results])
    running = [sum(step for _, step in moments[: i + 1]) for i in range(len(moments))]
    assert max(running) == 2


def test_a_class_name_is_retried_and_others_are_not(toy: Any, run: Run, tmp_path: Path) -> None:
    retry = [{"ErrorEquals": ["TransientToyError"], "IntervalSeconds": 1, "MaxAttempts": 3, "JitterStrategy": "FULL"}]
    passing = {"log": str(tmp_path / "passing"), "transient_failures": 2, "echo": "done"}
    broken = {"log": str(tmp_path / "broken"), "broken": True}

    assert run({"Try": task(toy(20), passing, Retry=retry)})["output"]["attempts"] == 3
    failed = run({"Try": task(toy(20), broken, Retry=retry)})

    assert (failed["status"], failed["error"]) == ("FAILED", "BrokenToyError")
    assert json.loads(failed["cause"])["errorMessage"] == "nothing helps"
    assert len((tmp_path / "broken").read_text().splitlines()) == 1


def test_a_catch_hands_on_the_error_as_a_variable(toy: Any, run: Run) -> None:
    catch = [{"ErrorEquals": ["States.ALL"], "Assign": {"failure": "{% $states.errorOutput %}"}, "Next": "Record"}]
    states = {
        "Try": task(toy(20), {"broken": True}, Catch=catch),
        "Record": {"Type": "Pass", "Output": "{% $failure %}", "End": True},
    }

    output = run(states)["output"]

    assert output["Error"] == "BrokenToyError"
    assert json.loads(output["Cause"])["errorMessage"] == "nothing helps"


def test_an_error_inside_a_map_reaches_the_catch_of_the_map(toy: Any, run: Run) -> None:
    states = {
        "Each": {
            "Type": "Map",
            "Items": [False, True],
            "ItemSelector": {"broken": "{% $states.context.Map.Item.Value %}"},
            "ItemProcessor": {
                "ProcessorConfig": {"Mode": "INLINE"},
                "StartAt": "One",
                "States": {"One": task(toy(20), "{% $states.input %}")},
            },
            "Catch": [{"ErrorEquals": ["BrokenToyError"], "Next": "Caught"}],
            "End": True,
        },
        "Caught": {"Type": "Pass", "Output": "caught", "End": True},
    }

    assert run(states)["output"] == "caught"


def test_a_killed_process_has_the_error_that_the_retry_policy_names(toy: Any, run: Run, tmp_path: Path) -> None:
    log = tmp_path / "pids"

    def kill_first() -> None:
        deadline = time.monotonic() + 20
        while not log.exists() or not log.read_text().endswith("\n"):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        os.kill(int(log.read_text().splitlines()[0]), signal.SIGKILL)

    retry = [{"ErrorEquals": ["Runtime.ExitError"], "IntervalSeconds": 1, "MaxAttempts": 2}]
    ended = run({"Try": task(toy(20), {"log": str(log), "sleep": 1}, Retry=retry)}, meanwhile=kill_first)

    assert ended["status"] == "SUCCEEDED"
    assert ended["output"]["attempts"] == 2
    assert ended["history"].count("TaskFailed") == 1


@pytest.mark.parametrize(
    ("function_seconds", "state_seconds", "error"), [(1, 30, "Sandbox.Timedout"), (20, 1, "States.Timeout")]
)
def test_timeouts_of_function_and_state_are_enforced_by_their_names(
    toy: Any, run: Run, function_seconds: int, state_seconds: int, error: str
) -> None:
    ended = run({"Slow": task(toy(function_seconds), {"sleep": 3}, TimeoutSeconds=state_seconds)})

    assert (ended["status"], ended["error"]) == ("FAILED", error)


@pytest.mark.parametrize(("rate", "said"), [(0.61, "yes"), (0.6, "no"), (None, "no"), ("0.9", "no")])
def test_a_gate_compares_numbers_only_and_sends_everything_else_to_its_default(run: Run, rate: Any, said: str) -> None:
    states = {
        "Gate": GATE,
        "Yes": {"Type": "Pass", "Output": "{% $said %}", "End": True},
        "No": {"Type": "Pass", "Output": "{% $said %}", "End": True},
    }

    assert run(states, {"rate": rate})["output"] == said


def test_an_undefined_value_fails_the_state_by_its_documented_name(run: Run) -> None:
    ended = run({"Read": {"Type": "Pass", "Output": "{% $states.input.nothing_there %}", "End": True}})

    assert (ended["status"], ended["error"]) == ("FAILED", "States.QueryEvaluationError")


def test_the_context_names_the_execution(run: Run) -> None:
    context = {"name": "{% $states.context.Execution.Name %}", "id": "{% $states.context.Execution.Id %}"}

    ended = run({"Read": {"Type": "Pass", "Output": context, "End": True}})

    assert ended["output"] == {"name": ended["name"], "id": ended["executionArn"]}


def test_a_fail_state_hands_on_error_and_cause(run: Run) -> None:
    states = {
        "Set": {
            "Type": "Pass",
            "Assign": {"failure": {"Error": "BrokenToyError", "Cause": "why"}},
            "Next": "Run failed",
        },
        "Run failed": {"Type": "Fail", "Error": "{% $failure.Error %}", "Cause": "{% $failure.Cause %}"},
    }

    ended = run(states)

    assert (ended["status"], ended["error"], ended["cause"]) == ("FAILED", "BrokenToyError", "why")


def test_the_history_tells_how_long_each_step_took(aws: Deployment, toy: Any, run: Run) -> None:
    """What the report says of time: a map of three, two at a time, half a second each, and a task before it."""
    name = toy(20)
    states = {
        "First": task(name, {"sleep": 0.3}, Next="Each"),
        "Each": {
            "Type": "Map",
            "Items": "{% [1, 2, 3] %}",
            "MaxConcurrency": 2,
            "ItemSelector": {"sleep": 0.5},
            "ItemProcessor": {
                "ProcessorConfig": {"Mode": "INLINE"},
                "StartAt": "One",
                "States": {"One": task(name, "{% $states.input %}")},
            },
            "Next": "Last",
        },
        "Last": {"Type": "Pass", "End": True},
    }

    ended = run(states)
    history = Executions(aws.step_functions).history(ended["executionArn"])
    first, each = step_times(history, {name: 1024})

    assert [first.state, each.state] == ["First", "Each"]
    assert (first.invocations, each.invocations) == (1, 3)
    assert 0.3 <= first.seconds < 20
    assert 1.0 <= each.seconds < 30
    assert each.busy_seconds >= 1.5
    # The emulator does not tell which function a task invoked, as AWS does: so there is time, and no cost.
    assert each.gigabyte_seconds is None
    assert Executions(aws.step_functions).history(ended["executionArn"] + "-unheard-of") == []
