"""What a model recommends on the newest session: published once if it is the champion, kept if it is the shadow."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

import numpy as np

from lambdas.adapters.analytics import now
from lambdas.adapters.recommendations import recommendation_id
from lambdas.contracts.backtesting import LiveSession, SettleRequest
from lambdas.core.backtest.predictions import align_predictions
from lambdas.core.backtest.recommendation import recommend
from lambdas.core.labels import eligible
from lambdas.core.market_data.calendar import add_sessions, sessions_late
from lambdas.core.market_data.panel import MarketDataset
from lambdas.core.settings import ModelSettings
from lambdas.runtime.market import load_predictions, load_quality
from lambdas.runtime.stores import Stores


@dataclass(frozen=True)
class Published:
    """How many recommendations a run published, and why so many."""

    n_published: int
    explanation: str


def publish(request: SettleRequest, dataset: MarketDataset, stores: Stores) -> Published:
    """Publish the champion's newest session once, and record the shadow's; neither from late data.

    The entry that a recommendation from late data names would lie in the past.
    """
    session = dataset.sessions[-1].date()
    late = sessions_late(session, load_quality(stores, request.dataset_uri).as_of)
    if late:
        return Published(0, f"Nothing was published: the newest prices, of {session}, are {late} sessions late.")
    if request.shadow is not None and request.shadow_predictions_uri is not None:
        shadow = newest_session(request, request.shadow, "shadow", request.shadow_predictions_uri, dataset, stores)
        stores.analytics.publish_session(shadow)
    if request.version is None or request.predictions_uri is None:
        return Published(0, "There is no champion: nothing was published.")
    if not stores.settings.live.publish_after_failure and (day := failed_live(request.version, session, stores)):
        return Published(
            0,
            f"Nothing was published: champion {request.version} failed its live gate on the session of {day}; a tuning "
            "run that promotes another model, or a rollback, ends this.",
        )
    ours = newest_session(request, request.version, "champion", request.predictions_uri, dataset, stores)
    reasons = (stores.predictions.facts(request.predictions_uri) or {}).get("reasons", {})
    identity = recommendation_id(session.isoformat(), ours.version)
    for rank, (symbol, probability) in enumerate(zip(ours.symbols, ours.probability, strict=True), start=1):
        item: dict[str, Any] = ours.model_dump(
            mode="json", include={"decision_session", "entry_session", "maturity_session", "version", "run_id"}
        )
        item |= {"published_at": ours.published_at, "rank": rank, "probability": probability}
        if symbol in reasons:
            item["reasons"] = reasons[symbol]
        stores.recommendations.publish(symbol, identity, item)
    stores.analytics.publish_session(ours)
    standing = stores.analytics.live_session(ours)
    if standing.run_id != request.run_id:
        return Published(0, f"The session of {session} was published before, by run {standing.run_id}.")
    return Published(len(ours.symbols), f"Published {len(ours.symbols)} recommendations of the session of {session}.")


def failed_live(version: str, before: dt.date, stores: Stores) -> str | None:
    """Return the newest session before one on which a model failed its live gate, if it failed when it was asked last.

    Its own verdict of the same session does not count: a step that is repeated says the same.
    """
    for record in stores.analytics.performance(limit=30):
        session, gate = str(record["SK"]).partition("#")[0], record["gate"]
        if record["track"] == version and gate is not None and session < before.isoformat():
            return session if gate["verdict"] == "FAIL" else None
    return None


def newest_session(
    request: SettleRequest,
    version: str,
    role: str,
    predictions_uri: str,
    dataset: MarketDataset,
    stores: Stores,
) -> LiveSession:
    """Return what a model recommends at the close of the newest session, the most probable first."""
    session = dataset.sessions[-1].date()
    ranked = recommended_symbols(predictions_uri, dataset, stores)
    symbols = tuple(symbol for symbol, _ in ranked)
    return LiveSession.model_validate(
        {
            "decision_session": session,
            "entry_session": add_sessions(session, 1),
            "maturity_session": add_sessions(session, 1 + stores.settings.portfolio.horizon),
            "version": version,
            "role": role,
            "run_id": request.run_id,
            "published_at": now(),
            "predictions_uri": predictions_uri,
            "symbols": symbols,
            "probability": tuple(probability for _, probability in ranked),
            "open": symbols,
        }
    )


def recommended_symbols(predictions_uri: str, dataset: MarketDataset, stores: Stores) -> list[tuple[str, float]]:
    """Return the recommended symbols of the newest session with their probability, the most probable first."""
    predictions = load_predictions(stores, predictions_uri)
    if predictions.empty:
        return []
    settings: ModelSettings = stores.settings
    aligned = align_predictions(predictions, dataset)
    allowed = eligible(dataset, settings.portfolio.min_history_sessions)
    chosen = np.flatnonzero(recommend(aligned.probability, allowed, settings.recommendation)[-1])
    probability = aligned.probability[-1]
    ranked = sorted((-float(probability[column]), dataset.prices.symbols[column]) for column in chosen)
    return [(symbol, -negative) for negative, symbol in ranked]
