"""One small simulated market with a planted signal, shared by the tests of the models."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import numpy as np
import pytest

from lambdas.core.features import build_features
from lambdas.core.market_data.sources import SimulatedSource
from lambdas.core.models.ensemble import EnsembleModel, FoldPredictions, fit_and_predict_fold
from lambdas.core.models.hyperparameters import Hyperparameters
from lambdas.core.models.market_view import MarketView, market_view
from lambdas.core.settings import ModelSettings, PortfolioSettings, TuningSettings, WalkForwardSettings
from lambdas.core.splits import WalkForwardPlan, plan_walk_forward

SETTINGS = ModelSettings(
    portfolio=PortfolioSettings(horizon=10, min_history_sessions=60),
    walk_forward=WalkForwardSettings(
        lookback_days=120, window_days=60, benchmark_period_days=60, train_years=3.0, min_train_sessions=150
    ),
    tuning=TuningSettings(n_trials=2, inner_folds=3, network_seeds=2, cadence_windows=0),
)


@pytest.fixture(scope="session")
def settings() -> ModelSettings:
    return SETTINGS


@pytest.fixture(scope="session")
def market() -> MarketView:
    """Twenty symbols over three and a half years, every second feature: small, and still with the signal in it."""
    source = SimulatedSource(
        seed=5, n_symbols=20, signal_rank_ic=0.35, first=dt.date(2014, 1, 2), last=dt.date(2017, 6, 30)
    )
    dataset = source.load(None, as_of=None).dataset
    features = build_features(dataset)
    kept = list(range(0, len(features.names), 2))
    features = replace(
        features,
        names=tuple(features.names[k] for k in kept),
        values=np.ascontiguousarray(features.values[:, :, kept]),
    )
    return market_view(dataset, features, SETTINGS.portfolio)


@pytest.fixture(scope="session")
def plan(market: MarketView) -> WalkForwardPlan:
    s = SETTINGS
    return plan_walk_forward(
        market.dataset.sessions,
        market.dataset.sessions[-1].date(),
        s.walk_forward,
        s.portfolio.horizon,
        s.tuning.cadence_windows,
        min_history_sessions=s.portfolio.min_history_sessions,
    )


@pytest.fixture(scope="session")
def fold_predictions(market: MarketView, plan: WalkForwardPlan) -> FoldPredictions:
    return fit_and_predict_fold(market, plan.folds[0], Hyperparameters(), SETTINGS, seed=1)


@pytest.fixture(scope="session")
def model(fold_predictions: FoldPredictions) -> EnsembleModel:
    return fold_predictions.model
