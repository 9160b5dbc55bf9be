"""One fold at the size that is asked of a Lambda: 500 symbols, ten years of data, five of training, all features."""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

from benchmarks.models.course import Meter
from benchmarks.speed.measuring import ROOT, in_process
from lambdas.adapters.reuse import core_version
from lambdas.core.features import build_features, read_features, write_features
from lambdas.core.market_data.dataset import read_dataset, write_dataset
from lambdas.core.market_data.sources import SimulatedSource
from lambdas.core.models.ensemble import fit_and_predict_fold, training_span
from lambdas.core.models.hyperparameters import Hyperparameters
from lambdas.core.models.market_view import market_view
from lambdas.core.models.training_data import training_rows
from lambdas.core.models.tuning import tune_hyperparameters
from lambdas.core.settings import ModelSettings, TuningSettings, WalkForwardSettings
from lambdas.core.splits import plan_walk_forward
from lambdas.core.values import TuningPoint

N_SYMBOLS = 500
FIRST, LAST = dt.date(2010, 1, 4), dt.date(2019, 12, 31)
N_TRIALS = 20
MEMORY_LIMIT_MB = 2048
TUNED_LIMIT_SECONDS, UNTUNED_LIMIT_SECONDS = 600, 60
STRIDES = {"1x rows": 20, "2x rows": 10, "4x rows": 5}


def measure(n_threads: int = 1, n_symbols: int = N_SYMBOLS, n_trials: int = N_TRIALS) -> dict[str, Any]:
    """Measure every part in a process of its own, one after the other.

    Parameters
    ----------
    n_trials : int
        With fewer than are asked for, their time is extrapolated from these, in a row that says so.
    """
    folder = prepare(n_symbols)

    def part(name: str, stride: int, trials: int) -> dict[str, Any]:
        arguments = [folder, "--stride", str(stride), "--trials", str(trials), "--threads", str(n_threads)]
        print(f"fold: {name}", file=sys.stderr, flush=True)
        return {"name": name, **in_process(sys.executable, ["-m", "benchmarks.models.fold", *arguments])}

    load = os.getloadavg()[0]
    grown = [part(f"without tuning, {name}", stride, 0) for name, stride in STRIDES.items()]
    untuned = {**grown[-1], **_limit(grown[-1], UNTUNED_LIMIT_SECONDS)}
    tuned = [part(f"with {n_trials} trials a learner", STRIDES["4x rows"], n_trials)]
    if n_trials < N_TRIALS:
        tuned.append(extrapolated(grown[-1], tuned[0], n_trials))
    tuned[-1] |= _limit(tuned[-1], TUNED_LIMIT_SECONDS)
    return {
        "sentence": f"Simulated: {n_symbols} symbols, {FIRST} to {LAST}; the last fold before the holdout, fitted on "
        f"every {STRIDES['4x rows']}th session of up to five years, {n_threads} thread. Peak memory is that of the "
        "whole process, with the data set and the feature set read from their files as the Lambda reads them. Load "
        f"of the machine at the start: {load:.1f} on {os.cpu_count()} cores, so wall time tells of the others, and the "
        "limits are held against processor time: yes where it fits one core, no where half of it, two cores at their "
        "best, does not fit; else it takes a machine of its own to tell.",
        "memory": memory_sentence(tuned[0]),
        "n_threads": n_threads,
        "parts": [*grown[:-1], untuned, *tuned],
        **growth(grown),
    }


def memory_sentence(tuned: dict[str, Any]) -> str:
    """Tell the search from the fit: two invocations of a Lambda, which may be served by one warm process."""
    return (
        f"In one process the data sets are {tuned['data_mb']:,.0f} MB at their peak, the search "
        f"{tuned['search_mb']:,.0f} MB and the fit after it {tuned['fit_mb']:,.0f} MB: not all that the search used is "
        "given back. On AWS they are two invocations, which a warm process may both serve."
    )


