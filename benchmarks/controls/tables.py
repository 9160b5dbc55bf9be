"""Results of the controls as tables, each share with its exact interval, and where in a page they stand."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from scipy.stats import binomtest

GATES = ("backtesting", "market", "risk", "deployment")
Record = Mapping[str, Any]


def share_with_interval(passed: int, runs: int) -> str:
    """Write a share and its exact (Clopper-Pearson) 95 % interval in percent.

    Examples
    --------
    >>> share_with_interval(0, 200)
    '0 of 200: 0.0 (0.0 to 1.8)'
    """
    if runs == 0:
        return "not run"
    interval = binomtest(passed, runs).proportion_ci(confidence_level=0.95, method="exact")
    return f"{passed} of {runs}: {100 * passed / runs:.1f} ({100 * interval.low:.1f} to {100 * interval.high:.1f})"


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Write a table; the first column is text, the others are numbers."""
    lines = [header, ["---"] + ["---:"] * (len(header) - 1), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def count(records: Sequence[Record], gate: str, *verdicts: str) -> int:
    """How many records have one of the verdicts at a gate."""
    return sum(record[gate] in verdicts for record in records)


def verdict_table(groups: Mapping[str, Sequence[Record]], subject: str) -> str:
    """One row a kind of run: how often each gate said PASS, and how often the candidate would have been deployed."""
    rows = [
        [name]
        + [f"{count(records, gate, 'PASS')} of {len(records)}" for gate in GATES[:-1]]
        + [share_with_interval(count(records, "deployment", "PASS"), len(records))]
        for name, records in groups.items()
    ]
    return markdown_table([subject, "backtesting PASS", "market PASS", "risk PASS", "deployed: share % (95 %)"], rows)


def evidence_table(groups: Mapping[str, Sequence[Record]], deflated_sharpe: float) -> str:
    """One row a null: how often each evidence alone was fooled, as if every threshold were met."""
    tests: tuple[tuple[str, Callable[[Record], bool]], ...] = (
        ("matched skill > 0", lambda record: _above(record["matched_skill_lower"], 0.0)),
        ("active return > 0", lambda record: _above(record["active_return_lower"], 0.0)),
        (f"deflated Sharpe >= {deflated_sharpe:g}", lambda record: _above(record["deflated_sharpe"], deflated_sharpe)),
    )
    rows = []
    for name, records in groups.items():
        passed = [[test(record) for _, test in tests] for record in records]
        cells = [f"{sum(row[j] for row in passed)} of {len(records)}" for j in range(len(tests))]
        rows.append([name, *cells, share_with_interval(sum(all(row) for row in passed), len(records))])
    return markdown_table(["null", *(name for name, _ in tests), "all three: share % (95 %)"], rows)


def power_table(records: Sequence[Record]) -> str:
    """One row a skill and lookback; a cell is the share that PASSes and, behind the stroke, that meets the threshold.

    The difference is INSUFFICIENT_EVIDENCE: met, but it may be luck.
    """
    rows = []
    for rank_ic in sorted({record["rank_ic_planted"] for record in records}):
        for years in sorted({record["years"] for record in records}):
            part = [r for r in records if r["rank_ic_planted"] == rank_ic and r["years"] == years]
            if not part:
                continue
            cells = [
                f"{_percent(count(part, gate, 'PASS'), len(part))} / "
                f"{_percent(count(part, gate, 'PASS', 'INSUFFICIENT_EVIDENCE'), len(part))}"
                for gate in GATES[:-1]
            ]
            hits = [r["hit_rate"] for r in part if r["hit_rate"] is not None]
            bases = [r["base_rate"] for r in part if r["base_rate"] is not None]
            rows.append(
                [
                    f"{rank_ic:.2f}",
                    str(years),
                    f"{100 * sum(hits) / len(hits):.1f} / {100 * sum(bases) / len(bases):.1f}",
                    *cells,
                    share_with_interval(count(part, "deployment", "PASS"), len(part)),
                ]
            )
    header = [
        "rank IC",
        "years of lookback",
        "mean hit / base rate %",
        "backtesting: PASS / threshold met",
        "market",
        "risk",
        "deployed: share % (95 %)",
    ]
    return markdown_table(header, rows)


def leak_table(caught: Mapping[str, bool]) -> str:
    """One row a leak, and one for the features of the product, which must not be blamed."""
    rows = [
        [name.replace("_", " "), ("not blamed" if ok else "BLAMED") if name.startswith("all ") else _caught(ok)]
        for name, ok in caught.items()
    ]
    return markdown_table(["planted", "truncation test"], rows)


def replace_between_markers(page: Path, name: str, text: str) -> None:
    """Put generated text between ``<!-- name:begin -->`` and ``<!-- name:end -->`` of a page.

    Raises
    ------
    ValueError
        If the page does not have both markers once, in this order.
    """
    content = page.read_text(encoding="utf-8")
    begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    if content.count(begin) != 1 or content.count(end) != 1 or content.index(begin) > content.index(end):
        raise ValueError(f"{page}: the markers {begin} and {end} must both stand there once; put them back")
    before, rest = content.split(begin)
    page.write_text(f"{before}{begin}\n{text.strip()}\n{end}{rest.split(end)[1]}", encoding="utf-8")


def _above(value: float | None, bound: float) -> bool:
    return value is not None and (value >= bound if bound else value > bound)


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.0f} %"


def _caught(ok: bool) -> str:
    return "caught" if ok else "MISSED"
