"""Portfolios drawn by lot: the same simulation, and draws that favour nobody."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markets import random_dataset
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import comb
from scipy.stats import chisquare

from lambdas.core.backtest.metrics import sharpe_ratio
from lambdas.core.backtest.portfolio import cash_rates, simulate_arrays
from lambdas.core.backtest.random_portfolios import draw_subsets, simulate_many, simulate_random_portfolios
from lambdas.core.labels import eligible, execution_prices, mark_prices


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), horizon=st.integers(1, 9), n_sessions=st.integers(3, 40))
def test_many_at_once_equal_one_after_the_other(seed, horizon, n_sessions):
    """Gaps, delistings, late listings, sessions in cash; numbers of positions from none to all that are eligible."""
    random = np.random.default_rng(seed)
    dataset = random_dataset(random, n_sessions, 7)
    allowed = eligible(dataset, 1)
    wanted = np.where(random.random(n_sessions) < 0.2, 0, random.integers(0, 8, n_sessions))
    drawn = [draw_subsets(random, 4, np.flatnonzero(allowed[i]), int(wanted[i])) for i in range(n_sessions)]
    trade, mark, cash = execution_prices(dataset.prices), mark_prices(dataset.prices), cash_rates(dataset)
    first, last = 1, n_sessions - 1
    many = simulate_many(lambda i: drawn[i], 4, trade, mark, first, last, horizon, 0.002, cash)
    for portfolio in range(4):
        picks = np.zeros(allowed.shape, dtype=bool)
        for i, of_session in enumerate(drawn):
            picks[i, of_session[portfolio]] = True
        assert_array_equal(picks.sum(axis=1), np.minimum(wanted, allowed.sum(axis=1)))
        one = simulate_arrays(trade, mark, picks, first, last, horizon, 0.002, cash)
        assert_allclose(many[:, portfolio], one.equity, rtol=1e-12)


def test_sharpe_ratios_are_those_of_the_equity():
    random = np.random.default_rng(0)
    dataset = random_dataset(random, 80, 6, defects=False)
    trade, mark, cash = execution_prices(dataset.prices), mark_prices(dataset.prices), cash_rates(dataset)
    allowed = np.ones((80, 6), dtype=bool)
    # With all symbols drawn there is no lot: every portfolio is the one that recommends everything.
    drawn = simulate_random_portfolios(trade, mark, allowed, np.full(80, 6), 2, 79, 5, 0.001, cash, 3, seed=1)
    everything = simulate_arrays(trade, mark, allowed, 2, 79, 5, 0.001, cash)
    assert_allclose(drawn.total_return, everything.equity[-1] - 1)
    assert_allclose(drawn.sharpe_ratio, sharpe_ratio(everything.excess_returns))
    cash_only = simulate_random_portfolios(trade, mark, allowed, np.zeros(80, int), 2, 79, 5, 0.001, cash, 3, seed=1)
    assert np.isnan(cash_only.sharpe_ratio).all()


def as_flags(drawn: np.ndarray, n: int) -> np.ndarray:
    flags = np.zeros((len(drawn), n), dtype=bool)
    np.put_along_axis(flags, drawn, True, axis=1)
    return flags


@pytest.mark.parametrize(("n", "size"), [(10, 3), (10, 7), (10, 5), (1, 1)])
def test_every_symbol_and_every_pair_is_drawn_equally_often(n, size):
    drawn = draw_subsets(np.random.default_rng(4), 40_000, np.arange(n), size)
    assert (np.diff(drawn, axis=1) > 0).all()  # ascending, so none twice
    draws = as_flags(drawn, n)
    assert_array_equal(draws.sum(axis=1), size)
    assert_allclose(draws.mean(axis=0), size / n, atol=0.012)
    if n > 1:
        together = (draws.astype(float).T @ draws)[np.triu_indices(n, 1)] / 40_000
        assert_allclose(together, size * (size - 1) / (n * (n - 1)), atol=0.012)


@pytest.mark.parametrize(("n", "size"), [(6, 2), (6, 3), (6, 4), (7, 3)])
def test_all_subsets_are_equally_likely(n, size):
    """Chi-squared of how often each of them came; a draw that prefers some pairs fails at any seed."""
    draws = as_flags(draw_subsets(np.random.default_rng(7), 60_000, np.arange(n), size), n)
    counts = np.unique(draws @ (1 << np.arange(n)), return_counts=True)[1]
    assert len(counts) == comb(n, size, exact=True)
    assert chisquare(counts).pvalue > 0.001


def test_rows_and_calls_are_drawn_independently():
    random = np.random.default_rng(8)
    twice = [as_flags(draw_subsets(random, 20_000, np.arange(20), 4), 20).astype(float) for _ in range(2)]
    overlap = (twice[0] * twice[1]).sum(axis=1)
    neighbours = (twice[0][1:] * twice[0][:-1]).sum(axis=1)
    # Hypergeometric: 4 of 20 twice share 0.8 on average, with variance 4 / 5 * 4 / 5 * 16 / 19.
    for shared in (overlap, neighbours):
        assert shared.mean() == pytest.approx(0.8, abs=0.02)
        assert shared.var() == pytest.approx(0.64 * 16 / 19, rel=0.05)


def test_the_columns_that_are_given_are_drawn():
    drawn = draw_subsets(np.random.default_rng(5), 500, np.array([2, 5, 11]), 2)
    assert {tuple(row) for row in drawn.tolist()} == {(2, 5), (2, 11), (5, 11)}


def test_subsets_of_nothing_and_of_everything():
    random = np.random.default_rng(5)
    assert draw_subsets(random, 3, np.arange(4), 0).shape == (3, 0)
    assert_array_equal(draw_subsets(random, 3, np.arange(4), 9), np.tile(np.arange(4), (3, 1)))
    assert draw_subsets(random, 3, np.arange(0), 2).shape == (3, 0)


def test_only_eligible_symbols_are_drawn():
    random = np.random.default_rng(6)
    dataset = random_dataset(random, 60, 5, defects=False)
    trade, mark = execution_prices(dataset.prices), mark_prices(dataset.prices)
    allowed = np.zeros((60, 5), dtype=bool)
    allowed[:, 3] = True
    drawn = simulate_random_portfolios(trade, mark, allowed, np.full(60, 4), 0, 59, 5, 0.0, np.zeros(60), 4, seed=1)
    assert_allclose(drawn.total_return, mark[59, 3] / trade[1, 3] - 1)
