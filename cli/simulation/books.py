"""The books of a simulation: what was announced day by day must be what a backtest of the published items gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import boto3
import pandas as pd

from lambdas.adapters.dynamodb import from_item
from lambdas.backtesting_engine.live import PUBLISHED
from lambdas.core.backtest.evaluation import slice_metrics
from lambdas.core.backtest.run import Backtest, run_backtest
from lambdas.core.labels import MARKET
from lambdas.core.market_data.panel import MarketDataset
from lambdas.core.settings import ModelSettings
from lambdas.runtime.stores import Stores

TOLERANCE = 1e-9
COMPARED = ("hit_rate", "base_rate", "total_return", "sharpe_ratio", "max_drawdown")


@dataclass(frozen=True)
class Entry:
    """One number, as it was announced and as it is computed again."""

    name: str
    announced: float | None
    recomputed: float | None

    @property
    def balances(self) -> bool:
        """Whether both agree, to a billionth."""
        if self.announced is None or self.recomputed is None:
            return self.announced is self.recomputed
        return bool(abs(self.announced - self.recomputed) <= TOLERANCE)


def balance(
    dataset: MarketDataset, stores: Stores, settings: ModelSettings, course: Sequence[Mapping[str, Any]] = ()
) -> list[Entry]:
    """Compute the announced live numbers again, from the table `stock-recommendations` alone.

    Parameters
    ----------
    dataset : MarketDataset
        As known when the last daily run was started.
    stores : Stores
    settings : ModelSettings
    course : sequence of dict
        What was announced by session: see `announced_course`.

    Returns
    -------
    list of Entry
        Of the whole record, the sums of the settled items, and the largest difference between a return that was
        announced on some day and the equity of that session. Empty if nothing was ever published.
    """
    items = published_items(stores)
    newest = next((one for one in stores.analytics.performance() if one["track"] == PUBLISHED), None)
    if not items or newest is None or not newest["performance"]["windows"]:
        return []
    whole: dict[str, Any] = newest["performance"]["windows"][0]
    frame = pd.DataFrame(items)
    predictions = frame[["symbol", "probability"]].assign(
        date=pd.to_datetime(frame["decision_session"]), recommended=True
    )
    backtest = run_backtest(dataset, predictions, settings)
    found = slice_metrics(backtest, backtest.first, backtest.last)
    entries = [Entry(name, whole[name], getattr(found, name)) for name in COMPARED]
    entries.append(Entry("market_outperformance", whole["market_outperformance"], found.market_outperformance[MARKET]))
    settled = frame[frame["status"] == "settled"]
    column = "hit" if settings.gates.hit_definition == "absolute" else "relative_hit"
    if len(settled):
        entries.append(Entry("hit rate of settled items", whole["hit_rate"], float(settled[column].mean())))
    entries.append(Entry("matured recommendations", float(whole["n_matured"]), float(len(settled))))
    if apart := returns_apart(course, backtest):
        entries.append(Entry(f"largest difference of {len(apart)} announced returns", 0.0, max(apart)))
    return entries


def returns_apart(course: Sequence[Mapping[str, Any]], backtest: Backtest) -> list[float]:
    """Return how far each announced return was from the equity of its session."""
    equity = dict(zip(backtest.dataset.sessions[backtest.first :], backtest.portfolio.equity, strict=False))
    told = ((pd.Timestamp(row["session"]), row["total_return"]) for row in course)
    return [abs(equity[session] - 1.0 - value) for session, value in told if value is not None]


def published_items(stores: Stores) -> list[dict[str, Any]]:
    """Return every recommendation that was published, as a user finds it."""
    table = stores.environment.recommendations_table
    pages = boto3.client("dynamodb").get_paginator("scan").paginate(TableName=table)
    return [from_item(item) for page in pages for item in page["Items"]]
