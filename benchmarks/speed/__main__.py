"""`make bench`: every comparison in one run, written into docs/benchmarks.md."""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy: every peer has one thread, so do we

from benchmarks.controls.tables import markdown_table, replace_between_markers
from benchmarks.speed import (
    bar_by_bar,
    feature_build,
    images,
    import_time,
    overfitting,
    tranches,
    tuning_objective,
    weekly_cycle,
)
from benchmarks.speed.measuring import ROOT, PeerMissingError, in_process

RESULTS = ROOT / "benchmarks" / "results" / "speed.json"
PAGE = ROOT / "docs" / "benchmarks.md"
GIGABYTE = 1024**3
LIMITS = {
    "tranches beside vectorbt": "at least 20 times",
    "PBO beside purgedcv": "at least 100 times",
    "evidence of 50 candidates": "under 3 s, under 1 GB",
    "the same with 1,000 random portfolios": "under 3 s",
    "objective of tuning": "under 20 ms",
    "import of the handler": "under 1.5 s, no learner library",
}


def main() -> None:
    """Measure everything, some parts by name, or nothing (`--render`); write the page from what is known then."""
    parts: dict[str, Callable[[], dict[str, Any]]] = {
        "tranches": tranches.measure,
        "bar_by_bar": bar_by_bar.measure,
        "import_time": import_time.measure,
        "tuning_objective": tuning_objective.measure,
        "evidence_stage": lambda: in_process(sys.executable, ["-m", "benchmarks.speed.evidence_stage"]),
        "overfitting": overfitting.measure,
        "feature_build": feature_build.measure,
        "weekly_cycle": weekly_cycle.measure,
        "images": images.measure,
    }
    asked = [name for name in sys.argv[1:] if name != "--render"]
    if unknown := set(asked) - set(parts):
        sys.exit(f"no such part: {', '.join(sorted(unknown))}; the parts are {', '.join(parts)}")
    everything = not sys.argv[1:]
    before: dict[str, Any] = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    measured = measure({name: parts[name] for name in (parts if everything else asked)})
    results = with_earlier(before, measured, everything=everything)
    if measured:
        RESULTS.parent.mkdir(parents=True, exist_ok=True)
        RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    for name, text in sections(results).items():
        replace_between_markers(PAGE, name, said_if_skipped(name, results) + text)
    print(summary_table(results))


def measure(parts: dict[str, Callable[[], dict[str, Any]]]) -> dict[str, Any]:
    """Measure one part after the other; one whose peer is missing says so, and the others go on."""
    measured: dict[str, Any] = {}
    for name, part in parts.items():
        print(f"measuring {name.replace('_', ' ')}", file=sys.stderr)
        try:
            measured[name] = part()
        except PeerMissingError as error:
            print(f"skipped {name.replace('_', ' ')}: {error}", file=sys.stderr)
            measured[name] = {"skipped": str(error)}
    return measured


def with_earlier(before: dict[str, Any], measured: dict[str, Any], *, everything: bool) -> dict[str, Any]:
    """Return what is known now: of a part that was skipped what was measured before, if anything was."""
    known = dict(before)
    known["skipped"] = {name: of["skipped"] for name, of in measured.items() if "skipped" in of}
    known |= {name: of for name, of in measured.items() if "skipped" not in of}
    if everything:
        known["machine"] = machine()
    return known


