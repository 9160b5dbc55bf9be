"""Ten years of the tranche portfolio on the real market, beside vectorbt and one pass over the memory."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.signal import lfilter

from benchmarks.speed.measuring import PEERS, ROOT, as_seconds, best_of, in_process, peer_python
from lambdas.core.backtest.portfolio import Portfolio, simulate_arrays
from lambdas.core.backtest.recommendation import recommend
from lambdas.core.labels import BASIS_POINT, eligible, execution_prices, mark_prices
from lambdas.core.market_data.dataset import read_dataset
from lambdas.core.market_data.panel import BoolArray, FloatArray
from lambdas.core.market_data.sources.simulated import SimulatedSource
from lambdas.core.settings import ModelSettings

REAL_DATA = ROOT.parent / "shared" / "data"
MEMORY_SESSIONS = 42.0
CAPITAL = 1e6  # the peer rounds amounts below 1e-12 to zero, which a capital of 1 would feel
EQUAL = 1e-9
"""Relative distance of two equity curves of ten years that counts as equal."""


@dataclass(frozen=True)
class TrancheCase:
    """Prices and recommendations of one simulation, from session `first` to session `last`."""

    market: str
    trade: FloatArray
    mark: FloatArray
    recommended: BoolArray
    first: int
    last: int
    horizon: int
    cost: float

    def simulate(self) -> Portfolio:
        """Simulate it with the product's engine; cash earns nothing, as with the peer."""
        return simulate_arrays(self.trade, self.mark, self.recommended, self.first, self.last, self.horizon, self.cost)


def real_case(seed: int = 0) -> TrancheCase:
    """Recommendations of a random score that remembers two months; a simulated market where the real one is absent."""
    if (REAL_DATA / "prices.parquet").exists():
        dataset, market = read_dataset(REAL_DATA), "real market, 2010 to 2019"
    else:
        dataset, market = SimulatedSource(n_symbols=495).market().dataset, "simulated market, 2010 to 2019"
    settings = ModelSettings()
    allowed = eligible(dataset, settings.portfolio.min_history_sessions)
    return TrancheCase(
        market=f"{market}: {allowed.shape[0]} sessions, {allowed.shape[1]} symbols",
        trade=execution_prices(dataset.prices),
        mark=mark_prices(dataset.prices),
        recommended=random_picks(allowed, seed),
        first=int(np.argmax(allowed.any(axis=1))),
        last=len(dataset.sessions) - 1,
        horizon=settings.portfolio.horizon,
        cost=settings.portfolio.cost_bps * BASIS_POINT,
    )


def random_picks(allowed: BoolArray, seed: int) -> BoolArray:
    """Recommend by a random score that remembers two months."""
    random = np.random.default_rng(seed)
    score = lfilter([1.0], [1.0, -np.exp(-1.0 / MEMORY_SESSIONS)], random.standard_normal(allowed.shape), axis=0)
    probability = pd.DataFrame(score).rank(axis=1, pct=True).to_numpy()
    return recommend(probability, allowed, ModelSettings().recommendation)


def orders_of(case: TrancheCase, portfolio: Portfolio) -> dict[str, FloatArray]:
    """Work out, symbol by symbol, the orders behind a simulation, as the peer takes them.

    Returns
    -------
    dict of str to ndarray of shape (n_sessions, n_symbols)
        Sessions first, ..., last, for a capital of `CAPITAL`. `target` and `change` in shares; `fees` of each order;
        `calls`, the order of execution, sales first; prices `trade` and `mark`.
    """
    n_rolls, n_symbols = case.last - case.first, case.trade.shape[1]
    shares = np.zeros((case.horizon, n_symbols))
    target, fees = np.zeros((n_rolls + 1, n_symbols)), np.zeros((n_rolls + 1, n_symbols))
    for m in range(n_rolls):
        price = case.trade[case.first + 1 + m]
        chosen = case.recommended[case.first + m]
        rolled = np.arange(case.horizon) if m == 0 else np.array([m % case.horizon])
        held = np.nansum(shares[rolled] * price, axis=0)
        spent = portfolio.basket_value[m] * len(rolled)
        before_cost = spent + portfolio.cost[m + 1]
        wanted = np.where(chosen, before_cost / max(chosen.sum(), 1), 0.0)
        shares[rolled] = np.where(chosen, portfolio.basket_value[m] / max(chosen.sum(), 1) / price, 0.0)
        target[m + 1] = shares.sum(axis=0)
        fees[m + 1] = case.cost * np.abs(wanted - held)
    target, fees = CAPITAL * target, CAPITAL * fees
    change = np.diff(target, axis=0, prepend=0.0)
    span = slice(case.first, case.last + 1)
    return {
        "target": target,
        "change": change,
        "fees": np.where(change != 0.0, fees, 0.0),
        "calls": np.argsort(change, axis=1, kind="stable"),
        "trade": np.nan_to_num(case.trade[span], nan=1.0),
        "mark": np.nan_to_num(case.mark[span], nan=1.0),
    }


def measure(repetitions: int = 7) -> dict[str, Any]:
    """Compare with vectorbt.

    Raises
    ------
    ValueError
        If vectorbt comes to another equity: times of different results are not compared.
    """
    case = real_case()
    portfolio = case.simulate()
    with tempfile.TemporaryDirectory() as folder:
        given, answer = Path(folder) / "orders.npz", Path(folder) / "equity.npz"
        np.savez(given, allow_pickle=False, capital=np.array(CAPITAL), **orders_of(case, portfolio))
        script = PEERS / "vectorbt_orders.py"
        peer = in_process(peer_python("vectorbt"), [script, given, answer, str(repetitions)])
        with np.load(answer) as equities:
            distance = {
                name: float(np.max(np.abs(equities[name].ravel() / CAPITAL / portfolio.equity - 1.0)))
                for name in ("orders_given", "target_holdings")
            }
    if max(distance.values()) > EQUAL:
        raise ValueError(f"vectorbt's equity differs from ours by {distance}; nothing to compare")
    ours = best_of(case.simulate, repetitions)
    span = slice(case.first, case.last + 1)
    opens, closes, picks = case.trade[span], case.mark[span], case.recommended[span]
    memory = best_of(lambda: (opens.sum(), closes.sum(), picks.sum()), repetitions)
    return {
        "market": case.market,
        "ours": as_seconds(ours),
        "vectorbt": peer,
        "distance": distance,
        "memory_pass": as_seconds(memory),
        "ratio_target_holdings": peer["target_holdings"]["cpu"] / ours.cpu,
        "ratio_orders_given": peer["orders_given"]["cpu"] / ours.cpu,
        "times_memory_pass": ours.cpu / memory.cpu,
    }
