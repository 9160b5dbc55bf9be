"""Metrics against empyrical, quantstats, statsmodels and scipy where their conventions are ours, else by hand.

Where they differ, and why ours is kept:

- alpha: empyrical compounds it, ``(1 + a)^252 - 1``; ours is ``252 a``, so that its standard error scales alike.
- sortino: all three divide by the root mean square of the negative returns, counting the others as 0.
- cagr: quantstats divides by calendar years of 365 days, ours by 252 sessions (as empyrical does).
- sharpe: quantstats takes a yearly rate that it spreads evenly; ours subtracts what cash earned on each day.
"""

from __future__ import annotations

import empyrical
import numpy as np
import pandas as pd
import pytest
import quantstats
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.stats import spearmanr

from lambdas.core.backtest import metrics


@pytest.fixture
def returns() -> np.ndarray:
    return np.random.default_rng(0).normal(0.0006, 0.01, 700)


def equity_of(returns: np.ndarray) -> np.ndarray:
    return np.concatenate([[1.0], np.cumprod(1 + returns)])


def dated(returns: np.ndarray) -> pd.Series:
    return pd.Series(returns, index=pd.bdate_range("2015-01-05", periods=len(returns)))


def test_agrees_with_empyrical(returns):
    equity = equity_of(returns)
    assert metrics.sharpe_ratio(returns) == pytest.approx(empyrical.sharpe_ratio(returns), rel=1e-12)
    assert metrics.max_drawdown(equity) == pytest.approx(-empyrical.max_drawdown(returns), rel=1e-12)
    assert metrics.volatility(returns) == pytest.approx(empyrical.annual_volatility(returns), rel=1e-12)
    assert metrics.total_return(equity) == pytest.approx(empyrical.cum_returns_final(returns), rel=1e-12)
    assert metrics.annualised(metrics.total_return(equity), 700) == pytest.approx(
        empyrical.annual_return(returns), rel=1e-12
    )
    market = np.random.default_rng(1).normal(0.0004, 0.008, 700) + 0.5 * returns
    fit = metrics.regress(returns, market[:, np.newaxis], 21)
    assert fit.beta[0] == pytest.approx(empyrical.beta(returns, market), rel=1e-9)
    assert (1 + fit.alpha / 252) ** 252 - 1 == pytest.approx(empyrical.alpha(returns, market), rel=1e-9)


def test_sortino_agrees_with_both_and_is_unknown_without_a_loss(returns):
    assert metrics.sortino_ratio(returns) == pytest.approx(empyrical.sortino_ratio(returns), rel=1e-12)
    assert metrics.sortino_ratio(returns) == pytest.approx(quantstats.stats.sortino(dated(returns)), rel=1e-12)
    by_hand = 252**0.5 * np.mean([0.02, -0.01, 0.0]) / (0.01**2 / 3) ** 0.5
    assert metrics.sortino_ratio(np.array([0.02, -0.01, 0.0])) == pytest.approx(by_hand, rel=1e-12)
    assert metrics.sortino_ratio(np.abs(returns)) is None
    assert metrics.sortino_ratio(np.array([-0.01])) is None


def test_agrees_with_quantstats(returns):
    series = dated(returns)
    assert metrics.sharpe_ratio(returns) == pytest.approx(quantstats.stats.sharpe(series), rel=1e-12)
    assert metrics.max_drawdown(equity_of(returns)) == pytest.approx(-quantstats.stats.max_drawdown(series), rel=1e-12)
    assert metrics.volatility(returns) == pytest.approx(quantstats.stats.volatility(series), rel=1e-12)


def test_a_fall_from_the_first_close_counts():
    assert metrics.max_drawdown(np.array([1.0, 0.9, 0.95])) == pytest.approx(0.1)
    assert metrics.max_drawdown(np.array([1.0, 1.1, 1.2])) == 0.0


@pytest.mark.parametrize("bad", [[], [1.0, 0.0], [1.0, np.nan], [1.0, np.inf], [-1.0]])
def test_drawdown_refuses_what_is_no_equity(bad):
    with pytest.raises(ValueError, match="positive and finite"):
        metrics.max_drawdown(np.array(bad))


@pytest.mark.parametrize("flat", [[], [0.01], [0.01, 0.01, 0.01], [0.0] * 50])
def test_a_sharpe_ratio_without_variation_is_unknown_not_infinite(flat):
    assert metrics.sharpe_ratio(np.array(flat)) is None
    assert metrics.sharpe_ratio_lo(np.array(flat), 21) is None


def test_lo_factor_of_uncorrelated_returns_is_one_and_of_an_ar1_that_of_the_paper():
    random = np.random.default_rng(2)
    noise = random.normal(0.001, 0.01, 400_000)
    assert metrics.sharpe_ratio_lo(noise, 5) == pytest.approx(metrics.sharpe_ratio(noise), rel=0.02)
    rho = 0.3
    ar1 = np.empty_like(noise)
    previous = 0.0
    for t, shock in enumerate(noise - 0.001):
        previous = rho * previous + shock
        ar1[t] = previous + 0.001
    q = 252  # Lo (2002): eta = sqrt(q) * (1 + 2 rho / (1 - rho) * (1 - (1 - rho^q) / (q (1 - rho))))^-1/2
    factor = (1 + 2 * rho / (1 - rho) * (1 - (1 - rho**q) / (q * (1 - rho)))) ** -0.5
    assert metrics.sharpe_ratio_lo(ar1, 30) == pytest.approx(metrics.sharpe_ratio(ar1) * factor, rel=0.03)


