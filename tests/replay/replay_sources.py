"""The live sources, pointed at a replay server."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from replay_server import ReplayServer
from urllib3.util import Retry

from lambdas.core.market_data.sources import LiveSource
from lambdas.core.market_data.sources.edgar import Edgar
from lambdas.core.market_data.sources.fred import Fred
from lambdas.core.market_data.sources.live_requests import Manners, Pace, unguarded
from lambdas.core.market_data.sources.raw_store import MemoryObjects, RawObjects, RawStore, now
from lambdas.core.market_data.sources.yahoo import Yahoo

FIRST, LAST = dt.date(2018, 1, 2), dt.date(2019, 6, 28)


def quick(
    name: str,
    server: ReplayServer,
    *,
    attempts: int = 8,
    guard=unguarded,
    per_second: float = 1e6,
    timeout_seconds: float = 0.8,
) -> Manners:
    """The manners of production without their pauses."""
    retry = Retry(total=attempts - 1, backoff_factor=0.001, backoff_jitter=0.001, backoff_max=0.01, retry_after_max=1)
    return Manners(name, Pace(per_second), retry, guard, server.address, timeout_seconds)


def live_source(
    server: ReplayServer, folder: Path, *, raw: RawObjects | None = None, today: dt.date | None = None, **options
) -> LiveSource:
    """The live source as it is in the evening of `today`, with what `raw` holds."""
    moment = dt.datetime.combine(today, dt.time(23), dt.UTC) if today else None
    return LiveSource(
        Yahoo(quick("yahoo", server, **options), folder / "yfinance"),
        Edgar("amts tests@example.org", quick("edgar", server, **options)),
        Fred(quick("fred", server, **options)),
        RawStore(raw if raw is not None else MemoryObjects(), (lambda: moment) if moment else now),
    )


def forget_yfinance() -> None:
    """yfinance keeps its session, crumb and answers in one object of the process."""
    from yfinance.data import SingletonMeta, YfData

    SingletonMeta._instances.clear()
    YfData.cache_get.cache_clear()
