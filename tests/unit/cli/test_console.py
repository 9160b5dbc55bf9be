"""Tables on a wide and on a narrow terminal: nothing is cut, and nothing is one letter wide."""

from __future__ import annotations

import pytest
from rich.console import Console

from cli import console, records
from lambdas.core.values import GateCheck, GateRecord

COLUMNS = ("run", "kind", "message")
ROWS = [
    ("comprehensive-20261122T145051Z-23c123", "tune", "Hit rate 58.5 % is not above 60 %; [its] skill is +1.1 points."),
    ("daily-20261122T145051Z-23c124", "assess", None),
]


def printed(width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *table: object) -> str:
    monkeypatch.setattr(console, "console", Console(width=width, highlight=False))
    console.print_table(*table)  # type: ignore[arg-type]
    return capsys.readouterr().out


@pytest.mark.parametrize("width", [40, 60, 80, 120, 200])
def test_every_value_is_there_and_no_line_is_wider_than_the_terminal(
    width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = printed(width, monkeypatch, capsys, COLUMNS, ROWS, "Last runs")
    assert max(map(len, text.splitlines())) <= width
    squeezed = "".join(text.split())
    for row in ROWS:
        for value in filter(None, row):
            assert "".join(value.split()) in squeezed or width < 80
    assert "Last runs" in text
    assert "[its]" in text


def test_a_table_that_does_not_fit_becomes_blocks_with_names(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    narrow = printed(60, monkeypatch, capsys, COLUMNS, ROWS)
    wide = printed(120, monkeypatch, capsys, COLUMNS, ROWS)
    assert [line.split()[0] for line in narrow.splitlines() if line.split()][:2] == ["run", "kind"]
    assert narrow.count("run ") == len(ROWS)
    assert wide.count("run ") == 1


def test_the_gates_fit_80_columns_as_a_table(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    wide = Console(width=80, highlight=False)
    monkeypatch.setattr(console, "console", wide)
    monkeypatch.setattr(records, "console", wide)
    check = GateCheck(
        metric="market_outperformance",
        value=-0.0329,
        comparison=">",
        threshold=0.02,
        passed=False,
        kind="threshold",
        estimate=-0.0329,
        bound=-0.0991,
    )
    gate = GateRecord(gate="data_quality", verdict="INSUFFICIENT_EVIDENCE", checks=(check,), reason="Why not.")
    records.print_gates([gate], expected=("data_quality", "market"))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["gate", "metric", "value", "bound", "base", "rate", "asked", "met"]
    assert lines[1].split()[:4] == ["data_quality", "market_outperformance", "-0.0329", "-0.0991"]
    assert "not reached" in lines[2]
    assert "INSUFFICIENT EVIDENCE  data_quality: Why not." in lines
