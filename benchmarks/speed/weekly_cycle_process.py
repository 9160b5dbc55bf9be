"""One whole weekly cycle in a process of its own, by the deployed handlers; prints JSON: time and memory by step."""

from __future__ import annotations

import datetime as dt
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("POWERTOOLS_LOG_LEVEL", "CRITICAL")  # before the handlers make their logger

from benchmarks.speed.feature_build_process import peak_memory
from benchmarks.speed.weekly_cycle import by_action
from cli import in_process
from cli.simulation.account import simulated_account
from lambdas.core.market_data.dataset import write_dataset
from lambdas.core.market_data.sources import SimulatedSource
from lambdas.core.settings import ModelSettings

FIRST, LAST = dt.date(2010, 1, 4), dt.date(2019, 12, 31)
STARTED = dt.datetime(2020, 1, 2, 13, 0, tzinfo=dt.UTC)
BUDGET: dict[str, Any] = {
    "walk_forward": {"lookback_days": 60},
    "tuning": {"n_trials": 2},
    # Open, so that no run ends before its last step: it is the time of the steps that is asked for.
    "gates": {
        "evidence": "advisory",
        "hit_rate": 0.0,
        "market_outperformance": -10.0,
        "sharpe_ratio": -100.0,
        "max_drawdown": 1.0,
        "deflated_sharpe": 0.0,
    },
}
"""What differs from the deployed settings."""


def main() -> None:
    """Run the cycle on so many symbols."""
    n_symbols = int(sys.argv[1])
    settings = ModelSettings.model_validate(BUDGET)
    source = SimulatedSource(n_symbols=n_symbols, signal_rank_ic=0.25, first=FIRST, last=LAST)
    steps: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder, simulated_account(settings):
        from lambdas.runtime.stores import forget_clients

        forget_clients()
        write_dataset(source.load(None, as_of=None).dataset, Path(folder))
        uri = upload(Path(folder))
        in_process.call = timed(in_process.call, steps)
        _, ended = in_process.tune("weekly", {"data": uri}, started_at=STARTED)
        weekly = list(steps)
        steps.clear()
        _, assessed = in_process.assess("daily", {"data": uri, "mode": "daily"}, started_at=STARTED)
    if ended["outcome"] != "PROMOTED" or not assessed.get("n_published"):
        raise SystemExit(f"the cycle ended {ended['outcome']}: {ended['message']}; nothing to time")
    print(json.dumps({"n_symbols": n_symbols, "weekly": by_action(weekly), "daily": by_action(steps)}))


def upload(folder: Path) -> str:
    """Put a data set where a run finds it, and return its address."""
    from lambdas.adapters.aws import Clients
    from lambdas.contracts.environment import FunctionEnvironment
    from lambdas.runtime.stores import Stores

    stores = Stores(FunctionEnvironment(), Clients())  # type: ignore[call-arg]
    uri = f"s3://{stores.environment.datasets_bucket}/uploads/bench"
    stores.objects.upload_folder(folder, uri)
    return uri


def timed(call: Callable[..., dict[str, Any]], steps: list[dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    """Note of every step its time and, where the kernel lets it be reset, the peak of its own."""

    def noted(handler: Any, event: dict[str, Any], **context: Any) -> dict[str, Any]:
        reset_peak()
        wall, cpu = time.perf_counter(), time.process_time()
        answer = call(handler, event, **context)
        steps.append(
            {
                # Two functions have an action of this name.
                "action": "plan_folds"
                if handler is in_process.backtesting and event["action"] == "plan"
                else event["action"],
                "cpu": time.process_time() - cpu,
                "wall": time.perf_counter() - wall,
                "peak_memory": peak_memory(),
                "trials": answer.get("trials", 0),
            }
        )
        return answer

    return noted


def reset_peak() -> None:
    """Begin the record of peak memory anew (Linux)."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return


if __name__ == "__main__":
    main()
