"""The page that lists the runs with their verdicts, newest first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lambdas.report import PAGE
from lambdas.report.page import templates
from lambdas.report.verdict import HEADLINES, Tone

SIGNS = {"good": "\u2713", "bad": "\u2715", "open": "?", "muted": "\u2013"}
UNREPORTED = ("ASSESSED", "DRY_RUN", "NOTHING", "BUSY")
"""Ends without gates to report on; their message says all."""


@dataclass(frozen=True)
class RunEntry:
    """One line of the list."""

    run_id: str
    started_at: str
    workflow: str
    data: str
    outcome: str
    message: str
    has_report: bool

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> RunEntry:
        """Read the record of a run; one that has not ended has no outcome yet."""
        outcome = str(record.get("outcome") or "")
        return cls(
            run_id=str(record.get("run_id", "")),
            started_at=str(record.get("started_at", "")),
            workflow=str(record.get("workflow", "")),
            data=str(record.get("data", "")),
            outcome=outcome,
            message=str(record.get("message") or record.get("explanation") or ""),
            has_report=bool(outcome) and outcome not in UNREPORTED,
        )

    @property
    def word(self) -> str:
        """How it ended, as people say it."""
        if self.outcome in HEADLINES:
            return HEADLINES[self.outcome][0]
        return self.outcome.replace("_", " ").capitalize() or "Running, or stopped from outside"

    @property
    def tone(self) -> Tone:
        """The tone of its end."""
        return HEADLINES[self.outcome][1] if self.outcome in HEADLINES else "muted"

    @property
    def sign(self) -> str:
        """Its tone without colour."""
        return SIGNS[self.tone]


def render_index(entries: Sequence[RunEntry]) -> str:
    """Return the page. Links are relative: it works from a disk and from a bucket alike."""
    return templates().get_template("index.html.j2").render(entries=entries, page=PAGE)
