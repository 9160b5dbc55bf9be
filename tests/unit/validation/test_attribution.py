"""Attribution adds up, and names what was done: a sector bet is allocation, a pick within a sector is selection."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from small_panels import panel

from lambdas.core.backtest.holdings import holdings_of
from lambdas.core.backtest.run import run_backtest
from lambdas.core.market_data.dataset import read_dataset
from lambdas.core.market_data.panel import MarketDataset
from lambdas.core.settings import ModelSettings, PortfolioSettings
from lambdas.core.validation.attribution import CASH, attribute

SYMBOLS = ("A1", "A2", "B1", "B2")
SECTORS = ("Alpha", "Alpha", "Beta", "Beta")
N_SESSIONS = 120
SETTINGS = ModelSettings(portfolio=PortfolioSettings(horizon=5, min_history_sessions=20, cost_bps=10.0))


def market(drift: tuple[float, float, float, float], seed: int | None = None) -> MarketDataset:
    """Four symbols that drift, SPY flat; with a seed everything also moves at random, overnight and by day."""
    random = np.random.default_rng(0 if seed is None else seed)
    size = 0.0 if seed is None else 0.01
    close = 50 * np.exp((np.array(drift) + size * random.normal(size=(N_SESSIONS, 4))).cumsum(axis=0))
    opens = close * np.exp(size / 2 * random.normal(size=close.shape))
    spy = 200 * np.exp((size * random.normal(size=(N_SESSIONS, 1))).cumsum(axis=0))
    return MarketDataset(
        prices=panel(close, SYMBOLS, opens),
        benchmarks=panel(spy, ("SPY",), spy * np.exp(size / 2 * random.normal(size=spy.shape))),
        macro=pd.DataFrame({"ust3m": 2.0}, index=pd.bdate_range("2015-01-05", periods=N_SESSIONS)),
        securities=pd.DataFrame({"symbol": SYMBOLS, "sector": SECTORS}),
    )


def recommending(dataset: MarketDataset, chosen: np.ndarray, first: int = 30, last: int = 110) -> pd.DataFrame:
    """`chosen` of shape (n_decisions, 4)."""
    days = dataset.sessions[first : last + 1]
    return pd.DataFrame(
        {
            "date": np.repeat(days, 4),
            "symbol": np.tile(SYMBOLS, len(days)),
            "probability": 0.5,
            "recommended": np.broadcast_to(chosen, (len(days), 4)).ravel(),
        }
    )


def at_random(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).random((81, 4)) < 0.3


@pytest.mark.parametrize("seed", range(5))
def test_the_parts_add_up_to_the_outperformance_over_any_span(seed):
    dataset = market((0.001, 0.0, -0.001, 0.0005), seed)
    backtest = run_backtest(dataset, recommending(dataset, at_random(seed)), SETTINGS)
    for first, last in ((30, 110), (30, 60), (71, 110)):
        found = attribute(backtest, first, last)
        equity = backtest.portfolio.equity[[first - 30, last - 30]]
        spy = backtest.benchmarks["SPY"][[first, last]]
        assert found.outperformance == pytest.approx(equity[1] / equity[0] - spy[1] / spy[0], rel=1e-9, abs=1e-12)
        total = found.universe + found.allocation + found.selection + found.costs
        assert total == pytest.approx(found.outperformance, rel=1e-9, abs=1e-12)
        assert sum(row.allocation for row in found.by_sector) == pytest.approx(found.allocation)
        assert sum(row.selection for row in found.by_sector) == pytest.approx(found.selection)
        assert found.costs < 0.0


@pytest.mark.parametrize("seed", range(3))
def test_holdings_are_what_the_simulation_is_invested_in(seed):
    dataset = market((0.001, 0.0, -0.001, 0.0005), seed)
    backtest = run_backtest(dataset, recommending(dataset, at_random(seed)), SETTINGS)
    held = holdings_of(backtest.dataset, backtest.recommended, backtest.portfolio)
    np.testing.assert_allclose(held.at_close.sum(axis=1), backtest.portfolio.invested[1:], rtol=1e-12)


def test_holdings_on_real_prices(shared_data):
    dataset = read_dataset(shared_data, symbols=["AAPL", "MSFT", "JPM", "XOM", "PG"])
    first, last = 300, 900
    days = dataset.sessions[first : last + 1]
    chosen = np.random.default_rng(1).random((len(days), 5)) < 0.4
    rows = pd.DataFrame(
        {
            "date": np.repeat(days, 5),
            "symbol": np.tile(dataset.prices.symbols, len(days)),
            "probability": 0.5,
            "recommended": chosen.ravel(),
        }
    )
    backtest = run_backtest(dataset, rows, ModelSettings())
    held = holdings_of(backtest.dataset, backtest.recommended, backtest.portfolio)
    np.testing.assert_allclose(held.at_close.sum(axis=1), backtest.portfolio.invested[1:], rtol=1e-12)
    found = attribute(backtest, first, last)
    total = found.universe + found.allocation + found.selection + found.costs
    assert total == pytest.approx(found.outperformance, rel=1e-9)


def test_a_bet_on_the_better_sector_is_allocation():
    dataset = market((0.002, 0.002, 0.0, 0.0))
    backtest = run_backtest(dataset, recommending(dataset, np.array([True, True, False, False])), SETTINGS)
    found = attribute(backtest, 30, 110)
    assert found.allocation > 0.05
    assert found.selection == pytest.approx(0.0, abs=1e-9)


def test_a_pick_of_the_better_symbol_of_each_sector_is_selection():
    dataset = market((0.002, 0.0, 0.002, 0.0))
    backtest = run_backtest(dataset, recommending(dataset, np.array([True, False, True, False])), SETTINGS)
    found = attribute(backtest, 30, 110)
    assert found.selection > 0.05
    assert found.allocation == pytest.approx(0.0, abs=1e-3)  # equal parts drift apart a little between rolls


def test_cash_in_a_rising_universe_is_an_allocation_that_costs():
    dataset = market((0.002, 0.002, 0.002, 0.002))
    backtest = run_backtest(dataset, recommending(dataset, np.zeros(4, dtype=bool)), SETTINGS)
    found = attribute(backtest, 30, 110)
    cash = found.by_sector[-1]
    assert cash.sector == CASH
    assert cash.allocation < -0.1
    assert found.costs == found.selection == 0.0
    assert found.universe == pytest.approx(-cash.allocation, rel=0.05)


def test_without_sectors_there_is_no_attribution():
    dataset = market((0.0, 0.0, 0.0, 0.0), 1)
    bare = MarketDataset(prices=dataset.prices, benchmarks=dataset.benchmarks)
    assert attribute(run_backtest(bare, recommending(bare, at_random(1)), SETTINGS), 30, 110) is None
