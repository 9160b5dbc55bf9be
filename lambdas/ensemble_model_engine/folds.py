"""Searching hyper-parameters, and fitting walk-forward folds. What was computed before is found, not repeated."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from lambdas.adapters.datasets import hash_of_uri
from lambdas.adapters.reuse import code_version, reuse_key
from lambdas.adapters.workspace import fresh_folder
from lambdas.contracts.ensemble import FitFoldRequest, FitFoldResult, TuneRequest, TuneResult
from lambdas.contracts.metrics import Metric
from lambdas.core.models.ensemble import fit_and_predict_fold
from lambdas.core.models.hyperparameters import Hyperparameters
from lambdas.core.models.seeds import derive_seed
from lambdas.core.models.tuning import tune_hyperparameters
from lambdas.core.settings import settings_hash
from lambdas.core.values import FoldPlan, TuningPoint
from lambdas.runtime.market import load_market
from lambdas.runtime.observability import count
from lambdas.runtime.step import step
from lambdas.runtime.stores import Stores
from lambdas.runtime.threads import available_threads

RESERVED_SECONDS = 60.0
"""Kept back from a search's time, to store what it found."""


@step(TuneRequest, TuneResult)
def tune(request: TuneRequest, stores: Stores) -> TuneResult:
    """Search hyper-parameters on what was known at the tuning point; stop in time with the best so far."""
    uri = stores.tuning.uri(key_of("tune", request.dataset_uri, stores, request.point))
    found = stores.tuning.find(uri)
    reused = found is not None
    if found is None:
        outcome = tune_hyperparameters(
            load_market(stores, request.dataset_uri),
            request.point,
            stores.settings,
            seed_of(request.dataset_uri, stores),
            deadline=lambda: stores.remaining_seconds() - RESERVED_SECONDS,
            n_threads=available_threads(),
        )
        found = stores.tuning.save(uri, outcome.model_dump(mode="json"))
        count(Metric.TRIALS, outcome.trials)
    return TuneResult(
        point=request.point.number,
        hyperparameters_uri=uri,
        trials=found["trials"],
        inner_sharpe_ratio=found["inner_sharpe_ratio"],
        deadline_reached=found["deadline_reached"],
        reused=reused,
    )


@step(FitFoldRequest, FitFoldResult)
def fit_fold(request: FitFoldRequest, stores: Stores) -> FitFoldResult:
    """Fit one walk-forward fold and predict its decisions; its out-of-sample predictions go to S3."""
    uri = stores.predictions.uri(key_of("fold", request.dataset_uri, stores, request.fold, request.hyperparameters_uri))
    facts = stores.predictions.facts(uri)
    reused = facts is not None
    if facts is None:
        fitted = fit_and_predict_fold(
            load_market(stores, request.dataset_uri),
            request.fold,
            read_hyperparameters(request.hyperparameters_uri, stores),
            stores.settings,
            seed_of(request.dataset_uri, stores),
            n_threads=available_threads(),
        )
        facts = stores.predictions.save(
            as_parquet(fitted.predictions),
            uri,
            {
                "n_predictions": len(fitted.predictions),
                "combination": fitted.combination,
                "left_out": list(fitted.left_out),
            },
        )
    else:
        count(Metric.FOLDS_REUSED)
    return FitFoldResult(fold=request.fold.number, predictions_uri=uri, reused=reused, **facts)


def key_of(kind: str, dataset_uri: str, stores: Stores, plan: FoldPlan | TuningPoint, *more: str) -> str:
    """Return the reuse key of a result: data, settings, code, and what was asked."""
    return reuse_key(kind, hash_of_uri(dataset_uri), settings_hash(stores.settings), code_version(), plan, *more)


def seed_of(dataset_uri: str, stores: Stores) -> int:
    """Return the seed of a run, as `walk_forward` of the core has it: the configured one, mixed with the data."""
    return derive_seed(stores.settings.tuning.seed, hash_of_uri(dataset_uri))


def read_hyperparameters(uri: str, stores: Stores) -> Hyperparameters:
    """Return the hyper-parameters that a search found."""
    return Hyperparameters.model_validate(stores.tuning.read(uri)["hyperparameters"])


def as_parquet(predictions: pd.DataFrame) -> Path:
    """Write predictions to a local file."""
    file = fresh_folder("written") / "predictions.parquet"
    predictions.to_parquet(file, index=False)
    return file
