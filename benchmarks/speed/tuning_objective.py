"""What one trial of the search costs beside its fit: recommend and simulate its scores over the inner folds."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.speed.measuring import as_seconds, best_of
from lambdas.core.backtest.metrics import sharpe_ratio
from lambdas.core.models.inner_portfolio import InnerPortfolio
from lambdas.core.models.training_data import TrainingData
from lambdas.core.settings import ModelSettings

N_SYMBOLS, N_SESSIONS, STRIDE = 500, 252, 5


def measure(repetitions: int = 15) -> dict[str, Any]:
    """Time the objective of a year of inner folds, scored on every fifth session."""
    random = np.random.default_rng(0)
    shape = (N_SESSIONS, N_SYMBOLS)
    prices = np.exp(np.cumsum(random.normal(0.0003, 0.02, shape), axis=0))
    settings = ModelSettings()
    portfolio = InnerPortfolio(
        trade=prices,
        mark=prices * np.exp(random.normal(0.0, 0.005, shape)),
        cash_rate=np.full(N_SESSIONS, 0.00008),
        eligible=np.ones(shape, dtype=np.bool_),
        rule=settings.recommendation.model_copy(update={"min_probability": 0.0}),
        portfolio=settings.portfolio,
    )
    dates = np.arange(0, N_SESSIONS, STRIDE)
    n_rows = len(dates) * N_SYMBOLS
    data = TrainingData(
        X=np.zeros((n_rows, 1), dtype=np.float32),
        y=np.zeros(n_rows),
        net_return=np.zeros(n_rows),
        decisions=np.repeat(dates, N_SYMBOLS),
        columns=np.tile(np.arange(N_SYMBOLS), len(dates)),
        names=("unused",),
    )
    score = random.standard_normal(n_rows)
    rows = np.arange(n_rows)
    timing = best_of(lambda: sharpe_ratio(portfolio.excess_returns(data, rows, score)), repetitions)
    return {"n_symbols": N_SYMBOLS, "n_sessions": N_SESSIONS, "ours": as_seconds(timing)}
