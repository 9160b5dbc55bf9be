"""`make controls`: every control in one process, deterministic by seed, its tables written into docs/evidence.md."""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy: threads of small products only cost each other time

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks.controls import planted_leaks, tables, with_skill, without_skill
from benchmarks.controls.judgement import BOOTSTRAP_DRAWS
from benchmarks.controls.whole_path import run_whole_path
from lambdas.core.settings import GateSettings

ROOT = Path(__file__).resolve().parents[2]
NULLS = {
    "random scores, best of 24": without_skill.random_scores,
    "shuffled outcomes, best of 24": without_skill.shuffled_outcomes,
}
PATH_NULL, PATH_SIGNAL = "whole path, no signal", "whole path, rank IC 0.25"
PATH_RANK_IC = 0.25
RUN_KINDS = ("paths", "path_signals", "markets")


def main() -> None:
    """Run the controls; what has been measured is written even when a later one is interrupted."""
    parser = argparse.ArgumentParser(prog="make controls", description=__doc__)
    parser.add_argument("--null", type=int, default=100, help="null runs of each kind, at the level of predictions")
    parser.add_argument("--paths", type=int, default=30, help="null runs of the whole path")
    parser.add_argument("--path-signals", type=int, default=6, help="runs of the whole path with a signal")
    parser.add_argument("--markets", type=int, default=24, help="markets of each rank IC, for power")
    parser.add_argument("--seed", type=int, default=0, help="first seed; run i uses seed + i")
    parser.add_argument("--minutes", type=float, default=None, help="begin no further run after so long, and say so")
    parser.add_argument("--results", type=Path, default=ROOT / "benchmarks" / "results" / "controls.json")
    parser.add_argument("--page", type=Path, default=ROOT / "docs" / "evidence.md")
    parser.add_argument("--render", action="store_true", help="only write the tables again, from --results")
    options = parser.parse_args()
    if options.render:
        write_page(json.loads(options.results.read_text(encoding="utf-8")), options.page)
        return

    started = time.monotonic()
    results: dict[str, Any] = {
        "seed": options.seed,
        "bootstrap_draws": BOOTSTRAP_DRAWS,
        "date": datetime.now(UTC).date().isoformat(),
        "minutes": 0.0,
        "planned": {
            "null": options.null,
            "paths": options.paths,
            "path_signals": options.path_signals,
            "markets": options.markets,
        },
        "leaks": planted_leaks.catch(),
        "null": {},
        "power": [],
    }
    try:
        for kind, record in _with_progress(_work(options), _count(options), options.minutes):
            if kind == "power":
                results["power"] += record
            else:
                results["null"].setdefault(kind, []).append(record)
            results["minutes"] = round((time.monotonic() - started) / 60, 1)
            _write(results, options.results)
    finally:
        write_page(results, options.page)


def _write(results: dict[str, Any], path: Path) -> None:
    """Write after every run: a run of half an hour that is killed keeps what it measured."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


Job = tuple[str, Callable[[], Any]]


def _work(options: argparse.Namespace) -> Iterator[Job]:
    """Yield all runs in rounds, so that a run that is cut short has some of everything."""
    seeds = {
        **dict.fromkeys(NULLS, options.null),
        PATH_NULL: options.paths,
        PATH_SIGNAL: options.path_signals,
        "power": options.markets,
    }
    jobs: list[tuple[float, str, int]] = [
        ((number + 0.5) / runs, kind, options.seed + number) for kind, runs in seeds.items() for number in range(runs)
    ]
    for _, kind, seed in sorted(jobs):
        yield kind, _job(kind, seed)


def _job(kind: str, seed: int) -> Callable[[], Any]:
    if kind == "power":
        return lambda: _power_records(seed)
    if kind == PATH_NULL:
        return lambda: {"seed": seed, **run_whole_path(seed, 0.0).as_record()}
    if kind == PATH_SIGNAL:
        return lambda: {"seed": seed, **run_whole_path(seed, PATH_RANK_IC).as_record()}
    return lambda: {"seed": seed, **NULLS[kind](seed).as_record()}


def _power_records(seed: int) -> list[dict[str, Any]]:
    return [
        {"seed": seed, "rank_ic_planted": rank_ic, "years": years, **judgement.as_record()}
        for rank_ic in with_skill.RANK_ICS
        for years, judgement in with_skill.known_drift(seed, rank_ic).items()
    ]


def _count(options: argparse.Namespace) -> int:
    return int(len(NULLS) * options.null + options.paths + options.path_signals + options.markets)


def _with_progress(work: Iterator[Job], total: int, minutes: float | None) -> Iterator[tuple[str, Any]]:
    """Do the work with a bar on the terminal, and with a line now and then where there is none."""
    console = Console(stderr=True)
    begun = time.monotonic()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("controls", total=total)
        for number, (kind, run) in enumerate(work):
            if minutes is not None and time.monotonic() - begun > 60 * minutes:
                console.print(f"stopped after {minutes:g} minutes: {number} of {total} runs done")
                return
            progress.update(task, description=kind)
            yield kind, run()
            progress.advance(task)
            if not console.is_terminal and (number + 1) % 20 == 0:
                console.print(f"{number + 1} of {total}, {(time.monotonic() - begun) / 60:.1f} min", highlight=False)


def write_page(results: dict[str, Any], page: Path) -> None:
    """Write the tables of the results between the markers of the page."""
    nulls = {kind: records for kind, records in results["null"].items() if kind != PATH_SIGNAL}
    of_predictions = [record for kind in NULLS for record in nulls.get(kind, [])]
    deployed, runs = tables.count(of_predictions, "deployment", "PASS"), len(of_predictions)
    signals = {PATH_SIGNAL: results["null"].get(PATH_SIGNAL, [])}
    sections = {
        "false-deploy": f"{tables.verdict_table(nulls, 'null')}\n\nDeployed of both nulls at the level of predictions: "
        f"{tables.share_with_interval(deployed, runs)}.",
        "fooled-evidence": tables.evidence_table(nulls, GateSettings().deflated_sharpe),
        "power": tables.power_table(results["power"]) if results["power"] else "Not run.",
        "path-power": tables.verdict_table(signals, "planted"),
        "leaks": tables.leak_table(results["leaks"]),
        "controls-run": _run_sentence(results),
    }
    for name, text in sections.items():
        tables.replace_between_markers(page, name, text)


def _run_sentence(results: dict[str, Any]) -> str:
    """Say when and how it was measured, and how much of what was planned a limit of time left undone."""
    planned = results.get("planned", {})
    wanted = len(NULLS) * planned.get("null", 0) + sum(planned.get(kind, 0) for kind in RUN_KINDS)
    done = sum(len(records) for records in results["null"].values())
    done += len({record["seed"] for record in results["power"]})
    return (
        f"Measured {results['date']} in {results['minutes']} minutes, one process and one thread: {done} of {wanted} "
        f"planned runs, seeds from {results['seed']}, {results['bootstrap_draws']} bootstrap draws."
    )


if __name__ == "__main__":
    main()