def extrapolated(untuned: dict[str, Any], tuned: dict[str, Any], n_trials: int) -> dict[str, Any]:
    """Tell what the trials that are asked for would take, from fewer: later ones are pruned more, so it is too much."""
    more = {key: round(untuned[key] + (tuned[key] - untuned[key]) * N_TRIALS / n_trials, 1) for key in ("cpu", "wall")}
    return {**tuned, **more, "name": f"with {N_TRIALS} trials a learner, **extrapolated** from {n_trials}"}


def growth(parts: list[dict[str, Any]]) -> dict[str, float]:
    """Time and memory a row between the smallest and the middle, and the middle and the largest: equal if linear."""
    answer = {}
    for key, name in (("cpu", "cpu_per_million_rows"), ("fit_mb", "mb_per_million_rows")):
        slopes = [
            1e6 * (after[key] - before[key]) / (after["n_rows"] - before["n_rows"]) for before, after in pairwise(parts)
        ]
        answer |= {f"{name}_low": round(slopes[0], 1), f"{name}_high": round(slopes[-1], 1)}
    return answer


def _limit(part: dict[str, Any], seconds: float) -> dict[str, Any]:
    """Hold a part against the limits: None where a shared machine cannot tell."""
    fits = part["peak_mb"] <= MEMORY_LIMIT_MB
    in_time = True if part["cpu"] <= seconds else (False if part["cpu"] / 2 > seconds else None)
    return {
        "limit": f"{seconds} s on 2 cores, {MEMORY_LIMIT_MB:,} MB",
        "holds": in_time if fits else False,
    }


def prepare(n_symbols: int) -> Path:
    """Write the market and its features once for a version of the core."""
    folder = ROOT / ".local" / "bench-models" / f"fold-{n_symbols}-{core_version()}"
    if not (folder / "features.parquet").exists():
        print(f"simulating {n_symbols} symbols", file=sys.stderr, flush=True)
        source = SimulatedSource(seed=11, n_symbols=n_symbols, signal_rank_ic=0.1, first=FIRST, last=LAST)
        dataset = source.load(None, as_of=None).dataset
        write_dataset(dataset, folder / "dataset")
        write_features(build_features(dataset), folder / "features.parquet")
    return folder


def one_part(folder: Path, stride: int, trials: int, n_threads: int) -> dict[str, Any]:
    """Load, search if asked to, fit and predict."""
    settings = ModelSettings(
        walk_forward=WalkForwardSettings(training_stride=stride),
        tuning=TuningSettings(n_trials=max(1, trials), cadence_windows=0),
    )
    reading, searching, working = Meter(), Meter(), Meter()
    begun = time.process_time(), time.perf_counter()
    with reading:
        dataset = read_dataset(folder / "dataset")
        market = market_view(dataset, read_features(folder / "features.parquet"), settings.portfolio)
    plan = plan_walk_forward(dataset.sessions, LAST, settings.walk_forward, settings.portfolio.horizon, 0)
    fold = plan.folds[-1]
    first, last = training_span(market, fold, settings.portfolio.horizon)
    n_rows = len(training_rows(market, first, last, settings).y)
    n_trials = 0
    hyperparameters = Hyperparameters()
    if trials:
        with searching:
            point = TuningPoint(number=0, train_first=fold.train_first, train_last=fold.train_last)
            outcome = tune_hyperparameters(market, point, settings, seed=1, n_threads=n_threads)
            hyperparameters, n_trials = outcome.hyperparameters, outcome.trials
            del outcome
    with working:
        fitted = fit_and_predict_fold(market, fold, hyperparameters, settings, seed=1, n_threads=n_threads)
    peaks = {
        name: meter.cost()["peak_mb"] for name, meter in (("data", reading), ("search", searching), ("fit", working))
    }
    return {
        "n_rows": n_rows,
        "n_features": len(market.features.names),
        "cpu": round(time.process_time() - begun[0], 2),
        "wall": round(time.perf_counter() - begun[1], 2),
        "fit_cpu": working.cost()["cpu"],
        **{f"{name}_mb": peak for name, peak in peaks.items()},
        "peak_mb": max(peaks.values()),
        "trials": n_trials,
        "combination": fitted.combination,
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--stride", type=int, default=5)
    parser.add_argument("--trials", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    print(json.dumps(one_part(given.folder, given.stride, given.trials, given.threads)))
