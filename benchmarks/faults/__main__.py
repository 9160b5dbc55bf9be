"""`make faults`: both machines under faults, so many runs from a seed; the tables go into docs/reliability.md."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy
os.environ.setdefault("POWERTOOLS_LOG_LEVEL", "CRITICAL")  # before the handlers: their lines are not about the bench

from benchmarks.faults import tables
from benchmarks.faults.story import Bench
from benchmarks.faults.wire import Wire, installed
from benchmarks.faults.world import account, synthesized

ROOT = Path(__file__).resolve().parents[2]


def main() -> int:
    """Run the bench; what was found is written after each run. The exit status is 1 if an invariant was broken."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults", description=__doc__)
    parser.add_argument("--runs", type=int, default=200, help="runs in which a fault came in")
    parser.add_argument("--seed", type=int, default=0, help="of the first run; the others follow it")
    parser.add_argument("--minutes", type=float, default=None, help="begin no further run after so long, and say so")
    parser.add_argument("--results", type=Path, default=ROOT / "benchmarks" / "results" / "faults.json")
    parser.add_argument("--page", type=Path, default=ROOT / "docs" / "reliability.md")
    parser.add_argument("--resume", action="store_true", help="go on after the last seed in --results")
    parser.add_argument("--render", action="store_true", help="only write the tables again, from --results")
    options = parser.parse_args()
    if not options.render:
        measure(options)
    results = json.loads(options.results.read_text(encoding="utf-8"))
    if options.page.exists():
        tables.write_page(results, options.page)
    return int(any(run["breaches"] for run in results["runs"]))


def measure(options: argparse.Namespace) -> None:
    """Do the runs."""
    begun = time.monotonic()
    results: dict[str, Any] = {
        "date": datetime.now(UTC).date().isoformat(),
        "seed": options.seed,
        "planned": options.runs,
        "minutes": 0.0,
        "runs": [],
    }
    if options.resume and options.results.exists():
        results |= json.loads(options.results.read_text(encoding="utf-8")) | {"planned": options.runs}
    before = results["minutes"]
    deployed = synthesized()
    with account() as stores, tempfile.TemporaryDirectory() as folder:
        wire = Wire(Path(folder) / "journal")
        with installed(wire):
            bench = Bench(stores, deployed, wire)
            seed = max((run["seed"] + 1 for run in results["runs"]), default=options.seed)
            while sum(bool(run["fired"]) for run in results["runs"]) < options.runs:
                if options.minutes is not None and time.monotonic() - begun > 60 * options.minutes:
                    print(f"stopped after {options.minutes:g} minutes", file=sys.stderr)
                    break
                plan = bench.plan(seed)
                started = time.monotonic()
                result = bench.live(plan).result
                results["runs"].append({**result.as_record(), "seconds": round(time.monotonic() - started, 1)})
                results["minutes"] = round(before + (time.monotonic() - begun) / 60, 1)
                options.results.parent.mkdir(parents=True, exist_ok=True)
                options.results.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
                for breach in result.breaches:
                    print(f"seed {seed}: {breach.invariant}: {breach.what}", file=sys.stderr, flush=True)
                seed += 1


if __name__ == "__main__":
    sys.exit(main())
