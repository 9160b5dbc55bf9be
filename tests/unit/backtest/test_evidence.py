"""Bounds against `arch` doing the same the slow way; PSR and DSR against the paper's example and purgedcv."""

from __future__ import annotations

import math

import numpy as np
import purgedcv
import pytest
from arch.bootstrap import StationaryBootstrap
from numpy.testing import assert_allclose
from scipy.stats import kurtosis, norm, skew
from scipy.stats import t as student

from lambdas.core.backtest.bootstrap import lower_bound, resampled_sums, upper_bound, widening
from lambdas.core.backtest.evidence import (
    BOOTSTRAP_SEED,
    drawdown_bound,
    hit_rate_bounds,
    outperformance_bound,
    pooled_evidence,
    return_bounds,
)
from lambdas.core.backtest.hits import HitsByDate
from lambdas.core.backtest.metrics import sharpe_ratio
from lambdas.core.backtest.sharpe_inference import (
    deflated_sharpe_of,
    expected_best_sharpe,
    minimum_track_record,
    null_trial_variance,
    probabilistic_sharpe,
    probabilistic_sharpe_of,
)
from lambdas.core.settings import EvidenceSettings

FEW = EvidenceSettings(bootstrap_draws=400)


def counts(random: np.random.Generator, n_dates: int, rate: float = 0.6) -> HitsByDate:
    n = random.integers(0, 12, n_dates).astype(float)
    hits = random.binomial(n.astype(int), rate).astype(float)
    return HitsByDate(n_recommended=n, n_matured=n, n_compared=n, hits=hits, base=0.5 * n, matched=0.55 * n)


