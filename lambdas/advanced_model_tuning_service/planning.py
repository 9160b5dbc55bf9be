"""How a run begins: an execution is started, its untrusted input checked, and what it leaves open resolved."""

from __future__ import annotations

import datetime as dt
import re
import uuid
from collections.abc import Iterable

from lambdas.adapters.analytics import utc
from lambdas.adapters.reuse import core_version
from lambdas.advanced_model_tuning_service.dry_run import check_access
from lambdas.advanced_model_tuning_service.ending import end_run, former_champion
from lambdas.advanced_model_tuning_service.watching import measure_ages
from lambdas.contracts.base import SYMBOL_PATTERN
from lambdas.contracts.tuning_run import PlanRequest, PlanResult, StartRequest, StartResult, TuningRequest
from lambdas.core.errors import InvalidRequestError
from lambdas.core.settings import settings_hash
from lambdas.runtime.step import step
from lambdas.runtime.stores import Stores
from lambdas.runtime.validation import strictly

EARLIEST_AS_OF = dt.date(1990, 1, 1)
"""Before it no source has the benchmarks."""

LOCK_MARGIN_HOURS = 0.25
"""A lock outlives the time limit of its machine by this, so that two clocks need not agree."""

LOOKED_AT_FOR_LOST_RUNS = 20
"""Newest runs: those of the last three weeks."""

LOST_AFTER_HOURS = 48
"""Beyond the time limit of any machine, and a day for a person to redrive an execution that was stopped."""

LOST = (
    "The run was lost: its execution was stopped, timed out, or could not record its failure. Found by a later run, "
    "after its time was over."
)

NO_CHAMPION = "There is no champion yet, so nothing is recommended; a tuning run has to promote one first."

LIVE_SOURCE = "yahoo"
"""The source that has every symbol: it needs to be told which."""


@step(StartRequest, StartResult)
def start(request: StartRequest, stores: Stores) -> StartResult:
    """Start an execution of the machine that the mode asks for; a repeated invocation finds the same execution."""
    machines = {
        "comprehensive": stores.environment.tuning_machine_arn,
        "daily": stores.environment.assessment_machine_arn,
    }
    execution_input = request.request.model_dump(mode="json", exclude_unset=True)
    name = f"on-demand-{stores.request_id or uuid.uuid4()}"
    return StartResult(execution_arn=stores.executions.start(machines[request.request.mode], name, execution_input))


@step(PlanRequest, PlanResult)
def plan(request: PlanRequest, stores: Stores) -> PlanResult:
    """Check the execution input, resolve symbols, dates and champion, and open the run's record."""
    asked = strictly(TuningRequest, request.request, "The execution input")
    check_request(asked, request, stores)
    champion = stores.registry.champion()
    planned = PlanResult(
        kind="tune",
        explanation="",
        data=asked.data or stores.environment.data_source,
        batches=(),
        as_of=asked.as_of,
        lookback_days=asked.lookback_days or stores.settings.walk_forward.lookback_days,
        benchmark_period_days=asked.benchmark_period_days or stores.settings.walk_forward.benchmark_period_days,
        champion=champion,
        shadow=stores.shadow.version(),
    )
    if asked.rollback_to is not None:
        version = resolve_rollback(asked.rollback_to, champion, stores)
        explanation = f"Make {version} champion again in place of {champion}."
        planned = planned.model_copy(update={"kind": "rollback", "rollback_to": version, "explanation": explanation})
    elif request.workflow == "daily-assessment" and champion is None and not planned.shadow and not asked.dry_run:
        explanation = NO_CHAMPION
        planned = planned.model_copy(update={"kind": "nothing", "explanation": explanation})
    else:
        planned = with_symbols(planned, asked, request, stores)
    open_record(asked, planned, request, stores)
    if request.workflow == "daily-assessment":
        measure_ages(stores, request.started_at)
    if planned.kind in ("tune", "assess") and (other := busy_with(request, stores)):
        explanation = (
            f"Run {other} of {request.workflow} is under way, so this one ends at once; it has changed nothing."
        )
        planned = planned.model_copy(update={"kind": "busy", "batches": (), "explanation": explanation})
        end_run(stores, request.run_id, "BUSY", explanation, busy_with=other)
    elif planned.kind == "dry_run":
        check_access(planned, stores)
        end_run(stores, request.run_id, "DRY_RUN", planned.explanation)
    elif planned.kind == "nothing":
        quietly = not stores.analytics.once_a_week("no-champion", request.run_id, request.started_at)
        end_run(stores, request.run_id, "NOTHING", planned.explanation, quietly=quietly)
    return planned


def busy_with(request: PlanRequest, stores: Stores) -> str | None:
    """Return the run of the same machine that is under way, or None and the lock is this run's.

    A run that was turned away once stays so, when its step is repeated: its end is on record.
    """
    run = stores.analytics.run(request.run_id) or {}
    if run.get("outcome") == "BUSY":
        return str(run["busy_with"])
    hours = request.timeout_hours + LOCK_MARGIN_HOURS
    other = stores.lock.acquire(request.workflow, request.run_id, at=request.started_at, hours=hours)
    if other is None:
        end_lost_runs(request, stores)
    return other


def end_lost_runs(request: PlanRequest, stores: Stores) -> None:
    """Record an end of earlier runs of this machine that have none and whose time is long over.

    An execution that was stopped or timed out is not there to say so, nor is one whose failure could not be recorded.
    """
    before = utc(request.started_at - dt.timedelta(hours=LOST_AFTER_HOURS))
    for run in stores.analytics.last_runs(LOOKED_AT_FOR_LOST_RUNS):
        lost = "outcome" not in run and run.get("workflow") == request.workflow and run["started_at"] <= before
        if lost and run["run_id"] != request.run_id:
            end_run(stores, run["run_id"], "FAILED", LOST, error="LostRun", failed_step="")


