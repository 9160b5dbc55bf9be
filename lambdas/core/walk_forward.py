"""The whole of a weekly run's modelling in one process: what the state machine does in steps, for research."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from lambdas.core.models.ensemble import EnsembleModel, fit_and_predict_fold
from lambdas.core.models.hyperparameters import Hyperparameters
from lambdas.core.models.market_view import MarketView
from lambdas.core.models.seeds import derive_seed
from lambdas.core.models.tuning import TuningOutcome, tune_hyperparameters
from lambdas.core.settings import ModelSettings
from lambdas.core.splits import WalkForwardPlan, plan_walk_forward

Progress = Callable[[str, int, int], None]
"""Told what is being done, how many parts of the work are done, and how many there are."""


@dataclass(frozen=True)
class WalkForward:
    """Out-of-sample predictions of every fold and of the holdout.

    Attributes
    ----------
    predictions : DataFrame
        date, symbol, probability, fold; the holdout is the last fold.
    plan : WalkForwardPlan
    searches : tuple of TuningOutcome
        One a tuning point, with every configuration that was scored.
    combinations : tuple of str
        By fold: voting, stacking, or the name of the best single learner.
    candidate : EnsembleModel
        What predicted the holdout.
    """

    predictions: pd.DataFrame
    plan: WalkForwardPlan
    searches: tuple[TuningOutcome, ...]
    combinations: tuple[str, ...]
    candidate: EnsembleModel

    @property
    def trials(self) -> int:
        """Configurations that were scored."""
        return sum(search.trials for search in self.searches)

    @property
    def holdout_first(self) -> dt.date:
        """First decision of the holdout."""
        return self.plan.holdout.first_decision


def walk_forward(
    market: MarketView,
    as_of: dt.date,
    settings: ModelSettings,
    dataset_hash: str,
    *,
    n_threads: int = 1,
    progress: Progress | None = None,
) -> WalkForward:
    """Tune, fit and predict every fold and the holdout, each on what was known before its first decision.

    Parameters
    ----------
    market : MarketView
    as_of : date
        Last day that may be used.
    settings : ModelSettings
    dataset_hash : str
        Mixed into the seeds.
    n_threads : int
        At most so many threads. The result does not depend on it.
    progress : callable, optional

    Raises
    ------
    InsufficientHistoryError
        If no window has enough training history.
    TrainingFailedError, InvalidDatasetError
        As `fit_and_predict_fold`.
    """
    plan = plan_walk_forward(
        market.dataset.sessions,
        as_of,
        settings.walk_forward,
        settings.portfolio.horizon,
        settings.tuning.cadence_windows,
        min_history_sessions=settings.portfolio.min_history_sessions,
    )
    folds = (*plan.folds, plan.holdout)
    total = len(plan.tuning_points) + len(folds)
    done = 0

    def tell(what: str) -> None:
        nonlocal done
        if progress is not None:
            progress(what, done, total)
        done += 1

    seed = derive_seed(settings.tuning.seed, dataset_hash)
    chosen: dict[int, Hyperparameters] = {}
    searches = []
    for point in plan.tuning_points:
        tell(f"searching hyper-parameters up to {point.train_last}")
        search = tune_hyperparameters(market, point, settings, seed, n_threads=n_threads)
        searches.append(search)
        chosen[point.number] = search.hyperparameters
    fitted = []
    for fold in folds:
        tell(f"fold {fold.number}: {fold.first_decision} to {fold.last_decision}")
        hyperparameters = chosen[fold.tuning_point]
        fitted.append(fit_and_predict_fold(market, fold, hyperparameters, settings, seed, n_threads=n_threads))
    tell("done")
    return WalkForward(
        predictions=pd.concat([fold.predictions for fold in fitted], ignore_index=True),
        plan=plan,
        searches=tuple(searches),
        combinations=tuple(fold.combination for fold in fitted),
        candidate=fitted[-1].model,
    )
