"""What is wrong with a data set, and what a reader of its results has to know."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from pydantic import Field

from lambdas.core.features.build import FeatureSet
from lambdas.core.features.registry import absence_reasons, absent_families, absent_features
from lambdas.core.market_data.calendar import sessions_late
from lambdas.core.market_data.panel import MarketDataset
from lambdas.core.market_data.point_in_time import information_times
from lambdas.core.market_data.price_defects import (
    Gap,
    SuspectedSplit,
    ended,
    frozen_quotes,
    gaps,
    repeated_bars,
    suspected_splits,
)
from lambdas.core.market_data.sources.protocol import Finding, Findings
from lambdas.core.values import FiniteOrNone, Value

EXPECTED_BENCHMARKS = ("SPY", "QQQ", "IWM")
SUSPICIOUS_MOVE = 0.5
"""Daily total return beyond which a split or a merger was more likely missed than made."""

_FULL_HISTORY = 252
_PERCENT_YIELD = 0.3


class QualityReport(Value):
    """What the data-quality gate reads, and what the report tells people.

    `counts` holds only what there is at least one of; `problems` names the symbols that could not be collected, and
    `findings` what was odd about single ones that were (`sources.Finding`, counted as well).

    Attributes
    ----------
    absent_reasons : dict of str to str
        By family, why features are missing.
    family_coverage : dict of str to float
        Share of the symbol-sessions with a price on which a feature of the family has a value, mean over its features.
    coverage : dict of str to dict of str to float
        The same for each symbol over its own sessions; empty where no features were handed in.
    ended : dict of str to date
        Last session of symbols that end before the data does: delisted, or forgotten by the source.
    gaps, frozen, suspected_splits
        See `price_defects`.
    """

    as_of: dt.date
    first_session: dt.date
    last_session: dt.date
    n_sessions: int
    n_symbols: int
    n_requested: int
    symbol_coverage: FiniteOrNone
    staleness_sessions: int
    absent_families: tuple[str, ...]
    absent_features: tuple[str, ...]
    counts: dict[str, int]
    problems: dict[str, str]
    warnings: tuple[str, ...]
    absent_reasons: dict[str, str] = Field(default_factory=dict)
    family_coverage: dict[str, FiniteOrNone] = Field(default_factory=dict)
    coverage: dict[str, dict[str, FiniteOrNone]] = Field(default_factory=dict)
    ended: dict[str, dt.date] = Field(default_factory=dict)
    gaps: dict[str, Gap] = Field(default_factory=dict)
    frozen: dict[str, int] = Field(default_factory=dict)
    suspected_splits: tuple[SuspectedSplit, ...] = ()
    findings: Findings = Field(default_factory=dict)


def quality_report(
    dataset: MarketDataset,
    requested_symbols: Sequence[str] | None,
    problems: Mapping[str, str],
    as_of: dt.date | None,
    *,
    findings: Findings | None = None,
    features: FeatureSet | None = None,
) -> QualityReport:
    """Look a data set over.

    Parameters
    ----------
    dataset : MarketDataset
    requested_symbols : sequence of str, optional
        What was asked for; None: what there is, and the symbols of `problems`.
    problems : mapping of str to str
        Symbols that could not be collected, and why.
    as_of : date, optional
        The day the data is used on; None is its last session.
    findings : dict, optional
        What the source had to say about single symbols.
    features : FeatureSet, optional
        Built from `dataset`: what coverage by family is counted in.

    Returns
    -------
    QualityReport
        `symbol_coverage` is the share of the requested symbols that have prices which the source could renew, None if
        nothing was requested; `staleness_sessions` counts the sessions from the newest price up to `as_of`.
    """
    findings = findings or {}
    prices = dataset.prices
    last = dataset.sessions[-1].date()
    present = set(prices.symbols)
    requested = present | set(problems) if requested_symbols is None else set(requested_symbols)
    missing, reasons = absent_families(dataset), absence_reasons(dataset)
    usable = present - set(findings.get(Finding.PRICES_KEPT, {}))
    holes, frozen, splits = gaps(prices), frozen_quotes(prices), suspected_splits(prices)
    counts = _counts(dataset) | {"frozen": len(frozen), "suspected_splits": len(splits)}
    counts |= {name: len(found) for name, found in findings.items()}
    counts = {name: count for name, count in counts.items() if count}
    family_coverage, coverage = _coverage(dataset, features)
    return QualityReport(
        as_of=as_of or last,
        first_session=dataset.sessions[0].date(),
        last_session=last,
        n_sessions=len(dataset.sessions),
        n_symbols=len(present),
        n_requested=len(requested),
        symbol_coverage=len(requested & usable) / len(requested) if requested else None,
        staleness_sessions=sessions_late(last, as_of or last),
        absent_families=missing,
        absent_features=absent_features(dataset),
        counts=counts,
        problems=dict(problems),
        warnings=(
            *dataset.notes,
            *_benchmark_warnings(dataset),
            *_survivorship_warnings(dataset),
            *_macro_warnings(dataset),
            *_count_warnings(counts),
            *(f"there are no {family} features: {reasons[family]}" for family in missing),
        ),
        absent_reasons=reasons,
        family_coverage=family_coverage,
        coverage=coverage,
        ended=ended(prices),
        gaps=holes,
        frozen=frozen,
        suspected_splits=splits,
        findings=findings,
    )


def _coverage(
    dataset: MarketDataset, features: FeatureSet | None
) -> tuple[dict[str, FiniteOrNone], dict[str, dict[str, FiniteOrNone]]]:
    """Share of sessions with a price on which features have a value: by family, and by symbol and family."""
    if features is None or not features.symbols:
        return {}, {}
    sessions = (~np.isnan(dataset.prices.close)).sum(axis=0)
    have: dict[str, np.ndarray] = {}
    members: dict[str, int] = {}
    for name in features.names:
        family = features.families[name]
        known = np.isfinite(features.of(name)).sum(axis=0)
        have[family] = have.get(family, 0) + known
        members[family] = members.get(family, 0) + 1
    with np.errstate(invalid="ignore", divide="ignore"):
        share = {family: np.round(known / (sessions * members[family]), 4) for family, known in have.items()}
    total = max(int(sessions.sum()), 1)
    return (
        {family: round(float(known.sum()) / (total * members[family]), 4) for family, known in have.items()},
        {
            symbol: {family: _finite(values[column]) for family, values in share.items()}
            for column, symbol in enumerate(features.symbols)
        },
    )


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _counts(dataset: MarketDataset) -> dict[str, int]:
    prices = dataset.prices
    priced = ~np.isnan(prices.adj_close)
    first, last = priced.argmax(axis=0), len(priced) - 1 - priced[::-1].argmax(axis=0)
    with np.errstate(invalid="ignore"):
        moves = np.abs(prices.adj_close[1:] / prices.adj_close[:-1] - 1.0)
        outside = (np.maximum(prices.open, prices.close) > prices.high * (1 + 1e-9)) | (
            np.minimum(prices.open, prices.close) < prices.low * (1 - 1e-9)
        )
    counts = {
        "symbols_ended": int((last < len(priced) - 1).sum()),
        "symbols_with_short_history": int((priced.sum(axis=0) < _FULL_HISTORY).sum()),
        "missing_prices_within_life": int((last - first + 1 - priced.sum(axis=0))[priced.any(axis=0)].sum()),
        "open_or_close_outside_high_low": int(outside.sum()),
        "sessions_without_volume": int((prices.volume == 0.0).sum()),
        "suspicious_moves": int((moves > SUSPICIOUS_MOVE).sum()),
        "repeated_bars": repeated_bars(prices),
    }
    fundamentals = dataset.fundamentals
    if fundamentals is not None and len(fundamentals):
        times = information_times(fundamentals)
        announced = fundamentals.get("announced", pd.Series(pd.NaT, index=fundamentals.index))
        hour = fundamentals.get("release_time", pd.Series(None, index=fundamentals.index, dtype=object))
        early = pd.Series(data=False, index=fundamentals.index)
        for name in ("announced", "filed"):
            if name in fundamentals:
                early |= fundamentals[name] <= fundamentals["period_end"]
        counts |= {
            "reports": len(fundamentals),
            "reports_without_release_date": int(times.assumed.sum()),
            "reports_of_unknown_hour": int((announced.notna() & hour.isna()).sum()),
            "release_dates_before_period_end": int(early.sum()),
            "restated_periods": int(fundamentals.duplicated(["symbol", "period_end"]).sum()),
            "symbols_without_reports": len(set(dataset.prices.symbols) - set(fundamentals["symbol"])),
        }
    return counts


def _count_warnings(counts: Mapping[str, int]) -> list[str]:
    sentences = {
        "symbols_ended": "{} symbols end before the data does",
        "missing_prices_within_life": "{} prices are missing between the first and the last one of their symbol",
        "open_or_close_outside_high_low": "{} bars have an open or a close outside their high and low",
        "suspicious_moves": "{} daily returns are beyond 50 %: look for splits that were missed",
        "reports_without_release_date": "{} reports have no release date and are used 60 (years: 90) days after "
        "their period",
        "release_dates_before_period_end": "{} release dates are not after their period and were ignored",
        "suspected_splits": "{} moves of close and adjusted close alike have the size of a split that was missed",
        "frozen": "{} symbols have the same close on five sessions in a row or more",
        "repeated_bars": "{} bars equal the one before in every field, the volume included",
        Finding.PRICES_KEPT: "the prices of {} symbols could not be renewed: they end with what was stored before",
        Finding.STATEMENTS_OF_YAHOO: "the fundamentals of {} symbols are Yahoo's statements, without dates of filing",
        Finding.NO_FUNDAMENTALS: "{} symbols have no fundamentals",
        Finding.NO_EARNINGS_DATES: "the earnings of {} symbols have no or no new dates of announcement, and are known "
        "when they were filed",
        Finding.FACTS_KEPT: "the facts of {} companies could not be renewed: those stored before are used",
        Finding.MACRO_OF_FRED: "{} macro series are FRED's in place of Yahoo's",
        Finding.MACRO_KEPT: "{} macro series could not be renewed: they end with what was stored before",
        Finding.MACRO_MISSING: "{} macro series are missing",
        Finding.MISSING_BENCHMARK: "{} benchmarks could not be had",
        Finding.BARS_ON_NO_SESSION: "{} symbols had bars on days without a session, which were left out",
        Finding.NO_SECTOR: "{} symbols have no sector",
    }
    return [sentence.format(counts[name]) for name, sentence in sentences.items() if name in counts]


def _benchmark_warnings(dataset: MarketDataset) -> list[str]:
    benchmarks = dataset.benchmarks
    warnings = [f"benchmark {name} is missing" for name in EXPECTED_BENCHMARKS if name not in benchmarks.symbols]
    for column, symbol in enumerate(benchmarks.symbols):
        gaps = int(np.isnan(benchmarks.adj_close[:, column]).sum())
        if gaps:
            warnings.append(f"benchmark {symbol} has no price on {gaps} of {len(dataset.sessions)} sessions")
    return warnings


def _survivorship_warnings(dataset: MarketDataset) -> list[str]:
    membership = dataset.membership
    if membership is None:
        return [
            "there is no membership.parquet: the universe is what is in the file, and if that was chosen in hindsight, "
            "long-only results are flattered"
        ]
    warnings = []
    for session in (dataset.sessions[0], dataset.sessions[-1]):
        members = membership[
            (membership["start"] <= session)
            & (membership["end"].isna() | (membership["end"] > session) if "end" in membership else True)
        ]
        names = set(members["symbol"])
        have = len(names & set(dataset.prices.symbols))
        if have < len(names):
            warnings.append(
                f"survivorship: of the {len(names)} members on {session.date()} only {have} have prices here; "
                "long-only results are flattered"
            )
    return warnings


def _macro_warnings(dataset: MarketDataset) -> list[str]:
    if dataset.macro is None or "ust10y" not in dataset.macro:
        return []
    if dataset.macro["ust10y"].abs().max() < _PERCENT_YIELD:
        return ["yields in macro.parquet look like fractions; they are read as percent (1.92 is 1.92 %)"]
    return []
