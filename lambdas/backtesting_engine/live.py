"""How deployed models do: live numbers of all that was published, of the champion, of the shadow; drift; the gate."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from lambdas.contracts.backtesting import LiveSession, SettleRequest
from lambdas.contracts.metrics import Metric
from lambdas.core.backtest.predictions import read_predictions
from lambdas.core.labels import eligible
from lambdas.core.live.drift import measure_drift
from lambdas.core.live.gate import judge_live
from lambdas.core.live.performance import Issued, live_performance
from lambdas.core.live.values import Drift, LivePerformance
from lambdas.core.market_data.panel import FloatArray, MarketDataset
from lambdas.core.values import GateRecord
from lambdas.runtime.market import load_features
from lambdas.runtime.observability import measure
from lambdas.runtime.stores import Stores

PUBLISHED = "published"
"""Track of all that was published, whichever model was champion: what users got."""


@dataclass(frozen=True)
class Live:
    """The live record of a day."""

    published: LivePerformance
    champion: LivePerformance
    drift: Drift | None
    gate: GateRecord

    def numbers(self) -> dict[str, float | None]:
        """Return what the live gate compared, by the names of the step's result."""
        numbers: dict[str, float | None] = dict.fromkeys(
            ("live_hit_rate", "live_base_rate", "live_skill_upper", "live_max_drawdown", "drifted_share", "score_psi")
        )
        if self.champion.windows:
            whole = self.champion.windows[0]
            numbers |= {"live_hit_rate": whole.hit_rate, "live_base_rate": whole.base_rate}
            numbers |= {"live_skill_upper": whole.skill_upper, "live_max_drawdown": whole.max_drawdown}
        if self.drift is not None:
            numbers |= {"drifted_share": self.drift.drifted_share, "score_psi": self.drift.score_psi}
        return numbers


def assess(request: SettleRequest, dataset: MarketDataset, stores: Stores) -> Live:
    """Measure the live record of the system and of its models, and judge the champion by its own."""
    sessions = stores.analytics.live_sessions().sessions
    day = dataset.sessions[-1].date().isoformat()
    champions = [one for one in sessions if one.role == "champion"]
    published = measured(champions, dataset, stores)
    of_champion = measured([one for one in champions if one.version == request.version], dataset, stores)
    drift = drift_of(request, dataset, champions, stores)
    gate = judge_live(of_champion, drift, stores.settings)
    stores.analytics.record_performance(day, PUBLISHED, stored(published, request, None, None))
    if request.version is not None:
        stores.analytics.record_performance(day, request.version, stored(of_champion, request, drift, gate))
    if request.shadow is not None:
        of_shadow = [one for one in sessions if one.role == "shadow" and one.version == request.shadow]
        record = stored(measured(of_shadow, dataset, stores), request, None, None)
        stores.analytics.record_performance(day, request.shadow, record)
    return Live(published, of_champion, drift, gate)


def measured(sessions: Iterable[LiveSession], dataset: MarketDataset, stores: Stores) -> LivePerformance:
    """Measure some live sessions; of two champions on one session, the day of a promotion, the first stands."""
    by_day: dict[Any, LiveSession] = {}
    for session in sorted(sessions, key=lambda one: (one.decision_session, one.published_at)):
        by_day.setdefault(session.decision_session, session)
    issued = [Issued(one.decision_session, one.symbols, one.probability) for one in by_day.values()]
    return live_performance(dataset, issued, stores.settings)


def drift_of(
    request: SettleRequest, dataset: MarketDataset, champions: list[LiveSession], stores: Stores
) -> Drift | None:
    """Compare the champion's inputs and scores with those it was fitted and judged on."""
    if request.version is None:
        return None
    manifest = stores.models.manifest(request.version)
    features = load_features(stores, request.dataset_uri)
    newest = sorted((one for one in champions if one.version == request.version), key=lambda one: one.decision_session)[
        -stores.settings.live.drift_sessions :
    ]
    holdout = (stores.analytics.model(request.version) or {}).get("holdout_predictions_uri")
    return measure_drift(
        features,
        eligible(dataset, stores.settings.portfolio.min_history_sessions),
        manifest["feature_names"],
        (pd.Timestamp(manifest["train_first"]), pd.Timestamp(manifest["train_last"])),
        scores_at([holdout] if holdout else [], stores),
        scores_at([one.predictions_uri for one in newest], stores),
        stores.settings.live,
    )


def scores_at(uris: list[str], stores: Stores) -> FloatArray:
    """Return the probabilities of stored predictions; none where they have expired."""
    found = [read_predictions(file) for uri in uris if (file := stores.predictions.find(uri)) is not None]
    return np.concatenate([frame["probability"].to_numpy(dtype=np.float64) for frame in found] or [np.empty(0)])


def stored(
    performance: LivePerformance, request: SettleRequest, drift: Drift | None, gate: GateRecord | None
) -> dict[str, Any]:
    """Return live numbers as they are stored."""
    return {
        "performance": performance.model_dump(mode="json"),
        "drift": drift and drift.model_dump(mode="json"),
        "gate": gate and gate.model_dump(mode="json"),
        "run_id": request.run_id,
        "champion": request.version,
    }


def emit(live: Live) -> None:
    """Add the numbers of the day to the metrics."""
    numbers = live.numbers()
    measure(Metric.LIVE_HIT_RATE, numbers["live_hit_rate"])
    measure(Metric.LIVE_BASE_RATE, numbers["live_base_rate"])
    for window in live.published.windows:
        if window.days is None:
            continue
        for name, value in {
            "LiveHitRate": window.hit_rate,
            "LiveBaseRate": window.base_rate,
            "LiveOutperformance": window.market_outperformance,
            "LiveSharpeRatio": window.sharpe_ratio,
            "LiveMaxDrawdown": window.max_drawdown,
            "LiveCalibrationError": window.expected_calibration_error,
        }.items():
            measure(Metric(f"{name}{window.days}"), value)
    if live.drift is not None:
        measure(Metric.DRIFTED_FEATURES, live.drift.drifted_share)
        measure(Metric.SCORE_PSI, live.drift.score_psi)
        measure(Metric.INPUTS_OUTSIDE_TRAINING, live.drift.outside_share)
