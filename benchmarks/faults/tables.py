"""What the bench found, as tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.controls.tables import markdown_table, replace_between_markers
from benchmarks.faults.faults import KINDS
from benchmarks.faults.invariants import NAMES

Run = Mapping[str, Any]
WEEK = ("week", "week-1", "week-2")
"""The weekly run that the faults may hit, and what the operator started in its place."""


def by_kind(runs: Sequence[Run]) -> str:
    """One row a kind of fault: its runs, how the weekly run ended in the end, what was broken."""
    rows = []
    for kind in KINDS:
        own = [run for run in runs if run["kinds"][0] == kind and run["fired"]]
        ends = Counter(last_of(run) for run in own)
        failed = sum("FAILED" in run["outcomes"].values() for run in own)
        redriven = sum(bool(run["redrives"]) for run in own)
        told = ", ".join(f"{count} {name}" for name, count in sorted(ends.items()))
        broken = sum(bool(run["breaches"]) for run in own)
        rows.append([kind, str(len(own)), str(failed), str(redriven), told, str(broken)])
    header = [
        "kind of the first fault",
        "runs",
        "with a failed execution",
        "with a redrive",
        "how the week ended at last",
        "with a broken invariant",
    ]
    return markdown_table(header, rows)


def last_of(run: Run) -> str:
    """Return how the weekly run ended at last: itself, or what was started in its place."""
    return str([run["outcomes"][name] for name in WEEK if name in run["outcomes"]][-1])


def by_invariant(runs: Sequence[Run]) -> str:
    """One row an invariant: the runs in which it was broken, by seed."""
    rows = []
    for name in NAMES:
        seeds = [str(run["seed"]) for run in runs if any(breach[0] == name for breach in run["breaches"])]
        rows.append([name, str(len(seeds)), ", ".join(seeds) or "-"])
    return markdown_table(["invariant", "runs in which it was broken", "seeds"], rows)


def sentence(results: Mapping[str, Any]) -> str:
    """Say what was run, and when."""
    runs = results["runs"]
    hit = [run for run in runs if run["fired"]]
    compared = sum(run["compared"] for run in runs)
    more = sum(len(run["kinds"]) > 1 for run in hit)
    executions = sum(len(run["outcomes"]) for run in runs)
    return (
        f"Measured {results['date']} in {results['minutes']:.0f} minutes, one process: {len(runs)} runs, seeds "
        f"{runs[0]['seed']} to {runs[-1]['seed']}, {executions} executions. A fault came in in {len(hit)} of them, "
        f"more than one was planned in {more}. In {compared} the end was compared with that of the same week without "
        "faults."
    )


def write_page(results: Mapping[str, Any], page: Path) -> None:
    """Write the tables between the markers of the page."""
    hit = [run for run in results["runs"] if run["fired"]]
    replace_between_markers(page, "faults-run", sentence(results))
    replace_between_markers(page, "faults-by-kind", by_kind(hit))
    replace_between_markers(page, "faults-by-invariant", by_invariant(results["runs"]))
