"""The tranche simulation against a loop over tranches and symbols, worked examples, and its invariants."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markets import NAN, make_panel, member_of, random_dataset
from numpy.testing import assert_allclose, assert_array_equal
from slow_loop import slow_eligible, slow_recommend, slow_simulation

from lambdas.core.backtest.portfolio import cash_rates, delisted_held, simulate, simulate_arrays
from lambdas.core.backtest.recommendation import recommend
from lambdas.core.backtest.trades import trade_list
from lambdas.core.errors import InvalidPredictionsError
from lambdas.core.labels import eligible, execution_prices, mark_prices
from lambdas.core.market_data.panel import MarketDataset
from lambdas.core.settings import PortfolioSettings, RecommendationRule


def market(prices, macro=None) -> MarketDataset:
    benchmarks = make_panel(np.ones((len(prices.sessions), 1)), symbols=["SPY"])
    return MarketDataset(prices=prices, benchmarks=benchmarks, macro=macro)


@settings(max_examples=120, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n_sessions=st.integers(3, 45),
    n_symbols=st.integers(1, 9),
    horizon=st.integers(1, 12),
    defects=st.booleans(),
    membership=st.booleans(),
)
def test_equals_the_slow_loop(seed, n_sessions, n_symbols, horizon, defects, membership):
    random = np.random.default_rng(seed)
    dataset = random_dataset(random, n_sessions, n_symbols, defects=defects, membership=membership)
    rule = RecommendationRule(
        top_fraction=random.uniform(0, 1), min_positions=int(random.integers(1, 5)), min_probability=0.3
    )
    # Coarse probabilities make ties; some sessions have none at all.
    probability = np.round(random.random((n_sessions, n_symbols)), 1)
    probability[random.random(probability.shape) < 0.1] = NAN
    probability[random.random(n_sessions) < 0.15] = NAN

    allowed = eligible(dataset, 2)
    assert_array_equal(allowed, slow_eligible(dataset.prices, member_of(dataset), 2))
    chosen = recommend(probability, allowed, rule)
    assert_array_equal(
        chosen, slow_recommend(probability, allowed, rule.top_fraction, rule.min_positions, rule.min_probability)
    )

    first = int(random.integers(0, n_sessions - 1))
    last = int(random.integers(first + 1, n_sessions))
    fast = simulate(dataset, chosen, first, last, PortfolioSettings(horizon=horizon, cost_bps=37.0))
    slow = slow_simulation(dataset.prices, chosen, first, last, horizon, 0.0037, cash_rates(dataset))
    assert_allclose(fast.equity, slow.equity, rtol=1e-12)
    assert_allclose(fast.invested, slow.invested, rtol=1e-12, atol=1e-13)
    assert_allclose(fast.traded, slow.traded, rtol=1e-12, atol=1e-13)
    assert_allclose(fast.cost, slow.cost, rtol=1e-12, atol=1e-15)
    assert delisted_held(dataset.prices, chosen, fast) == len(slow.delisted)

    trades = trade_list(dataset, chosen, fast, PortfolioSettings(horizon=horizon, cost_bps=37.0))
    expected = pd.DataFrame(slow.trades, columns=["session", "symbol", "change"])
    for (session, symbol), rows in expected.groupby(["session", "symbol"]):
        mine = trades[
            (trades["date"] == dataset.sessions[session]) & (trades["symbol"] == dataset.prices.symbols[symbol])
        ]
        assert_allclose(mine["traded"].sum(), rows["change"].sum(), rtol=1e-10, atol=1e-13)
    assert_allclose(trades["cost"].sum(), sum(slow.cost), rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("kind", ["gaps", "delistings", "ties", "one symbol", "one day", "all cash"])
@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), horizon=st.integers(1, 9))
def test_each_hard_case_equals_the_slow_loop(kind, seed, horizon):
    """Each made to happen, not left to chance as above."""
    random = np.random.default_rng(seed)
    n_sessions, n_symbols, first, last = 30, 1 if kind == "one symbol" else 6, 2, 29
    dataset = random_dataset(random, n_sessions, n_symbols, defects=False)
    close = dataset.prices.close.copy()
    if kind == "gaps":
        close[random.integers(5, 28, 8), random.integers(0, n_symbols, 8)] = NAN
    elif kind == "delistings":
        close[10:, 0], close[20:, 3] = NAN, NAN
    gone = np.isnan(close)
    prices = make_panel(close, np.where(gone, NAN, dataset.prices.adj_close), np.where(gone, NAN, dataset.prices.open))
    dataset = market(prices, dataset.macro)
    if kind == "one day":
        last = first + 1
    allowed = eligible(dataset, 1)
    probability = np.full(close.shape, 0.7) if kind == "ties" else random.random(close.shape)
    rule = RecommendationRule(top_fraction=0.34, min_positions=2, min_probability=0.0)
    chosen = recommend(probability, allowed, rule)
    assert_array_equal(chosen, slow_recommend(probability, allowed, 0.34, 2, 0.0))
    if kind == "delistings":
        chosen[9, 0] = chosen[19, 3] = True  # bought at the open of the first session without a price
    elif kind == "all cash":
        chosen[:] = False
    elif kind == "ties":
        assert_array_equal(chosen[first:last, :2], True)
        assert not chosen[first:last, 2:].any()

    cash = cash_rates(dataset)
    fast = simulate(dataset, chosen, first, last, PortfolioSettings(horizon=horizon, cost_bps=12.0))
    slow = slow_simulation(dataset.prices, chosen, first, last, horizon, 0.0012, cash)
    for name in ("equity", "invested", "traded", "cost"):
        assert_allclose(getattr(fast, name), getattr(slow, name), rtol=1e-12, atol=1e-14)
    if kind == "delistings":
        assert delisted_held(dataset.prices, chosen, fast) == len(slow.delisted) == 2
    elif kind == "all cash":
        assert max(slow.invested) == 0.0 == max(slow.traded)
        assert_allclose(fast.equity, np.cumprod([1.0, *(1 + cash[first + 1 : last + 1])]), rtol=1e-12)
    elif kind == "one day":
        assert len(fast.equity) == 2


def test_two_tranches_by_hand():
    """h = 2, 1 % a side. Symbol A doubles overnight from session 2 to 3; B never moves."""
    a = [10.0, 10.0, 10.0, 20.0, 20.0]
    b = [5.0] * 5
    dataset = market(make_panel(np.column_stack([a, b])))
    chosen = np.array([[1, 0], [1, 1], [0, 1], [0, 0], [0, 0]], dtype=bool)
    result = simulate(dataset, chosen, 0, 4, PortfolioSettings(horizon=2, cost_bps=100.0))
    half = 0.5 * 0.99  # both tranches hold A after the open of session 1
    rolled = half - 0.01 * half  # session 2, tranche 1: half of A is sold, B bought for it: traded 2 * half / 2
    at_3_before = half * 2.0  # session 3, tranche 0: A, doubled, is sold and B is bought
    at_3 = at_3_before - 0.01 * 2 * at_3_before
    at_4_before = rolled / 2 * 2 + rolled / 2  # session 4, tranche 1: A and B are sold into cash
    at_4 = at_4_before * 0.99
    assert_allclose(result.equity, [1, 0.99, half + rolled, at_3 + at_4_before, at_3 + at_4], rtol=1e-14)
    assert_allclose(result.invested, [0, 0.99, half + rolled, at_3 + at_4_before, at_3], rtol=1e-14)
    assert_allclose(result.traded, [0, 1, half, 2 * at_3_before, at_4_before], rtol=1e-14)


def test_spy_alone_every_day_is_spy_less_one_entry_cost():
    random = np.random.default_rng(5)
    dataset = random_dataset(random, 300, 1, defects=False)
    spy = dataset.prices
    recommended = np.ones((300, 1), dtype=bool)
    result = simulate(dataset, recommended, 10, 299, PortfolioSettings(cost_bps=5.0))
    entry = spy.open[11, 0] * spy.adj_close[11, 0] / spy.close[11, 0]
    assert_allclose(result.equity[1:], (1 - 0.0005) * spy.adj_close[11:, 0] / entry, rtol=1e-12)


def test_recommending_nothing_earns_the_bill_known_the_session_before():
    dataset = random_dataset(np.random.default_rng(1), 30, 4)
    result = simulate(dataset, np.zeros((30, 4), dtype=bool), 3, 29, PortfolioSettings(horizon=5))
    known = dataset.macro["ust3m"].fillna(0.0).to_numpy()
    expected = np.concatenate([[1.0], np.cumprod(1 + known[3:29] / 100 / 252)])
    assert_allclose(result.equity, expected, rtol=1e-12)
    assert_allclose(result.excess_returns, 0.0, atol=1e-15)
    assert result.invested.max() == 0.0


def test_cash_is_free_of_interest_where_there_was_no_quote_and_without_macro():
    prices = make_panel(np.ones((4, 1)))
    quotes = pd.DataFrame({"ust3m": [NAN, 2.52, NAN, 5.04]}, index=prices.sessions)
    assert_allclose(cash_rates(market(prices, quotes)), [0, 0, 1e-4, 0])
    assert_array_equal(cash_rates(market(prices)), np.zeros(4))


def test_the_decision_of_the_last_session_changes_nothing():
    dataset = random_dataset(np.random.default_rng(2), 40, 5, defects=False)
    chosen = np.random.default_rng(3).random((40, 5)) < 0.4
    before = simulate(dataset, chosen, 0, 39, PortfolioSettings(horizon=4)).equity
    chosen[39] = ~chosen[39]
    assert_array_equal(simulate(dataset, chosen, 0, 39, PortfolioSettings(horizon=4)).equity, before)


def test_a_longer_future_does_not_change_the_past():
    dataset = random_dataset(np.random.default_rng(4), 60, 5)
    chosen = recommend(np.random.default_rng(3).random((60, 5)), eligible(dataset, 2), RecommendationRule())
    whole = simulate(dataset, chosen, 5, 59, PortfolioSettings(horizon=7)).equity
    part = simulate(dataset, chosen, 5, 40, PortfolioSettings(horizon=7)).equity
    assert_allclose(whole[:36], part, rtol=1e-13)


@pytest.mark.parametrize("scale", [0.01, 1000.0])
def test_the_unit_of_a_price_does_not_matter(scale):
    dataset = random_dataset(np.random.default_rng(8), 50, 6, defects=False)
    prices = dataset.prices
    scaled = make_panel(prices.close * scale, prices.adj_close * scale, prices.open * scale)
    chosen = np.random.default_rng(3).random((50, 6)) < 0.4
    settings_ = PortfolioSettings(horizon=3)
    assert_allclose(
        simulate(market(scaled), chosen, 0, 49, settings_).equity,
        simulate(market(prices), chosen, 0, 49, settings_).equity,
        rtol=1e-12,
    )


def test_a_symbol_that_never_had_a_price_cannot_be_bought():
    dataset = market(make_panel([[NAN, 1.0], [NAN, 1.0], [1.0, 1.0]]))
    with pytest.raises(InvalidPredictionsError, match="S000 is recommended on 2015-01-05"):
        simulate(dataset, np.ones((3, 2), dtype=bool), 0, 2, PortfolioSettings())
    simulate(dataset, np.array([[False, True], [True, True], [True, True]]), 0, 2, PortfolioSettings())


def test_a_window_without_a_session_is_refused():
    with pytest.raises(ValueError, match="must be two of the 3 sessions"):
        simulate_arrays(np.ones((3, 1)), np.ones((3, 1)), np.ones((3, 1), dtype=bool), 1, 1, 2, 0.0)


def test_prices_of_others_are_not_touched():
    dataset = random_dataset(np.random.default_rng(9), 40, 5)
    chosen = recommend(np.random.default_rng(3).random((40, 5)), eligible(dataset, 2), RecommendationRule())
    trade, mark = execution_prices(dataset.prices), mark_prices(dataset.prices)
    copies = trade.copy(), mark.copy(), chosen.copy()
    simulate_arrays(trade, mark, chosen, 3, 39, 4, 0.001)
    for array, copy in zip((trade, mark, chosen), copies, strict=True):
        assert_array_equal(array, copy)
