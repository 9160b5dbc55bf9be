"""The tranche portfolio's trades through bt; run by the environment of bt, prints one JSON document.

bt trades at the price of the bar it decides on, so a session is two bars: its open, where it trades, and its close.
Shares are fractions (`integer_positions=False`), the cost of a session is taken from the cash before its trades.
"""

from __future__ import annotations

import json
import sys
import time

import bt
import numpy as np
import pandas as pd


class PayCost(bt.Algo):
    """Take what the trades of this bar cost from the cash."""

    def __init__(self, cost: dict[pd.Timestamp, float]) -> None:
        super().__init__()
        self.cost = cost

    def __call__(self, target: bt.Strategy) -> bool:
        """Only bars with trades go on to the next algo."""
        if target.now not in self.cost:
            return False
        target.adjust(-self.cost[target.now], flow=False)
        return True


def main() -> None:
    """Simulate target weights, as often as is asked for."""
    given, answer, repetitions = np.load(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    capital, fees, names = float(given["capital"]), given["fees"].sum(axis=1), given["target"].shape[1]
    n_sessions = len(fees)
    days = pd.date_range("2000-01-03", periods=n_sessions)
    bars = np.sort(np.concatenate([days + pd.Timedelta(hours=9), days + pd.Timedelta(hours=16)]))
    prices = np.stack([given["trade"], given["mark"]], axis=1).reshape(2 * n_sessions, -1)
    data = pd.DataFrame(prices, index=pd.DatetimeIndex(bars), columns=[f"S{j:03d}" for j in range(names)])
    value = (given["target"] * given["trade"])[1:]
    weights = pd.DataFrame(
        value / given["equity_at_open"][1:, np.newaxis], index=data.index[2::2], columns=data.columns
    )
    cost = dict(zip(weights.index, fees[1:].tolist(), strict=True))

    def simulate() -> bt.Backtest:
        strategy = bt.Strategy("tranches", [PayCost(cost), bt.algos.WeighTarget(weights), bt.algos.Rebalance()])
        test = bt.Backtest(strategy, data, initial_capital=capital, integer_positions=False, progress_bar=False)
        test.run()
        return test

    cpu, wall = [], []
    for _ in range(repetitions):
        wall_start, cpu_start = time.perf_counter(), time.process_time()
        done = simulate()
        cpu.append(time.process_time() - cpu_start)
        wall.append(time.perf_counter() - wall_start)
    np.savez(answer, equity=done.strategy.values.loc[data.index[1::2]].to_numpy(dtype=float))
    print(json.dumps({"version": bt.__version__, "cpu": min(cpu), "wall": min(wall), "repetitions": repetitions}))


if __name__ == "__main__":
    main()
