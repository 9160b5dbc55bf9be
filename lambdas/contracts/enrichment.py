"""Steps of `fundamental-data-enrichment`."""

from __future__ import annotations

import datetime as dt
from typing import Literal

from pydantic import Field

from lambdas.contracts.base import Contract, RunId, S3Uri, Symbol
from lambdas.contracts.tuning_run import DataSource
from lambdas.core.values import FiniteOrNone, GateRecord


class CollectRequest(Contract):
    """Fetch one batch of symbols into an immutable folder on S3."""

    action: Literal["collect"]
    run_id: RunId
    data: DataSource
    symbols: tuple[Symbol, ...] = Field(description="Empty: everything the source has.")
    as_of: dt.date | None
    lookback_days: int
    benchmark_period_days: int


class SymbolProblem(Contract):
    """A symbol that could not be collected, and why."""

    symbol: Symbol
    reason: str = Field(max_length=300)


class CollectResult(Contract):
    """Where the batch lies. `problems` is cut at 20 entries; all of them are in the folder's `quality.json`."""

    raw_uri: S3Uri
    n_symbols: int
    n_problems: int
    problems: tuple[SymbolProblem, ...]
    received_bytes: int = Field(default=0, ge=0, description="Of live sources: what a NAT gateway charges for.")


class BuildRequest(Contract):
    """Join the collected batches into one data set, and compute its features."""

    action: Literal["build"]
    run_id: RunId
    raw_uris: tuple[S3Uri, ...]
    as_of: dt.date | None


class BuildResult(Contract):
    """The immutable feature set, and what the data-quality gate reads."""

    dataset_uri: S3Uri
    dataset_hash: str
    as_of: dt.date = Field(description="Last session of the data set.")
    n_symbols: int
    n_sessions: int
    symbol_coverage: FiniteOrNone
    staleness_sessions: int
    absent_families: tuple[str, ...]
    gate: GateRecord
