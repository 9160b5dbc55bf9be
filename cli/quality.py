"""The quality report of a data set as tables for people."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

from cli.console import print_hint, print_table

if TYPE_CHECKING:
    from lambdas.core.market_data.quality import QualityReport

LISTED = 10
"""Symbols that are shown of what may concern hundreds; all of them are in the JSON."""


def print_quality(report: QualityReport, said: Collection[str] = ()) -> None:
    """Print what a data set covers, what is missing in it and why, and what looks wrong; not what was `said` before."""
    print_table(
        ["symbols", "requested", "covered", "first session", "last session", "sessions late"],
        [
            [
                report.n_symbols,
                report.n_requested,
                _percent(report.symbol_coverage),
                report.first_session,
                report.last_session,
                report.staleness_sessions,
            ]
        ],
    )
    families = sorted({*report.family_coverage, *report.absent_reasons})
    if families:
        print_table(
            ["family", "values there", "thinnest symbols", "what is absent, and why"],
            [
                [
                    family,
                    _percent(report.family_coverage.get(family)),
                    _thinnest(report, family),
                    report.absent_reasons.get(family, ""),
                ]
                for family in families
            ],
        )
    if rows := list(_oddities(report)):
        print_table(["what", "how many", "which"], rows)
    for warning in report.warnings:
        if warning not in said:
            print_hint(warning)


def _oddities(report: QualityReport) -> Iterable[list[object]]:
    """Rows of everything that concerns single symbols, then the plain counts."""
    splits = [f"{split.symbol} {split.session} (1:{split.ratio:g})" for split in report.suspected_splits]
    named = {
        "could not be collected": [f"{symbol} ({reason})" for symbol, reason in sorted(report.problems.items())],
        "end before the data": [f"{symbol} {day}" for symbol, day in report.ended.items()],
        "have gaps": [f"{symbol} {gap.sessions} (longest {gap.longest})" for symbol, gap in report.gaps.items()],
        "same close in a row": [f"{symbol} {sessions}" for symbol, sessions in report.frozen.items()],
        "suspected splits": splits,
        **{name.replace("_", " "): sorted(details) for name, details in report.findings.items()},
    }
    for what, which in named.items():
        if which:
            yield [what, len(which), _listed(which)]
    shown = {"gaps", "frozen", "suspected_splits", "symbols_ended", *report.findings}
    for name, count in report.counts.items():
        if name not in shown:
            yield [name.replace("_", " "), count, ""]


def _thinnest(report: QualityReport, family: str) -> str:
    shares = sorted((of[family] or 0.0, symbol) for symbol, of in report.coverage.items() if family in of)
    return ", ".join(f"{symbol} {share:.0%}" for share, symbol in shares[:3])


def _listed(which: list[str]) -> str:
    more = len(which) - LISTED
    return ", ".join(which[:LISTED]) + (f" and {more} more" if more > 0 else "")


def _percent(share: float | None) -> str:
    return "unknown" if share is None else f"{share:.1%}"
