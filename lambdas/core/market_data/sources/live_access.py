"""What the live source needs to know of the deployment, and how much history a run needs of it."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from pathlib import Path

from lambdas.core.market_data.sources import edgar as edgar_module
from lambdas.core.market_data.sources import fred as fred_module
from lambdas.core.market_data.sources import yahoo as yahoo_module
from lambdas.core.market_data.sources.edgar import Edgar
from lambdas.core.market_data.sources.fred import Fred
from lambdas.core.market_data.sources.live import LiveSource
from lambdas.core.market_data.sources.live_requests import Guard, Manners, Pace, Traffic, unguarded
from lambdas.core.market_data.sources.raw_store import MemoryObjects, RawObjects, RawStore, now
from lambdas.core.market_data.sources.yahoo import Yahoo

WARM_UP_DAYS = 800
"""Calendar days before the first training decision: growth over eight quarters needs two years, momentum one."""


@dataclass(frozen=True)
class LiveAccess:
    """What the live source needs to know of the deployment.

    Attributes
    ----------
    edgar_contact : str
        E-mail address, alone or behind a name, that the SEC can write to. Required.
    edgar_requests_per_second : float
        Share of the ten that one user may make which belongs to this process.
    guard : Guard
        Makes each request; a circuit breaker, where there is one.
    cache_folder : Path, optional
        Writable folder for the caches of yfinance.
    gateway : str, optional
        Address in place of every host, see `Manners`.
    raw : RawObjects
        Where answers are kept; by default in memory, so that every source begins from nothing.
    traffic : Traffic
        Where the bytes that came are counted.
    """

    edgar_contact: str
    edgar_requests_per_second: float = edgar_module.MAX_REQUESTS_PER_SECOND / 2
    guard: Guard = unguarded
    cache_folder: Path | None = None
    gateway: str | None = None
    raw: RawObjects = field(default_factory=MemoryObjects)
    traffic: Traffic = field(default_factory=Traffic)

    def source(self) -> LiveSource:
        """Open the live source.

        Raises
        ------
        InvalidRequestError
            If the contact for EDGAR is missing.
        """

        def manners(name: str, per_second: float) -> Manners:
            return Manners(name, Pace(per_second), guard=self.guard, gateway=self.gateway, traffic=self.traffic)

        edgar_pace = min(self.edgar_requests_per_second, edgar_module.MAX_REQUESTS_PER_SECOND)
        return LiveSource(
            Yahoo(manners("yahoo", yahoo_module.REQUESTS_PER_SECOND), self.cache_folder),
            Edgar(self.edgar_contact, manners("edgar", edgar_pace)),
            Fred(manners("fred", fred_module.REQUESTS_PER_SECOND)),
            RawStore(self.raw, now),
        )


def first_needed(as_of: dt.date, *, train_years: float, lookback_days: int, benchmark_period_days: int) -> dt.date:
    """First day of history that a run needs: warm-up, training, walk-forward and holdout, back from `as_of`.

    Examples
    --------
    >>> first_needed(dt.date(2019, 12, 31), train_years=5.0, lookback_days=1095, benchmark_period_days=90)
    datetime.date(2009, 7, 25)
    """
    days = round(train_years * 365.25) + lookback_days + benchmark_period_days + WARM_UP_DAYS
    return as_of - dt.timedelta(days=days)
