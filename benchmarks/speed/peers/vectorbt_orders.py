"""The tranche portfolio's trades through vectorbt; run by the environment of vectorbt, prints one JSON document."""

from __future__ import annotations

import json
import sys
import time

import numpy as np
import vectorbt as vbt


def main() -> None:
    """Simulate twice: with the orders ready made, and with target holdings that vectorbt turns into orders."""
    given, answer, repetitions = np.load(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    common = {
        "close": given["mark"],
        "price": given["trade"],
        "val_price": given["trade"],
        "fixed_fees": given["fees"],
        "init_cash": float(given["capital"]),
        "cash_sharing": True,
        "group_by": True,
        "freq": "1D",
    }

    def orders_given() -> vbt.Portfolio:
        return vbt.Portfolio.from_orders(
            size=given["change"], size_type="amount", call_seq=given["calls"].copy(), **common
        )

    def target_holdings() -> vbt.Portfolio:
        return vbt.Portfolio.from_orders(size=given["target"], size_type="targetamount", call_seq="auto", **common)

    report: dict[str, object] = {"version": vbt.__version__, "numpy": np.__version__}
    equities = {}
    for name, simulate in (("orders_given", orders_given), ("target_holdings", target_holdings)):
        begun = time.perf_counter()
        equities[name] = np.asarray(simulate().value())
        first = time.perf_counter() - begun
        cpu, wall = [], []
        for _ in range(repetitions):
            wall_start, cpu_start = time.perf_counter(), time.process_time()
            np.asarray(simulate().value())
            cpu.append(time.process_time() - cpu_start)
            wall.append(time.perf_counter() - wall_start)
        report[name] = {"cpu": min(cpu), "wall": min(wall), "first": first, "repetitions": repetitions}
    np.savez(answer, **equities)
    print(json.dumps(report))


if __name__ == "__main__":
    main()
