"""The same three learners put together the obvious way with scikit-learn, beside ours: time, memory and rank IC."""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd

from benchmarks.models.contenders import grid_of, rows_to_predict
from benchmarks.models.course import Course, Meter, course_settings, real_course
from benchmarks.speed.measuring import in_process
from lambdas.core.backtest.metrics import rank_ic_by_date
from lambdas.core.market_data.panel import FloatArray
from lambdas.core.models.ensemble import fit_candidate
from lambdas.core.models.importance import summarise
from lambdas.core.models.tuning import tune_hyperparameters
from lambdas.core.values import FoldPlan, TuningPoint

FOLDS = (0, 6)
"""Windows a year and a half apart: enough dates to compare a ranking, few enough to be measured in minutes."""
WINDOW_DAYS, STRIDE, N_TRIALS = 90, 10, 4
SPEED_LIMIT = 3.0
INNER_FOLDS = 3


def measure(data: Path) -> dict[str, Any]:
    """Run both sides in processes of their own, one after the other."""
    sides = {
        side: in_process(sys.executable, ["-m", "benchmarks.models.scikit", str(data), "--side", side])
        for side in ("ours", "scikit-learn")
    }
    ours, theirs = sides["ours"], sides["scikit-learn"]
    course_horizon, evidence = ours["horizon"], course_settings(WINDOW_DAYS, STRIDE, N_TRIALS).evidence
    difference = summarise(
        {"difference": np.array(ours["daily"], dtype=float) - np.array(theirs["daily"], dtype=float)},
        course_horizon,
        evidence,
    )[0]
    ratio = theirs["cpu"] / ours["cpu"]
    faster = "yes" if ratio >= SPEED_LIMIT else "**no**"
    as_good = "equal or better" if ours["rank_ic"] >= theirs["rank_ic"] else "lower"
    bounds = "" if difference.lower is None else f", {difference.lower:.4f} to {difference.upper:.4f}"
    return {
        "sentence": f"Real market, members of the day: {len(FOLDS)} windows of {WINDOW_DAYS} days, up to "
        f"five years of every {STRIDE}th session ({ours['n_rows']:,} rows of the last window, {ours['n_features']} "
        f"columns), {N_TRIALS} configurations a learner and window, {INNER_FOLDS} forward-only inner folds, one "
        "thread. scikit-learn: `RandomizedSearchCV` over `TimeSeriesSplit` of `XGBClassifier`, `LGBMClassifier` and a "
        "pipeline of imputer, scaler and `MLPClassifier` with its own early stopping; refitted, and averaged, because "
        "`StackingClassifier` refuses forward-only splits. Ours: search, stacking or voting, calibration. Both are "
        "given the same rows; reading and features are not timed.",
        "parts": [{"name": name, **{k: v for k, v in side.items() if k != "daily"}} for name, side in sides.items()],
        "ratio": ratio,
        "difference": asdict(difference),
        "verdict": f"Ours takes 1 / {ratio:.1f} of the processor time; at least {SPEED_LIMIT:g} times faster: "
        f"{faster}. Rank IC is {as_good} (difference {difference.drop:.4f}{bounds}).",
    }


def one_side(data: Path, side: str) -> dict[str, Any]:
    """Fit and predict the windows one way."""
    course = real_course(data, course_settings(WINDOW_DAYS, STRIDE, N_TRIALS))
    course = Course(course.market, course.market.eligible, course.plan, course.settings, course.identity)
    predict = _ours if side == "ours" else _scikit
    meter = Meter()
    daily: list[float] = []
    n_rows = 0
    for number in FOLDS:
        fold = course.plan.folds[number]
        n_rows = len(course.training_rows(fold).y)
        with meter:
            grid = predict(course, fold)
        decided = course.decided(fold)
        outcome, allowed = course.market.outcomes.gross[decided], course.market.eligible[decided]
        daily += rank_ic_by_date(grid, outcome, allowed).tolist()
    return {
        **meter.cost(),
        "rank_ic": float(np.nanmean(daily)),
        "daily": daily,
        "n_rows": n_rows,
        "n_features": len(course.market.features.names),
        "horizon": course.settings.portfolio.horizon,
    }


def _ours(course: Course, fold: FoldPlan) -> FloatArray:
    seed = course.seed(0)
    point = TuningPoint(number=0, train_first=fold.train_first, train_last=fold.train_last)
    found = tune_hyperparameters(course.market, point, course.settings, seed).hyperparameters
    model = fit_candidate(course.market, fold, found, course.settings, seed)
    sessions = course.market.features.sessions[course.decided(fold)]
    frame = model.predict(course.market.features, sessions, course.market.eligible)
    wide = frame.pivot(index="date", columns="symbol", values="probability")
    grid: FloatArray = wide.reindex(index=sessions, columns=pd.Index(course.market.features.symbols)).to_numpy()
    return grid


def _scikit(course: Course, fold: FoldPlan) -> FloatArray:
    from sklearn.model_selection import RandomizedSearchCV, TimeSeriesSplit

    data = course.training_rows(fold)
    rows, place = rows_to_predict(course, fold)
    parts = []
    for estimator, space in _estimators():
        search = RandomizedSearchCV(
            estimator,
            space,
            n_iter=N_TRIALS,
            cv=TimeSeriesSplit(INNER_FOLDS),
            scoring="roc_auc",
            random_state=0,
            n_jobs=1,
        )
        parts.append(search.fit(data.X, data.y).predict_proba(rows)[:, 1])
    return grid_of(course, fold, place, np.mean(parts, axis=0))


def _estimators() -> list[tuple[Any, dict[str, Any]]]:
    from lightgbm import LGBMClassifier
    from scipy.stats import loguniform, randint, uniform
    from sklearn.impute import SimpleImputer
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import StandardScaler
    from xgboost import XGBClassifier

    trees = {
        "n_estimators": randint(100, 301),
        "learning_rate": loguniform(0.02, 0.15),
        "colsample_bytree": uniform(0.3, 0.7),
        "subsample": uniform(0.5, 0.5),
        "reg_lambda": loguniform(0.5, 50),
    }
    network = Pipeline(
        [
            ("imputer", SimpleImputer(strategy="median")),
            ("scaler", StandardScaler()),
            ("network", MLPClassifier((48, 48), early_stopping=True, random_state=0)),
        ]
    )
    return [
        (XGBClassifier(n_jobs=1, random_state=0), {**trees, "max_depth": randint(2, 7)}),
        (
            LGBMClassifier(n_jobs=1, random_state=0, subsample_freq=1, verbosity=-1),
            {**trees, "num_leaves": randint(4, 49)},
        ),
        (network, {"network__alpha": loguniform(1e-4, 0.3), "network__learning_rate_init": loguniform(5e-4, 6e-3)}),
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--side", choices=("ours", "scikit-learn"), required=True)
    given = parser.parse_args()
    print(json.dumps(one_side(given.data, given.side)))
