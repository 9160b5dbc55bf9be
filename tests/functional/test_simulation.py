"""A fortnight of `amts simulate` on the in-memory account, and the market it plays by default."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest
from in_memory_account import NAMES, Account

from cli import simulate
from cli.simulation import account as simulated
from cli.simulation.books import Entry
from cli.simulation.market import market_with_regime_change
from lambdas.core.market_data.sources import SimulatedSource
from lambdas.core.market_data.sources.simulated import rank_ic
from lambdas.core.settings import ModelSettings

CHANGE = dt.date(2017, 1, 3)


def test_a_fortnight_is_lived_and_its_books_balance(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    values = {**simulate.SMALL_BUDGET, "gates": {"hit_rate": 0.3, "sharpe_ratio": -9.0, "evidence": "advisory"}}
    values["gates"] |= {
        "market_outperformance": -0.5,
        "max_drawdown": 0.9,
    }  # any model: it is the books that are tested
    settings = ModelSettings.model_validate(values)
    account.configure(model=settings)
    begin, end, dataset = simulate.market("simulated", 12, 12, None, 1, "turn", settings)
    result = simulate.lived(dataset, begin, begin + dt.timedelta(days=16), settings)
    assert [(one["run"], one["outcome"]) for one in result["events"][:1]] == [("first", "promoted")]
    assert any(event["run"] == "weekly" for event in result["events"])
    assert sum(day.get("n_published") or 0 for day in result["days"]) > 20
    assert len(result["books"]) == 9
    assert all(entry["balances"] for entry in result["books"]), result["books"]
    assert len(result["days"]) == 12  # two holidays: New Year's Day before, Martin Luther King's within
    assert end > begin
    # What a day leaves is deleted, but for what people put there.
    assert not account.stores.objects.names(f"s3://{NAMES['datasets_bucket']}/datasets")


def test_an_entry_that_differs_does_not_balance() -> None:
    assert Entry("x", 0.5, 0.5 + 0.9e-9).balances
    assert not Entry("x", 0.5, 0.5 + 1.1e-9).balances
    assert not Entry("x", None, 0.5).balances


def test_the_signal_turns_and_nothing_else_does() -> None:
    source = SimulatedSource(
        seed=2, n_symbols=40, signal_rank_ic=0.5, first=dt.date(2015, 1, 2), last=dt.date(2018, 12, 31)
    )
    turned, plain = market_with_regime_change(source, CHANGE), source.market()
    before = int(turned.sessions.searchsorted(np.datetime64(CHANGE)))
    np.testing.assert_array_equal(turned.prices.close[:before], plain.dataset.prices.close[:before])
    closes = turned.prices.adj_close
    ahead = np.full(closes.shape, np.nan)
    ahead[:-21] = closes[21:] / closes[:-21] - 1
    known = plain.expected_return
    assert rank_ic(known[: before - 21], ahead[: before - 21]) > 0.35
    assert rank_ic(known[before:], ahead[before:]) < -0.35
    prices = turned.prices
    alive = np.isfinite(prices.close)
    assert (prices.high[alive] >= np.maximum(prices.open, prices.close)[alive] - 1e-9).all()
    assert (prices.low[alive] <= np.minimum(prices.open, prices.close)[alive] + 1e-9).all()


def test_the_account_of_a_simulation_says_nothing_to_the_world() -> None:
    found = simulated.variables(ModelSettings(), "http://127.0.0.1:1")
    assert found["AMTS_TOPIC_ARN"] == ""
    assert found["AWS_ENDPOINT_URL"] == "http://127.0.0.1:1"
