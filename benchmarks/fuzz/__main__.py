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
from benchmarks.fuzz import mutation, native, targets

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = ROOT / ".local" / "fuzz-venv"
ATHERIS = "atheris==3.0.0"
INPUTS = {
    "events": 40_000,
    "stored records": 30_000,
    "data set files": 5_000,
    "predictions": 5_000,
    "features": 5_000,
    "manifest": 12_000,
    "settings": 5_000,
    "index of a folder": 10_000,
    "tables of hostile shape": 5_000,
    **dict.fromkeys(native.FILES, 2_000),
}
UNCHECKED = 0.1
"""Of the inputs of a model's file, so many are also given to its library without our checks before it."""

TABLES = "tables of hostile shape"


def main() -> int:
    """Fuzz every target; the exit status is 1 if one of them crashed, wrote or ran out of memory."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fuzz", description=__doc__)
    parser.add_argument("--times", type=float, default=1.0, help="the inputs of each target, times this")
    parser.add_argument("--only", nargs="*", choices=INPUTS, default=list(INPUTS), help="targets")
    parser.add_argument("--results", type=Path, default=ROOT / "benchmarks" / "results" / "fuzz.json")
    parser.add_argument("--page", type=Path, default=ROOT / "docs" / "reliability.md")
    options = parser.parse_args()
    results: dict[str, Any] = {"targets": {}, "models": {}}
    if options.results.exists():
        results |= json.loads(options.results.read_text(encoding="utf-8"))
    for name in options.only:
        inputs, date = int(options.times * INPUTS[name]), {"date": datetime.now(UTC).date().isoformat()}
        if name in native.FILES:
            results["models"][name] = models_file(name, inputs) | date
        else:
            found = hostile_tables(inputs) if name == TABLES else guided(name, inputs)
            results["targets"][name] = found | date
        write(results, options)
    broken = [found["crash"] for found in results["targets"].values()]
    wrong = ("another error", "ended the process", "took too long")
    broken += [found["checked"][what] for found in results["models"].values() for what in wrong]
    return int(any(broken))


def models_file(name: str, inputs: int) -> dict[str, Any]:
    """Attack the file of a model, with our checks before the library and without them, in a process of its own."""
    found = {}
    for how, n in (("checked", inputs), ("unchecked", int(UNCHECKED * inputs))):
        command = [sys.executable, "-m", "benchmarks.fuzz.native", name, str(n), how]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S603 - this module
        found[how] = json.loads(done.stdout.splitlines()[-1])
    return found


def write(results: dict[str, Any], options: argparse.Namespace) -> None:
    """Keep what was found so far, and put it into the page."""
    ordered = {part: {name: results[part][name] for name in INPUTS if name in results[part]} for part in results}
    options.results.write_text(json.dumps(ordered, indent=1) + "\n", encoding="utf-8")
    if not options.page.is_file():
        return
    rows = [
        [name, f"{found['inputs']:,}", f"{found['seconds']:.0f}", str(found["peak_mb"]), found["crash"] or "none"]
        for name, found in ordered["targets"].items()
    ]
    total = sum(found["inputs"] for found in ordered["targets"].values())
    rows.append(["all", f"{total:,}", f"{sum(found['seconds'] for found in ordered['targets'].values()):.0f}", "", ""])
    table = markdown_table(["target", "inputs", "seconds", "peak MB", "crash, write, or memory"], rows)
    replace_between_markers(options.page, "fuzz", f"{table}\n\n{measured(ordered['targets'])}")
    header = ["file, and before its library", "inputs", *native.HOW]
    rows = [
        [f"{name}, {before}", f"{found[how]['inputs']:,}", *(str(found[how][what]) for what in native.HOW)]
        for how, before in (("checked", "our checks"), ("unchecked", "nothing"))
        for name, found in ordered["models"].items()
    ]
    if rows:
        replace_between_markers(
            options.page, "fuzz-models", f"{markdown_table(header, rows)}\n\n{measured(ordered['models'])}"
        )


def measured(found: dict[str, Any]) -> str:
    """Say when that was."""
    return f"Measured {' and '.join(sorted({one['date'] for one in found.values()}))}."


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
