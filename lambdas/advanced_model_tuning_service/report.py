"""The report of a run, as JSON for programs and as one self-contained page for people, and the list of all of them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lambdas.adapters.analytics import gate_record
from lambdas.core.errors import ArtefactIntegrityError
from lambdas.report import PAGE
from lambdas.runtime.observability import logger
from lambdas.runtime.stores import Stores

if TYPE_CHECKING:
    from lambdas.report.facts import StepTime

__all__ = ["PAGE", "write_report"]

LISTED_RUNS = 200
SHADOW = "shadow"
"""Whose verdicts stand beside those of the run's candidate."""


def write_report(stores: Stores, run: dict[str, Any], times: Sequence[StepTime]) -> None:
    """Write `report.json` and `report.html` of a run that has ended, and the page that lists all runs.

    `times` is what its steps took, by `times_and_cost`.
    """
    # A third of a second that starting and planning a run should not wait for.
    from lambdas.report.facts import report_of
    from lambdas.report.index import RunEntry, render_index
    from lambdas.report.page import render_report

    run_id = run["run_id"]
    recorded = stores.analytics.gates(run_id)
    gates = [gate_record(item) for item in recorded.values()]
    shadow_gates = [gate_record(item) for item in stores.analytics.gates(run_id, of=SHADOW).values()]
    facts = {name: value for name, value in run.items() if name not in ("PK", "SK", "announced_at")}
    facts["dataset_hash"] = _of_data(recorded, "dataset_hash")
    quality = _of_data(recorded, "quality")
    evaluated = _readable(stores, stores.reports.uri(run_id, "evaluation.json"))
    validated = _readable(stores, stores.reports.uri(run_id, "validation.json"))
    report = report_of(
        facts,
        gates,
        evaluated=evaluated,
        validated=validated,
        quality=None if quality is None else json.loads(quality),
        shadow_gates=shadow_gates,
        times=times,
    )
    values = {
        "run": facts,
        "gates": [gate.model_dump(mode="json") for gate in gates],
        "shadow_gates": [gate.model_dump(mode="json") for gate in shadow_gates],
        "evaluation": (evaluated or {}).get("evaluation"),
        "validation": (validated or {}).get("validation"),
        "quality": report.quality,
        "times": [time.model_dump(mode="json") for time in report.times],
    }
    stores.reports.write(stores.reports.uri(run_id, "report.json"), values)
    stores.reports.write(stores.reports.uri(run_id, PAGE), render_report(report))
    entries = [RunEntry.of(record) for record in stores.analytics.last_runs(LISTED_RUNS)]
    stores.reports.write(stores.reports.index_uri(), render_index(entries))


def _readable(stores: Stores, uri: str) -> Any | None:
    """Return what an engine left for the report; what was altered since is left out, its run has failed for it."""
    try:
        return stores.reports.find(uri)
    except ArtefactIntegrityError as error:
        logger.warning("left out of the report", extra={"uri": uri, "reason": str(error)})
        return None


def _of_data(recorded: Mapping[str, Mapping[str, Any]], name: str) -> str | None:
    """Return what was recorded beside the verdict on the data."""
    value = recorded.get("data_quality", {}).get(name)
    return None if value is None else str(value)
