"""The orders that peers are given are those of the simulation, and a missed target is called missed."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.speed.__main__ import summary_table
from benchmarks.speed.tranches import CAPITAL, TrancheCase, orders_of


@pytest.fixture
def case():
    random = np.random.default_rng(4)
    trade = np.exp(np.cumsum(random.normal(0.0, 0.02, (40, 6)), axis=0))
    recommended = random.random(trade.shape) < 0.4
    recommended[:, 0] = True  # never an empty basket: cash earns nothing with a peer
    return TrancheCase("random", trade, trade * 1.01, recommended, first=3, last=38, horizon=5, cost=0.001)


def test_executing_the_orders_one_by_one_gives_the_equity(case):
    portfolio = case.simulate()
    orders = orders_of(case, portfolio)
    cash, shares = CAPITAL, np.zeros(6)
    equity = []
    for session in range(len(orders["change"])):
        for symbol in orders["calls"][session]:
            change = orders["change"][session, symbol]
            cash -= change * orders["trade"][session, symbol] + orders["fees"][session, symbol]
            shares[symbol] += change
            assert cash > -1e-6  # sales come first: nothing is bought on credit
        np.testing.assert_allclose(shares, orders["target"][session], atol=1e-6)
        equity.append((cash + shares @ orders["mark"][session]) / CAPITAL)
    np.testing.assert_allclose(equity, portfolio.equity, rtol=1e-10)


def test_the_fees_are_the_costs_of_the_simulation(case):
    portfolio = case.simulate()
    np.testing.assert_allclose(orders_of(case, portfolio)["fees"].sum(axis=1) / CAPITAL, portfolio.cost, atol=1e-12)


def test_a_missed_target_is_called_missed():
    results = {
        "tranches": {"ratio_target_holdings": 19.9},
        "overfitting": {"ratio": 100.0},
        "evidence_stage": {
            "cpu": 3.5,
            "peak_memory_bytes": 2**29,
            "stages": {"1,000 random portfolios": {"cpu": 1.0}},
        },
        "tuning_objective": {"ours": {"cpu": 0.021}},
        "import_time": {"ours": {"cpu": 1.49}},
    }
    holds = [line.split("|")[4].strip() for line in summary_table(results).splitlines()[2:]]
    assert holds == ["**no**", "yes", "yes", "**no**", "**no**", "yes"]
