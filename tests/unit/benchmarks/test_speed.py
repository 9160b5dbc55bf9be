"""The orders that peers are given are those of the simulation, and a missed target is called missed."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.speed import __main__ as speed
from benchmarks.speed import bar_by_bar, measuring, weekly_cycle
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


def test_the_smaller_market_has_a_price_for_every_symbol_and_session():
    trade = np.exp(np.cumsum(np.random.default_rng(1).normal(0.0, 0.02, (600, 120)), axis=0))
    trade[550:, 7] = np.nan
    small = bar_by_bar.small_case(TrancheCase("random: all of it", trade, trade, trade > 0, 0, 599, 21, 0.0005))
    assert small.trade.shape == small.recommended.shape == (505, 99)  # the seventh is one of the hundred
    assert np.isfinite(small.trade).all()
    np.testing.assert_array_equal(small.recommended.sum(axis=1), 9)
    assert small.market == "random: the last 505 sessions of 99 symbols"


def test_a_peer_with_another_equity_is_not_compared(case, monkeypatch):
    def answer_with(factor):
        def run(_, arguments):
            given, answer = arguments[3], arguments[4]
            with np.load(given) as orders:
                cash = CAPITAL - np.cumsum((orders["change"] * orders["trade"] + orders["fees"]).sum(axis=1))
                equity = cash + (orders["target"] * orders["mark"]).sum(axis=1)
                np.testing.assert_allclose(
                    orders["equity_at_open"], cash + (orders["target"] * orders["trade"]).sum(axis=1)
                )
            np.savez(answer, equity=equity * factor)
            return {"version": "1", "cpu": 1.0}

        return run

    monkeypatch.setattr(bar_by_bar, "real_case", lambda: None)
    monkeypatch.setattr(bar_by_bar, "small_case", lambda _: case)
    monkeypatch.setattr(bar_by_bar, "peer_python", lambda name: name)
    monkeypatch.setattr(bar_by_bar, "in_process", answer_with(1.0))
    found = bar_by_bar.measure(1)
    assert all(peer["distance"] < 1e-9 for peer in found["peers"].values())
    assert "| bt 1 | 1000.0 |" in speed.bar_by_bar_section(found)
    monkeypatch.setattr(bar_by_bar, "in_process", answer_with(1.0 + 1e-8))
    with pytest.raises(ValueError, match="the equity of bt differs from ours"):
        bar_by_bar.measure(1)


def test_a_part_that_does_not_exist_is_refused(monkeypatch):
    monkeypatch.setattr("sys.argv", ["speed", "tranche"])
    with pytest.raises(SystemExit, match="no such part: tranche; the parts are tranches, bar_by_bar"):
        speed.main()


def test_a_missing_peer_costs_its_part_and_no_other(monkeypatch, tmp_path):
    monkeypatch.setattr(measuring, "ROOT", tmp_path)
    monkeypatch.setattr(measuring, "PEERS", tmp_path)
    (tmp_path / "ghost.txt").write_text("no-such-distribution==0")
    monkeypatch.setattr(measuring.venv, "create", lambda folder, **_: folder.mkdir(parents=True))  # without pip in it

    measured = speed.measure(
        {"a": lambda: {"x": 1}, "b": lambda: measuring.peer_python("ghost"), "c": lambda: {"y": 2}}
    )

    assert (measured["a"], measured["c"]) == ({"x": 1}, {"y": 2})
    assert "ghost could not be installed" in measured["b"]["skipped"]
    known = speed.with_earlier({"b": {"z": 3}, "a": {"x": 0}}, measured, everything=False)
    assert (known["a"], known["b"]) == ({"x": 1}, {"z": 3})
    assert "earlier" in speed.said_if_skipped("b", known)
    assert speed.said_if_skipped("a", known) == ""


def test_the_cycle_is_added_up_by_action_and_its_growth_is_told():
    steps = [
        {"action": "tune", "cpu": 1.0, "wall": 2.0, "peak_memory": 2**30},
        {"action": "fit_fold", "cpu": 3.0, "wall": 4.0, "peak_memory": 2**29},
        {"action": "tune", "cpu": 2.0, "wall": 2.5, "peak_memory": 2**29},
    ]
    small = weekly_cycle.by_action(steps)
    assert small[0] == {"action": "tune", "steps": 2, "cpu": 3.0, "wall": 4.5, "peak_memory": 2**30, "trials": 0}
    large = [{**one, "cpu": one["cpu"] * 4, "peak_memory": one["peak_memory"] * 2} for one in small]
    sizes = [{"n_symbols": n, "weekly": of, "daily": of} for n, of in ((100, small), (500, large))]
    rows = weekly_cycle.section({"load": 1.0, "sizes": sizes}).splitlines()
    assert "| search hyper-parameters, 2 steps | 3.0 | 12.0 | 4.0 for 5 | 2.00 GB |" in rows
    assert "| all | 6.0 | 24.0 | 4.0 for 5 | 2.00 GB |" in rows
