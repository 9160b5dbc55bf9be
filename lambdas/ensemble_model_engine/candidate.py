"""Fitting the candidate, and scoring with models that are stored artefacts."""

from __future__ import annotations

from typing import Any

import pandas as pd

from lambdas.adapters.datasets import hash_of_uri
from lambdas.adapters.reuse import code_version, reuse_key
from lambdas.adapters.workspace import fresh_folder
from lambdas.contracts.ensemble import FitCandidateRequest, FitCandidateResult, RecommendRequest, RecommendResult
from lambdas.core.errors import ArtefactIntegrityError, InvalidDatasetError
from lambdas.core.exhibits.models import explain
from lambdas.core.models import ensemble
from lambdas.core.models.artefact import load_model, save_model
from lambdas.core.models.manifest import Lineage
from lambdas.core.models.market_view import MarketView
from lambdas.core.settings import settings_hash
from lambdas.core.values import FoldPlan
from lambdas.ensemble_model_engine.folds import as_parquet, how_probable, key_of, read_hyperparameters, seed_of
from lambdas.runtime.market import load_market, load_quality
from lambdas.runtime.observability import logger
from lambdas.runtime.step import step
from lambdas.runtime.stores import Stores
from lambdas.runtime.threads import available_threads

RECORDED_METRICS = ("hit_rate", "base_rate", "matched_skill", "sharpe_ratio", "max_drawdown", "rank_ic")
"""Of the walk-forward that led to the candidate, in its manifest."""


@step(FitCandidateRequest, FitCandidateResult)
def fit_candidate(request: FitCandidateRequest, stores: Stores) -> FitCandidateResult:
    """Fit the candidate once, store it, and predict the holdout with what was stored, and with the champion."""
    metrics = walk_forward_metrics(request.run_id, stores)
    key = key_of(
        "candidate",
        request.dataset_uri,
        stores,
        request.holdout,
        request.hyperparameters_uri,
        *(f"{name}={value}" for name, value in metrics.items()),
    )
    predictions_uri = stores.predictions.uri(key)
    facts = stores.predictions.facts(predictions_uri)
    if facts is None or not stores.models.exists(facts["version"]):
        facts = fit_and_store(request, metrics, predictions_uri, stores)
    champion_uri, not_scorable = score_champion(request, stores) if request.champion else (None, None)
    return FitCandidateResult(
        version=facts["version"],
        model_uri=stores.models.uri(facts["version"]),
        predictions_uri=predictions_uri,
        champion_predictions_uri=champion_uri,
        champion_not_scorable=not_scorable,
        combination=facts["combination"],
        left_out=tuple(facts["left_out"]),
        neutralised=facts["neutralised"],
        brier_score=facts["brier_score"],
        expected_calibration_error=facts["expected_calibration_error"],
    )


def fit_and_store(
    request: FitCandidateRequest, metrics: dict[str, float | None], predictions_uri: str, stores: Stores
) -> dict[str, Any]:
    """Fit, store the artefact, load it again and predict: what is validated is what would be deployed."""
    market = load_market(stores, request.dataset_uri)
    seed = seed_of(request.dataset_uri, stores)
    model = ensemble.fit_candidate(
        market,
        request.holdout,
        read_hyperparameters(request.hyperparameters_uri, stores),
        stores.settings,
        seed,
        n_threads=available_threads(),
    )
    folder = fresh_folder("candidate")
    manifest = save_model(
        model,
        folder,
        Lineage(
            as_of=load_quality(stores, request.dataset_uri).as_of,
            dataset_hash=hash_of_uri(request.dataset_uri),
            settings_hash=settings_hash(stores.settings),
            code_version=code_version(),
            seed=seed,
            metrics=metrics,
        ),
    )
    stores.models.save(folder, manifest.version)
    predictions = predict_fold(market, manifest.version, request.holdout, stores)
    facts: dict[str, Any] = stores.predictions.save(
        as_parquet(predictions),
        predictions_uri,
        {
            "version": manifest.version,
            "n_predictions": len(predictions),
            "combination": model.combination.name,
            "left_out": sorted(model.left_out),
            **how_probable(model.combination),
            "explanations": [one.model_dump(mode="json") for one in explain(model, market, predictions["date"].max())],
        },
    )
    return facts


def score_champion(request: FitCandidateRequest, stores: Stores) -> tuple[str | None, str | None]:
    """Return where the champion's predictions of the holdout lie, or why it cannot be scored on this data.

    A source that stopped, a format that this code no longer reads: the champion's trouble is not the candidate's, and
    the run goes on without a comparison. What that means for a promotion is the deployment gate's to say.
    """
    try:
        return champion_predictions(request, stores), None
    except (InvalidDatasetError, ArtefactIntegrityError) as error:
        logger.warning("champion cannot be scored", extra={"champion": request.champion, "reason": str(error)})
        return None, str(error)[:500]


def champion_predictions(request: FitCandidateRequest, stores: Stores) -> str:
    """Return where the champion's predictions of the same holdout lie, and make them if need be.

    A champion was fitted on what precedes its own holdout, which began before this one: it is out of sample here.
    Only a run whose `as_of` lies before the champion's own could flatter the champion, never the candidate.
    """
    version = str(request.champion)
    key = reuse_key("champion", hash_of_uri(request.dataset_uri), code_version(), request.holdout, version)
    uri = stores.predictions.uri(key)
    if stores.predictions.facts(uri) is None:
        predictions = predict_fold(load_market(stores, request.dataset_uri), version, request.holdout, stores)
        stores.predictions.save(as_parquet(predictions), uri, {"version": version, "n_predictions": len(predictions)})
    return uri


def predict_fold(market: MarketView, version: str, fold: FoldPlan, stores: Stores) -> pd.DataFrame:
    """Predict the decisions of a fold with a stored model."""
    sessions = market.features.sessions
    decided = sessions[(sessions >= pd.Timestamp(fold.first_decision)) & (sessions <= pd.Timestamp(fold.last_decision))]
    model = load_model(stores.models.download(version), n_threads=available_threads())
    return model.predict(market.features, decided, market.eligible).assign(fold=fold.number)


def walk_forward_metrics(run_id: str, stores: Stores) -> dict[str, float | None]:
    """Return what the walk-forward of the same run measured, for the manifest."""
    evaluated = stores.reports.find(stores.reports.uri(run_id, "evaluation.json"))
    if evaluated is None:
        return {}
    return {name: evaluated["evaluation"]["pooled"][name] for name in RECORDED_METRICS}


@step(RecommendRequest, RecommendResult)
def recommend(request: RecommendRequest, stores: Stores) -> RecommendResult:
    """Score the newest session with a stored model; nothing is published here."""
    market = load_market(stores, request.dataset_uri)
    session = market.features.sessions[-1]
    key = reuse_key("newest", hash_of_uri(request.dataset_uri), code_version(), request.version)
    uri = stores.predictions.uri(key)
    facts = stores.predictions.facts(uri)
    if facts is None:
        model = load_model(stores.models.download(request.version), n_threads=available_threads())
        predictions = model.predict(market.features, market.features.sessions[-1:], market.eligible)
        ranked = predictions.sort_values(["probability", "symbol"], ascending=[False, True], ignore_index=True)
        told = explain(model, market, session)
        reasons = {one.symbol: [voice.model_dump(mode="json") for voice in one.voices] for one in told}
        facts = stores.predictions.save(as_parquet(ranked), uri, {"n_predictions": len(ranked), "reasons": reasons})
    return RecommendResult(predictions_uri=uri, session=session.date(), n_predictions=facts["n_predictions"])
