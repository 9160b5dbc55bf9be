"""Time by step from a history as Step Functions documents it: a task, a map with two items, one retried, a choice."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest

from lambdas.advanced_model_tuning_service.timing import step_times

BEGIN = dt.datetime(2026, 11, 22, tzinfo=dt.UTC)
MEMORY = {"Plan tuning run": 512, "Tune and predict fold": 2048, "Promote candidate": 512}


def event(number: int, kind: str, at: float, before: int, **details: Any) -> Any:
    return {
        "id": number,
        "type": kind,
        "timestamp": BEGIN + dt.timedelta(seconds=at),
        "previousEventId": before,
        **details,
    }


def entered(number: int, kind: str, at: float, before: int, name: str) -> Any:
    return event(number, f"{kind}StateEntered", at, before, stateEnteredEventDetails={"name": name})


def exited(number: int, kind: str, at: float, before: int, name: str) -> Any:
    return event(number, f"{kind}StateExited", at, before, stateExitedEventDetails={"name": name})


def scheduled(number: int, at: float, before: int, function: str) -> Any:
    arn = f"arn:aws:lambda:us-east-1:123456789012:function:{function}:$LATEST"
    parameters = json.dumps({"FunctionName": arn, "Payload": {}})
    return event(number, "TaskScheduled", at, before, taskScheduledEventDetails={"parameters": parameters})


HISTORY = [
    event(1, "ExecutionStarted", 0, 0),
    entered(2, "Task", 0, 0, "Plan tuning run"),
    scheduled(3, 0, 2, "advanced-model-tuning-service"),
    event(4, "TaskStarted", 0, 3),
    event(5, "TaskSucceeded", 2, 4),
    exited(6, "Task", 2, 5, "Plan tuning run"),
    entered(7, "Choice", 2, 6, "What was asked for"),
    exited(8, "Choice", 2, 7, "What was asked for"),
    entered(9, "Map", 2, 8, "Tune and predict fold"),
    event(10, "MapStateStarted", 2, 9),
    event(11, "MapIterationStarted", 2, 10),
    entered(12, "Task", 2, 11, "Fit fold"),
    scheduled(13, 2, 12, "backtesting-engine"),
    event(14, "MapIterationStarted", 2, 10),
    entered(15, "Task", 2, 14, "Fit fold"),
    scheduled(16, 3, 15, "backtesting-engine"),
    event(17, "TaskStarted", 3, 13),
    event(18, "TaskStarted", 3, 16),
    event(19, "TaskFailed", 5, 17),
    scheduled(20, 6, 19, "backtesting-engine"),
    event(21, "TaskStarted", 6, 20),
    event(22, "TaskSucceeded", 13, 18),
    exited(23, "Task", 13, 22, "Fit fold"),
    event(24, "MapIterationSucceeded", 13, 23),
    event(25, "TaskSucceeded", 16, 21),
    exited(26, "Task", 16, 25, "Fit fold"),
    event(27, "MapStateSucceeded", 17, 26),
    exited(28, "Map", 17, 27, "Tune and predict fold"),
    entered(29, "Task", 17, 28, "Promote candidate"),
    scheduled(30, 17, 29, "advanced-model-tuning-service"),
    event(31, "TaskStarted", 17, 30),
]


def test_steps_of_the_main_line_take_what_is_in_their_maps() -> None:
    plan, folds = step_times(HISTORY, MEMORY)
    assert (plan.state, plan.seconds, plan.invocations, plan.busy_seconds) == ("Plan tuning run", 2, 1, 2)
    assert plan.gigabyte_seconds == pytest.approx(1.0)
    assert (folds.state, folds.seconds, folds.invocations) == ("Tune and predict fold", 15, 3)
    assert folds.busy_seconds == 3 + 10 + 10
    assert folds.gigabyte_seconds == pytest.approx(46.0)


def test_the_state_that_is_writing_is_not_listed() -> None:
    assert "Promote candidate" not in {time.state for time in step_times(HISTORY, MEMORY)}


def test_a_function_of_unknown_size_has_time_and_no_cost() -> None:
    plan, folds = step_times(HISTORY, {"Plan tuning run": 512})
    assert plan.gigabyte_seconds is not None
    assert folds.gigabyte_seconds is None
    assert folds.busy_seconds == 23


def test_invocations_of_a_distributed_map_are_in_its_children() -> None:
    history = [
        entered(1, "Map", 0, 0, "Tune and predict fold"),
        event(2, "MapRunStarted", 0, 1, mapRunStartedEventDetails={"mapRunArn": "arn:of:the:run"}),
        event(3, "MapRunSucceeded", 90, 2),
        exited(4, "Map", 90, 3, "Tune and predict fold"),
    ]
    (only,) = step_times(history, MEMORY, {"arn:of:the:run": [40.0, 60.0, 20.0]}.__getitem__)
    assert (only.seconds, only.invocations, only.busy_seconds, only.gigabyte_seconds) == (90, 3, 120.0, 240.0)
    (unread,) = step_times(history, MEMORY)
    assert (unread.seconds, unread.gigabyte_seconds) == (90, None)


def test_no_history_no_times() -> None:
    assert step_times([], MEMORY) == ()
