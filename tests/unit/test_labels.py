"""Trade prices, eligibility and outcomes, each against a case small enough to do by hand, then against a slow loop."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from lambdas.core.errors import InvalidDatasetError
from lambdas.core.labels import compute_outcomes, eligible, execution_prices, mark_prices, trade_prices
from lambdas.core.market_data.panel import MarketDataset, PricePanel
from lambdas.core.settings import PortfolioSettings

NAN = np.nan


def panel(close: list[list[float]], adj_close=None, open_=None, symbols=("A", "B", "C")) -> PricePanel:
    closes = np.array(close, dtype=float)
    nothing = np.full_like(closes, NAN)
    return PricePanel(
        sessions=pd.bdate_range("2020-01-06", periods=len(closes)),
        symbols=tuple(symbols[: closes.shape[1]]),
        open=nothing if open_ is None else np.array(open_, dtype=float),
        high=nothing,
        low=nothing,
        close=closes,
        adj_close=closes.copy() if adj_close is None else np.array(adj_close, dtype=float),
        volume=nothing,
    )


def dataset(prices: PricePanel, spy: list[float] | None = None, membership=None) -> MarketDataset:
    values = np.ones(len(prices.sessions)) if spy is None else np.array(spy, dtype=float)
    return MarketDataset(
        prices=prices, benchmarks=panel(values[:, np.newaxis].tolist(), symbols=("SPY",)), membership=membership
    )


def test_trade_price_is_the_open_on_the_scale_of_the_adjusted_close():
    prices = panel([[10.0], [20.0]], adj_close=[[5.0], [20.0]], open_=[[8.0], [19.0]])
    assert_array_equal(trade_prices(prices), [[4.0], [19.0]])


def test_without_opens_the_adjusted_close_is_traded():
    prices = panel([[10.0], [20.0]], adj_close=[[5.0], [19.0]])
    assert_array_equal(trade_prices(prices), [[5.0], [19.0]])


def test_one_missing_open_falls_back_to_the_adjusted_close_of_its_own_session():
    prices = panel([[10.0], [20.0]], adj_close=[[5.0], [19.0]], open_=[[NAN], [21.0]])
    assert_allclose(trade_prices(prices), [[5.0], [19.95]])


def test_prices_that_ended_trade_at_the_last_adjusted_close_and_gaps_do_not_trade():
    ended_listed_gap = [[10.0, NAN, 30.0], [11.0, 20.0, NAN], [NAN, 21.0, 32.0], [NAN, 22.0, 33.0]]
    prices = panel(ended_listed_gap, open_=(np.array(ended_listed_gap) - 1.0).tolist())
    assert_array_equal(trade_prices(prices), [[9, NAN, 29], [10, 19, NAN], [11, 20, 31], [11, 21, 32]])
    assert_array_equal(execution_prices(prices), [[9, NAN, 29], [10, 19, 30], [11, 20, 31], [11, 21, 32]])
    assert_array_equal(mark_prices(prices), [[10, NAN, 30], [11, 20, 30], [11, 21, 32], [11, 22, 33]])


def test_a_symbol_without_any_price_never_trades():
    assert np.isnan(trade_prices(panel([[NAN], [NAN]]))).all()
    assert np.isnan(execution_prices(panel([[NAN], [NAN]]))).all()


def test_eligible_needs_a_close_enough_history_and_a_price_at_the_next_session():
    prices = panel([[1.0, NAN, 1.0], [1.0, 1.0, 1.0], [1.0, 1.0, NAN], [1.0, 1.0, 1.0], [NAN, 1.0, 1.0]])
    expected = np.array(
        [
            [False, False, False],  # one close is not enough history for anybody
            [True, False, False],  # C has no price at the next session
            [True, True, False],  # C has no close
            [True, True, True],  # A ends here, which nobody knows yet: it stays
            [False, True, True],  # the last session: nothing is known of the next one
        ]
    )
    assert_array_equal(eligible(dataset(prices), 2), expected)


def test_eligible_only_on_the_days_of_membership_and_the_end_is_exclusive():
    prices = panel([[1.0, 1.0, 1.0]] * 5)
    days = prices.sessions
    membership = pd.DataFrame(
        {
            "symbol": ["A", "A", "B", "ELSEWHERE"],
            "start": [days[0], days[3], days[1] - pd.Timedelta(days=0), days[0]],
            "end": [days[1], pd.NaT, days[4], pd.NaT],
        }
    )
    allowed = eligible(dataset(prices, membership=membership), 1)
    assert_array_equal(allowed[:, 0], [True, False, False, True, True])
    assert_array_equal(allowed[:, 1], [False, True, True, True, False])
    assert not allowed[:, 2].any()


def test_outcome_of_a_worked_example():
    prices = panel([[10.0], [20.0], [30.0], [44.0]], open_=[[9.0], [19.0], [29.0], [38.0]])
    outcomes = compute_outcomes(dataset(prices, spy=[1.0, 1.0, 1.0, 2.5]), PortfolioSettings(horizon=2, cost_bps=100.0))
    assert_array_equal(outcomes.matured, [True, False, False, False])
    assert outcomes.gross[0, 0] == pytest.approx(38 / 19 - 1)
    assert outcomes.net[0, 0] == pytest.approx(2.0 * 0.99**2 - 1)
    assert outcomes.benchmark[0] == pytest.approx(1.5)
    assert outcomes.absolute_hit[0, 0] == 1.0
    assert outcomes.relative_hit[0, 0] == 0.0
    assert np.isnan(outcomes.absolute_hit[1:]).all()


def test_a_flat_price_is_no_hit_even_without_cost():
    outcomes = compute_outcomes(dataset(panel([[10.0]] * 4)), PortfolioSettings(horizon=1, cost_bps=0.0))
    assert_array_equal(outcomes.absolute_hit[:2, 0], [0.0, 0.0])
    assert_array_equal(outcomes.relative_hit[:2, 0], [0.0, 0.0])


def test_a_benchmark_that_ends_early_leaves_relative_hits_unknown_but_not_absolute_ones():
    outcomes = compute_outcomes(
        dataset(panel([[1.0], [2.0], [3.0], [4.0]]), spy=[1.0, 1.0, 1.0, NAN]), PortfolioSettings(horizon=1)
    )
    assert_array_equal(np.isnan(outcomes.relative_hit[:, 0]), [False, True, True, True])
    assert_array_equal(outcomes.absolute_hit[:2, 0], [1.0, 1.0])


def test_a_data_set_without_spy_is_refused():
    prices = panel([[1.0], [2.0]])
    with pytest.raises(InvalidDatasetError, match="SPY is missing"):
        compute_outcomes(
            MarketDataset(prices=prices, benchmarks=panel([[1.0], [2.0]], symbols=("QQQ",))), PortfolioSettings()
        )


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), horizon=st.integers(1, 6))
def test_against_a_loop_over_every_decision_and_symbol(seed: int, horizon: int):
    random = np.random.default_rng(seed)
    close = np.exp(random.normal(0, 0.05, (14, 3)).cumsum(axis=0))
    close[random.random(close.shape) < 0.15] = NAN
    close[random.integers(3, 20) :, 0] = NAN
    adjusted = close * random.uniform(0.5, 1.0, close.shape)
    opens = np.where(random.random(close.shape) < 0.1, NAN, close * random.uniform(0.9, 1.1, close.shape))
    prices = panel(close.tolist(), adj_close=adjusted.tolist(), open_=opens.tolist())
    min_history = int(random.integers(1, 5))
    data = dataset(prices)
    outcomes = compute_outcomes(data, PortfolioSettings(horizon=horizon, cost_bps=20.0))
    allowed = eligible(data, min_history)

    def price(session: int, symbol: int, holding: bool) -> float:
        lived = [t for t in range(14) if close[t, symbol] == close[t, symbol]]
        if not lived or session < lived[0]:
            return NAN
        if session > lived[-1]:
            return float(adjusted[lived[-1], symbol])
        if session not in lived:
            before = [t for t in lived if t < session]
            return float(adjusted[before[-1], symbol]) if holding else NAN
        if opens[session, symbol] == opens[session, symbol]:
            return float(opens[session, symbol] * adjusted[session, symbol] / close[session, symbol])
        return float(adjusted[session, symbol])

    for i in range(14):
        for s in range(3):
            closes = sum(close[t, s] == close[t, s] for t in range(i + 1))
            tradable = i == 13 or price(i + 1, s, holding=False) == price(i + 1, s, holding=False)
            assert allowed[i, s] == (close[i, s] == close[i, s] and closes >= min_history and tradable)
            expected = NAN
            if i + 1 + horizon < 14:
                expected = price(i + 1 + horizon, s, holding=True) / price(i + 1, s, holding=False) - 1
            assert_allclose(outcomes.gross[i, s], expected, rtol=1e-13, atol=1e-15)


def test_dates_of_membership_may_fall_on_days_without_a_session():
    prices = panel([[1.0]] * 6)  # Monday to Friday, then Monday
    saturday = dt.datetime(2020, 1, 11)
    membership = pd.DataFrame({"symbol": ["A"], "start": [saturday], "end": [pd.NaT]})
    assert_array_equal(eligible(dataset(prices, membership=membership), 1)[:, 0], [False] * 5 + [True])
