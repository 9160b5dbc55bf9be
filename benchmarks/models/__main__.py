"""`make bench-models`: one fixed walk-forward for all models, what features add, and what it costs: docs/models.md."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy: threads of small products only cost each other time

from benchmarks.controls.tables import replace_between_markers
from benchmarks.models import results as documents
from benchmarks.models import tables
from benchmarks.models.course import Course, Store, course_settings, quick_course, real_course
from benchmarks.models.running import collect, run, works
from benchmarks.speed.__main__ import machine
from benchmarks.speed.measuring import ROOT
from lambdas.adapters.reuse import code_version

RESULTS = ROOT / "benchmarks" / "results" / "models.json"
PAGE = ROOT / "docs" / "models.md"
CACHE = ROOT / ".local" / "bench-models"
DATA = ROOT.parent / "shared" / "data"
SPEED = ("fold", "scikit", "handler-import")


def main(arguments: list[str] | None = None) -> None:
    """Measure what is asked for; what was measured before and has not changed is read."""
    parser = argparse.ArgumentParser(prog="make bench-models", description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA, help="data set folder with membership.parquet")
    parser.add_argument("--quick", action="store_true", help="a tiny simulated market: shows that it runs")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--trials", type=int, default=4, help="configurations a learner and search")
    parser.add_argument(
        "--window-days", type=int, default=183, help="length of a window: every model is refitted so often"
    )
    parser.add_argument("--stride", type=int, default=15, help="fit on every n-th session")
    parser.add_argument("--trained-on", nargs="*", choices=("members", "all"), default=["members"])
    parser.add_argument("--no-ablation", action="store_true")
    parser.add_argument(
        "--minutes", type=float, default=None, help="begin no fold that would not end in so many minutes"
    )
    parser.add_argument("--speed", nargs="*", choices=SPEED, default=[], help="measure these too")
    parser.add_argument(
        "--fold-trials", type=int, default=20, help="configurations a learner of the fold that is timed"
    )
    parser.add_argument("--only-speed", action="store_true", help="measure --speed alone and keep the other results")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--page", type=Path, default=PAGE)
    parser.add_argument("--cache", type=Path, default=CACHE)
    parser.add_argument("--render", action="store_true", help="only write the tables again, from --results")
    options = parser.parse_args(arguments)

    found: dict[str, Any] = json.loads(options.results.read_text()) if options.results.exists() else {}
    if not options.render:
        if not options.only_speed:
            found |= measure(options)
            _write(found, options.results)
        for name in options.speed:
            found[name] = _speed(name, options.data, options.fold_trials)
            _write(found, options.results)
    for name, text in tables.sections(found).items():
        replace_between_markers(options.page, name, text)


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Run the course."""
    begun = time.monotonic()
    if not options.quick and not (options.data / "prices.parquet").exists():
        sys.exit(f"bench-models: {options.data} holds no prices.parquet; name a data set folder with --data")
    course: Course = (
        quick_course()
        if options.quick
        else real_course(options.data, course_settings(options.window_days, options.stride, options.trials))
    )
    store = Store(options.cache, course)
    todo = list(works(course, store, options.seeds, tuple(options.trained_on), not options.no_ablation))
    complete = run(course, store, todo, options.minutes)
    document = documents.document(course, store, complete, collect(course, store, complete))
    done = {work.name for work in complete}
    host = machine()
    document["run"] = {
        "date": datetime.now(UTC).date().isoformat(),
        "seeds": options.seeds,
        "minutes": round((time.monotonic() - begun) / 60, 1),
        "machine": f"{host['processor']}, {host['cores']} cores shared with other work",
        "packages": host["packages"],
        "code_version": code_version(),
        "left_out": [work.name for work in todo if work.name not in done],
    }
    return document


def _speed(name: str, data: Path, fold_trials: int) -> dict[str, Any]:
    from benchmarks.models import fold, handler_import, scikit

    print(f"measuring {name}", file=sys.stderr, flush=True)
    if name == "fold":
        return fold.measure(n_trials=fold_trials)
    return scikit.measure(data) if name == "scikit" else handler_import.measure()


def _write(found: dict[str, Any], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
