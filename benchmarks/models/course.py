"""The fixed walk-forward that every model of the benchmark runs, and where what was measured is kept."""

from __future__ import annotations

import datetime as dt
import json
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from lambdas.adapters.reuse import code_version, reuse_key
from lambdas.core.features import FeatureSet, build_features
from lambdas.core.labels import eligible
from lambdas.core.market_data.dataset import dataset_hash, read_dataset
from lambdas.core.market_data.panel import BoolArray, FloatArray, MarketDataset
from lambdas.core.market_data.sources import SimulatedSource
from lambdas.core.models.ensemble import training_span
from lambdas.core.models.market_view import MarketView, market_view
from lambdas.core.models.seeds import derive_seed
from lambdas.core.models.training_data import TrainingData, training_rows
from lambdas.core.settings import (
    EvidenceSettings,
    ModelSettings,
    PortfolioSettings,
    TuningSettings,
    WalkForwardSettings,
)
from lambdas.core.splits import WalkForwardPlan, plan_walk_forward
from lambdas.core.values import FoldPlan

TrainedOn = Literal["members", "all"]
"""Rows of whom a model is fitted on: the members of the day, as the product does where it knows them, or everybody."""

AS_OF = dt.date(2019, 12, 31)
LOOKBACK_DAYS = 1095
MEGABYTE = 1024**2


@dataclass(frozen=True)
class Course:
    """A market, the folds, and the settings that every model shares.

    Attributes
    ----------
    market : MarketView
        `eligible` are those a model is fitted on.
    priced : ndarray of bool, shape (n_sessions, n_symbols)
        Eligible whether members or not: everybody is predicted, so that one walk-forward is scored on both universes.
    identity : str
        Hash of the data set.
    """

    market: MarketView
    priced: BoolArray
    plan: WalkForwardPlan
    settings: ModelSettings
    identity: str

    @property
    def folds(self) -> tuple[FoldPlan, ...]:
        """The windows and the holdout."""
        return (*self.plan.folds, self.plan.holdout)

    def decided(self, fold: FoldPlan) -> slice:
        """Session numbers of the decisions of a fold."""
        sessions = self.market.features.sessions
        return slice(
            int(sessions.searchsorted(np.datetime64(fold.first_decision))),
            int(sessions.searchsorted(np.datetime64(fold.last_decision), side="right")),
        )

    def seed(self, seed: int) -> int:
        """Return the seed a run with `seed` in its settings would use."""
        return derive_seed(seed, self.identity)

    def training_rows(self, fold: FoldPlan) -> TrainingData:
        """Rows that every model of a fold is fitted on."""
        first, last = training_span(self.market, fold, self.settings.portfolio.horizon)
        return training_rows(self.market, first, last, self.settings)

    def trained_on(self, universe: TrainedOn) -> Course:
        """Return the same course with models fitted on another universe."""
        allowed = self.priced if universe == "all" else eligible(self.market.dataset, self._min_history)
        return replace(self, market=replace(self.market, eligible=allowed))

    @property
    def _min_history(self) -> int:
        return self.settings.portfolio.min_history_sessions


def course_settings(window_days: int, training_stride: int, n_trials: int, network_seeds: int = 3) -> ModelSettings:
    """Defaults of the product but for what is said here."""
    return ModelSettings(
        walk_forward=WalkForwardSettings(
            lookback_days=LOOKBACK_DAYS, window_days=window_days, training_stride=training_stride
        ),
        tuning=TuningSettings(n_trials=n_trials, cadence_windows=0, network_seeds=network_seeds),
    )


QUICK_SETTINGS = ModelSettings(
    portfolio=PortfolioSettings(horizon=10, min_history_sessions=60),
    walk_forward=WalkForwardSettings(
        lookback_days=240, window_days=120, benchmark_period_days=120, train_years=2.0, min_train_sessions=120
    ),
    tuning=TuningSettings(n_trials=1, inner_folds=2, network_seeds=1, cadence_windows=0),
    evidence=EvidenceSettings(bootstrap_draws=200),
)


def real_course(folder: Path, settings: ModelSettings, as_of: dt.date = AS_OF) -> Course:
    """Lay the course over a data set folder."""
    return course_of(read_dataset(folder, as_of=as_of), settings, as_of)


def quick_course() -> Course:
    """Return a simulated market of 14 symbols and a year: what shows that everything runs, and measures nothing."""
    source = SimulatedSource(
        seed=5, n_symbols=14, signal_rank_ic=0.35, first=dt.date(2014, 1, 2), last=dt.date(2016, 6, 30)
    )
    dataset = source.load(None, as_of=None).dataset
    return course_of(dataset, QUICK_SETTINGS, dataset.sessions[-1].date())


