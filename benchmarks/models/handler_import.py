"""How long `ensemble-model-engine` takes to import, as a cold start pays it."""

from __future__ import annotations

import sys
from typing import Any

from benchmarks.speed.measuring import in_process

HANDLER = "lambdas.ensemble_model_engine.handler"
LIMIT_SECONDS = 4.0
LEARNER_LIBRARIES = ("torch", "xgboost", "lightgbm", "optuna", "sklearn")
_SCRIPT = f"""
import json, sys, time
wall, cpu = time.perf_counter(), time.process_time()
import {HANDLER}
wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
loaded = [name for name in {LEARNER_LIBRARIES!r} if name in sys.modules]
print(json.dumps({{"cpu": round(cpu, 3), "wall": round(wall, 3), "loaded": loaded}}))
"""


def measure(repetitions: int = 3) -> dict[str, Any]:
    """Import it in fresh processes; after the first the files are in the page cache."""
    runs = [in_process(sys.executable, ["-c", _SCRIPT]) for _ in range(repetitions + 1)][1:]
    best = {name: min(run[name] for run in runs) for name in ("cpu", "wall")}
    return {"handler": HANDLER, **best, "loaded": runs[0]["loaded"], "holds": best["cpu"] < LIMIT_SECONDS}
