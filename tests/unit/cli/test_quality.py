"""The quality report as people see it."""

from __future__ import annotations

import datetime as dt

from cli import quality
from lambdas.core.market_data.quality import QualityReport


def test_every_kind_of_trouble_is_a_row_and_long_lists_are_cut(monkeypatch):
    tables, hints = [], []
    monkeypatch.setattr(quality, "print_table", lambda heads, rows: tables.append([list(row) for row in rows]))
    monkeypatch.setattr(quality, "print_hint", hints.append)
    day = dt.date(2019, 12, 31)
    report = QualityReport.model_validate(
        {
            "as_of": day, "first_session": day, "last_session": day, "n_sessions": 1, "n_symbols": 2, "n_requested": 3,
            "symbol_coverage": 2 / 3, "staleness_sessions": 0, "absent_families": ("macro",), "absent_features": (),
            "counts": {"reports": 7, "frozen": 1, "no_sector": 12}, "problems": {"GONE": "delisted"},
            "warnings": ("a warning",), "absent_reasons": {"macro": "there is no macro.parquet"},
            "family_coverage": {"technical": 0.98765},
            "coverage": {"AAA": {"technical": 1.0}, "BBB": {"technical": 0.5}},
            "ended": {"BBB": day}, "gaps": {"BBB": {"sessions": 4, "longest": 3}}, "frozen": {"AAA": 6},
            "suspected_splits": [{"symbol": "AAA", "session": day, "ratio": 4.0}],
            "findings": {"no_sector": {f"S{number:02d}": "none" for number in range(12)}},
        }
    )  # fmt: skip
    quality.print_quality(report)
    summary, families, rows = tables
    assert summary[0][2] == "66.7%"
    assert families == [
        ["macro", "unknown", "", "there is no macro.parquet"],
        ["technical", "98.8%", "BBB 50%, AAA 100%", ""],
    ]
    assert rows == [
        ["could not be collected", 1, "GONE (delisted)"],
        ["end before the data", 1, "BBB 2019-12-31"],
        ["have gaps", 1, "BBB 4 (longest 3)"],
        ["same close in a row", 1, "AAA 6"],
        ["suspected splits", 1, "AAA 2019-12-31 (1:4)"],
        ["no sector", 12, "S00, S01, S02, S03, S04, S05, S06, S07, S08, S09 and 2 more"],
        ["reports", 7, ""],
    ]
    assert hints == ["a warning"]
