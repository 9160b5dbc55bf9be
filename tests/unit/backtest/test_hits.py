"""Hit rates, base rates and matched base rates against loops over every recommendation."""

from __future__ import annotations

import numpy as np
import pytest
from arch.bootstrap import StationaryBootstrap
from hypothesis import given, settings
from hypothesis import strategies as st
from markets import make_panel, random_dataset
from numpy.testing import assert_array_equal
from slow_loop import prices_of, slow_quintiles, slow_rates

from lambdas.core.backtest.hits import effective_n, hits_by_date, volatility_groups
from lambdas.core.labels import compute_outcomes, eligible
from lambdas.core.settings import PortfolioSettings


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), defects=st.booleans(), membership=st.booleans(), foreign=st.booleans())
def test_rates_against_the_slow_loop(seed, defects, membership, foreign):
    random = np.random.default_rng(seed)
    dataset = random_dataset(random, 290, 11, defects=defects, membership=membership)
    allowed = eligible(dataset, 20)
    # `foreign`: a file's own recommendations may leave the eligible set.
    chosen = (random.random(allowed.shape) < 0.25) & (allowed | (foreign & ~np.isnan(dataset.prices.close)))
    horizon, first, last = 5, 120, 289
    outcomes = compute_outcomes(dataset, PortfolioSettings(horizon=horizon, cost_bps=10.0))
    chosen &= np.isfinite(outcomes.gross) | ~outcomes.matured[:, np.newaxis]
    chosen[~allowed.any(axis=1)] = False
    span = slice(first, last + 1)
    groups = volatility_groups(dataset.prices, allowed, first, last)
    for i in (first, 200, last):
        slow_groups = slow_quintiles(dataset.prices, allowed[i], i)
        assert {int(s): int(groups[i - first, s]) for s in np.flatnonzero(groups[i - first] >= 0)} == slow_groups

    fast = {
        name: hits_by_date(hit[span], chosen[span], allowed[span], groups)
        for name, hit in (("absolute", outcomes.absolute_hit), ("relative", outcomes.relative_hit))
    }
    if foreign and (chosen & ~allowed).any():
        expected_sum = 0.0  # what the slow loop calls peers is not defined for them: only the plain rates are compared
        for i in range(first, last + 1):
            expected_sum += np.nansum(np.where(chosen[i], outcomes.absolute_hit[i], 0.0))
        assert fast["absolute"].hit_rate == pytest.approx(expected_sum / fast["absolute"].n_matured.sum())
        return
    spy = prices_of(dataset.benchmarks, dataset.benchmarks.symbols.index("SPY"))
    slow = slow_rates(dataset.prices, spy, chosen, allowed, horizon, 0.001, first, last)
    assert fast["absolute"].n_recommended.sum() == slow["n_recommendations"]
    assert fast["absolute"].n_matured.sum() == slow["n_matured"]
    if slow["n_matured"]:
        for name, base, matched in (
            ("absolute", "absolute_base", "matched"),
            ("relative", "relative_base", "rmatched"),
        ):
            assert fast[name].hit_rate == pytest.approx(slow[name], abs=1e-12)
            assert fast[name].base_rate == pytest.approx(slow[base], abs=1e-12)
            assert fast[name].matched_base_rate == pytest.approx(slow[matched], abs=1e-12)
            assert fast[name].skill == pytest.approx(slow[name] - slow[base], abs=1e-12)
            assert fast[name].matched_skill == pytest.approx(slow[name] - slow[matched], abs=1e-12)


def test_recommending_everything_has_no_skill_of_either_kind():
    dataset = random_dataset(np.random.default_rng(1), 200, 12)
    allowed = eligible(dataset, 20)
    outcomes = compute_outcomes(dataset, PortfolioSettings(horizon=5))
    groups = volatility_groups(dataset.prices, allowed, 100, 199)
    everything = hits_by_date(outcomes.absolute_hit[100:], allowed[100:], allowed[100:], groups)
    assert everything.skill == pytest.approx(0.0, abs=1e-15)
    assert everything.matched_skill == pytest.approx(0.0, abs=1e-15)