def machine() -> dict[str, Any]:
    """Return what the times depend on."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "processor": names[0] if names else platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in ("numpy", "scipy", "pandas", "arch", "purgedcv")},
    }


def summary_table(results: dict[str, Any]) -> str:
    """One row a target: what was asked for, what was measured, and whether it holds."""
    pbo, stage = results["overfitting"], results["evidence_stage"]
    drawn = stage["stages"]["1,000 random portfolios"]["cpu"]
    ratio = results["tranches"]["ratio_target_holdings"]
    objective, imported = results["tuning_objective"]["ours"], results["import_time"]["ours"]
    memory = stage["peak_memory_bytes"]
    measured = {
        "tranches beside vectorbt": (f"{ratio:.1f} times", ratio >= 20),
        "PBO beside purgedcv": (f"{pbo['ratio']:.0f} times", pbo["ratio"] >= 100),
        "evidence of 50 candidates": (
            f"{stage['cpu'] - drawn:.2f} s, {memory / GIGABYTE:.2f} GB",
            stage["cpu"] - drawn < 3 and memory < GIGABYTE,
        ),
        "the same with 1,000 random portfolios": (f"{stage['cpu']:.2f} s", stage["cpu"] < 3),
        "objective of tuning": (f"{1000 * objective['cpu']:.1f} ms", objective["cpu"] < 0.020),
        "import of the handler": (f"{imported['cpu']:.2f} s", imported["cpu"] < 1.5),
    }
    rows = [[name, LIMITS[name], text, "yes" if ok else "**no**"] for name, (text, ok) in measured.items()]
    return markdown_table(["", "asked for", "measured", "holds"], rows)


def sections(results: dict[str, Any]) -> dict[str, str]:
    """Return the generated parts of the page."""
    case, peer = results["tranches"], results["tranches"]["vectorbt"]
    pbo, stage, host = results["overfitting"], results["evidence_stage"], results["machine"]

    def row(name: str, timing: dict[str, float], ratio: str) -> list[str]:
        return [name, f"{1000 * timing['cpu']:.1f}", f"{1000 * timing['wall']:.1f}", ratio]

    columns = ["", "CPU ms", "wall ms", "ours is faster by"]
    tranche_rows = [
        row("this engine, from recommendations", case["ours"], ""),
        row("vectorbt, target holdings", peer["target_holdings"], f"{case['ratio_target_holdings']:.1f}"),
        row("vectorbt, orders ready made", peer["orders_given"], f"{case['ratio_orders_given']:.1f}"),
        row("one pass over the arrays", case["memory_pass"], f"1 / {case['times_memory_pass']:.1f}"),
    ]
    packages = ", ".join(f"{name} {number}" for name, number in host["packages"].items())
    distance = max(case["distance"].values())
    return {
        "machine": f"{host['date']}: {host['processor']}, {host['cores']} cores, load {host['load']} at the start; "
        f"Python {host['python']}, {packages}; vectorbt {peer['version']}. One thread each.",
        "targets": summary_table(results),
        "tranches": f"{case['market']}. Largest relative distance of the equity curves: {distance:.1e}.\n\n"
        + markdown_table(columns, tranche_rows)
        + f"\n\nvectorbt's first call, which compiles, is not compared: {peer['orders_given']['first']:.1f} s with "
        "what it keeps on disk.",
        "bar-by-bar": bar_by_bar_section(results["bar_by_bar"]),
        "feature-build": feature_build.section(results["feature_build"]),
        "overfitting": f"{pbo['n_combinations']:,} combinations; largest distance of a logit: "
        f"{pbo['distance']:.1e}.\n\n"
        + markdown_table(
            columns,
            [row("this engine", pbo["ours"], ""), row("purgedcv", pbo["purgedcv"], f"{pbo['ratio']:.0f}")],
        ),
        "evidence-stage": markdown_table(
            ["stage", "CPU s"],
            [[name, f"{timing['cpu']:.2f}"] for name, timing in stage["stages"].items()]
            + [["all", f"{stage['cpu']:.2f}"]],
        )
        + f"\n\nPeak memory of the process: {stage['peak_memory_bytes'] / GIGABYTE:.2f} GB.",
        "weekly-cycle": weekly_cycle.section(results["weekly_cycle"]),
        "images": images.section(results["images"]),
    }


def said_if_skipped(section: str, results: dict[str, Any]) -> str:
    """Say above a table that it is an earlier one, and why; nothing where it was measured."""
    reason = results.get("skipped", {}).get(section.replace("-", "_"))
    return f"**Not measured this time**: {reason}. This is what an earlier run measured.\n\n" if reason else ""


def bar_by_bar_section(small: dict[str, Any]) -> str:
    """Write the table of the peers that go bar by bar, with times of a session and symbol."""
    timings = [("this engine", small["ours"], "")]
    timings += [(f"{name} {peer['version']}", peer, f"{peer['ratio']:,.0f}") for name, peer in small["peers"].items()]
    rows = [
        [name, f"{1000 * timing['cpu']:.1f}", f"{1e9 * timing['cpu'] / small['n_cells']:,.0f}", ratio]
        for name, timing, ratio in timings
    ]
    apart = ", ".join(f"{name} {peer['distance']:.1e}" for name, peer in small["peers"].items())
    return (
        f"{small['market']}, {small['n_orders']:,} orders. Largest relative distance of the equity curves from ours: "
        f"{apart}.\n\n" + markdown_table(["", "CPU ms", "ns a session and symbol", "ours is faster by"], rows)
    )


if __name__ == "__main__":
    main()
