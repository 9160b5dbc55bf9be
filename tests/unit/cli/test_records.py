"""The table of verdicts: every number beside what was asked, on a terminal of ordinary width."""

from __future__ import annotations

import pytest
from rich.console import Console

from cli import console as people
from cli import records
from lambdas.core.gates import check
from lambdas.core.values import GateRecord

GATES = [
    GateRecord(
        gate="backtesting",
        verdict="INSUFFICIENT_EVIDENCE",
        checks=(
            check("hit_rate", 0.612, ">", 0.6, bound=0.5871),
            check("matched_skill_lower", -0.0113, ">", 0.0, "evidence", bound_of=0.0234),
        ),
        reason="Hit rate 61.2 % is above 60 %, but its skill over the base rate of 58.3 % [may] be luck. "
        + "So. " * 30,
        base_rate=0.583,
    ),
    GateRecord(
        gate="deployment",
        verdict="FAIL",
        checks=(check("champion_difference_upper", -12345.6789, ">=", 0.0, bound_of=-23456.789),),
        reason="Not deployed.",
    ),
]


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> list[str]:
    for module in (people, records):
        monkeypatch.setattr(module, "console", Console(width=120, highlight=False))
    records.print_gates(GATES, expected=("backtesting", "deployment", "market"))
    return capsys.readouterr().out.splitlines()


def test_each_comparison_shows_estimate_bound_base_rate_and_threshold(lines: list[str]) -> None:
    rows = [line.split() for line in lines]
    assert [
        "backtesting",
        "hit_rate",
        "0.6120",
        "0.5871",
        "0.5830",
        ">",
        "0.6",
        "yes",
    ] in rows
    assert ["matched_skill", "0.0234", "-0.0113", "-", "lower", ">", "0", "no"] in rows
    assert ["market", "not", "reached", "-", "-", "-", "-", "-"] in rows


def test_reasons_follow_as_they_were_written(lines: list[str]) -> None:
    text = " ".join(" ".join(lines).split())
    assert "INSUFFICIENT EVIDENCE backtesting: Hit rate 61.2 %" in text
    assert "[may] be luck" in text
    assert "FAIL deployment: Not deployed." in text


def test_the_table_fits_a_terminal_of_80_columns(lines: list[str]) -> None:
    """No row is wrapped: each has all of its columns."""
    table = lines[: lines.index("")]
    assert max(len(line) for line in table) <= 80
    assert sum("champion_difference" in line and line.rstrip().endswith("no") for line in table) == 1
