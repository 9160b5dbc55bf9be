"""Slippage: the simulation against the slow loop, the rates by hand, and what grows with what."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from markets import random_dataset
from numpy.testing import assert_allclose
from slow_loop import slow_simulation

from lambdas.core.backtest.portfolio import cash_rates, simulate
from lambdas.core.backtest.slippage import impact_rates
from lambdas.core.backtest.trades import trade_list
from lambdas.core.errors import InvalidDatasetError
from lambdas.core.market_data.panel import MarketDataset
from lambdas.core.settings import PortfolioSettings

HORIZON = 5
SETTINGS = PortfolioSettings(horizon=HORIZON, slippage="square_root", capital=5e6)


def market(seed: int, defects: bool = True) -> tuple[MarketDataset, np.ndarray]:
    random = np.random.default_rng(seed)
    dataset = random_dataset(random, 90, 6, defects=defects)
    volume = random.uniform(1e4, 1e6, dataset.prices.close.shape)
    volume[random.random(volume.shape) < 0.05] = np.nan
    dataset = replace(dataset, prices=replace(dataset.prices, volume=volume))
    buyable = np.isfinite(dataset.prices.close)
    buyable[:-1] &= buyable[1:]
    return dataset, buyable & (random.random(buyable.shape) < 0.4)


@pytest.mark.parametrize("seed", range(6))
def test_equals_the_slow_loop(seed):
    dataset, recommended = market(seed)
    rates = impact_rates(dataset.prices, SETTINGS)
    fast = simulate(dataset, recommended, 30, 85, SETTINGS)
    slow = slow_simulation(dataset.prices, recommended, 30, 85, HORIZON, 0.0005, cash_rates(dataset), rates)
    assert_allclose(fast.equity, slow.equity, rtol=1e-12)
    assert_allclose(fast.cost, slow.cost, rtol=1e-11, atol=1e-16)
    assert_allclose(fast.traded, slow.traded, rtol=1e-11, atol=1e-14)


@pytest.mark.parametrize("seed", range(4))
def test_the_list_of_trades_costs_what_the_portfolio_paid(seed):
    """Each open by itself, with what was sold into cash and bought out of it."""
    dataset, recommended = market(seed)
    recommended[50:53] = False
    portfolio = simulate(dataset, recommended, 30, 85, SETTINGS)
    trades = trade_list(dataset, recommended, portfolio, SETTINGS)
    by_open = trades.groupby("date")["cost"].sum().reindex(dataset.sessions[30:86], fill_value=0.0)
    assert_allclose(by_open, portfolio.cost, rtol=1e-10, atol=1e-16)
    assert_allclose(trades["cost"] - trades["slippage"], SETTINGS.cost_bps / 1e4 * trades["traded"].abs(), atol=1e-18)
    assert (trades["slippage"] > 0).sum() > 50


def test_the_rate_of_a_symbol_by_hand():
    dataset, _ = market(0, defects=False)
    panel = dataset.prices
    rates = impact_rates(panel, SETTINGS)
    for session, symbol in ((40, 0), (41, 3), (89, 5)):
        window = range(session - 21, session)
        dollars = [panel.close[t, symbol] * panel.volume[t, symbol] for t in window]
        moves = [np.log(panel.adj_close[t, symbol] / panel.adj_close[t - 1, symbol]) for t in window]
        expected = np.std(moves) * np.sqrt(5e6 / np.nanmean(dollars))
        assert rates[session, symbol] == pytest.approx(expected, rel=1e-9)


def test_only_what_is_known_before_the_open_is_read():
    dataset, _ = market(1)
    panel = dataset.prices
    rates = impact_rates(panel, SETTINGS)
    changed = replace(panel, volume=np.where(np.arange(90)[:, None] >= 60, 1.0, panel.volume))
    known = np.isfinite(rates[:61]) & (np.arange(61) >= 30)[:, None]
    assert (impact_rates(changed, SETTINGS)[:61][known] == rates[:61][known]).all()
    assert (impact_rates(changed, SETTINGS)[61:] != rates[61:]).any()


def test_four_times_the_capital_or_half_the_coefficient():
    dataset, recommended = market(2)
    rates = impact_rates(dataset.prices, SETTINGS)
    assert_allclose(impact_rates(dataset.prices, SETTINGS.model_copy(update={"capital": 2e7})), 2 * rates)
    assert_allclose(impact_rates(dataset.prices, SETTINGS.model_copy(update={"slippage_coefficient": 0.5})), rates / 2)
    ends = [
        simulate(dataset, recommended, 30, 85, SETTINGS.model_copy(update=change)).equity[-1]
        for change in ({"slippage": "none"}, {"slippage_coefficient": 0.0}, {}, {"capital": 5e8})
    ]
    assert ends[0] == ends[1] > ends[2] > ends[3]


def test_no_slippage_is_the_default_and_needs_no_volume():
    dataset, _ = market(3)
    assert impact_rates(dataset.prices, PortfolioSettings()) is None


def test_a_symbol_without_volume_is_among_the_most_expensive():
    dataset, _ = market(4, defects=False)
    volume = dataset.prices.volume.copy()
    volume[:, 2] = np.nan
    rates = impact_rates(replace(dataset.prices, volume=volume), SETTINGS)
    assert np.isfinite(rates).all()
    assert (rates[40:, 2] >= np.median(rates[40:], axis=1)).all()


def test_without_any_volume_it_cannot_be_measured():
    dataset, _ = market(5)
    nothing = replace(dataset.prices, volume=np.full(dataset.prices.close.shape, np.nan))
    with pytest.raises(InvalidDatasetError, match="volume is missing"):
        impact_rates(nothing, SETTINGS)
