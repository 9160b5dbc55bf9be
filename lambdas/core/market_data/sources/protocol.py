"""What every source of market data does."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from lambdas.core.market_data.panel import MarketDataset


class Finding(StrEnum):
    """What a source may have to say about single symbols or series; the quality report counts them by these names."""

    PRICES_KEPT = "prices_not_renewed"
    BARS_ON_NO_SESSION = "bars_on_no_session"
    MISSING_BENCHMARK = "benchmark_missing"
    FACTS_KEPT = "facts_not_renewed"
    UNUSABLE_FACTS = "facts_unusable"
    NO_FUNDAMENTALS = "no_fundamentals"
    STATEMENTS_OF_YAHOO = "statements_of_yahoo"
    NO_EARNINGS_DATES = "no_earnings_dates"
    MACRO_OF_FRED = "macro_of_fred"
    MACRO_KEPT = "macro_not_renewed"
    MACRO_MISSING = "macro_missing"
    NO_SECTOR = "no_sector"


Findings = dict[str, dict[str, str]]
"""By kind of finding: what there is to say, by symbol or series."""


@dataclass(frozen=True)
class Collected:
    """What a source had of the symbols it was asked for.

    Attributes
    ----------
    dataset : MarketDataset
        May be without symbols, if none of them could be collected.
    problems : dict of str to str
        Symbols that are not in the data set, each with the reason.
    notes : tuple of str
        What a reader of the results has to know about the data; the data set carries the same notes.
    findings : dict of str to dict of str to str
        What happened with single symbols or series that are in the data set all the same, by `Finding`: a fallback
        that was used, an answer that was not.
    """

    dataset: MarketDataset
    problems: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    findings: Findings = field(default_factory=dict)


class Source(Protocol):
    """A place market data comes from."""

    @property
    def name(self) -> str:
        """Name for messages and records."""
        ...

    def load(self, symbols: Sequence[str] | None, *, as_of: dt.date | None, first: dt.date | None = None) -> Collected:
        """Collect `symbols` (None: all there are) with everything known at the close of `as_of` (None: the newest).

        `first` is the first day that the run needs: a source that fetches leaves out what is earlier, one that has
        everything at hand need not.
        A symbol that cannot be had costs that symbol, not the run. A source that fails altogether raises
        `TransientMarketDataError` if asking again may help, else `InvalidInputError`.
        """
        ...
