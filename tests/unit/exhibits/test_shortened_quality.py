"""The quality report as it travels with a verdict: complete where it is short, counted where it is long."""

from __future__ import annotations

import json

import made_reports
import numpy as np

from lambdas.core.exhibits.quality import LISTED, shortened_quality
from lambdas.core.market_data.quality import QualityReport, quality_report

DYNAMODB_ITEM_BYTES = 400_000


def quality(n_symbols: int) -> QualityReport:
    """A report in which every symbol of a universe has something wrong with it."""
    found = quality_report(made_reports.simulated(), None, {}, None)
    symbols = [f"S{j:04d}" for j in range(n_symbols)]
    shares = np.random.default_rng(0).uniform(0, 1, n_symbols)
    return found.model_copy(
        update={
            "problems": dict.fromkeys(symbols, "no prices: " + "x" * 200),
            "frozen": dict.fromkeys(symbols, 12),
            "findings": {"no_fundamentals": dict.fromkeys(symbols, "not in the list of companies")},
            "coverage": {symbol: {"technical": float(share)} for symbol, share in zip(symbols, shares, strict=True)},
            "family_coverage": {"technical": float(shares.mean())},
        }
    )


def test_it_fits_a_record_whatever_the_universe() -> None:
    short = shortened_quality(quality(5000))
    assert len(json.dumps(short)) < DYNAMODB_ITEM_BYTES / 4
    assert short["totals"]["problems"] == short["totals"]["no_fundamentals"] == 5000
    assert len(short["problems"]) == len(short["findings"]["no_fundamentals"]) == LISTED


def test_the_thinnest_symbols_are_named() -> None:
    whole = quality(50)
    expected = sorted(whole.coverage, key=lambda symbol: whole.coverage[symbol]["technical"] or 0.0)[:3]
    assert list(shortened_quality(whole)["thinnest"]["technical"]) == expected


def test_a_short_report_loses_nothing_but_the_coverage_by_symbol() -> None:
    whole = quality(5)
    short = shortened_quality(whole)
    for name, value in whole.model_dump(mode="json", exclude={"coverage"}).items():
        assert short[name] == value, name