def test_buying_only_the_calm_has_skill_but_no_matched_skill():
    """Two groups of symbols: calm ones always hit, wild ones never; picking the calm is no selection."""
    hit = np.tile([1.0] * 4 + [0.0] * 4, (50, 1))
    groups = np.tile([0] * 4 + [4] * 4, (50, 1))
    chosen = np.zeros((50, 8), dtype=bool)
    chosen[:, :2] = True
    result = hits_by_date(hit, chosen, np.ones((50, 8), dtype=bool), groups)
    assert result.hit_rate == 1.0
    assert result.skill == 0.5
    assert result.matched_skill == 0.0


def test_each_date_weighs_in_the_base_rate_as_much_as_it_recommends():
    hit = np.array([[1.0, 1.0, 1.0, 0.0], [0.0, 0.0, 0.0, 1.0]])
    chosen = np.array([[True, True, True, False], [True, False, False, False]])
    result = hits_by_date(hit, chosen, np.ones((2, 4), dtype=bool), np.full((2, 4), 5))
    assert result.base_rate == pytest.approx((3 * 0.75 + 1 * 0.25) / 4)


def test_nothing_matured_is_unknown():
    unknown = hits_by_date(
        np.full((3, 2), np.nan), np.ones((3, 2), dtype=bool), np.ones((3, 2), dtype=bool), np.zeros((3, 2), dtype=int)
    )
    assert unknown.n_recommended.sum() == 6
    assert unknown.hit_rate is None
    assert unknown.skill is None
    assert unknown.matched_skill is None


def test_a_date_without_eligible_symbols_has_hits_but_no_base():
    allowed = np.array([[False, False], [True, True]])
    chosen = np.array([[True, False], [True, False]])
    result = hits_by_date(np.array([[1.0, 0.0], [0.0, 1.0]]), chosen, allowed, np.where(allowed, 0, -1))
    assert result.hit_rate == 0.5
    assert result.base_rate == 0.5
    assert result.n_compared.tolist() == [0.0, 1.0]


def test_quintiles_of_ten_symbols_hold_two_each_and_ties_go_by_symbol():
    random = np.random.default_rng(0)
    noise = random.normal(0, 1, (300, 1))
    scale = np.array([1, 1, 2, 3, 4, 5, 6, 7, 8, 9]) * 0.001
    panel = make_panel(100 * np.exp((noise * scale).cumsum(axis=0)))
    allowed = np.ones((300, 10), dtype=bool)
    assert_array_equal(volatility_groups(panel, allowed, 299, 299)[0], [0, 0, 1, 1, 2, 2, 3, 3, 4, 4])
    allowed[:, 0] = False  # nine symbols: floor(5 r / 9)
    assert_array_equal(volatility_groups(panel, allowed, 299, 299)[0], [-1, *(5 * r // 9 for r in range(9))])


def test_fewer_than_126_returns_are_the_sixth_group():
    panel = make_panel(100 * np.exp(np.random.default_rng(0).normal(0, 0.01, (130, 3)).cumsum(axis=0)))
    groups = volatility_groups(panel, np.ones((130, 3), dtype=bool), 125, 126)
    assert_array_equal(groups[0], [5, 5, 5])
    assert sorted(groups[1].tolist()) == [0, 1, 3]


def test_effective_n_is_what_the_bootstrap_of_dates_says():
    random = np.random.default_rng(3)
    luck = np.convolve(random.normal(size=400), np.ones(10), "valid") / 10**0.5
    n_matured = random.integers(5, 15, luck.size).astype(float)
    hits = random.binomial(n_matured.astype(int), 1 / (1 + np.exp(-luck))).astype(float)
    rate = hits.sum() / n_matured.sum()
    bootstrap = StationaryBootstrap(10, hits - rate * n_matured, seed=1)
    variance = bootstrap.apply(lambda residual: residual.sum(), 6_000).var() / n_matured.sum() ** 2
    expected = rate * (1 - rate) / variance
    assert effective_n(hits, n_matured, 10) == pytest.approx(expected, rel=0.06)
    assert expected < 0.5 * n_matured.sum()


def test_effective_n_of_independent_recommendations_is_their_number():
    hits = np.random.default_rng(0).binomial(10, 0.6, 20_000).astype(float)
    assert effective_n(hits, np.full(20_000, 10.0), 5) == pytest.approx(200_000, rel=0.05)
    assert effective_n(np.zeros(5), np.full(5, 3.0), 5) is None
    assert effective_n(np.zeros(5), np.zeros(5), 5) is None
