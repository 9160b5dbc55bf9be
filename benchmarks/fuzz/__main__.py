"""`make fuzz`: every target under a coverage-guided fuzzer, and tables of hostile shape; docs/reliability.md has it."""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import sysconfig
import tempfile
import time
import venv
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("POWERTOOLS_LOG_LEVEL", "CRITICAL")

from benchmarks.controls.tables import markdown_table, replace_between_markers
from benchmarks.fuzz import mutation, targets

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = ROOT / ".local" / "fuzz-venv"
ATHERIS = "atheris==3.0.0"
SHARES = {
    "events": 0.36,
    "stored records": 0.30,
    "data set files": 0.01,
    "predictions": 0.02,
    "features": 0.02,
    "manifest": 0.12,
    "settings": 0.05,
    "index of a folder": 0.10,
}
"""Of the inputs; tables of hostile shape have the rest."""

TABLES = "tables of hostile shape"


def main() -> int:
    """Fuzz every target; the exit status is 1 if one of them crashed, wrote or ran out of memory."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fuzz", description=__doc__)
    parser.add_argument("--inputs", type=int, default=120_000)
    parser.add_argument("--only", nargs="*", default=None, help="targets")
    parser.add_argument("--results", type=Path, default=ROOT / "benchmarks" / "results" / "fuzz.json")
    parser.add_argument("--page", type=Path, default=ROOT / "docs" / "reliability.md")
    options = parser.parse_args()
    results: dict[str, Any] = {"date": datetime.now(UTC).date().isoformat(), "targets": {}}
    if options.results.exists() and options.only:
        results = json.loads(options.results.read_text(encoding="utf-8"))
    for name, share in SHARES.items():
        if options.only is None or name in options.only:
            results["targets"][name] = guided(name, int(share * options.inputs))
            write(results, options)
    if options.only is None or TABLES in options.only:
        results["targets"][TABLES] = hostile_tables(int((1 - sum(SHARES.values())) * options.inputs))
        write(results, options)
    return int(any(found["crash"] for found in results["targets"].values()))


def write(results: dict[str, Any], options: argparse.Namespace) -> None:
    """Keep what was found so far, and put it into the page."""
    options.results.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    rows = [
        [name, f"{found['inputs']:,}", f"{found['seconds']:.0f}", str(found["peak_mb"]), found["crash"] or "none"]
        for name, found in results["targets"].items()
    ]
    total = sum(found["inputs"] for found in results["targets"].values())
    rows.append(["all", f"{total:,}", f"{sum(found['seconds'] for found in results['targets'].values()):.0f}", "", ""])
    table = markdown_table(["target", "inputs", "seconds", "peak MB", "crash, write, or memory"], rows)
    if options.page.is_file():
        replace_between_markers(options.page, "fuzz", f"{table}\n\nMeasured {results['date']}.")


def python() -> Path:
    """Return the Python of an environment that has atheris, made when it is first needed."""
    executable = ENVIRONMENT / "bin" / "python"
    if not executable.exists():
        venv.create(ENVIRONMENT, with_pip=True)
    if not list(ENVIRONMENT.glob("lib/*/site-packages/atheris")):
        subprocess.run([executable, "-m", "pip", "install", "--quiet", ATHERIS], check=True)  # noqa: S603 - pinned
    return executable


def guided(name: str, inputs: int) -> dict[str, Any]:
    """Run one target under atheris, in a process of its own: a crash of native code ends that and nothing else."""
    begun = time.monotonic()
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{sysconfig.get_paths()['purelib']}"}
    done = subprocess.run(  # noqa: S603 - this module, under another Python
        [python(), "-m", "benchmarks.fuzz.guided", name, str(inputs)],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    said = [line for line in done.stdout.splitlines() if line.startswith('{"target"')]
    crash = "" if done.returncode == 0 and said else reason(done.stdout + done.stderr)
    if crash:
        print(f"{name}: {done.stderr[-4000:]}", file=sys.stderr)
    found = json.loads(said[-1]) if said else {"inputs": 0, "peak_mb": 0}
    return {**found, "seconds": round(time.monotonic() - begun, 1), "crash": crash}


def reason(output: str) -> str:
    """Return the line that says why a fuzzer stopped."""
    telling = [line for line in output.splitlines() if "Error" in line or "ERROR" in line or "Exception" in line]
    return (telling or output.splitlines() or ["it ended without a word"])[-1][:200]


def hostile_tables(inputs: int) -> dict[str, Any]:
    """Read data set folders with one file whose columns and types are not what they should be."""
    begun, crash, tried = time.monotonic(), "", 0
    with tempfile.TemporaryDirectory(prefix="amts-fuzz-") as folder:
        target = targets.quiet(targets.one_table(Path(folder)))
        for number in range(inputs):
            rng = random.Random(number)  # noqa: S311 - no secret
            which = rng.randrange(len(mutation.SCHEMAS))
            table = mutation.hostile_table(mutation.SCHEMAS[which], rng)
            tried += 1
            try:
                target(bytes([which]) + table)
            except BaseException as error:
                crash = f"number {number}: {type(error).__name__}: {error}"[:200]
                break
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return {"inputs": tried, "peak_mb": peak, "seconds": round(time.monotonic() - begun, 1), "crash": crash}


if __name__ == "__main__":
    sys.exit(main())
