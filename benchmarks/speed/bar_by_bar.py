"""The tranche portfolio beside bt and zipline-reloaded, which take orders bar by bar: a smaller market, same trades.

backtesting.py is not here. It holds one instrument at a time, so it cannot hold 21 tranches of ten symbols with one
cash account; a run a symbol is another portfolio, and would compare different work. It is AGPL, too.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.speed.measuring import PEERS, as_seconds, best_of, in_process, peer_python
from benchmarks.speed.tranches import CAPITAL, TrancheCase, orders_of, random_picks, real_case

N_SYMBOLS, N_SESSIONS = 100, 505
EQUAL = {"bt": 1e-9, "zipline": 1e-7}
"""Relative distance that counts as equal: zipline trades whole shares, of a capital of 10^12."""
SCRIPTS = {"bt": "bt_weights.py", "zipline": "zipline_orders.py"}


def small_case(whole: TrancheCase) -> TrancheCase:
    """Every fifth symbol of the last two years, those with a price on all of its sessions: a peer has no delistings."""
    rows, columns = slice(-N_SESSIONS, None), np.linspace(0, whole.trade.shape[1] - 1, N_SYMBOLS).astype(int)
    trade, mark = whole.trade[rows, columns], whole.mark[rows, columns]
    complete = np.isfinite(trade).all(axis=0) & np.isfinite(mark).all(axis=0)
    trade, mark = trade[:, complete], mark[:, complete]
    return replace(
        whole,
        market=f"{whole.market.split(':')[0]}: the last {N_SESSIONS} sessions of {trade.shape[1]} symbols",
        trade=trade,
        mark=mark,
        recommended=random_picks(np.isfinite(trade), seed=0),
        first=0,
        last=len(trade) - 1,
    )


def measure(repetitions: int = 3) -> dict[str, Any]:
    """Compare equity, then times; a peer is not compared if its equity is another.

    Raises
    ------
    ValueError
        If a peer's equity differs.
    """
    case = small_case(real_case())
    portfolio = case.simulate()
    orders = orders_of(case, portfolio)
    paid = (orders["change"] * orders["trade"]).sum(axis=1) + orders["fees"].sum(axis=1)
    equity_at_open = CAPITAL - np.cumsum(paid) + (orders["target"] * orders["trade"]).sum(axis=1)
    ours = best_of(case.simulate, 7)
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        given, answer = Path(folder) / "orders.npz", Path(folder) / "equity.npz"
        np.savez(given, allow_pickle=False, capital=np.array(CAPITAL), equity_at_open=equity_at_open, **orders)
        for name, script in SCRIPTS.items():
            peer = in_process(peer_python(name), ["-W", "ignore", PEERS / script, given, answer, str(repetitions)])
            with np.load(answer) as theirs:
                distance = float(np.max(np.abs(theirs["equity"] / CAPITAL / portfolio.equity - 1.0)))
            if distance > EQUAL[name]:
                raise ValueError(f"the equity of {name} differs from ours by {distance}; nothing to compare")
            found[name] = {**peer, "distance": distance, "ratio": peer["cpu"] / ours.cpu}
    return {
        "market": case.market,
        "n_cells": case.trade.size,
        "ours": as_seconds(ours),
        "n_orders": int((orders["change"] != 0.0).sum()),
        "peers": found,
    }
