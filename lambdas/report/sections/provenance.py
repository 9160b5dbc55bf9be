"""What the numbers rest on: the data and its defects, settings, versions, time and cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lambdas.report import numbers
from lambdas.report.content import Absent, Block, Cell, Column, Facts, Note, Section, Table, fact, number, text
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
SYMBOLS = {
    "ended": "Prices end before the data does",
    "gaps": "Sessions missing within a life",
    "frozen": "Same close for many sessions in a row",
    "suspected_splits": "Splits that were probably missed",
    "prices_not_renewed": "Prices kept from an earlier run",
    "facts_not_renewed": "Reports kept from an earlier run",
    "facts_unusable": "Reported facts that could not be used",
    "no_fundamentals": "No fundamentals",
    "statements_of_yahoo": "Fundamentals of Yahoo in place of EDGAR",
    "no_earnings_dates": "No dates of announcements",
    "macro_of_fred": "Macro series of FRED",
    "macro_not_renewed": "Macro series kept from an earlier run",
    "macro_missing": "Macro series that are missing",
    "no_sector": "No sector",
    "bars_on_no_session": "Bars on days without a session",
    "benchmark_missing": "Benchmarks that are missing",
}


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
    if families := family_rows(quality):
        heads = [
            Column("Feature family", number=False),
            Column("Values there", hint="Share of symbols and sessions with a price, mean over the family's features"),
            Column("Thinnest symbols", number=False),
            Column("What is absent, and why", number=False),
        ]
        blocks.append(Table("Coverage by family", heads, families))
    if named := symbol_rows(quality):
        heads = [Column("What", number=False), Column("How many"), Column("Which", number=False)]
        blocks.append(Table("About single symbols", heads, named))
    totals = quality.get("totals") or {}
    counts = {name: n for name, n in (quality.get("counts") or {}).items() if name not in totals}
    if counts:
        rows = [[text(counted(name)), number(n, numbers.count)] for name, n in counts.items()]
        blocks.append(Table("Counted", [Column("What", number=False), Column("How many")], rows))
    problems: Mapping[str, str] = quality.get("problems") or {}
    if problems:
        rows = [[text(symbol, tone="strong"), text(reason)] for symbol, reason in sorted(problems.items())]
        heads = [Column("Symbol", number=False), Column("Why it is missing", number=False)]
        total = totals.get("problems", len(rows))
        listed = f"Not collected: {numbers.count(total)} symbols" + (
            f", {len(rows)} listed" if total > len(rows) else ""
        )
        blocks.append(Table(listed, heads, rows, folded=len(rows) > 20))
    return Section("data", title, blocks)


def family_rows(quality: Mapping[str, Any]) -> list[list[Cell]]:
    """Return what there is of each family of features, and why the rest is missing."""
    coverage, reasons = quality.get("family_coverage") or {}, quality.get("absent_reasons") or {}
    thinnest = quality.get("thinnest") or {}
    return [
        [
            text(family),
            number(coverage.get(family), numbers.percent),
            text(", ".join(f"{symbol} {numbers.percent(share)}" for symbol, share in thinnest.get(family, {}).items())),
            text(reasons.get(family, "")),
        ]
        for family in sorted({*coverage, *reasons})
    ]


def symbol_rows(quality: Mapping[str, Any]) -> list[list[Cell]]:
    """Return what is odd about single symbols: ends, gaps, frozen prices, splits, and what the source had to do."""
    splits = [f"{s['symbol']} {s['session']} (1:{s['ratio']:g})" for s in quality.get("suspected_splits") or ()]
    named: dict[str, list[str]] = {
        "ended": [f"{symbol} {day}" for symbol, day in (quality.get("ended") or {}).items()],
        "gaps": [
            f"{symbol} {gap['sessions']} (longest {gap['longest']})"
            for symbol, gap in (quality.get("gaps") or {}).items()
        ],
        "frozen": [f"{symbol} {sessions}" for symbol, sessions in (quality.get("frozen") or {}).items()],
        "suspected_splits": splits,
    }
    named |= {
        kind: [f"{symbol}: {said}" if said else symbol for symbol, said in details.items()]
        for kind, details in (quality.get("findings") or {}).items()
    }
    totals = quality.get("totals") or {}
    return [
        [
            text(SYMBOLS.get(kind, kind.replace("_", " ").capitalize())),
            number(totals.get(kind, len(which)), numbers.count),
            text(", ".join(which) + (" and others" if totals.get(kind, 0) > len(which) else "")),
        ]
        for kind, which in named.items()
        if which
    ]


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
        blocks.append(cost(record.get("cost")))
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
    """Return the time of each step of the machine."""
    if not found:
        return [Absent("Time by step", "the history of the execution could not be read.")]
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
    return blocks


def cost(recorded: Mapping[str, Any] | None) -> Block:
    """Return what the run used, and what that costs at list price."""
    if recorded is None or recorded.get("usd") is None:
        return Absent("Cost", "which functions ran, or how often, is not in the history of the execution.")
    return Facts(
        (
            fact("Lambda, gigabyte-seconds", recorded["lambda_gb_seconds"], numbers.count),
            fact("Lambda, invocations", recorded["invocations"], numbers.count),
            fact("Step Functions, state transitions", recorded["state_transitions"], numbers.count),
            fact("S3, what the results lie in", recorded["stored_bytes"], numbers.megabytes),
            fact("Through the NAT gateway, answers of live sources", recorded["nat_bytes"], numbers.megabytes),
            (f"Cost at the list prices of {recorded['prices_as_of']}", numbers.dollars(recorded["usd"])),
        )
    )


def counted(name: str) -> str:
    """Return what a count of the quality report counts."""
    return COUNTS.get(name, name.replace("_", " ").capitalize())


def _sentence(warning: str) -> str:
    return f"{warning[:1].upper()}{warning[1:]}{'' if warning.endswith('.') else '.'}"


def _setting(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else str(value)
