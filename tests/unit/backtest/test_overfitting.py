"""PBO against purgedcv's loop, SPA against what a p-value must do."""

from __future__ import annotations

import numpy as np
import pytest
from arch.bootstrap import SPA
from numpy.testing import assert_allclose
from purgedcv import probability_of_backtest_overfitting
from scipy.stats import kstest

from lambdas.core.backtest.overfitting import (
    _spa_by_counts,
    probability_of_overfitting,
    superior_predictive_ability,
)


@pytest.mark.parametrize(("n_sessions", "n_trials", "n_splits"), [(120, 7, 8), (203, 4, 6), (64, 2, 10)])
def test_logits_equal_those_of_purgedcv(n_sessions, n_trials, n_splits):
    returns = np.random.default_rng(n_sessions).normal(0.0005, 0.01, (n_sessions, n_trials))
    slow = probability_of_backtest_overfitting(returns.T, n_splits)
    fast = probability_of_overfitting(returns, n_splits)
    assert_allclose(fast.logits, slow.logits, atol=1e-12)
    assert fast.pbo == np.mean(slow.logits <= 0)


def test_a_trial_in_cash_and_two_equal_trials_are_ranked_as_by_purgedcv():
    returns = np.random.default_rng(1).normal(0.0, 0.01, (96, 5))
    returns[:, 2] = 0.0
    returns[:, 4] = returns[:, 3]
    slow = probability_of_backtest_overfitting(returns.T, 8)
    assert_allclose(probability_of_overfitting(returns, 8).logits, slow.logits, atol=1e-12)


def test_luck_is_overfitted_half_the_time_and_skill_is_not():
    random = np.random.default_rng(2)
    luck = random.normal(0, 0.01, (640, 20))
    skill = luck.copy()
    skill[:, 3] += 0.003
    # One sample of luck is one draw: its PBO varies around one half.
    pbo = np.mean([probability_of_overfitting(random.normal(0, 0.01, (320, 20)), 8).pbo for _ in range(40)])
    assert pbo == pytest.approx(0.5, abs=0.12)
    result = probability_of_overfitting(skill)
    assert result.pbo < 0.01
    assert len(result.logits) == 12870


@pytest.mark.parametrize(
    "returns",
    [np.zeros((100, 1)), np.zeros((20, 4)), np.full((100, 3), np.nan)],
)
def test_what_cannot_be_judged_is_refused(returns):
    with pytest.raises(ValueError, match=r"PBO needs|finite"):
        probability_of_overfitting(returns)


def test_spa_is_rarely_small_without_skill_and_small_with_it():
    random = np.random.default_rng(3)
    p_values = []
    for _ in range(60):
        market = random.normal(0.0005, 0.01, 250)
        trials = market[:, np.newaxis] + random.normal(0, 0.005, (250, 6))
        p_values.append(superior_predictive_ability(market, trials, 10, draws=200))
    assert np.mean(np.array(p_values) < 0.1) <= 0.22
    assert 0.3 < np.mean(p_values) < 0.75
    trials[:, 2] += 0.002
    assert superior_predictive_ability(market, trials, 10) < 0.01


@pytest.mark.parametrize(("n_sessions", "n_trials", "mean_block"), [(90, 1, 5), (250, 6, 21), (61, 12, 30)])
def test_spa_is_that_of_arch(n_sessions, n_trials, mean_block):
    """To the last resample: the three p-values, and the critical values behind them."""
    random = np.random.default_rng(n_sessions)
    market = random.normal(0.0005, 0.01, n_sessions)
    trials = market[:, np.newaxis] + random.normal(0.0, 0.005, (n_sessions, n_trials))
    trials += np.linspace(-0.002, 0.0005, n_trials)  # some are bad enough not to be recentred
    arguments = {"block_size": mean_block, "reps": 600, "bootstrap": "stationary", "seed": 3}
    slow, fast = (test(-market, -trials, **arguments) for test in (SPA, _spa_by_counts()))
    for test in (slow, fast):
        test.compute()
    assert fast.pvalues.to_dict() == slow.pvalues.to_dict()
    assert_allclose(fast.critical_values(), slow.critical_values(), rtol=1e-10, atol=1e-16)
    assert superior_predictive_ability(market, trials, mean_block, 600, 3) == slow.pvalues["consistent"]


def test_p_values_of_the_spa_are_uniform_where_no_trial_differs_from_the_market():
    """All trials as good as the market is the border of the null, where a test of the right size is uniform."""
    random = np.random.default_rng(5)
    p_values = []
    for _ in range(400):
        market = random.normal(0.0005, 0.01, 250)
        trials = market[:, np.newaxis] + random.normal(0.0, 0.005, (250, 8))
        p_values.append(superior_predictive_ability(market, trials, 2, draws=200))
    assert kstest(p_values, "uniform").pvalue > 0.01
    assert np.mean(np.array(p_values) <= 0.05) == pytest.approx(0.05, abs=0.033)  # three standard errors
    assert np.mean(np.array(p_values) <= 0.5) == pytest.approx(0.5, abs=0.075)
