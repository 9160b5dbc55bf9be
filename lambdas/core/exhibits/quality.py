"""The quality report of a data set, shortened to what a page lists: small enough to be an attribute of a record."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lambdas.core.market_data.quality import QualityReport

LISTED = 40
"""Symbols that are named of what may concern hundreds; the count is of all, and the whole report lies with the data."""

_BY_SYMBOL = ("problems", "ended", "gaps", "frozen")


def shortened_quality(quality: QualityReport) -> dict[str, Any]:
    """Return a quality report as JSON values of at most a few dozen kilobytes, whatever the universe.

    Parameters
    ----------
    quality : QualityReport

    Returns
    -------
    dict
        Its fields; of those by symbol the first 40, with the number of all under `totals`. Coverage by symbol becomes
        `thinnest`: of each family the three symbols with the fewest values.
    """
    whole = quality.model_dump(mode="json", exclude={"coverage"})
    totals = {name: len(whole[name]) for name in _BY_SYMBOL} | {"suspected_splits": len(whole["suspected_splits"])}
    totals |= {kind: len(named) for kind, named in whole["findings"].items()}
    return {
        **whole,
        **{name: _first(whole[name]) for name in _BY_SYMBOL},
        "suspected_splits": whole["suspected_splits"][:LISTED],
        "findings": {kind: _first(named) for kind, named in whole["findings"].items()},
        "thinnest": {family: thinnest(quality, family) for family in sorted(quality.family_coverage)},
        "totals": {name: total for name, total in totals.items() if total},
    }


def thinnest(quality: QualityReport, family: str) -> dict[str, float]:
    """Return the three symbols with the smallest share of values of a family."""
    shares = sorted((of[family] or 0.0, symbol) for symbol, of in quality.coverage.items() if family in of)
    return {symbol: share for share, symbol in shares[:3]}


def _first(named: dict[str, Any]) -> dict[str, Any]:
    return dict(sorted(named.items())[:LISTED])