def check_request(asked: TuningRequest, request: PlanRequest, stores: Stores) -> None:
    """Refuse what no field alone shows to be wrong."""
    today = request.started_at.date()
    if asked.as_of is not None and not EARLIEST_AS_OF <= asked.as_of <= today:
        raise InvalidRequestError(
            f"The execution input cannot be used: `as_of` {asked.as_of} is not between {EARLIEST_AS_OF} and the day "
            f"of the run, {today}."
        )
    if asked.data is not None and asked.data.startswith("s3://"):
        stores.objects.split(asked.data)
    daily = request.workflow == "daily-assessment"
    if daily and asked.rollback_to is not None:
        raise InvalidRequestError("The execution input cannot be used: `rollback_to` belongs to advanced-model-tuning.")
    if not daily and asked.mode == "daily":
        raise InvalidRequestError(
            "The execution input cannot be used: `mode` daily is the machine daily-assessment; start that one, or "
            "invoke advanced-model-tuning-service, which chooses by mode."
        )
    if asked.dry_run and asked.rollback_to is not None:
        raise InvalidRequestError("The execution input cannot be used: choose `dry_run` or `rollback_to`, not both.")


def resolve_rollback(asked: str, champion: str | None, stores: Stores) -> str:
    """Return the version to go back to: one that was champion before."""
    if asked == "previous":
        pointer = stores.registry.pointer()
        if pointer is None or pointer["previous"] is None:
            raise InvalidRequestError(f"`rollback_to` previous: there was no champion before {champion or 'any'}.")
        former_champion(pointer["previous"], stores)
        return str(pointer["previous"])
    if asked == champion:
        raise InvalidRequestError(f"`rollback_to` {asked} is the champion already.")
    former_champion(asked, stores)
    return asked


def with_symbols(planned: PlanResult, asked: TuningRequest, request: PlanRequest, stores: Stores) -> PlanResult:
    """Return the plan with its symbols in batches, its kind and one sentence that says what will happen."""
    symbols, origin = resolve_symbols(planned.data, asked, stores)
    size = stores.environment.batch_size
    batches = tuple(symbols[i : i + size] for i in range(0, len(symbols), size)) or ((),)
    kind = "dry_run" if asked.dry_run else "assess" if request.workflow == "daily-assessment" else "tune"
    verb = {
        "dry_run": "Dry run: access and settings are checked, nothing is fitted, for",
        "assess": f"Score the newest session with {scored_by(planned)} on",
        "tune": f"Retune against champion {planned.champion or '(none yet)'} on",
    }[kind]
    count = f"{len(symbols)} symbols" if symbols else "all symbols"
    explanation = f"{verb} {count} ({origin}) from {planned.data}, as of {planned.as_of or 'the newest session'}."
    return planned.model_copy(update={"kind": kind, "batches": batches, "explanation": explanation})


def scored_by(planned: PlanResult) -> str:
    """Name the models of an assessment."""
    champion = f"champion {planned.champion}" if planned.champion else "no champion"
    return f"{champion} and shadow {planned.shadow}" if planned.shadow else champion


def resolve_symbols(data: str, asked: TuningRequest, stores: Stores) -> tuple[tuple[str, ...], str]:
    """Return the symbols to collect, sorted, and where they come from; none means all that the source has.

    The request comes first; for the live source the portfolio in `stock-recommendations`; then the universe, which
    belongs to the deployed source and to no other.
    """
    environment = stores.environment
    if asked.symbols:
        return tuple(sorted(set(asked.symbols))), "the request"
    if data == LIVE_SOURCE:
        portfolio, unusable = usable(stores.recommendations.portfolio())
        if portfolio:
            left_out = f", without {len(unusable)} that are no symbols: {', '.join(unusable)[:100]}" if unusable else ""
            return portfolio, f"the portfolio{left_out}"
    if environment.universe and data == environment.data_source:
        return tuple(sorted(set(environment.universe))), "the configured universe"
    if data == LIVE_SOURCE:
        raise InvalidRequestError(
            f"There are no symbols to model: the table {environment.recommendations_table} holds no portfolio and no "
            "universe is configured; name `symbols` in the request, or set a universe and deploy."
        )
    return (), "everything the source has"


def usable(names: Iterable[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Divide what others keep in their table into symbols and anything else."""
    divided: tuple[list[str], list[str]] = ([], [])
    for name in names:
        divided[0 if re.fullmatch(SYMBOL_PATTERN, name) else 1].append(name)
    return tuple(divided[0]), tuple(divided[1])


def open_record(asked: TuningRequest, planned: PlanResult, request: PlanRequest, stores: Stores) -> None:
    """Write the record of the run: what was asked, what was planned, and under which settings and code."""
    values = planned.model_dump(mode="json", exclude={"batches", "champion"})
    stores.analytics.open_run(
        request.run_id,
        request.started_at,
        {
            **values,
            "workflow": request.workflow,
            "execution_arn": request.execution_arn,
            "request": asked.model_dump(mode="json", exclude_unset=True),
            "reason": asked.reason,
            "requested_by": asked.requested_by,
            "n_symbols": sum(map(len, planned.batches)),
            "champion_before": planned.champion,
            "settings": stores.settings.model_dump(mode="json"),
            "settings_hash": settings_hash(stores.settings),
            "core_version": core_version(),
        },
    )
