"""Portfolios drawn by lot: the same simulation, and draws that favour nobody."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markets import random_dataset
from numpy.testing import assert_allclose, assert_array_equal

from lambdas.core.backtest.metrics import sharpe_ratio
from lambdas.core.backtest.portfolio import cash_rates, simulate_arrays
from lambdas.core.backtest.random_portfolios import draw_subsets, simulate_many, simulate_random_portfolios
from lambdas.core.labels import eligible, execution_prices, mark_prices


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), horizon=st.integers(1, 9), n_sessions=st.integers(3, 40))
def test_many_at_once_equal_one_after_the_other(seed, horizon, n_sessions):
    random = np.random.default_rng(seed)
    dataset = random_dataset(random, n_sessions, 7)
    allowed = eligible(dataset, 1)
    picks = (random.random((4, n_sessions, 7)) < 0.4) & allowed
    picks[:, random.random(n_sessions) < 0.2] = False
    trade, mark, cash = execution_prices(dataset.prices), mark_prices(dataset.prices), cash_rates(dataset)
    first, last = 1, n_sessions - 1
    many = simulate_many(lambda i: picks[:, i], 4, trade, mark, first, last, horizon, 0.002, cash)
    for portfolio in range(4):
        one = simulate_arrays(trade, mark, picks[portfolio], first, last, horizon, 0.002, cash)
        assert_allclose(many[portfolio], one.equity, rtol=1e-12)


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


@pytest.mark.parametrize(("n", "size"), [(10, 3), (10, 7), (10, 5), (1, 1)])
def test_every_symbol_and_every_pair_is_drawn_equally_often(n, size):
    draws = draw_subsets(np.random.default_rng(4), 40_000, n, size)
    assert_array_equal(draws.sum(axis=1), size)
    assert_allclose(draws.mean(axis=0), size / n, atol=0.012)
    if n > 1:
        together = (draws.astype(float).T @ draws)[np.triu_indices(n, 1)] / 40_000
        assert_allclose(together, size * (size - 1) / (n * (n - 1)), atol=0.012)


def test_subsets_of_nothing_and_of_everything():
    random = np.random.default_rng(5)
    assert not draw_subsets(random, 3, 4, 0).any()
    assert draw_subsets(random, 3, 4, 9).all()
    assert draw_subsets(random, 3, 0, 2).shape == (3, 0)


def test_only_eligible_symbols_are_drawn():
    random = np.random.default_rng(6)
    dataset = random_dataset(random, 60, 5, defects=False)
    trade, mark = execution_prices(dataset.prices), mark_prices(dataset.prices)
    allowed = np.zeros((60, 5), dtype=bool)
    allowed[:, 3] = True
    drawn = simulate_random_portfolios(trade, mark, allowed, np.full(60, 4), 0, 59, 5, 0.0, np.zeros(60), 4, seed=1)
    assert_allclose(drawn.total_return, mark[59, 3] / trade[1, 3] - 1)