def test_lo_factor_against_its_sum_written_out(returns):
    deviations = returns - returns.mean()
    rho = [float(deviations[k:] @ deviations[:-k] / (deviations @ deviations)) for k in range(1, 22)]
    variance_of_a_year = 252 + 2 * sum((252 - k) * r for k, r in enumerate(rho, start=1))
    expected = returns.mean() / returns.std(ddof=1) * 252 / variance_of_a_year**0.5
    assert metrics.sharpe_ratio_lo(returns, 21) == pytest.approx(expected, rel=1e-12)


def test_outperformance_is_annualised_only_beyond_a_year():
    assert metrics.market_outperformance(0.21, 0.10, 252) == pytest.approx(0.11)
    assert metrics.market_outperformance(0.21, 0.10, 253) == pytest.approx(1.21 ** (252 / 253) - 1.1 ** (252 / 253))
    assert metrics.market_outperformance(0.21, 0.0, 504) == pytest.approx(0.1)
    assert metrics.market_outperformance(-1.0, 0.0, 504) is None


def test_turnover_of_replacing_everything_monthly_is_twelve():
    traded = np.zeros(252)
    traded[::21] = 2.0  # all sold and all bought, equity 1
    assert metrics.turnover(traded, np.ones(252)) == pytest.approx(12.0)
    assert metrics.turnover(np.array([]), np.array([])) is None


def test_exposure_is_the_mean_share():
    assert metrics.exposure(np.array([0.0, 1.0]), np.array([1.0, 2.0])) == pytest.approx(0.25)


def test_newey_west_errors_against_the_formula(returns):
    random = np.random.default_rng(3)
    market = random.normal(0.0004, 0.01, (700, 3))
    fit = metrics.regress(returns, market, 21)
    design = np.column_stack([np.ones(700), market])
    bread = np.linalg.inv(design.T @ design)
    coefficients = bread @ design.T @ returns
    scores = design * (returns - design @ coefficients)[:, np.newaxis]
    meat = scores.T @ scores
    for lag in range(1, 22):
        cross = scores[lag:].T @ scores[:-lag]
        meat += (1 - lag / 22) * (cross + cross.T)
    errors = np.sqrt(np.diag(bread @ meat @ bread))
    assert fit.alpha == pytest.approx(coefficients[0] * 252, rel=1e-9)
    assert_allclose(fit.beta, coefficients[1:], rtol=1e-9)
    assert fit.alpha_standard_error == pytest.approx(errors[0] * 252, rel=1e-9)
    assert_allclose(fit.beta_standard_error, errors[1:], rtol=1e-9)
    assert sm.OLS(returns, design).fit().params[0] * 252 == pytest.approx(fit.alpha, rel=1e-9)


def test_a_regression_that_cannot_be_made_is_none(returns):
    market = np.random.default_rng(4).normal(size=(700, 1))
    assert metrics.regress(returns[:3], market[:3], 21) is None
    assert metrics.regress(returns, np.zeros((700, 1)), 21) is None
    assert metrics.regress(returns, np.column_stack([market, market]), 21) is None
    assert metrics.regress(returns, np.where(np.arange(700)[:, np.newaxis] == 5, np.nan, market), 21) is None


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_rank_ic_against_scipy_date_by_date(seed):
    random = np.random.default_rng(seed)
    probability = np.round(random.random((12, 8)), 1)  # ties
    gross = random.normal(size=(12, 8))
    probability[random.random(probability.shape) < 0.2] = np.nan
    gross[random.random(gross.shape) < 0.2] = np.nan
    allowed = random.random(gross.shape) < 0.8
    probability[0] = 0.5
    result = metrics.rank_ic_by_date(probability, gross, allowed)
    for d in range(12):
        pairs = [
            (probability[d, s], gross[d, s])
            for s in range(8)
            if allowed[d, s] and probability[d, s] == probability[d, s] and gross[d, s] == gross[d, s]
        ]
        if len(pairs) < 3 or len({p for p, _ in pairs}) == 1:
            assert np.isnan(result[d])
        else:
            assert result[d] == pytest.approx(spearmanr(*zip(*pairs, strict=True)).statistic, abs=1e-12)


def test_mean_and_ratio_skip_dates_without_a_value():
    mean, ratio = metrics.mean_and_ratio(np.array([0.1, np.nan, 0.3]))
    assert mean == pytest.approx(0.2)
    assert ratio == pytest.approx(0.2 / np.std([0.1, 0.3], ddof=1))
    assert metrics.mean_and_ratio(np.array([np.nan])) == (None, None)
    assert metrics.mean_and_ratio(np.array([0.1])) == (0.1, None)
