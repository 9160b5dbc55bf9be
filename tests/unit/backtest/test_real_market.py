"""Random predictions on ten years of 495 real companies: the fast code against the loops, defects and all."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from markets import member_of
from numpy.testing import assert_allclose, assert_array_equal
from slow_loop import prices_of, slow_eligible, slow_rates, slow_recommend, slow_simulation

from lambdas.core.backtest import metrics
from lambdas.core.backtest.evaluation import slice_metrics
from lambdas.core.backtest.portfolio import cash_rates
from lambdas.core.backtest.run import run_backtest
from lambdas.core.settings import ModelSettings, RecommendationRule

SETTINGS = ModelSettings(recommendation=RecommendationRule(min_probability=0.3))
N_SYMBOLS = 40


@pytest.mark.parametrize("with_membership", [True, False])
def test_all_numbers_equal_those_of_the_loops(sample, with_membership):
    dataset = sample if with_membership else replace(sample, membership=None)
    random = np.random.default_rng(7)
    n_sessions = len(dataset.sessions)
    first, last = 300, n_sessions - 1
    sessions = np.arange(first, last + 1)
    frame = pd.DataFrame(
        {
            "date": np.repeat(dataset.sessions[sessions], N_SYMBOLS),
            "symbol": np.tile(dataset.prices.symbols, len(sessions)),
            "probability": random.random(N_SYMBOLS * len(sessions)).round(2),
        }
    )
    frame = frame[np.isfinite(dataset.prices.close[sessions]).ravel()]
    backtest = run_backtest(dataset, frame, SETTINGS)
    pooled = slice_metrics(backtest, first, last)

    allowed = slow_eligible(dataset.prices, member_of(dataset), 252)
    assert_array_equal(backtest.eligible, allowed)
    if with_membership:
        assert not allowed.all(axis=1)[first:].any()
    chosen = slow_recommend(backtest.aligned.probability, allowed, 0.10, 5, 0.3)
    assert_array_equal(backtest.recommended, chosen)
    slow = slow_simulation(dataset.prices, chosen, first, last, 21, 0.0005, cash_rates(dataset))
    for name in ("equity", "invested", "traded", "cost"):
        assert_allclose(getattr(backtest.portfolio, name), getattr(slow, name), rtol=1e-9, atol=1e-13)
    spy = prices_of(dataset.benchmarks, dataset.benchmarks.symbols.index("SPY"))
    rates = slow_rates(dataset.prices, spy, chosen, allowed, 21, 0.0005, first, last)

    equity = np.array(slow.equity)
    returns = equity[1:] / equity[:-1] - 1
    market = spy.last_adjusted_close(last) / spy.trade(first + 1) - 1
    expected = {
        "n_recommendations": rates["n_recommendations"],
        "n_matured": rates["n_matured"],
        "hit_rate": rates["absolute"],
        "base_rate": rates["absolute_base"],
        "skill": rates["absolute"] - rates["absolute_base"],
        "matched_base_rate": rates["matched"],
        "matched_skill": rates["absolute"] - rates["matched"],
        "relative_hit_rate": rates["relative"],
        "relative_base_rate": rates["relative_base"],
        "total_return": equity[-1] - 1,
        "cagr": equity[-1] ** (252 / len(returns)) - 1,
        "volatility": returns.std(ddof=1) * 252**0.5,
        "sharpe_ratio": metrics.sharpe_ratio(returns - cash_rates(dataset)[first + 1 :]),
        "max_drawdown": max(1 - equity[t] / equity[: t + 1].max() for t in range(len(equity))),
        "turnover": sum(slow.traded) / 2 / equity[1:].mean() * 252 / len(returns),
        "exposure": np.mean(np.array(slow.invested[1:]) / equity[1:]),
        "delisted_held": len(slow.delisted),
    }
    for name, value in expected.items():
        assert getattr(pooled, name) == pytest.approx(value, rel=1e-9, abs=1e-12), name
    assert pooled.benchmark_return["SPY"] == pytest.approx(market, rel=1e-12)
    assert pooled.market_outperformance["SPY"] == pytest.approx(equity[-1] - 1 - market, rel=1e-9)
    assert len(returns) == 219  # up to 252 sessions nothing is annualised