def course_of(dataset: MarketDataset, settings: ModelSettings, as_of: dt.date) -> Course:
    """Lay the course over a data set; where it knows no members, both universes are the same."""
    features: FeatureSet = build_features(dataset)
    history = settings.portfolio.min_history_sessions
    plan = plan_walk_forward(
        dataset.sessions,
        as_of,
        settings.walk_forward,
        settings.portfolio.horizon,
        settings.tuning.cadence_windows,
        min_history_sessions=history,
    )
    return Course(
        market=market_view(dataset, features, settings.portfolio),
        priced=eligible(replace(dataset, membership=None), history),
        plan=plan,
        settings=settings,
        identity=dataset_hash(dataset),
    )


@dataclass(frozen=True)
class Measured:
    """Scores of a fold by model, and what getting them cost.

    Attributes
    ----------
    scores : dict of str to ndarray of shape (n_decisions, n_symbols)
        Higher is bought first; NaN where a symbol has none.
    cost : dict of str to dict
        By model: `cpu` and `wall` in seconds, `peak_mb` of the whole process while it was fitted, data included.
    notes : dict
        What else there is to know about the fold, as JSON values.
    """

    scores: dict[str, FloatArray]
    cost: dict[str, dict[str, float]]
    notes: dict[str, Any]


class Store:
    """What was measured, one file a work and fold, under a key of code, data and settings: a stopped run resumes."""

    def __init__(self, folder: Path, course: Course) -> None:
        self.folder = folder / reuse_key(code_version(), course.identity, course.settings)

    def fold(self, work: str, fold: FoldPlan, measure: Callable[[], Measured]) -> Measured:
        """Return what is stored, or measure and store it."""
        path = self._path(work, fold)
        if not path.exists():
            fresh = measure()
            path.parent.mkdir(parents=True, exist_ok=True)
            partial = path.with_suffix(".partial.npz")
            about = json.dumps({"cost": fresh.cost, "notes": fresh.notes})
            np.savez_compressed(partial, about=np.array(about), **{f"score:{k}": v for k, v in fresh.scores.items()})
            partial.rename(path)
        return _read(path)

    def has(self, work: str, fold: FoldPlan) -> bool:
        """Whether the fold was measured."""
        return self._path(work, fold).exists()

    def stored(self, work: str, folds: tuple[FoldPlan, ...]) -> list[Measured] | None:
        """Everything of a work; None if a fold is missing."""
        if not all(self.has(work, fold) for fold in folds):
            return None
        return [_read(self._path(work, fold)) for fold in folds]

    def json(self, name: str, measure: Callable[[], Any]) -> Any:
        """Return a stored JSON document, or measure and store it."""
        path = self.folder / f"{name}.json"
        if not path.exists():
            answer = measure()
            path.parent.mkdir(parents=True, exist_ok=True)
            partial = path.with_suffix(".partial")
            partial.write_text(json.dumps(answer), encoding="utf-8")
            partial.rename(path)
        return json.loads(path.read_text(encoding="utf-8"))

    def _path(self, work: str, fold: FoldPlan) -> Path:
        return self.folder / work / f"{fold.number:02d}-{reuse_key(fold)[:8]}.npz"


def _read(path: Path) -> Measured:
    with np.load(path) as stored:
        about = json.loads(str(stored["about"]))
        scores = {key.removeprefix("score:"): stored[key] for key in stored.files if key.startswith("score:")}
    return Measured(scores=scores, cost=about["cost"], notes=about["notes"])


class Meter:
    """Adds up processor and wall time, and finds the peak memory, of the parts it is put around.

    Examples
    --------
    >>> meter = Meter()
    >>> with meter:
    ...     fitted = model.fit(X, y)
    >>> meter.cost()["cpu"]  # doctest: +SKIP
    1.2
    """

    def __init__(self) -> None:
        self.cpu = self.wall = self.peak_mb = 0.0

    def __enter__(self) -> Meter:
        """Begin to measure."""
        _forget_peak()
        self._begun = (time.process_time(), time.perf_counter())
        return self

    def __exit__(self, *_: object) -> None:
        """Add what was used since."""
        self.cpu += time.process_time() - self._begun[0]
        self.wall += time.perf_counter() - self._begun[1]
        self.peak_mb = max(self.peak_mb, peak_memory_mb())

    def cost(self) -> dict[str, float]:
        """Return what was measured so far."""
        return {"cpu": round(self.cpu, 3), "wall": round(self.wall, 3), "peak_mb": round(self.peak_mb, 1)}


def peak_memory_mb() -> float:
    """Peak resident memory of this process since it was last forgotten (Linux), else since its start."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return float(line.split()[1]) / 1024
    peak = float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    return peak / MEGABYTE if sys.platform == "darwin" else peak / 1024


def _forget_peak() -> None:
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return  # not Linux, or not allowed: the peak is then that of the process so far
