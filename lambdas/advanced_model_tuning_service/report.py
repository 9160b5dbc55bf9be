"""The report of a run, as JSON for programs and as one self-contained page for people."""

from __future__ import annotations

from html import escape
from typing import Any, get_args

from lambdas.adapters.analytics import gate_record
from lambdas.core.gates import asked, measured
from lambdas.core.values import GateRecord, Verdict
from lambdas.runtime.stores import Stores

PAGE = "report.html"

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; color: #1c2530; }
table { border-collapse: collapse; width: 100%; margin: .5rem 0 2rem; }
th, td { text-align: left; padding: .35rem .6rem; border-bottom: 1px solid #d9dee4; vertical-align: top; }
td.number { text-align: right; font-variant-numeric: tabular-nums; }
.PASS { color: #146c2e; } .FAIL { color: #a4161a; } .INSUFFICIENT_EVIDENCE { color: #8a5a00; }
"""

RUN_FACTS = (
    "run_id",
    "workflow",
    "kind",
    "data",
    "as_of",
    "n_symbols",
    "started_at",
    "ended_at",
    "version",
    "champion",
    "champion_before",
    "settings_hash",
    "core_version",
)


def write_report(stores: Stores, run: dict[str, Any]) -> None:
    """Write `report.json` and `report.html` of a run that has ended."""
    run_id = run["run_id"]
    gates = [gate_record(item) for item in stores.analytics.gates(run_id).values()]
    evaluation = stores.reports.find(stores.reports.uri(run_id, "evaluation.json")) or {}
    validation = stores.reports.find(stores.reports.uri(run_id, "validation.json")) or {}
    report = {
        "run": {name: value for name, value in run.items() if name not in ("PK", "SK", "announced_at")},
        "gates": [gate.model_dump(mode="json") for gate in gates],
        "evaluation": evaluation.get("evaluation"),
        "validation": validation.get("validation"),
    }
    stores.reports.write(stores.reports.uri(run_id, "report.json"), report)
    stores.reports.write(stores.reports.uri(run_id, PAGE), render(report, gates))


def render(report: dict[str, Any], gates: list[GateRecord]) -> str:
    """Return the page. Everything in it is escaped: a symbol or an error message is text, never markup."""
    run = report["run"]
    evaluation, validation = report["evaluation"] or {}, report["validation"] or {}
    sections = [
        f"<h1>{escape(run['outcome'])}: {escape(run['run_id'])}</h1><p>{escape(run['message'])}</p>",
        _table(
            "Gates",
            ("gate", "metric", "value", "bound", "must be", "base rate", "", "verdict", "reason"),
            _gate_rows(gates),
        ),
        _table("Run", ("", ""), [(name, run.get(name)) for name in RUN_FACTS if name in run]),
    ]
    for title, numbers in (
        ("Walk-forward, out of sample", evaluation.get("pooled")),
        ("Evidence", evaluation.get("evidence")),
        *((name.replace("_", " "), value) for name, value in validation.items() if isinstance(value, dict)),
    ):
        if numbers:
            sections.append(_table(title, ("metric", "value"), _number_rows(numbers)))
    title = f"AMTS {escape(run['run_id'])}"
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f"<style>{STYLE}</style></head><body>{''.join(sections)}</body></html>"
    )


def _gate_rows(gates: list[GateRecord]) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = []
    for gate in gates:
        ours: tuple[str, str, str] = (gate.gate, gate.verdict, gate.reason)
        for check in gate.checks:
            base = gate.base_rate if check.metric == "hit_rate" else ""
            bound = "" if check.bound is None else check.bound
            met = "met" if check.passed else "missed"
            limit = f"{asked(check)} ({check.kind})"
            rows.append((ours[0], measured(check), check.estimate, bound, limit, base, met, ours[1], ours[2]))
            ours = ("", "", "")
        if not gate.checks:
            rows.append((ours[0], "", "", "", "", "", "", ours[1], ours[2]))
    return rows


def _number_rows(numbers: dict[str, Any], prefix: str = "") -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = []
    for name, value in numbers.items():
        if isinstance(value, dict):
            rows += _number_rows(value, f"{prefix}{name} ")
        elif not isinstance(value, list):
            rows.append((f"{prefix}{name}", value))
    return rows


def _table(title: str, head: tuple[str, ...], rows: list[tuple[Any, ...]]) -> str:
    columns = "".join(f"<th>{escape(name)}</th>" for name in head)
    body = "".join(f"<tr>{''.join(_cell(value) for value in row)}</tr>" for row in rows)
    return f"<h2>{escape(title)}</h2><table><thead><tr>{columns}</tr></thead><tbody>{body}</tbody></table>"


def _cell(value: Any) -> str:
    match value:
        case None:
            return '<td class="number">not measured</td>'
        case bool():
            return f"<td>{'yes' if value else 'no'}</td>"
        case float():
            return f'<td class="number">{value:.4f}</td>'
        case int():
            return f'<td class="number">{value}</td>'
        case _:
            text = escape(str(value))
            return f'<td class="{text}">{text}</td>' if text in get_args(Verdict) else f"<td>{text}</td>"
