"""What the numbers rest on: the data and its defects, settings, versions, time and cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lambdas.report import numbers
from lambdas.report.content import Absent, Block, Column, Facts, Note, Section, Table, fact, number, text
from lambdas.report.facts import RunReport, StepTime

SURVIVORSHIP = ("hindsight", "survivorship")
"""Words of the warnings that say whether the universe was chosen by who survived."""

RUN_FACTS = (
    ("Run", "run_id"),
    ("Machine", "workflow"),
    ("Asked for", "explanation"),
    ("Why", "reason"),
    ("Data source", "data"),
    ("Started", "started_at"),
    ("Ended", "ended_at"),
    ("Candidate", "version"),
    ("Champion before", "champion_before"),
    ("Champion after", "champion"),
    ("Data hash", "dataset_hash"),
    ("Settings hash", "settings_hash"),
    ("Code version", "core_version"),
    ("Predictions", "predictions"),
    ("Execution", "execution_arn"),
    ("Error", "error"),
)

COUNTS = {
    "symbols_ended": "Symbols whose prices end before the last session",
    "symbols_with_short_history": "Symbols with less than a year of prices",
    "missing_prices_within_life": "Prices missing within the life of a symbol",
    "open_or_close_outside_high_low": "Bars with an open or a close outside high and low",
    "sessions_without_volume": "Bars without volume",
    "suspicious_moves": "Daily returns beyond 50 %",
    "reports": "Fundamental reports",
    "reports_without_release_date": "Reports without a release date",
    "reports_of_unknown_hour": "Reports of unknown hour, used a session later",
    "release_dates_before_period_end": "Release dates before the end of their period, ignored",
    "restated_periods": "Restated periods, first filing used",
    "symbols_without_reports": "Symbols without reports",
}
LAMBDA_GIGABYTE_SECOND = 0.0000166667
LAMBDA_REQUEST = 0.0000002
STATE_TRANSITION = 0.000025
"""List prices in US dollars, us-east-1, x86, as of 2026-11: what the run costs, or would, on AWS."""


def data(report: RunReport) -> Section:
    """Coverage, gaps, fallbacks, survivorship."""
    title = "The data, and what is wrong with it"
    quality = report.quality
    if quality is None:
        return Section("data", title, [Absent("Data quality", "the run did not get as far as a data set.")])
    warnings = [str(warning) for warning in quality.get("warnings", ())]
    blocks: list[Block] = [
        Note(_sentence(warning), "open") for warning in warnings if any(word in warning for word in SURVIVORSHIP)
    ]
    blocks.append(
        Facts(
            (
                fact("Symbols with prices", quality.get("n_symbols"), numbers.count),
                fact("Symbols asked for", quality.get("n_requested"), numbers.count),
                fact("Coverage", quality.get("symbol_coverage"), numbers.percent),
                fact("Sessions", quality.get("n_sessions"), numbers.count),
                ("From", str(quality.get("first_session"))),
                ("To", str(quality.get("last_session"))),
                ("Used on", str(quality.get("as_of"))),
                fact("Age of the newest price", quality.get("staleness_sessions"), numbers.sessions),
                ("Feature families that are absent", ", ".join(quality.get("absent_families", ())) or "none"),
            )
        )
    )
    blocks += [Note(_sentence(w)) for w in warnings if not any(word in w for word in SURVIVORSHIP)]
    counts: Mapping[str, int] = quality.get("counts") or {}
    if counts:
        rows = [[text(counted(name)), number(n, numbers.count)] for name, n in counts.items()]
        blocks.append(Table("Counted", [Column("What", number=False), Column("How many")], rows))
    problems: Mapping[str, str] = quality.get("problems") or {}
    if problems:
        rows = [[text(symbol, tone="strong"), text(reason)] for symbol, reason in sorted(problems.items())]
        heads = [Column("Symbol", number=False), Column("Why it is missing", number=False)]
        blocks.append(Table(f"Not collected: {len(rows)} symbols", heads, rows, folded=len(rows) > 20))
    return Section("data", title, blocks)


def run(report: RunReport) -> Section:
    """Identity, settings, time and cost of the run."""
    record = report.run
    items = [(name, str(record[key])) for name, key in RUN_FACTS if record.get(key) not in (None, "")]
    if report.candidate is not None and report.candidate.combination:
        items.append(("Combination of the learners", report.candidate.combination))
        items.append(("Learners left out", ", ".join(report.candidate.left_out) or "none"))
    blocks: list[Block] = [Facts(items, wide=True)]
    if report.kind == "run":
        blocks += times(report.times)
    if report.settings:
        rows = [
            [text(f"{group}.{name}"), text(_setting(value))]
            for group, values in report.settings.items()
            for name, value in sorted(values.items())
        ]
        heads = [Column("Setting", number=False), Column("Value", number=False)]
        blocks.append(Table("Effective settings", heads, rows, folded=True))
    return Section("run", "The run", blocks)


def times(found: Sequence[StepTime]) -> list[Block]:
    """Return time and cost of each step of the machine."""
    if not found:
        return [Absent("Time by step and cost", "the history of the execution could not be read.")]
    rows = [
        [
            text(step.state),
            number(step.seconds, numbers.seconds),
            number(step.invocations, numbers.count),
            number(step.busy_seconds, numbers.seconds),
        ]
        for step in found
    ]
    heads = (
        Column("Step", number=False),
        Column("Took", hint="From entering to leaving the state, retries included"),
        Column("Invocations"),
        Column("Functions were busy", hint="Added up over invocations, which run side by side"),
    )
    whole = sum(step.seconds for step in found)
    blocks: list[Block] = [
        Table("Time by step", heads, rows, note=f"Together {numbers.seconds(whole)}, up to the writing of this page.")
    ]
    cost = estimated_cost(found)
    if cost is None:
        blocks.append(
            Absent(
                "Cost", "which functions ran, or how often, is not in the history: a local AWS or a distributed map."
            )
        )
    else:
        blocks.append(
            Facts((("Cost of Lambda and Step Functions, at list prices (us-east-1)", numbers.dollars(cost)),))
        )
    return blocks


def estimated_cost(found: Sequence[StepTime]) -> float | None:
    """Return what the steps cost at list prices in US dollars; None if the size of a function is not known."""
    total = 0.0
    for step in found:
        if step.gigabyte_seconds is None:
            return None
        total += step.gigabyte_seconds * LAMBDA_GIGABYTE_SECOND
        total += step.invocations * (LAMBDA_REQUEST + STATE_TRANSITION) + STATE_TRANSITION
    return total


def counted(name: str) -> str:
    """Return what a count of the quality report counts."""
    return COUNTS.get(name, name.replace("_", " ").capitalize())


def _sentence(warning: str) -> str:
    return f"{warning[:1].upper()}{warning[1:]}{'' if warning.endswith('.') else '.'}"


def _setting(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else str(value)
