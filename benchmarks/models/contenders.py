"""The models that run the course: rules, logistic regression, each learner alone, their plain average, the ensemble."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.models.course import Course, Measured, Meter, Store
from lambdas.core.backtest.metrics import rank_ic_by_date
from lambdas.core.market_data.panel import FloatArray
from lambdas.core.models.ensemble import EnsembleModel, fit_candidate
from lambdas.core.models.hyperparameters import LEARNER_NAMES, Hyperparameters
from lambdas.core.models.importance import groups_by_family, groups_by_feature, rank_ic_drops
from lambdas.core.models.learners import LearnerFactory, SharedRows, fit_learner, logits
from lambdas.core.models.out_of_fold import failure_reason
from lambdas.core.models.training_data import feature_rows
from lambdas.core.models.tuning import TuningOutcome, tune_hyperparameters
from lambdas.core.values import FoldPlan, TuningPoint

VOLATILITY_SESSIONS, MIN_VOLATILITY_RETURNS = 252, 126
IMPORTANCE_STRIDE = 5
"""Every n-th date of a window: outcomes overlap, as in training."""
IMPORTANCE_REPEATS = 2


def rules(course: Course, fold: FoldPlan) -> Measured:
    """12-1 momentum (Jegadeesh & Titman 1993) and lowest volatility of 252 sessions (Ang et al. 2006)."""
    decided = course.decided(fold)
    meter = Meter()
    with meter:
        prices = pd.DataFrame(course.market.dataset.prices.adj_close[: decided.stop])
        daily = np.log(prices).diff()
        volatility = daily.rolling(VOLATILITY_SESSIONS, min_periods=MIN_VOLATILITY_RETURNS).std().to_numpy()[decided]
        momentum = course.market.features.of("momentum_12_1")[decided].astype(np.float64)
    allowed = course.priced[decided]
    scores = {"12-1 momentum": momentum, "lowest volatility": -volatility}
    return Measured(
        scores={name: np.where(allowed, score, np.nan) for name, score in scores.items()},
        cost=dict.fromkeys(scores, meter.cost()),
        notes={},
    )


def logistic(course: Course, fold: FoldPlan) -> Measured:
    """Logistic regression on all features: median, indicator of what is missing, and scale, of the training rows."""
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    meter = Meter()
    with meter:
        data = course.training_rows(fold)
        model = make_pipeline(
            SimpleImputer(strategy="median", add_indicator=True),
            StandardScaler(),
            LogisticRegression(max_iter=1000),
        ).fit(data.X, data.y)
        rows, place = rows_to_predict(course, fold)
        score = grid_of(course, fold, place, model.predict_proba(rows)[:, 1])
    return Measured(scores={"logistic regression": score}, cost={"logistic regression": meter.cost()}, notes={})


def learners(course: Course, fold: FoldPlan, seed: int, names: tuple[str, ...] | None = None) -> Measured:
    """Each learner with its default parameters, and the plain average of their probabilities from the same fits.

    A learner that fails is noted; alone it buys nothing in that fold, and the average is that of the others.

    Parameters
    ----------
    names : tuple of str, optional
        Columns of the feature set to use; all by default.
    """
    features = course.market.features
    data = course.training_rows(fold)
    rows, place = rows_to_predict(course, fold)
    if names is not None:
        chosen = [features.names.index(name) for name in names]
        data = replace(data, X=np.ascontiguousarray(data.X[:, chosen]), names=names)
        rows = np.ascontiguousarray(rows[:, chosen])
    probability, cost, rounds, failed = {}, {}, {}, {}
    shared = SharedRows(data, course.settings.portfolio.horizon)
    factory = default_factory(course, seed)
    for name in LEARNER_NAMES:
        meter = Meter()
        with meter:
            try:
                learner = fit_learner(
                    factory.make(name, "final"), shared, slice(None), factory.hyperparameters.label(name)
                )
                probability[name], rounds[name] = learner.predict_proba(rows)[:, 1], learner.rounds_
            except Exception as error:  # a library may raise anything; alone, a learner that fails buys nothing
                probability[name], failed[name] = np.full(len(rows), np.nan), failure_reason(error)
        cost[name] = meter.cost()
    fitted = [probability[name] for name in rounds] or [np.full(len(rows), np.nan)]
    probability["plain average"] = np.mean(fitted, axis=0)
    summed = {key: sum(part[key] for part in cost.values()) for key in ("cpu", "wall")}
    cost["plain average"] = {**summed, "peak_mb": max(part["peak_mb"] for part in cost.values())}
    scores = {name: grid_of(course, fold, place, values) for name, values in probability.items()}
    notes = {
        "rounds": rounds,
        "failed": failed,
        "n_rows": len(data.y),
        "n_features": len(data.names),
        "rank_ic": {name: window_rank_ic(course, fold, part) for name, part in scores.items()},
    }
    return Measured(scores=scores, cost=cost, notes=notes)


def default_factory(course: Course, seed: int) -> LearnerFactory:
    """Make learners as a run with this seed would, with default parameters."""
    return LearnerFactory(
        hyperparameters=Hyperparameters(),
        horizon=course.settings.portfolio.horizon,
        network_seeds=course.settings.tuning.network_seeds,
        seed=course.seed(seed),
        n_threads=1,
    )


def search(
    course: Course, store: Store, point: TuningPoint, seed: int, work: str
) -> tuple[TuningOutcome, dict[str, float]]:
    """Search at a tuning point once; the second time it is read."""

    def measure() -> dict[str, Any]:
        meter = Meter()
        with meter:
            outcome = tune_hyperparameters(course.market, point, course.settings, course.seed(seed))
        return {"outcome": outcome.model_dump(mode="json"), "cost": meter.cost()}

    answer = store.json(f"{work}/search-{point.number}", measure)
    return TuningOutcome.model_validate(answer["outcome"]), answer["cost"]


def ensemble(course: Course, fold: FoldPlan, seed: int, outcome: TuningOutcome, *, with_importance: bool) -> Measured:
    """Fit the ensemble of the product with what the search of its tuning point found; its own probabilities."""
    meter = Meter()
    with meter:
        model = fit_candidate(course.market, fold, outcome.hyperparameters, course.settings, course.seed(seed))
        sessions = course.market.features.sessions[course.decided(fold)]
        frame = model.predict(course.market.features, sessions, course.priced)
    symbols = pd.Index(course.market.features.symbols)
    grid = np.full((len(sessions), len(symbols)), np.nan)
    grid[sessions.get_indexer(pd.DatetimeIndex(frame["date"])), symbols.get_indexer(pd.Index(frame["symbol"]))] = frame[
        "probability"
    ]
    notes = describe(model)
    rows, place = rows_to_predict(course, fold)
    members = {name: grid_of(course, fold, place, logits(learner, rows)) for name, learner in model.learners.items()}
    notes["rank_ic"] = {name: window_rank_ic(course, fold, part) for name, part in {**members, "all": grid}.items()}
    if with_importance:
        notes["importance"] = _importance(course, fold, model)
    return Measured(scores={"tuned ensemble": grid}, cost={"tuned ensemble": meter.cost()}, notes=notes)


def describe(model: EnsembleModel) -> dict[str, Any]:
    """How a fitted ensemble is put together."""
    combination = model.combination
    return {
        "combination": combination.name,
        "way": f"{combination.kind} neutral" if combination.neutralised else combination.kind,
        "weights": dict(zip(combination.learners, combination.weights, strict=True)),
        "inner_sharpe_ratio": dict(combination.inner_sharpe_ratio),
        "inner_rank_ic": dict(combination.inner_rank_ic),
        "left_out": model.left_out,
    }


def _importance(course: Course, fold: FoldPlan, model: EnsembleModel) -> dict[str, dict[str, list[float | None]]]:
    market, decided = course.market, course.decided(fold)
    sessions = market.features.sessions[decided][::IMPORTANCE_STRIDE]
    drops = {}
    for kind, groups in (
        ("family", groups_by_family(market.features)),
        ("feature", groups_by_feature(market.features)),
    ):
        by_group: Mapping[str, FloatArray] = rank_ic_drops(
            model,
            market.features,
            sessions,
            market.outcomes.gross,
            market.eligible,
            groups,
            repeats=IMPORTANCE_REPEATS,
            seed=0,
        )
        drops[kind] = {
            name: [None if np.isnan(value) else round(float(value), 6) for value in values]
            for name, values in by_group.items()
        }
    return drops


Place = tuple[np.ndarray, np.ndarray]


def rows_to_predict(course: Course, fold: FoldPlan) -> tuple[np.ndarray, Place]:
    """Feature rows of everybody with a price on the decisions of a fold, and where in the grid they belong."""
    decided = course.decided(fold)
    position, columns = np.nonzero(course.priced[decided])
    return feature_rows(course.market.features, position + decided.start, columns), (position, columns)


def grid_of(course: Course, fold: FoldPlan, place: Place, score: FloatArray) -> FloatArray:
    """Lay the scores of `rows_to_predict` onto the decisions and symbols of a fold."""
    decided = course.decided(fold)
    grid = np.full((decided.stop - decided.start, course.priced.shape[1]), np.nan)
    grid[place] = score
    return grid


def window_rank_ic(course: Course, fold: FoldPlan, grid: FloatArray) -> float | None:
    """Mean daily rank IC of scores in the window of a fold, among those a model is fitted on."""
    decided, market = course.decided(fold), course.market
    daily = rank_ic_by_date(grid, market.outcomes.gross[decided], market.eligible[decided])
    return float(np.nanmean(daily)) if np.isfinite(daily).any() else None
