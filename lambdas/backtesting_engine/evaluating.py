"""Cutting time into folds, and judging the pooled predictions of all of them."""

from __future__ import annotations

from typing import Any

import pandas as pd

from lambdas.adapters.datasets import hash_of_uri
from lambdas.adapters.reuse import code_version, reuse_key
from lambdas.contracts.backtesting import EvaluateRequest, EvaluateResult, PlanFoldsRequest, PlanFoldsResult
from lambdas.contracts.metrics import Metric
from lambdas.core.backtest.evaluation import evaluation_of
from lambdas.core.backtest.run import run_backtest
from lambdas.core.backtest.trials import SearchTrials, weigh_trials
from lambdas.core.exhibits.measure import measure_exhibits, search_history
from lambdas.core.exhibits.models import pool_drops
from lambdas.core.exhibits.values import FoldDrops
from lambdas.core.gates import backtesting_gate
from lambdas.core.settings import settings_hash
from lambdas.core.splits import plan_walk_forward
from lambdas.runtime.market import load_dataset, load_predictions, load_quality
from lambdas.runtime.observability import measure
from lambdas.runtime.step import step
from lambdas.runtime.stores import Stores


@step(PlanFoldsRequest, PlanFoldsResult)
def plan(request: PlanFoldsRequest, stores: Stores) -> PlanFoldsResult:
    """Cut the sessions of the data set into walk-forward windows and the holdout."""
    settings = stores.settings
    lengths = {"lookback_days": request.lookback_days, "benchmark_period_days": request.benchmark_period_days}
    planned = plan_walk_forward(
        load_dataset(stores, request.dataset_uri).sessions,
        load_quality(stores, request.dataset_uri).as_of,
        settings.walk_forward.model_copy(update=lengths),
        settings.portfolio.horizon,
        settings.tuning.cadence_windows,
        min_history_sessions=settings.portfolio.min_history_sessions,
    )
    return PlanFoldsResult(
        folds=planned.folds,
        holdout=planned.holdout,
        tuning_points=planned.tuning_points,
        skipped_windows=planned.skipped_windows,
    )


@step(EvaluateRequest, EvaluateResult)
def evaluate(request: EvaluateRequest, stores: Stores) -> EvaluateResult:
    """Backtest all folds as one portfolio, count the run's trials once, and record the verdict on the hit rate."""
    uri = stores.reports.uri(request.run_id, "evaluation.json")
    key = reuse_key(
        hash_of_uri(request.dataset_uri),
        settings_hash(stores.settings),
        code_version(),
        *request.predictions_uris,
        *request.hyperparameters_uris,
    )
    found = stores.reports.find(uri)
    if found is None or found["key"] != key:
        found = judge(request, stores, key)
        stores.reports.write(uri, found)
    result = EvaluateResult.model_validate({**found["result"], "evaluation_uri": uri})
    stores.analytics.record_gate(request.run_id, result.gate)
    measure(Metric.HIT_RATE, result.hit_rate)
    measure(Metric.BASE_RATE, result.base_rate)
    measure(Metric.MATCHED_SKILL, result.matched_skill)
    if result.hit_rate is not None:
        measure(Metric.HIT_RATE_TARGET_DISTANCE, result.hit_rate - stores.settings.gates.target_hit_rate)
    return result


def judge(request: EvaluateRequest, stores: Stores, key: str) -> dict[str, Any]:
    """Return the whole evaluation as it is stored: what the gate reads under `result`, all of it under `evaluation`."""
    dataset = load_dataset(stores, request.dataset_uri)
    searches = count_searches(request, stores)
    trials = weigh_trials([SearchTrials.of(stored) for stored in searches], dataset, stores.settings.portfolio.horizon)
    ledger_trials = stores.ledger.total()
    predictions = pd.concat([load_predictions(stores, uri) for uri in request.predictions_uris], ignore_index=True)
    backtest = run_backtest(dataset, predictions, stores.settings)
    evaluation = evaluation_of(backtest, n_trials=ledger_trials, trials=trials)
    pooled, evidence = evaluation.pooled, evaluation.evidence
    gate = backtesting_gate(pooled, evidence, stores.settings.gates)
    return {
        "key": key,
        "result": {
            "hit_rate": pooled.hit_rate,
            "base_rate": pooled.base_rate,
            "matched_skill": pooled.matched_skill,
            "matched_skill_lower": evidence.matched_skill_lower,
            "n_recommendations": pooled.n_recommendations,
            "n_matured": pooled.n_matured,
            "ledger_trials": ledger_trials,
            "gate": gate.model_dump(mode="json"),
        },
        "trials": trials.model_dump(mode="json"),
        "searches": [search_history(stored).model_dump(mode="json") for stored in searches],
        "evaluation": evaluation.model_dump(mode="json"),
        "exhibits": measure_exhibits(backtest).model_dump(mode="json"),
        "importance": importance_of(request, stores),
    }


def importance_of(request: EvaluateRequest, stores: Stores) -> dict[str, Any] | None:
    """Return which features the models of all folds lived on, in the order of time."""
    facts = [stores.predictions.facts(uri) for uri in request.predictions_uris]
    pooled = pool_drops([FoldDrops.model_validate(found["drops"]) for found in facts if found], stores.settings)
    return None if pooled is None else pooled.model_dump(mode="json")


def count_searches(request: EvaluateRequest, stores: Stores) -> list[dict[str, Any]]:
    """Return what each search of the run scored, and count it in the ledger.

    A search is counted under its own key, which is that of its content: once, however many runs it serves, and by
    the first run that gets here, even if the one that searched failed before. So is what was scored by searches that
    failed and that nobody took up again: their results were looked at all the same.
    """
    searches = []
    for uri in dict.fromkeys(request.hyperparameters_uris):
        stored = stores.tuning.read(uri)
        stores.ledger.add(stores.tuning.key(uri), trials=SearchTrials.of(stored).n_trials, run_id=request.run_id)
        searches.append(stored)
    for key, scored in stores.tuning.unfinished().items():
        stores.ledger.add(key, trials=scored, run_id=request.run_id)
    return searches
