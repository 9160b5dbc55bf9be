"""A market and settings that are small enough to run a whole machine in a test."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from lambdas.core.market_data.dataset import write_dataset
from lambdas.core.market_data.sources import SimulatedSource

SETTINGS = {
    "AMTS_MODEL__PORTFOLIO__HORIZON": "5",
    "AMTS_MODEL__PORTFOLIO__MIN_HISTORY_SESSIONS": "130",
    "AMTS_MODEL__WALK_FORWARD__WINDOW_DAYS": "90",
    "AMTS_MODEL__WALK_FORWARD__LOOKBACK_DAYS": "360",
    "AMTS_MODEL__WALK_FORWARD__BENCHMARK_PERIOD_DAYS": "90",
    "AMTS_MODEL__WALK_FORWARD__TRAIN_YEARS": "1.0",
    "AMTS_MODEL__WALK_FORWARD__MIN_TRAIN_SESSIONS": "100",
    "AMTS_MODEL__TUNING__N_TRIALS": "1",
    "AMTS_MODEL__TUNING__INNER_FOLDS": "2",
    "AMTS_MODEL__TUNING__CADENCE_WINDOWS": "0",
    "AMTS_MODEL__TUNING__NETWORK_SEEDS": "1",
    "AMTS_MODEL__EVIDENCE__BOOTSTRAP_DRAWS": "300",
    "AMTS_MODEL__EVIDENCE__RANDOM_PORTFOLIOS": "50",
}


def market(folder: Path, signal_rank_ic: float, seed: int = 1) -> Path:
    """Write a small simulated market as a data set folder, and return it."""
    source = SimulatedSource(
        seed=seed, n_symbols=24, signal_rank_ic=signal_rank_ic, first=dt.date(2014, 1, 2), last=dt.date(2016, 12, 30)
    )
    write_dataset(source.load(None, as_of=None).dataset, folder)
    return folder
