"""Searching hyper-parameters, and fitting walk-forward folds. What was computed before is found, not repeated."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from lambdas.adapters.datasets import hash_of_uri
from lambdas.adapters.results import canonical_json
from lambdas.adapters.reuse import code_version, reuse_key
from lambdas.adapters.workspace import fresh_folder
from lambdas.contracts.ensemble import FitFoldRequest, FitFoldResult, TuneRequest, TuneResult
from lambdas.contracts.metrics import Metric
from lambdas.core.exhibits.models import measure_drops
from lambdas.core.models.combination import Combination
from lambdas.core.models.ensemble import fit_and_predict_fold
from lambdas.core.models.hyperparameters import Hyperparameters
from lambdas.core.models.manifest import read_manifest
from lambdas.core.models.search import Trial
from lambdas.core.models.seeds import derive_seed
from lambdas.core.models.tuning import TuningOutcome, tune_hyperparameters
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
    start = hyperparameters_of_champion(request, stores)
    key = key_of("tune", request.dataset_uri, stores, request.point, *([] if start is None else [canonical(start)]))
    uri = stores.tuning.uri(key)
    found = stores.tuning.find(uri)
    reused = found is not None
    if found is None:
        outcome = search(request, start, key, stores)
        if outcome.deadline_reached:
            uri = stores.tuning.cut_uri(key, outcome.trials)
        found = stores.tuning.save(uri, outcome.model_dump(mode="json"))
    return TuneResult(
        point=request.point.number,
        hyperparameters_uri=uri,
        trials=found["trials"],
        pruned=found["pruned"],
        inner_sharpe_ratio=found["inner_sharpe_ratio"],
        deadline_reached=found["deadline_reached"],
        reused=reused,
    )


def search(request: TuneRequest, start: Hyperparameters | None, key: str, stores: Stores) -> TuningOutcome:
    """Begin a search, or go on with one that was interrupted; each trial is kept as soon as it is scored."""
    kept = [Trial.model_validate(trial) for trial in stores.tuning.log(key)]
    outcome = tune_hyperparameters(
        load_market(stores, request.dataset_uri),
        request.point,
        stores.settings,
        seed_of(request.dataset_uri, stores),
        deadline=lambda: stores.remaining_seconds() - RESERVED_SECONDS,
        n_threads=available_threads(),
        start=start,
        log=kept,
        save=lambda trials: stores.tuning.save_log(key, [trial.model_dump(mode="json") for trial in trials]),
    )
    count(Metric.TRIALS, outcome.trials - len(kept))
    return outcome


def hyperparameters_of_champion(request: TuneRequest, stores: Stores) -> Hyperparameters | None:
    """Return what the champion was fitted with, if it was searched on strictly earlier outcomes than this point sees.

    A later search would look ahead. One of the same training part found what this one will find by itself, and a run
    that is repeated after its own promotion would not be the same run. A champion of defaults starts nothing either:
    every search begins at them. With a key of its own, the same trials would be scored and counted again.
    """
    if request.champion is None:
        return None
    manifest = read_manifest(stores.models.manifest(request.champion), request.champion)
    if manifest is None or manifest.train_last >= request.point.train_last:
        return None
    return None if manifest.hyperparameters == Hyperparameters() else manifest.hyperparameters


@step(FitFoldRequest, FitFoldResult)
def fit_fold(request: FitFoldRequest, stores: Stores) -> FitFoldResult:
    """Fit one walk-forward fold and predict its decisions; its out-of-sample predictions go to S3."""
    uri = stores.predictions.uri(key_of("fold", request.dataset_uri, stores, request.fold, request.hyperparameters_uri))
    facts = stores.predictions.facts(uri)
    reused = facts is not None
    if facts is None:
        market, seed = load_market(stores, request.dataset_uri), seed_of(request.dataset_uri, stores)
        fitted = fit_and_predict_fold(
            market,
            request.fold,
            read_hyperparameters(request.hyperparameters_uri, stores),
            stores.settings,
            seed,
            n_threads=available_threads(),
        )
        facts = stores.predictions.save(
            as_parquet(fitted.predictions),
            uri,
            {
                "n_predictions": len(fitted.predictions),
                "combination": fitted.combination,
                "left_out": list(fitted.left_out),
                **how_probable(fitted.model.combination),
                "drops": measure_drops(fitted.model, market, request.fold, seed).model_dump(mode="json"),
            },
        )
    else:
        count(Metric.FOLDS_REUSED)
    # What the report draws stays with the predictions; results travel through the state machine.
    told = {name: value for name, value in facts.items() if name != "drops"}
    return FitFoldResult(fold=request.fold.number, predictions_uri=uri, reused=reused, **told)


def how_probable(combination: Combination) -> dict[str, Any]:
    """Return what a result says about the probabilities; the whole table is kept with the model."""
    reliability = combination.reliability
    return {
        "neutralised": combination.neutralised,
        "brier_score": None if reliability is None else reliability.brier_score,
        "expected_calibration_error": None if reliability is None else reliability.expected_calibration_error,
    }


def canonical(hyperparameters: Hyperparameters) -> str:
    """Return hyper-parameters as a part of a reuse key."""
    return canonical_json(hyperparameters.model_dump(mode="json")).decode()


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
