"""Fetching a batch of symbols from a source."""

from __future__ import annotations

import datetime as dt
import shutil

from lambdas.adapters.reuse import reuse_key
from lambdas.adapters.workspace import workspace
from lambdas.contracts.enrichment import CollectRequest, CollectResult, SymbolProblem
from lambdas.core.market_data.calendar import latest_closed_session
from lambdas.core.market_data.dataset import dataset_hash, write_dataset
from lambdas.core.market_data.sources import LiveAccess, Source, first_needed, open_source
from lambdas.core.market_data.sources.raw_store import now
from lambdas.fundamental_data_enrichment.batch import BatchRecord
from lambdas.runtime.step import step
from lambdas.runtime.stores import Stores

MAX_LISTED_PROBLEMS = 20
MAX_REASON = 300
LIVE_SOURCE = "yahoo"


@step(CollectRequest, CollectResult)
def collect(request: CollectRequest, stores: Stores) -> CollectResult:
    """Fetch one batch of symbols into an immutable folder; a bad symbol costs that symbol, not the run."""
    as_of = request.as_of or newest_session(request.data)
    first = first_session_needed(request, stores, as_of)
    access = live_access(stores) if request.data == LIVE_SOURCE else None
    collected = source_of(request, stores, access).load(request.symbols or None, as_of=as_of, first=first)
    record = BatchRecord(
        requested=request.symbols, problems=collected.problems, as_of=as_of, findings=collected.findings
    )
    folder = workspace() / "collected"
    shutil.rmtree(folder, ignore_errors=True)
    write_dataset(collected.dataset, folder)
    record.write(folder)
    raw_uri = stores.datasets.save_batch(folder, reuse_key(dataset_hash(collected.dataset), record))
    return CollectResult(
        raw_uri=raw_uri,
        n_symbols=len(collected.dataset.prices.symbols),
        n_problems=len(collected.problems),
        problems=tuple(
            SymbolProblem(symbol=symbol, reason=reason[:MAX_REASON])
            for symbol, reason in sorted(collected.problems.items())[:MAX_LISTED_PROBLEMS]
        ),
        received_bytes=access.traffic.received if access else 0,
    )


def source_of(request: CollectRequest, stores: Stores, access: LiveAccess | None) -> Source:
    """Return the source that the request names; a folder on S3 is copied here first."""
    if request.data.startswith("s3://"):
        return open_source(request.data, stores.datasets.folder(request.data))
    return open_source(request.data, live=access)


def live_access(stores: Stores) -> LiveAccess:
    """Return how the servers of the live source are asked from here: by whom, how often, and behind a breaker."""
    from lambdas.fundamental_data_enrichment.breaker import guarded  # only the live source needs it

    environment = stores.environment
    return LiveAccess(
        environment.edgar_contact,
        environment.edgar_requests_per_second,
        guarded,
        cache_folder=workspace() / "yfinance",
        raw=stores.datasets.raw,
    )


def first_session_needed(request: CollectRequest, stores: Stores, as_of: dt.date | None) -> dt.date | None:
    """Return the first day that a run needs of fresh data; what is at hand already is read whole."""
    if request.data != LIVE_SOURCE or as_of is None:
        return None
    return first_needed(
        as_of,
        train_years=stores.settings.walk_forward.train_years,
        lookback_days=request.lookback_days,
        benchmark_period_days=request.benchmark_period_days,
    )


def newest_session(data: str) -> dt.date | None:
    """Return the session that fresh data must reach: the last one that closed; history has no such claim."""
    return latest_closed_session(now()) if data == LIVE_SOURCE else None
