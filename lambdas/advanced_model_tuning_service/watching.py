"""Numbers that dashboards and alarms are made of and that no step measures by itself: ages, verdicts, a row of noes."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Any

from lambdas.contracts.metrics import GATE_VALUES, Metric
from lambdas.runtime.observability import measure, measure_gate
from lambdas.runtime.stores import Stores

TUNING = "advanced-model-tuning"
LOOKED_AT = 40
"""Runs: more than a month of daily and weekly ones."""

STAYED = ("REJECTED", "SHADOWED", "SUPERSEDED")
MOVED = ("PROMOTED", "ROLLED_BACK")
DAY_SECONDS = 86_400.0


def measure_ages(stores: Stores, at: dt.datetime) -> None:
    """Say how old the champion is, and how long ago the last tuning run began.

    Where none is among the runs that are looked at, it began before all of them.
    """
    pointer = stores.registry.pointer()
    if pointer is not None:
        measure(Metric.CHAMPION_AGE_DAYS, _days(pointer["since"], at))
    runs = stores.analytics.last_runs(LOOKED_AT)
    if runs:
        last = next((run for run in runs if run.get("workflow") == TUNING), runs[-1])
        measure(Metric.TUNING_AGE_DAYS, _days(last["started_at"], at))


def measure_verdicts(stores: Stores, run: Mapping[str, Any]) -> None:
    """Say what each gate of a tuning run said, and how many runs in a row have left the champion as it is."""
    if run.get("workflow") != TUNING or run.get("outcome") not in (*STAYED, *MOVED):
        return
    for name, gate in stores.analytics.gates(run["run_id"]).items():
        measure_gate(name, GATE_VALUES[gate["verdict"]])
    measure(Metric.REJECTIONS_IN_A_ROW, rejections_in_a_row(stores.analytics.last_runs(LOOKED_AT)))


def rejections_in_a_row(runs: Iterable[Mapping[str, Any]]) -> int:
    """Count the tuning runs, newest first, since the champion last changed; failed and unfinished ones say nothing.

    Examples
    --------
    >>> outcomes = ("REJECTED", "FAILED", "SHADOWED", None, "PROMOTED", "REJECTED")
    >>> rejections_in_a_row({"workflow": TUNING, "outcome": outcome} for outcome in outcomes)
    2
    """
    n_rejections = 0
    for run in runs:
        if run.get("workflow") == TUNING and run.get("outcome") in MOVED:
            break
        n_rejections += run.get("workflow") == TUNING and run.get("outcome") in STAYED
    return n_rejections


def _days(since: str, at: dt.datetime) -> float:
    return max((at - dt.datetime.fromisoformat(since)).total_seconds() / DAY_SECONDS, 0.0)
