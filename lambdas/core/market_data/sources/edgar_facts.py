"""From what a company tagged in its reports to `fundamentals.parquet`: each figure as first filed, with that day.

A figure of a quarter is the one that was tagged for the quarter, or the difference of two figures that begin on the
same day and end a quarter apart: the fourth quarter is the year less three quarters, and cash flows, which quarterly
reports give for the year so far, are differences throughout. Of several filings for a period the first one counts.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from lambdas.core.market_data.sources.yahoo import split_factor

FLOWS: Mapping[str, tuple[str, ...]] = {
    "eps": ("EarningsPerShareDiluted", "EarningsPerShareBasicAndDiluted", "EarningsPerShareBasic"),
    "revenue": (
        "Revenues",
        "RevenueFromContractWithCustomerExcludingAssessedTax",
        "RevenueFromContractWithCustomerIncludingAssessedTax",
        "SalesRevenueNet",
        "RevenuesNetOfInterestExpense",
        "SalesRevenueGoodsNet",
        "RealEstateRevenueNet",
    ),
    "net_income": ("NetIncomeLoss", "NetIncomeLossAvailableToCommonStockholdersBasic", "ProfitLoss"),
    "gross_profit": ("GrossProfit",),
    "operating_income": ("OperatingIncomeLoss",),
    "operating_cf": (
        "NetCashProvidedByUsedInOperatingActivities",
        "NetCashProvidedByUsedInOperatingActivitiesContinuingOperations",
    ),
    "capex": ("PaymentsToAcquirePropertyPlantAndEquipment", "PaymentsToAcquireProductiveAssets"),
}
"""Tags of figures over a period, the most general first: of two in one filing the first counts."""

INSTANTS: Mapping[str, tuple[str, ...]] = {
    "total_assets": ("Assets",),
    "equity": ("StockholdersEquity", "StockholdersEquityIncludingPortionAttributableToNoncontrollingInterest"),
    "cash": (
        "CashAndCashEquivalentsAtCarryingValue",
        "CashCashEquivalentsRestrictedCashAndRestrictedCashEquivalents",
    ),
    "shares": ("CommonStockSharesOutstanding",),
}
MEAN_SHARES = ("WeightedAverageNumberOfDilutedSharesOutstanding", "WeightedAverageNumberOfSharesOutstandingBasic")
COVER_SHARES = "EntityCommonStockSharesOutstanding"
UNITS = {"eps": "USD/shares", "shares": "shares"}
FORMS = ("10-Q", "10-K")
"""Of any kind: amended (``/A``) and transitional (``T``) reports are reports."""

SPLIT_ADJUSTED = {"eps": -1, "shares": 1}
"""Power of the split factor that puts a figure on today's share count."""

QUARTER_DAYS = (75, 125)
"""A quarter of 12 weeks has 84 days, one of 17 weeks 119."""

LATEST_DAYS = 400
"""A figure that is tagged later than this after its period is a comparison in another report, not news."""

SCALE_ERROR = 20.0
"""Further from the period's mean than this no share count of a listed company is."""

TAGGED, DERIVED = "edgar", "edgar, year less three quarters"
"""What `source` says of a row."""

_KEYS = ("eps", "revenue", "net_income")


@dataclass(frozen=True)
class Fact:
    """One tagged figure. `rank` is that of its tag: lower is preferred."""

    start: pd.Timestamp | None
    end: pd.Timestamp
    value: float
    filed: pd.Timestamp
    accession: str
    rank: int = 0
    derived: bool = False

    @property
    def first(self) -> tuple[pd.Timestamp, int]:
        """Order by which the figure of a period is chosen."""
        return self.filed, self.rank


@dataclass(frozen=True)
class Reported:
    """Quarters of one company, and how many facts could not be used because they had no date or no number."""

    quarters: pd.DataFrame
    unusable_facts: int


def quarterly_reports(symbol: str, company_facts: Mapping[str, Any], splits: pd.Series) -> Reported:
    """Quarters of one company as they were first filed.

    Parameters
    ----------
    symbol : str
        Written into the rows.
    company_facts : mapping
        Body of EDGAR's ``companyfacts``.
    splits : Series
        New shares for an old one, by the first day at the new count. A figure that was filed before that day is put
        on the new count; what was filed later is on it already (SEC Staff Accounting Bulletin, topic 4C).

    Returns
    -------
    Reported
        Rows of `fundamentals.parquet`, one a period and day of filing: what a period's first report left out and a
        later one tagged has a row of its own, known from that day. Money in US dollars, `eps` diluted.

    Notes
    -----
    Earnings per share do not add up exactly: a fourth quarter's may be off by a cent or a few. `source` marks them.
    """
    tags: Mapping[str, Any] = company_facts.get("facts", {}).get("us-gaap", {})
    unusable: list[object] = []
    figures: dict[str, dict[pd.Timestamp, Fact]] = {}
    for name, names in FLOWS.items():
        facts = _facts(tags, names, UNITS.get(name, "USD"), splits, SPLIT_ADJUSTED.get(name, 0), unusable)
        figures[name] = _by_end(_quarters(facts))
    for name, names in INSTANTS.items():
        facts = _facts(tags, names, UNITS.get(name, "USD"), splits, SPLIT_ADJUSTED.get(name, 0), unusable)
        figures[name] = _by_end(fact for fact in facts if fact.start is None)
    ends = {end for name in _KEYS for end in figures[name]}
    figures["shares"] = _with_other_counts(figures, ends, company_facts, tags, splits, unusable)
    rows: dict[tuple[pd.Timestamp, pd.Timestamp], dict[str, Any]] = {}
    for name, by_end in figures.items():
        for end, fact in by_end.items():
            if end not in ends or not 0 < (fact.filed - end).days <= LATEST_DAYS:
                continue
            row = rows.setdefault((end, fact.filed), {"source": TAGGED})
            row[name] = fact.value
            if fact.derived and name in _KEYS:
                row["source"] = DERIVED
    frame = pd.DataFrame(
        [{"symbol": symbol, "period_end": end, "filed": filed, **row} for (end, filed), row in sorted(rows.items())],
        columns=["symbol", "period_end", "filed", *FLOWS, *INSTANTS, "source"],
    )
    for name in ("period_end", "filed"):
        frame[name] = pd.to_datetime(frame[name]).astype("datetime64[ns]")
    for name in (*FLOWS, *INSTANTS):
        frame[name] = frame[name].astype(float)
    frame["free_cash_flow"] = frame["operating_cf"] - frame["capex"]
    return Reported(frame, len(unusable))


