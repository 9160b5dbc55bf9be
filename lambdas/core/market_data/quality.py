"""What is wrong with a data set, and what a reader of its results has to know."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from lambdas.core.features.registry import absent_families, absent_features
from lambdas.core.market_data.calendar import sessions_late
from lambdas.core.market_data.panel import MarketDataset
from lambdas.core.market_data.point_in_time import information_times
from lambdas.core.values import FiniteOrNone, Value

EXPECTED_BENCHMARKS = ("SPY", "QQQ", "IWM")
SUSPICIOUS_MOVE = 0.5
"""Daily total return beyond which a split or a merger was more likely missed than made."""

_FULL_HISTORY = 252
_PERCENT_YIELD = 0.3


class QualityReport(Value):
    """What the data-quality gate reads, and what the report tells people.

    `counts` holds only what there is at least one of; `problems` names the symbols that could not be collected.
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


def quality_report(
    dataset: MarketDataset,
    requested_symbols: Sequence[str] | None,
    problems: Mapping[str, str],
    as_of: dt.date | None,
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

    Returns
    -------
    QualityReport
        `symbol_coverage` is the share of the requested symbols that have prices, None if nothing was requested;
        `staleness_sessions` counts the sessions from the newest price up to `as_of`.
    """
    prices = dataset.prices
    last = dataset.sessions[-1].date()
    present = set(prices.symbols)
    requested = present | set(problems) if requested_symbols is None else set(requested_symbols)
    missing = absent_families(dataset)
    counts = {name: count for name, count in _counts(dataset).items() if count}
    return QualityReport(
        as_of=as_of or last,
        first_session=dataset.sessions[0].date(),
        last_session=last,
        n_sessions=len(dataset.sessions),
        n_symbols=len(present),
        n_requested=len(requested),
        symbol_coverage=len(requested & present) / len(requested) if requested else None,
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
            *(f"there are no {family} features: the data set has nothing they need" for family in missing),
        ),
    )


def _counts(dataset: MarketDataset) -> dict[str, int]:
    prices = dataset.prices
    priced = ~np.isnan(prices.adj_close)
    first, last = priced.argmax(axis=0), len(priced) - 1 - priced[::-1].argmax(axis=0)
    row = np.arange(len(priced))[:, np.newaxis]
    with np.errstate(invalid="ignore"):
        moves = np.abs(prices.adj_close[1:] / prices.adj_close[:-1] - 1.0)
        outside = (np.maximum(prices.open, prices.close) > prices.high * (1 + 1e-9)) | (
            np.minimum(prices.open, prices.close) < prices.low * (1 - 1e-9)
        )
    counts = {
        "symbols_ended": int((last < len(priced) - 1).sum()),
        "symbols_with_short_history": int((priced.sum(axis=0) < _FULL_HISTORY).sum()),
        "missing_prices_within_life": int((~priced & (row > first) & (row < last)).sum()),
        "open_or_close_outside_high_low": int(outside.sum()),
        "sessions_without_volume": int((prices.volume == 0.0).sum()),
        "suspicious_moves": int((moves > SUSPICIOUS_MOVE).sum()),
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
        "missing_prices_within_life": "{} prices are missing between the first and the last one of their symbol",
        "open_or_close_outside_high_low": "{} bars have an open or a close outside their high and low",
        "suspicious_moves": "{} daily returns are beyond 50 %: look for splits that were missed",
        "reports_without_release_date": "{} reports have no release date and are used 60 (years: 90) days after "
        "their period",
        "release_dates_before_period_end": "{} release dates are not after their period and were ignored",
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
