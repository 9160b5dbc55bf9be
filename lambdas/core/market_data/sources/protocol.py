"""What every source of market data does."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from lambdas.core.market_data.panel import MarketDataset


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
    """

    dataset: MarketDataset
    problems: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


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
