"""Histories as AWS and as the emulator write them, read into what a person follows."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest

from cli.following import Advanced, Ending, Entered, HistoryReader, Left, Stumbled

START = dt.datetime(2026, 11, 22, 12, 0, tzinfo=dt.UTC)


def event(second: float, kind: str, **details: Any) -> Any:
    group = {
        "Entered": "stateEnteredEventDetails",
        "Exited": "stateExitedEventDetails",
        "MapStateStarted": "mapStateStartedEventDetails",
        "TaskSucceeded": "taskSucceededEventDetails",
        "TaskFailed": "taskFailedEventDetails",
    }
    key = next((value for suffix, value in group.items() if kind.endswith(suffix)), None)
    return {"timestamp": START + dt.timedelta(seconds=second), "type": kind} | ({key: details} if key else {})


AWS_MAP = [
    event(0, "ExecutionStarted"),
    event(1, "TaskStateEntered", name="Plan walk-forward folds"),
    event(1, "TaskScheduled"),
    event(3, "TaskSucceeded", output=json.dumps({"Payload": {"folds": [1, 2, 3]}})),
    event(3, "TaskStateExited", name="Plan walk-forward folds"),
    event(3, "MapStateEntered", name="Tune and predict fold"),
    event(3, "MapStateStarted", length=3),
    event(3, "MapIterationStarted"),
    event(3, "TaskStateEntered", name="Fit"),
    event(4, "TaskFailed", error="Runtime.ExitError"),
    event(5, "TaskSucceeded", output="{}"),
    event(5, "TaskStateExited", name="Fit"),
    event(5, "MapIterationSucceeded"),
    event(9, "MapStateExited", name="Tune and predict fold"),
    event(9, "ChoiceStateEntered", name="Backtesting gate: hit rate above 60 %"),
    event(9, "ChoiceStateExited", name="Backtesting gate: hit rate above 60 %"),
]
EMULATOR_MAP = [
    entry for entry in AWS_MAP if not entry["type"].startswith(("MapIteration", "MapStateStarted"))
    and entry.get("stateEnteredEventDetails", entry.get("stateExitedEventDetails", {})).get("name") != "Fit"
]  # fmt: skip


@pytest.mark.parametrize(("history", "begins"), [(AWS_MAP, True), (EMULATOR_MAP, False)], ids=["aws", "emulator"])
def test_both_kinds_of_history_tell_the_same_story(history: list[Any], begins: bool) -> None:
    reader = HistoryReader({"Tune and predict fold": "folds"})

    steps = list(reader.steps(history))

    expected = [
        Entered("Plan walk-forward folds", START + dt.timedelta(seconds=1)),
        Left("Plan walk-forward folds", 2.0),
        Entered("Tune and predict fold", START + dt.timedelta(seconds=3)),
        *([Advanced("Tune and predict fold", 0, 3)] if begins else []),
        Stumbled("Tune and predict fold", "Runtime.ExitError"),
        Advanced("Tune and predict fold", 1, 3),
        Left("Tune and predict fold", 6.0),
        Entered("Backtesting gate: hit rate above 60 %", START + dt.timedelta(seconds=9), decides=True),
        Left("Backtesting gate: hit rate above 60 %", 0.0, decides=True),
    ]
    assert steps == expected


def test_a_growing_history_is_told_once() -> None:
    whole = list(HistoryReader({"Tune and predict fold": "folds"}).steps(AWS_MAP))
    reader = HistoryReader({"Tune and predict fold": "folds"})

    told = [step for end in range(len(AWS_MAP) + 1) for step in reader.steps(AWS_MAP[:end])]

    assert told == whole


def test_a_map_of_unknown_length_is_counted_without_a_total() -> None:
    steps = list(HistoryReader().steps(EMULATOR_MAP))

    assert Advanced("Tune and predict fold", 1, None) in steps


@pytest.mark.parametrize(
    ("cause", "message"),
    [
        (json.dumps({"errorType": "InvalidDatasetError", "errorMessage": "no close"}), "no close"),
        ("Task timed out after 600 seconds", "Task timed out after 600 seconds"),
        ("[1]", "[1]"),
        (None, None),
    ],
)  # fmt: skip
def test_the_message_is_what_the_exception_said(cause: str | None, message: str | None) -> None:
    assert Ending("FAILED", None, "InvalidDatasetError", cause).message == message