def _facts(
    tags: Mapping[str, Any], names: Sequence[str], unit: str, splits: pd.Series, power: int, unusable: list[object]
) -> list[Fact]:
    """Every usable fact of some tags, on today's share count."""
    facts = []
    for rank, name in enumerate(names):
        for row in tags.get(name, {}).get("units", {}).get(unit, []):
            try:
                if not str(row["form"]).startswith(FORMS):
                    continue
                filed = _day(row["filed"])
                start = _day(row["start"]) if "start" in row else None
                value = float(row["val"]) * (split_factor(splits, filed) ** power if power else 1.0)
                facts.append(Fact(start, _day(row["end"]), value, filed, str(row.get("accn", "")), rank))
            except (KeyError, TypeError, ValueError):
                unusable.append(row)
    return facts


def _day(text: Any) -> pd.Timestamp:
    return pd.Timestamp(dt.date.fromisoformat(text))


def _quarters(facts: Iterable[Fact]) -> list[Fact]:
    """Figures of quarters: those tagged for one, and differences of two with the same start."""
    first: dict[tuple[pd.Timestamp, pd.Timestamp], Fact] = {}
    for fact in facts:
        if fact.start is not None:
            key = fact.start, fact.end
            if key not in first or fact.first < first[key].first:
                first[key] = fact
    same_start: dict[pd.Timestamp, list[Fact]] = {}
    for (start, _), fact in first.items():
        same_start.setdefault(start, []).append(fact)
    quarters = [fact for (start, end), fact in first.items() if _is_quarter(start, end)]
    for facts_from in same_start.values():
        for longer in facts_from:
            for shorter in facts_from:
                if _is_quarter(shorter.end, longer.end):
                    filed = max(longer.filed, shorter.filed)
                    # Rounded to what was filed: 9.08 less 6.30 is 2.78 and not 2.7800000000000002.
                    value = round(longer.value - shorter.value, 6)
                    quarters.append(
                        Fact(shorter.end, longer.end, value, filed, longer.accession, longer.rank + 100, derived=True)
                    )
    return quarters


def _is_quarter(start: pd.Timestamp, end: pd.Timestamp) -> bool:
    return QUARTER_DAYS[0] <= (end - start).days <= QUARTER_DAYS[1]


def _by_end(facts: Iterable[Fact]) -> dict[pd.Timestamp, Fact]:
    """First filed figure of each period; of two in one filing the preferred tag, and a tagged one over a derived."""
    chosen: dict[pd.Timestamp, Fact] = {}
    for fact in facts:
        if fact.end not in chosen or fact.first < chosen[fact.end].first:
            chosen[fact.end] = fact
    return chosen


def _with_other_counts(
    figures: Mapping[str, dict[pd.Timestamp, Fact]],
    ends: set[pd.Timestamp],
    company_facts: Mapping[str, Any],
    tags: Mapping[str, Any],
    splits: pd.Series,
    unusable: list[object],
) -> dict[pd.Timestamp, Fact]:
    """Share counts of the balance sheet; where it has none, of the report's cover, else the mean of the period.

    Counts are sometimes tagged in thousands (Apple's of March 2014 is 861,745): one that is far from the mean of its
    period counts as missing.
    """
    dei: Mapping[str, Any] = company_facts.get("facts", {}).get("dei", {})
    covers = {fact.accession: fact for fact in _facts(dei, (COVER_SHARES,), "shares", splits, 1, unusable)}
    means = _facts(tags, MEAN_SHARES, "shares", splits, 1, unusable)
    mean_by_end = _by_end(fact for fact in means if fact.start is not None)
    counts = {
        end: fact
        for end, fact in figures["shares"].items()
        if end not in mean_by_end or _of_one_scale(fact.value, mean_by_end[end].value)
    }
    for end in ends - set(counts):
        report = next((figures[name][end] for name in _KEYS if end in figures[name]), None)
        cover = covers.get(report.accession) if report is not None else None
        mean = mean_by_end.get(end)
        if cover is not None and (mean is None or _of_one_scale(cover.value, mean.value)):
            counts[end] = Fact(None, end, cover.value, cover.filed, cover.accession)
        elif mean is not None:
            counts[end] = mean
    return counts


def _of_one_scale(count: float, mean: float) -> bool:
    return mean / SCALE_ERROR < count < mean * SCALE_ERROR
