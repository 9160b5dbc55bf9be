"""What is recorded of a run: its verdicts as a table, its report as files, all of it as one JSON value."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rich.text import Text

from cli.console import console, print_hint, print_table
from cli.deployment import LOCAL, Deployment
from cli.local_aws.place import Place
from lambdas.adapters.analytics import gate_record
from lambdas.contracts.outputs import StackOutput
from lambdas.contracts.storage import PerformancePrefix
from lambdas.core.gates import asked, measured
from lambdas.core.values import GateRecord

TUNING_GATES = ("data_quality", "backtesting", "market", "risk", "deployment")
_STYLE = {"PASS": "green", "FAIL": "red", "INSUFFICIENT_EVIDENCE": "yellow"}


def gates_of(deployment: Deployment, run_id: str) -> list[GateRecord]:
    """Return the recorded verdicts of a run, in the order of the machine."""
    return [gate_record(item) for item in deployment.analytics.gates(run_id).values()]


def print_gates(gates: list[GateRecord], expected: tuple[str, ...] = ()) -> None:
    """Print each comparison of each gate, then each gate's reason; what was not reached says so.

    A bound is the one-sided one of the estimate before it; `asked` says where it is the bound that is compared.
    """
    rows: list[list[object]] = []
    for gate in gates:
        for position, check in enumerate(gate.checks):
            rows.append(
                [
                    gate.gate if position == 0 else "",
                    measured(check),
                    check.estimate,
                    check.bound,
                    gate.base_rate if check.metric == "hit_rate" else None,
                    asked(check),
                    check.passed,
                ]
            )
    missing = [name for name in expected if name not in {gate.gate for gate in gates}]
    if rows:
        rows += [[name, "not reached", None, None, None, None, None] for name in missing]
        print_table(("gate", "metric", "value", "bound", "base rate", "asked", "met"), rows)
        console.print()
    for gate in gates:
        verdict = (gate.verdict.replace("_", " "), _STYLE[gate.verdict])
        console.print(Text.assemble(verdict, f"  {gate.gate}: {gate.reason}"))


def fetch_report(deployment: Deployment, run_id: str, folder: Path | None = None) -> list[Path]:
    """Download what the run reported, and return the files. An empty list: it reported nothing."""
    target = (folder or report_folder(deployment.environment)) / run_id
    prefix = f"s3://{deployment[StackOutput.PERFORMANCE_BUCKET]}/{PerformancePrefix.REPORTS}{run_id}"
    names = deployment.objects.names(prefix)
    if names:
        target.mkdir(parents=True, exist_ok=True)
    for name in names:
        deployment.objects.download(f"{prefix}/{name}", target / name)
    return [target / name for name in names]


def report_folder(environment: str) -> Path:
    """Return where reports of an environment are put."""
    reports = Place.default().reports
    return reports if environment == LOCAL else reports / environment


def run_as_json(deployment: Deployment, run_id: str, status: str, files: list[Path]) -> dict[str, Any]:
    """Return everything that is recorded of a run, by the names of the contracts."""
    record = deployment.analytics.run(run_id) or {}
    return {
        "run_id": run_id,
        "status": status,
        **{name: value for name, value in record.items() if name not in ("PK", "SK")},
        "gates": {gate.gate: gate.model_dump(mode="json") for gate in gates_of(deployment, run_id)},
        "report_files": [str(file) for file in files],
        "reports": {file.stem: json.loads(file.read_text()) for file in files if file.suffix == ".json"},
    }


def print_report_place(files: list[Path]) -> None:
    """Say where the report lies: the page, if there is one, else the folder."""
    if not files:
        return
    page = next((file for file in files if file.suffix == ".html"), files[0].parent)
    print_hint(f"Report: {page}")
