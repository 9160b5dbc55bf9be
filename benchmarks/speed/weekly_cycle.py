"""The whole weekly cycle, and a daily one after it, at three sizes: time by step, peak memory, and how both grow."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from benchmarks.controls.tables import markdown_table
from benchmarks.speed.measuring import in_process

SIZES = (20, 100, 500)
GIGABYTE = 1024**3
NAMES = {
    "plan": "plan the run",
    "plan_folds": "plan the folds",
    "collect": "collect",
    "build": "build the feature set",
    "tune": "search hyper-parameters",
    "fit_fold": "tune and predict folds",
    "evaluate": "backtest",
    "fit_candidate": "train the candidate",
    "validate": "validate against the market",
    "promote": "promote, write the report",
    "retire": "retire old artefacts",
    "calendar": "look at the calendar",
    "recommend": "score the newest session",
    "settle": "publish and settle",
}


def measure(sizes: tuple[int, ...] = SIZES) -> dict[str, Any]:
    """Run the cycle in a fresh process for each size."""
    script = ["-m", "benchmarks.speed.weekly_cycle_process"]
    load, measured = round(os.getloadavg()[0], 1), []
    for n_symbols in sizes:
        measured.append(in_process(sys.executable, [*script, str(n_symbols)]))
        print(f"  {n_symbols} symbols: {json.dumps(measured[-1])}", file=sys.stderr)  # an hour's work is not lost
    return {"load": load, "sizes": measured}


def by_action(steps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Add up the steps of each action, in the order in which they began."""
    found: dict[str, dict[str, Any]] = {}
    for step in steps:
        one = found.setdefault(
            step["action"],
            {"action": step["action"], "steps": 0, "cpu": 0.0, "wall": 0.0, "peak_memory": 0, "trials": 0},
        )
        one["steps"] += 1
        one["cpu"] += step["cpu"]
        one["wall"] += step["wall"]
        one["trials"] += step.get("trials", 0)
        one["peak_memory"] = max(one["peak_memory"], step["peak_memory"])
    return list(found.values())


def section(result: dict[str, Any]) -> str:
    """Tables of the page: processor time by step and size, peak memory, growth."""
    sizes = result["sizes"]
    return "\n\n".join(
        [
            f"Load at the start: {result['load']}.",
            _table(sizes, "weekly", "a weekly run"),
            _table(sizes, "daily", "a daily run after it"),
            *_scored(sizes),
        ]
    )


def _table(sizes: list[dict[str, Any]], cycle: str, title: str) -> str:
    by_size = [{one["action"]: one for one in size[cycle]} for size in sizes]
    columns = [f"**{title}**, CPU s"] + [f"{size['n_symbols']} symbols" for size in sizes] + ["growth", "peak memory"]
    rows = []
    for action in by_size[0]:
        steps = [size[action] for size in by_size]
        times = f", {steps[-1]['steps']} steps" if steps[-1]["steps"] > 1 else ""
        rows.append(
            [
                f"{NAMES.get(action, action)}{times}",
                *(f"{step['cpu']:.1f}" for step in steps),
                _growth(sizes, [step["cpu"] for step in steps]),
                f"{steps[-1]['peak_memory'] / GIGABYTE:.2f} GB",
            ]
        )
    totals = [sum(one["cpu"] for one in size.values()) for size in by_size]
    peaks = [max(one["peak_memory"] for one in size.values()) for size in by_size]
    walls = [sum(one["wall"] for one in size.values()) for size in by_size]
    rows += [
        ["all", *(f"{total:.1f}" for total in totals), _growth(sizes, totals), f"{peaks[-1] / GIGABYTE:.2f} GB"],
        ["wall time, one step after the other", *(f"{wall:.0f}" for wall in walls), "", ""],
        ["largest peak of a step", *(f"{peak / GIGABYTE:.2f} GB" for peak in peaks), _growth(sizes, peaks), ""],
    ]
    return markdown_table(columns, rows)


def _scored(sizes: list[dict[str, Any]]) -> list[str]:
    """Say how many configurations were scored: a search that reaches its deadline scores fewer."""
    scored = [sum(one.get("trials", 0) for one in size["weekly"]) for size in sizes]
    if not any(scored):
        return []
    return [f"Configurations scored: {', '.join(map(str, scored))}. A search stops at ten minutes of wall time."]


def _growth(sizes: list[dict[str, Any]], values: list[float]) -> str:
    """Return what the last step in size multiplied the value by, beside what it multiplied the symbols by."""
    if len(values) < 2 or values[-2] < 0.05:
        return ""
    return f"{values[-1] / values[-2]:.1f} for {sizes[-1]['n_symbols'] / sizes[-2]['n_symbols']:g}"
