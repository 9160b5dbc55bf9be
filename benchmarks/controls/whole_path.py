"""Tune, select, predict and validate: the whole path of a run on a small simulated market, with and without signal."""

from __future__ import annotations

import datetime as dt

from benchmarks.controls.judgement import BOOTSTRAP_DRAWS, Judgement, judge_frames
from lambdas.core.backtest.trials import weigh_trials
from lambdas.core.features import build_features
from lambdas.core.market_data.dataset import dataset_hash
from lambdas.core.market_data.sources.simulated import SimulatedSource
from lambdas.core.models.market_view import market_view
from lambdas.core.settings import EvidenceSettings, ModelSettings, TuningSettings, WalkForwardSettings
from lambdas.core.walk_forward import walk_forward

NULL_SYMBOLS, SIGNAL_SYMBOLS = 40, 100
NULL_LOOKBACK_DAYS, SIGNAL_LOOKBACK_DAYS = 360, 720  # whole windows of 90 days
LAST_SESSION = dt.date(2019, 12, 31)


def path_settings(lookback_days: int, seed: int) -> ModelSettings:
    """Return the defaults but for a small search, few windows and thin training: what makes 30 runs affordable."""
    return ModelSettings(
        walk_forward=WalkForwardSettings(
            window_days=90, lookback_days=lookback_days, train_years=2.0, training_stride=10
        ),
        tuning=TuningSettings(n_trials=2, inner_folds=2, cadence_windows=0, network_seeds=1, seed=seed),
        evidence=EvidenceSettings(bootstrap_draws=BOOTSTRAP_DRAWS),
    )


def run_whole_path(seed: int, rank_ic: float) -> Judgement:
    """Run the product's own walk-forward on a market with a signal of `rank_ic`, and ask the gates."""
    n_symbols, lookback_days, first = (
        (NULL_SYMBOLS, NULL_LOOKBACK_DAYS, dt.date(2015, 1, 2))
        if rank_ic == 0.0
        else (SIGNAL_SYMBOLS, SIGNAL_LOOKBACK_DAYS, dt.date(2014, 1, 2))
    )
    settings = path_settings(lookback_days, seed)
    dataset = SimulatedSource(seed, n_symbols, rank_ic, first, LAST_SESSION).market().dataset
    view = market_view(dataset, build_features(dataset), settings.portfolio)
    run = walk_forward(view, LAST_SESSION, settings, dataset_hash(dataset))
    is_holdout = run.predictions["fold"] == run.plan.holdout.number
    searches = [search.search_trials() for search in run.searches]
    trials = weigh_trials(searches, dataset, settings.portfolio.horizon)
    return judge_frames(dataset, run.predictions[~is_holdout], run.predictions[is_holdout], settings, trials)
