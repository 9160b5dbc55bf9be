"""Trials of a run's searches: correlation, variance, PBO and SPA, and what they do to the deflated Sharpe ratio."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from markets import random_dataset

from lambdas.core.backtest.benchmarks import benchmark_equity
from lambdas.core.backtest.overfitting import probability_of_overfitting, superior_predictive_ability
from lambdas.core.backtest.sharpe_inference import (
    deflation,
    effective_trials,
    expected_best_sharpe,
    null_trial_variance,
)
from lambdas.core.backtest.trials import SearchTrials, market_excess_returns, weigh_trials
from lambdas.core.labels import MARKET
from lambdas.core.market_data.panel import MarketDataset
from lambdas.core.values import TrialEvidence

HORIZON = 5


@pytest.fixture(scope="module")
def dataset() -> MarketDataset:
    return random_dataset(np.random.default_rng(0), 400, 4, defects=False)


def search(dataset: MarketDataset, returns: np.ndarray, first: int = 10, failed: int = 0) -> SearchTrials:
    days = dataset.sessions
    return SearchTrials(
        n_trials=returns.shape[1] + failed,
        first_session=days[first].date(),
        last_session=days[first + len(returns)].date(),
        returns=returns,
    )


def around_the_market(dataset: MarketDataset, first: int, n_sessions: int, n_trials: int, seed: int) -> np.ndarray:
    market = market_excess_returns(dataset, dataset.sessions[first].date(), dataset.sessions[first + n_sessions].date())
    return market[:, np.newaxis] + np.random.default_rng(seed).normal(0, 0.005, (n_sessions, n_trials))


def test_correlation_variance_pbo_and_spa_of_two_searches(dataset):
    returns = [around_the_market(dataset, 10, 150, 4, 1), around_the_market(dataset, 100, 200, 3, 2)]
    result = weigh_trials(
        [search(dataset, returns[0], 10, failed=2), search(dataset, returns[1], 100)], dataset, HORIZON
    )
    pairs = [
        pd.Series(matrix[:, i]).corr(pd.Series(matrix[:, j]))
        for matrix in returns
        for i in range(matrix.shape[1])
        for j in range(i)
    ]
    assert result.correlation == pytest.approx(np.mean(pairs), rel=1e-12)
    ratios = [matrix.mean(axis=0) / matrix.std(axis=0, ddof=1) for matrix in returns]
    pooled = (3 * ratios[0].var(ddof=1) + 2 * ratios[1].var(ddof=1)) / 5
    assert result.sharpe_variance == pytest.approx(pooled, rel=1e-12)
    assert result.pbo == np.mean([probability_of_overfitting(matrix, 16).pbo for matrix in returns])
    markets = [
        market_excess_returns(dataset, dataset.sessions[a].date(), dataset.sessions[b].date())
        for a, b in ((10, 160), (100, 300))
    ]
    p_values = [superior_predictive_ability(m, r, HORIZON) for m, r in zip(markets, returns, strict=True)]
    assert result.spa_p_value == pytest.approx(min(1.0, 2 * min(p_values)))
    assert (result.n_searches, result.n_trials, result.n_measured) == (2, 9, 7)


def test_trials_in_cash_and_searches_of_one_trial_measure_nothing(dataset):
    one = search(dataset, around_the_market(dataset, 10, 150, 1, 1))
    none = search(dataset, np.empty((0, 0)), failed=3)
    result = weigh_trials([one, none], dataset, HORIZON)
    assert (result.n_trials, result.n_measured) == (4, 1)
    assert (result.correlation, result.sharpe_variance, result.pbo) == (None, None, None)
    cash = search(dataset, np.zeros((150, 3)))
    assert weigh_trials([cash], dataset, HORIZON).correlation is None
    assert weigh_trials([cash], dataset, HORIZON).sharpe_variance is None
    assert weigh_trials([], dataset, HORIZON).n_trials == 0


def test_the_market_is_spy_less_cash_from_the_open(dataset):
    days = dataset.sessions
    excess = market_excess_returns(dataset, days[20].date(), days[60].date())
    curve = benchmark_equity(dataset, 20, 60, must_reach=60)[MARKET]
    yields = dataset.macro["ust3m"].to_numpy()
    for i in range(40):
        known = yields[20 + i]
        cash = 0.0 if np.isnan(known) else known / 100 / 252
        assert excess[i] == pytest.approx(curve[21 + i] / curve[20 + i] - 1 - cash, rel=1e-12)
    assert market_excess_returns(dataset, days[20].date(), pd.Timestamp("2030-01-01").date()) is None


def test_a_search_is_read_from_what_was_stored():
    stored = {
        "trials": 3,
        "first_session": "2015-01-05",
        "last_session": "2015-01-08",
        "trial_log": [{"returns": [0.1, 0.2, 0.3]}, {"returns": []}, {"returns": [0.4, 0.5, 0.6]}],
    }
    read = SearchTrials.of(stored)
    assert read.n_trials == 3
    assert read.returns.tolist() == [[0.1, 0.4], [0.2, 0.5], [0.3, 0.6]]
    assert SearchTrials.of(stored | {"trial_log": []}).returns.size == 0


def evidence(correlation: float | None, variance: float | None) -> TrialEvidence:
    return TrialEvidence(
        n_searches=1, n_trials=9, n_measured=9, correlation=correlation, sharpe_variance=variance, pbo=None,
        spa_p_value=None,
    )  # fmt: skip


class TestDeflation:
    def test_effective_number(self):
        assert effective_trials(100, 0.0) == 100
        assert effective_trials(100, 1.0) == 1
        assert effective_trials(100, 0.9) == pytest.approx(10.9)
        assert effective_trials(100, -0.2) == 100
        assert effective_trials(0, 0.5) == 0

    def test_without_trials_all_count_as_independent(self):
        result = deflation(500, 40)
        assert result.expected_best == expected_best_sharpe(40, null_trial_variance(500))
        assert (result.effective_trials, result.variance) == (40, 1 / 500)
        assert deflation(500, 0).expected_best == deflation(500, 1).expected_best == 0.0

    def test_trials_that_differ_in_skill_raise_the_threshold(self):
        alike, different = (deflation(500, 40, evidence(0.8, v)) for v in (0.2 / 500, 9 / 500))
        assert alike.expected_best < different.expected_best
        assert different.variance == 9 / 500
        assert different.expected_best == expected_best_sharpe(40, 9 / 500)

    @pytest.mark.parametrize("n_trials", [3, 24, 96])
    @pytest.mark.parametrize("rho", [0.0, 0.5, 0.9, 0.98])
    def test_it_is_never_below_what_the_best_of_correlated_trials_without_skill_shows(self, n_trials, rho):
        """Against simulated trials; shrinking both number and variance would fail this by up to one half."""
        random = np.random.default_rng(5)
        n_sessions = 252
        common = random.normal(size=(4000, 1))
        own = random.normal(size=(4000, n_trials))
        ratios = (np.sqrt(rho) * common + np.sqrt(1 - rho) * own) / np.sqrt(n_sessions)
        best = ratios.max(axis=1)
        spread = float(ratios.var(axis=1, ddof=1).mean())
        given = deflation(n_sessions, n_trials, evidence(rho, spread)).expected_best
        # The formula's own error is 5 % for three trials.
        assert given >= 0.94 * best.mean() - 3 * best.std() / np.sqrt(4000)
        assert given <= expected_best_sharpe(n_trials, 1 / n_sessions) * 1.05