class TestBootstrap:
    def test_sums_equal_those_of_arch_resample_by_resample(self):
        columns = np.random.default_rng(0).normal(size=(130, 3))
        slow = StationaryBootstrap(21, columns, seed=7).apply(lambda x: x.sum(axis=0), 900)
        assert_allclose(resampled_sums(columns, 21, 900, seed=7), slow, rtol=1e-10, atol=1e-12)

    def test_bounds_of_hit_rate_and_skills_equal_those_of_arch(self):
        hits = counts(np.random.default_rng(1), 200)
        matured = np.arange(200) < 180

        def rates(h, n, base, matched):
            return np.array([h.sum() / n.sum(), (h - base).sum() / n.sum(), (h - matched).sum() / n.sum()])

        arrays = [a[matured] for a in (hits.hits, hits.n_matured, hits.base, hits.matched)]
        slow = StationaryBootstrap(21, *arrays, seed=BOOTSTRAP_SEED).apply(rates, 400)
        estimate = rates(*arrays)
        expected = estimate + widening(180, 21, 21, 0.95) * (np.quantile(slow, 0.05, axis=0) - estimate)
        assert_allclose(hit_rate_bounds(hits, matured, 21, FEW), expected, rtol=1e-10)

    def test_bounds_of_active_return_and_sharpe_equal_those_of_arch(self):
        random = np.random.default_rng(2)
        excess, active = random.normal(0.0005, 0.01, 300), random.normal(0.0001, 0.004, 300)

        def statistics(e, a):
            return np.array([a.mean() * 252, sharpe_ratio(e)])

        slow = StationaryBootstrap(21, excess, active, seed=BOOTSTRAP_SEED).apply(statistics, 400)
        estimate = statistics(excess, active)
        expected = estimate + widening(300, 21, 1, 0.95) * (np.quantile(slow, 0.05, axis=0) - estimate)
        assert_allclose(return_bounds(excess, active, 21, FEW), expected, rtol=1e-9)

    @pytest.mark.parametrize("n_sessions", [62, 252, 400])
    def test_the_bound_of_outperformance_equals_that_of_arch(self, n_sessions):
        random = np.random.default_rng(n_sessions)
        own, market = random.normal(0.001, 0.01, n_sessions), random.normal(0.0004, 0.009, n_sessions)
        exponent = 252 / n_sessions if n_sessions > 252 else 1.0  # longer windows are annualised

        def ahead(a, b):
            return np.prod(1 + a) ** exponent - np.prod(1 + b) ** exponent

        slow = StationaryBootstrap(21, own, market, seed=BOOTSTRAP_SEED).apply(ahead, 400)[:, 0]
        estimate = ahead(own, market)
        expected = estimate + widening(n_sessions, 21, 1, 0.95) * (np.quantile(slow, 0.05) - estimate)
        assert outperformance_bound(own, market, 21, FEW) == pytest.approx(expected, rel=1e-9)

    def test_the_bound_of_the_drawdown_equals_that_of_arch(self):
        returns = np.random.default_rng(13).normal(0.001, 0.01, 252)

        def fall(r):
            worst, peak, value = 0.0, 1.0, 1.0
            for step in r:
                value *= 1 + step
                peak = max(peak, value)
                worst = max(worst, 1 - value / peak)
            return worst

        slow = StationaryBootstrap(21, returns, seed=BOOTSTRAP_SEED).apply(fall, 700)
        settings = EvidenceSettings(bootstrap_draws=700)
        assert drawdown_bound(returns, 21, settings) == pytest.approx(np.quantile(slow, 0.95), rel=1e-9)
        assert fall(returns) < np.quantile(slow, 0.95)

    def test_the_bound_of_the_drawdown_is_never_below_the_fall_that_was_seen(self):
        """A fall that took a hundred sessions is cut up by blocks of five."""
        returns = np.concatenate([np.full(100, 0.004), np.full(100, -0.004)]) + 1e-4
        assert drawdown_bound(returns, 5, FEW) == pytest.approx(1 - (1 - 0.0039) ** 100, rel=1e-9)

    def test_fewer_than_two_blocks_have_no_bound_of_drawdown_and_outperformance(self):
        assert drawdown_bound(np.full(41, 0.01), 21, FEW) is None
        assert outperformance_bound(np.full(41, 0.01), np.zeros(41), 21, FEW) is None

    def test_fewer_than_two_blocks_are_no_evidence(self):
        hits = counts(np.random.default_rng(3), 41)
        assert hit_rate_bounds(hits, np.ones(41, dtype=bool), 21, FEW) == (None, None, None)
        assert return_bounds(np.ones(41), np.ones(41), 21, FEW) == (None, None)

    def test_dates_that_have_not_matured_are_not_resampled(self):
        hits = counts(np.random.default_rng(4), 100)
        padded = HitsByDate(*(np.concatenate([a, np.zeros(40)]) for a in vars(hits).values()))
        matured = np.arange(140) < 100
        assert hit_rate_bounds(padded, matured, 10, FEW) == hit_rate_bounds(hits, matured[:100], 10, FEW)

    @pytest.mark.parametrize(("n_sessions", "overlap"), [(230, 21), (734, 21), (230, 1), (62, 1)])
    def test_without_skill_a_bound_exceeds_zero_about_five_times_in_a_hundred(self, n_sessions, overlap):
        """Overlapping outcomes with shared luck, or unrelated returns. Plain percentiles reach 14 % in the first."""
        random, n_samples = np.random.default_rng(11), 2000
        steps = random.normal(size=(n_sessions + overlap - 1, n_samples))
        summed = np.cumsum(np.concatenate([np.zeros((1, n_samples)), steps]), axis=0)
        values = summed[overlap:] - summed[:-overlap]
        means = resampled_sums(values, 21, 500, seed=3) / n_sessions
        estimate = values.mean(axis=0)
        widen = widening(n_sessions, 21, overlap, 0.95)
        above = [lower_bound(means[:, k], 0.95, estimate[k], widen) > 0 for k in range(n_samples)]
        assert 0.035 <= np.mean(above) <= 0.065  # three standard errors of 5 % are 1.5 points
        if overlap == 21:
            plain = np.mean(np.quantile(means, 0.05, axis=0) > 0)
            assert plain > np.mean(above) + 0.025

    def test_the_widening_is_that_of_the_matrices_written_out(self):
        """Expected variance and degrees of freedom of x'Qx by explicit matrices; covariance not on a circle."""
        n, block, overlap = 90, 10, 10
        lag = np.abs(np.subtract.outer(np.arange(n), np.arange(n)))
        covariance = np.maximum(1 - lag / overlap, 0.0)
        wrapped = np.minimum(lag, n - lag)
        kernel = np.where(
            lag == 0,
            1.0,
            sum((1 - k / n) * (1 - 1 / block) ** k for k in (wrapped, n - wrapped)),
        )
        centre = np.eye(n) - 1 / n
        form = centre @ kernel @ centre / n**2
        expected = np.trace(form @ covariance)
        true = covariance.mean()
        product = form @ covariance
        freedom = np.trace(product) ** 2 / np.trace(product @ product)
        result = np.sqrt(true / expected) * student.ppf(0.95, freedom) / norm.ppf(0.95)
        assert widening(n, block, overlap, 0.95) == pytest.approx(result, rel=0.01)
        # And the expectation is what arch finds: the variance of its resampled means over many samples.
        random = np.random.default_rng(12)
        samples = np.linalg.cholesky(covariance + 1e-12 * np.eye(n)) @ random.normal(size=(n, 3000))
        found = (resampled_sums(samples, block, 1500, seed=4) / n).var(axis=0).mean()
        assert found == pytest.approx(expected, rel=0.05)

    def test_the_widening_vanishes_in_long_samples_with_long_blocks(self):
        assert widening(20_000, 200, 5, 0.95) == pytest.approx(1.0, abs=0.03)
        assert widening(100, 21, 21, 0.95) > widening(250, 21, 21, 0.95) > widening(750, 21, 21, 0.95) > 1.2

    def test_bounds_are_one_sided_quantiles_moved_away_and_unknown_values_are_left_out(self):
        values = np.array([*np.arange(1.0, 101.0), np.nan])
        assert lower_bound(values, 0.95, 50.0, 1.0) == pytest.approx(5.95)
        assert upper_bound(values, 0.95, 50.0, 1.0) == pytest.approx(95.05)
        assert lower_bound(values, 0.95, 50.0, 1.2) == pytest.approx(50 - 1.2 * 44.05)
        assert lower_bound(np.array([1.0, np.nan, np.nan]), 0.95, 1.0, 1.0) is None
        assert lower_bound(values, 0.95, None, 1.0) is None


