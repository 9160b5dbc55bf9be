"""How long `backtesting-engine` takes to import, as a cold start pays it."""

from __future__ import annotations

import sys
from typing import Any

from benchmarks.speed.measuring import in_process

HANDLER = "lambdas.backtesting_engine.handler"
FORBIDDEN = ("torch", "xgboost", "lightgbm", "optuna", "sklearn")
_SCRIPT = f"""
import json, sys, time
wall, cpu = time.perf_counter(), time.process_time()
import {HANDLER}
wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
loaded = [name for name in {FORBIDDEN!r} if name in sys.modules]
print(json.dumps({{"cpu": round(cpu, 3), "wall": round(wall, 3), "loaded": loaded}}))
"""


def measure(repetitions: int = 5) -> dict[str, Any]:
    """Import it in fresh processes, files already in the page cache after the first.

    Raises
    ------
    ValueError
        If a learner library came with it.
    """
    runs = [in_process(sys.executable, ["-c", _SCRIPT]) for _ in range(repetitions + 1)][1:]
    if runs[0]["loaded"]:
        raise ValueError(f"{HANDLER} imports {', '.join(runs[0]['loaded'])}")
    best = {name: min(run[name] for run in runs) for name in ("cpu", "wall")}
    return {"handler": HANDLER, "ours": {**best, "repetitions": repetitions}, "loaded": []}
