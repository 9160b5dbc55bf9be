"""What rings, whom it calls, what the runbook says of it; what the dashboards show."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any

import pytest
from assemblies import Assembly
from project import ROOT

from lambdas.contracts.metrics import Metric

N_FUNCTIONS = 5
RUNBOOK = (ROOT / "docs" / "runbook.md").read_text()


@pytest.fixture
def alarms(prod: Assembly) -> dict[str, dict[str, Any]]:
    """Every alarm by its logical id."""
    return prod.resources("AWS::CloudWatch::Alarm", "Observability")


def test_everything_that_can_go_wrong_rings(alarms: dict[str, dict[str, Any]]) -> None:
    watched = Counter(
        metric for alarm in alarms.values() for metric in re.findall(r'"MetricName": "(\w+)"', json.dumps(alarm))
    )
    assert watched == {
        "ExecutionsFailed": 2,
        "ExecutionsTimedOut": 2,
        "ExecutionsAborted": 2,
        "ExecutionThrottled": 2,
        "ExecutionsSucceeded": 1,
        "Errors": N_FUNCTIONS,
        "Throttles": N_FUNCTIONS,
        "Duration": N_FUNCTIONS,
        "ApproximateNumberOfMessagesVisible": 1,
        Metric.LIVE_GATE_FAILURES: 1,
        Metric.REJECTIONS_IN_A_ROW: 1,
        Metric.TUNING_AGE_DAYS: 1,
    }


def test_every_alarm_calls_the_topic(alarms: dict[str, dict[str, Any]]) -> None:
    for name, alarm in alarms.items():
        assert alarm.get("ActionsEnabled", True) is True
        assert "Topic" in json.dumps(alarm["AlarmActions"]), name


def test_every_alarm_names_its_paragraph_of_the_runbook(alarms: dict[str, dict[str, Any]]) -> None:
    chapter = RUNBOOK.split("## An alarm rings")[1].split("\n## ")[0]
    paragraphs = set(re.findall(r"^### (.+)$", chapter, flags=re.MULTILINE))
    named = {re.fullmatch(r".+\. Runbook: (.+)\.", alarm["AlarmDescription"])[1] for alarm in alarms.values()}  # type: ignore[index]
    assert named == paragraphs


def test_the_limit_that_rings_is_below_the_one_that_ends_a_function(
    prod: Assembly, alarms: dict[str, dict[str, Any]]
) -> None:
    found = [alarm["Threshold"] for alarm in alarms.values() if "Duration" in json.dumps(alarm.get("Metrics", alarm))]
    limits = [f["Timeout"] * 1000 for f in prod.resources("AWS::Lambda::Function").values()]
    assert sorted(found) == sorted(limit * 0.9 for limit in limits)


def test_silence_rings_where_nothing_is_measured_and_numbers_do_not(alarms: dict[str, dict[str, Any]]) -> None:
    missing = {alarm["AlarmName"]: alarm["TreatMissingData"] for alarm in alarms.values()}
    breaching = {name for name, treated in missing.items() if treated == "breaching"}
    assert breaching == {"amts-prod-daily-assessment-Silence"}


def test_dashboards_show_what_is_emitted(prod: Assembly) -> None:
    dashboards = prod.resources("AWS::CloudWatch::Dashboard", "Observability")
    assert len(dashboards) == 2
    (business,) = [json.dumps(d) for d in dashboards.values() if d["DashboardName"].endswith("performance")]
    (platform,) = [json.dumps(d) for d in dashboards.values() if not d["DashboardName"].endswith("performance")]
    shown_nowhere = {Metric.STEP_ERRORS, Metric.FOLDS_REUSED, Metric.RUN_GB_SECONDS}
    of_platform = {Metric.STEP_DURATION, Metric.STEP_MEMORY, Metric.RUN_COST}
    for metric in of_platform:
        assert str(metric) in platform, metric
    for metric in set(Metric) - shown_nowhere - of_platform:
        assert f'\\"{metric}\\"' in business, metric


def test_the_platform_shows_executions_functions_queue_and_tables(prod: Assembly) -> None:
    dashboards = prod.resources("AWS::CloudWatch::Dashboard", "Observability")
    (platform,) = [json.dumps(d) for d in dashboards.values() if not d["DashboardName"].endswith("performance")]
    for metric in (
        *("ExecutionsSucceeded", "ExecutionsFailed", "ExecutionTime", "Duration", "Errors", "Throttles"),
        *("ApproximateNumberOfMessagesVisible", "SuccessfulRequestLatency"),
    ):
        assert metric in platform, metric
