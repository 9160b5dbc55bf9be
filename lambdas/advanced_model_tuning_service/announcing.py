"""How the end of a run is told: a report, a text that a person can act on, JSON for machines."""

from __future__ import annotations

from collections.abc import Mapping
from string import Template
from typing import Any

from lambdas.adapters.analytics import gate_record
from lambdas.adapters.errors import TransientStoreError
from lambdas.advanced_model_tuning_service.report import PAGE, write_report
from lambdas.advanced_model_tuning_service.watching import measure_verdicts
from lambdas.contracts.tuning_run import OutcomeResult
from lambdas.core.gates import asked, measured
from lambdas.core.values import GateCheck, GateRecord
from lambdas.runtime.stores import Stores

UNREPORTED = ("ASSESSED", "DRY_RUN", "NOTHING", "BUSY")
"""Ends without gates to report on; their message says all."""

NEXT_STEP: dict[str, str] = {
    "PROMOTED": 'Nothing to do. To go back: amts rollback, or an execution with {"rollback_to": "previous"}.',
    "SHADOWED": "Nothing. It is scored daily beside the champion and published nowhere; its record is judged weekly.",
    "REJECTED": "Nothing: a rejected model is a result. The report shows which number fell short, and by how much.",
    "SUPERSEDED": "Start advanced-model-tuning again, so that the candidate is compared with the present champion.",
    "ROLLED_BACK": "Find out why it was necessary before the next weekly run; the report of the former champion helps.",
    "FAILED": "Correct what the error names, then: amts redrive $run_id (what is done is not repeated).",
    "DRY_RUN": "Everything a run needs could be reached.",
    "NOTHING": "Start advanced-model-tuning; once a model passes every gate it recommends daily.",
    "ASSESSED": "Nothing to do.",
    "LIVE_GATE": "Nothing: the champion stays until a candidate passes. To go back at once: amts rollback.",
    "BUSY": "Wait for the run that is under way: amts follow $other; start again once it has ended, if need be.",
}


def conclude(stores: Stores, run_id: str, *, quietly: bool = False) -> OutcomeResult:
    """Write the report of a run that has ended and announce it once; safe to repeat from any point.

    Parameters
    ----------
    stores : Stores
    run_id : str
    quietly : bool
        Say nothing: the same was announced not long ago.

    Raises
    ------
    TransientStoreError
        If the end is not recorded: a transaction was seen on one of its items before it was done on the other.
    """
    run = stores.analytics.run(run_id) or {}
    if "outcome" not in run:
        raise TransientStoreError(f"The end of run {run_id} is not to be seen yet. The step is retried.")
    outcome, message = run["outcome"], run["message"]
    report_uri = None if outcome in UNREPORTED else stores.reports.uri(run_id, PAGE)
    if "announced_at" not in run:
        # Loaded here: only the end of a run needs it, and every start of the function would wait for it.
        from lambdas.advanced_model_tuning_service.costing import record_cost, times_and_cost

        times, cost = times_and_cost(stores, str(run.get("execution_arn")))
        record_cost(stores, run_id, cost)
        measure_verdicts(stores, run)
        if report_uri is not None:
            write_report(stores, run | {"cost": cost.model_dump(mode="json")}, times)
        if not quietly:
            announce(stores, run, outcome, report_uri)
        stores.analytics.mark_announced(run_id)
    return OutcomeResult(outcome=outcome, champion=run["champion"], message=message, report_uri=report_uri)


def announce(
    stores: Stores, run: dict[str, Any], outcome: str, report_uri: str | None, *, message: str | None = None
) -> None:
    """Publish what became of a run.

    Subscribers can filter on the attribute `outcome`; `details` holds the whole message as JSON.
    """
    environment, run_id = stores.environment.environment, run["run_id"]
    gates = [gate_record(item) for item in stores.analytics.gates(run_id).values()]
    message = message or run["message"]
    details = {
        "outcome": outcome,
        "run_id": run_id,
        "environment": environment,
        "workflow": run.get("workflow"),
        "message": message,
        "version": run.get("version"),
        "champion": run.get("champion"),
        "stopped_by": next((_stop(gate) for gate in gates if gate.verdict != "PASS"), None),
        "failed_step": run.get("failed_step") if outcome == "FAILED" else None,
        "error": run.get("error") if outcome == "FAILED" else None,
        "report_uri": report_uri,
        "execution_arn": run.get("execution_arn"),
    }
    stores.notifier.announce(
        f"AMTS {environment}: {outcome} {run_id}",
        text_of(run, outcome, message, gates, report_uri),
        details,
        outcome=outcome,
        run_id=run_id,
        environment=environment,
    )


def text_of(run: dict[str, Any], outcome: str, message: str, gates: list[GateRecord], report_uri: str | None) -> str:
    """Return the text of a message: what happened, the gates, what to do, where to look."""
    lines = [message, ""]
    lines += [f"{gate.gate}: {gate.verdict}. {gate.reason}" for gate in gates]
    lines += [_shortfall(check) for gate in gates[-1:] for check in gate.checks if not check.passed]
    if outcome == "FAILED" and run.get("failed_step"):
        lines.append(f"Step: {run['failed_step']}")
    what_to_do = next_step(run, outcome)
    lines += [
        "",
        f"Champion: {run.get('champion') or 'none'}",
        f"What to do: {what_to_do}",
        f"Report: {report_uri or 'none'}",
        f"Execution: {run.get('execution_arn', 'unknown')}",
    ]
    return "\n".join(lines)


def next_step(run: Mapping[str, Any], outcome: str) -> str:
    """Say what a person may do now."""
    return Template(NEXT_STEP[outcome]).safe_substitute(run_id=run["run_id"], other=run.get("busy_with", ""))


def _shortfall(check: GateCheck) -> str:
    value = "not measured" if check.estimate is None else f"{check.estimate:.4f}"
    bound = "" if check.bound is None else f", bound {check.bound:.4f}"
    return f"  {measured(check)} {value}{bound}; asked for {asked(check)} ({check.kind})"


def _stop(gate: GateRecord) -> dict[str, Any]:
    """Return the gate that stopped a run, with what it compared."""
    return gate.model_dump(mode="json", include={"gate", "verdict", "reason", "checks"})
