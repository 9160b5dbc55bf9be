"""The daily step: publish the newest recommendations, settle what has matured, judge how the champion does."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

import numpy as np

from lambdas.adapters.analytics import now
from lambdas.adapters.recommendations import recommendation_id
from lambdas.backtesting_engine.live import LiveSkill, live_skill, outcomes_of, row_of
from lambdas.contracts.backtesting import SettleRequest, SettleResult
from lambdas.contracts.metrics import Metric
from lambdas.core.backtest.predictions import align_predictions
from lambdas.core.backtest.recommendation import recommend
from lambdas.core.gates import live_gate
from lambdas.core.labels import eligible
from lambdas.core.market_data.calendar import add_sessions, sessions_late
from lambdas.core.market_data.panel import MarketDataset
from lambdas.core.settings import ModelSettings
from lambdas.runtime.market import load_dataset, load_predictions, load_quality
from lambdas.runtime.observability import count, measure
from lambdas.runtime.step import step
from lambdas.runtime.stores import Stores


@step(SettleRequest, SettleResult)
def settle(request: SettleRequest, stores: Stores) -> SettleResult:
    """Publish the champion's recommendations of the newest session, settle what has matured, measure live skill."""
    dataset = load_dataset(stores, request.dataset_uri)
    n_published, explanation = publish(request, dataset, stores)
    n_settled = settle_matured(request, dataset, stores)
    ours = [item for item in stores.analytics.live_sessions() if item["version"] == request.version]
    issued = {dt.date.fromisoformat(item["decision_session"]): item["symbols"] for item in ours}
    live = live_skill(dataset, issued, stores.settings)
    gate = live_gate(live.hit_rate, live.base_rate, live.skill_upper, stores.settings.gates)
    stores.analytics.record_gate(request.run_id, gate, version=request.version)
    stores.analytics.close_run(
        request.run_id,
        {
            "outcome": "ASSESSED",
            "message": f"{explanation} Settled {n_settled}. {gate.reason}",
            "champion": request.version,
            "version": request.version,
        },
    )
    emit(live, n_published, n_settled)
    return SettleResult(
        n_published=n_published,
        n_settled=n_settled,
        live_hit_rate=live.hit_rate,
        live_base_rate=live.base_rate,
        live_skill_upper=live.skill_upper,
        gate=gate,
    )


def publish(request: SettleRequest, dataset: MarketDataset, stores: Stores) -> tuple[int, str]:
    """Publish the newest session once; say how many recommendations this run published, and why.

    Nothing is published from late data: the entry that a recommendation names would lie in the past.
    """
    session = dataset.sessions[-1].date()
    late = sessions_late(session, load_quality(stores, request.dataset_uri).as_of)
    if late:
        return 0, f"Nothing was published: the newest prices, of {session}, are {late} sessions late."
    ranked = recommended_symbols(request, dataset, stores)
    horizon = stores.settings.portfolio.horizon
    dates = {
        "decision_session": session.isoformat(),
        "entry_session": add_sessions(session, 1).isoformat(),
        "maturity_session": add_sessions(session, 1 + horizon).isoformat(),
    }
    issued = {**dates, "version": request.version, "run_id": request.run_id, "published_at": now()}
    for rank, (symbol, probability) in enumerate(ranked, start=1):
        values = {**issued, "rank": rank, "probability": probability}
        stores.recommendations.publish(symbol, recommendation_id(session.isoformat(), request.version), values)
    symbols = [symbol for symbol, _ in ranked]
    stores.analytics.publish_session(
        session.isoformat(), request.version, {**issued, "symbols": symbols, "settled": False}
    )
    published = stores.analytics.live_session(session.isoformat(), request.version)
    if published["run_id"] != request.run_id:
        return 0, f"The session of {session} was published before, by run {published['run_id']}."
    return len(symbols), f"Published {len(symbols)} recommendations of the session of {session}."


def recommended_symbols(request: SettleRequest, dataset: MarketDataset, stores: Stores) -> list[tuple[str, float]]:
    """Return the recommended symbols of the newest session with their probability, the most probable first."""
    predictions = load_predictions(stores, request.predictions_uri)
    if predictions.empty:
        return []
    settings: ModelSettings = stores.settings
    aligned = align_predictions(predictions, dataset)
    allowed = eligible(dataset, settings.portfolio.min_history_sessions)
    chosen = np.flatnonzero(recommend(aligned.probability, allowed, settings.recommendation)[-1])
    probability = aligned.probability[-1]
    ranked = sorted((-float(probability[column]), dataset.prices.symbols[column]) for column in chosen)
    return [(symbol, -negative) for negative, symbol in ranked]


def settle_matured(request: SettleRequest, dataset: MarketDataset, stores: Stores) -> int:
    """Write the outcome of every open recommendation of ours that has matured; say how many this run settled."""
    horizon = stores.settings.portfolio.horizon
    settled = 0
    for item in stores.analytics.live_sessions():
        if not item["settled"]:
            row = row_of(dataset, dt.date.fromisoformat(item["decision_session"]))
            if row is not None and row + 1 + horizon < len(dataset.sessions):
                settled += settle_session(
                    request, item, outcomes_of(dataset, row, item["symbols"], stores.settings), stores
                )
        elif item["settled_by"] == request.run_id:  # by an earlier attempt of this step
            settled += item["n_settled"]
    return settled


def settle_session(
    request: SettleRequest, item: dict[str, Any], outcomes: dict[str, dict[str, Any]], stores: Stores
) -> int:
    """Write the outcomes of one published session; symbols without one stay open and are named in its record."""
    identity = recommendation_id(item["decision_session"], item["version"])
    for symbol, outcome in outcomes.items():
        stores.recommendations.settle(symbol, identity, {**outcome, "settled_by": request.run_id, "settled_at": now()})
    stores.analytics.settle_session(
        item["SK"],
        {
            "settled_by": request.run_id,
            "settled_at": now(),
            "n_settled": len(outcomes),
            "n_hits": sum(outcome["hit"] for outcome in outcomes.values()),
            "not_settled": missing(item["symbols"], outcomes),
        },
    )
    return len(outcomes)


def missing(symbols: Sequence[str], outcomes: dict[str, dict[str, Any]]) -> list[str]:
    """Return the symbols that were recommended and have no outcome in the data."""
    return [symbol for symbol in symbols if symbol not in outcomes]


def emit(live: LiveSkill, n_published: int, n_settled: int) -> None:
    """Add the numbers of the day to the metrics."""
    measure(Metric.LIVE_HIT_RATE, live.hit_rate)
    measure(Metric.LIVE_BASE_RATE, live.base_rate)
    count(Metric.RECOMMENDATIONS_PUBLISHED, n_published)
    count(Metric.RECOMMENDATIONS_SETTLED, n_settled)