class TestSharpe:
    """Bailey & Lopez de Prado (2014): SR 2.5 a year, 250 sessions to the year, 1250 of them, V = 1/2 a year."""

    sharpe = 2.5 / math.sqrt(250)

    @pytest.mark.parametrize(
        ("n_trials", "skewness", "kurtosis", "deflated"),
        [(100, -3.0, 10.0, 0.9004), (46, -3.0, 10.0, 0.9505), (88, 0.0, 3.0, 0.9505)],
    )
    def test_worked_example(self, n_trials, skewness, kurtosis, deflated):
        benchmark = expected_best_sharpe(n_trials, 0.5 / 250)
        result = probabilistic_sharpe(self.sharpe, 1250, skewness, kurtosis, benchmark)
        assert result == pytest.approx(deflated, abs=5e-5)

    def test_expected_best_of_a_hundred(self):
        assert expected_best_sharpe(100, 0.5 / 250) == pytest.approx(0.1132, abs=5e-5)
        assert expected_best_sharpe(1, 0.5) == 0.0
        assert expected_best_sharpe(0, 0.5) == 0.0

    def test_agrees_with_purgedcv_given_its_moments(self):
        """It divides by the deviation with ddof 0 and corrects skewness and kurtosis for bias; at T = 600 the third
        digit after the nines shows it. The formula is the same.
        """
        returns = np.random.default_rng(6).standard_t(5, 600) * 0.01 + 0.001
        sharpe = returns.mean() / returns.std()
        g3, g4 = skew(returns, bias=False), kurtosis(returns, bias=False, fisher=False)
        assert probabilistic_sharpe(sharpe, 600, g3, g4) == pytest.approx(
            purgedcv.probabilistic_sharpe_ratio(returns, 0.0), rel=1e-12
        )
        assert probabilistic_sharpe(sharpe, 600, g3, g4, expected_best_sharpe(40, 0.002)) == pytest.approx(
            purgedcv.deflated_sharpe_ratio(returns, 40, 0.002), rel=1e-12
        )
        assert probabilistic_sharpe_of(returns) == pytest.approx(
            purgedcv.probabilistic_sharpe_ratio(returns, 0.0), abs=1e-4
        )

    def test_moments_of_a_series_are_those_of_scipy(self):
        returns = np.random.default_rng(6).gamma(2.0, 0.01, 300) - 0.018
        sharpe = returns.mean() / returns.std(ddof=1)
        expected = probabilistic_sharpe(sharpe, 300, skew(returns), kurtosis(returns, fisher=False), 0.01)
        assert probabilistic_sharpe_of(returns, 0.01) == pytest.approx(expected, rel=1e-12)

    def test_minimum_track_record_reaches_the_confidence_at_just_that_length(self):
        returns = np.random.default_rng(7).normal(0.002, 0.01, 500)
        length = minimum_track_record(returns, 0.95)
        sharpe = returns.mean() / returns.std(ddof=1)
        deviations = returns - returns.mean()
        g3 = np.mean(deviations**3) / np.mean(deviations**2) ** 1.5
        g4 = np.mean(deviations**4) / np.mean(deviations**2) ** 2
        assert math.ceil(length) == purgedcv.min_track_record_length(sharpe, 0.0, 0.05, g3, g4)
        variance = 1 - g3 * sharpe + (g4 - 1) / 4 * sharpe**2
        assert sharpe * math.sqrt(length - 1) / math.sqrt(variance) == pytest.approx(1.6448536, rel=1e-6)
        assert minimum_track_record(-np.abs(returns), 0.95) is None

    def test_the_best_of_many_without_skill_shows_what_the_formula_expects(self):
        random = np.random.default_rng(8)
        returns = random.normal(0, 0.01, (400, 60, 252))
        best = (returns.mean(axis=2) / returns.std(axis=2, ddof=1)).max(axis=1)
        assert best.mean() == pytest.approx(expected_best_sharpe(60, null_trial_variance(252)), rel=0.03)

    def test_an_unknown_number_of_trials_is_no_evidence(self):
        returns = np.random.default_rng(9).normal(0.002, 0.01, 300)
        assert deflated_sharpe_of(returns, None) is None
        assert deflated_sharpe_of(returns, 1) == probabilistic_sharpe_of(returns)
        assert deflated_sharpe_of(returns, 1000) < deflated_sharpe_of(returns, 10) < deflated_sharpe_of(returns, 1)

    @pytest.mark.parametrize("flat", [[], [0.01], [0.0] * 30])
    def test_returns_that_do_not_vary_are_no_evidence(self, flat):
        assert probabilistic_sharpe_of(np.array(flat)) is None
        assert deflated_sharpe_of(np.array(flat), 10) is None
        assert minimum_track_record(np.array(flat), 0.95) is None

    def test_impossible_moments_are_none(self):
        assert probabilistic_sharpe(1.0, 100, skewness=5.0, kurtosis=3.0) is None


def test_evidence_of_a_portfolio_in_cash_is_empty_but_finite():
    nothing = HitsByDate(*(np.zeros(100) for _ in range(6)))
    evidence = pooled_evidence(
        nothing,
        np.ones(100, dtype=bool),
        np.zeros(100),
        np.full(100, -0.0004),
        horizon=21,
        settings=FEW,
        n_trials=5,
    )
    assert evidence.matched_skill_lower is None
    assert evidence.sharpe_ratio_lower is None
    assert evidence.deflated_sharpe is None
    assert evidence.active_return == pytest.approx(-0.1008)
    assert evidence.active_return_lower == pytest.approx(-0.1008)


def test_the_same_input_gives_the_same_evidence_to_the_last_digit():
    random = np.random.default_rng(10)
    hits, excess, active = counts(random, 200), random.normal(0, 0.01, 199), random.normal(0, 0.01, 199)
    twice = [
        pooled_evidence(hits, np.ones(200, dtype=bool), excess, active, horizon=21, settings=FEW, n_trials=5)
        for _ in range(2)
    ]
    assert twice[0] == twice[1]
