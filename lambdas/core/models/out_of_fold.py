"""Predictions of rows that the predicting learner has not seen, forward-only and purged (definitions, section 6)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from lambdas.core.backtest.metrics import rank_ic_by_date
from lambdas.core.errors import TrainingFailedError
from lambdas.core.market_data.panel import FloatArray, IntArray
from lambdas.core.models.hyperparameters import LEARNER_NAMES, LearnerName
from lambdas.core.models.lanes import attempt_each
from lambdas.core.models.learners import LearnerFactory, SharedRows, fit_learner, logits
from lambdas.core.models.training_data import TrainingData
from lambdas.core.splits import inner_folds


@dataclass(frozen=True)
class InnerSplit:
    """Rows of one inner fold: `train` is known before the first decision of `test`."""

    train: slice
    test: slice


@dataclass(frozen=True)
class OutOfFold:
    """Out-of-fold log odds of every learner that could be fitted in every inner fold.

    Attributes
    ----------
    rows : ndarray of int, shape (n,)
        Rows of the training data that have a prediction, ascending. The earliest dates have none and are not here.
    fold : ndarray of int, shape (n,)
        Inner fold of each row, 0 … in time.
    logits : dict of learner name to ndarray of shape (n,)
    left_out : dict of learner name to reason
    """

    rows: IntArray
    fold: IntArray
    logits: dict[LearnerName, FloatArray]
    left_out: dict[str, str]


def inner_splits(data: TrainingData, horizon: int, n_folds: int) -> list[InnerSplit]:
    """Map the date folds of `inner_folds` to rows."""
    dates = data.dates
    return [
        InnerSplit(train=data.rows_of(dates[train]), test=data.rows_of(dates[test]))
        for train, test in inner_folds(dates, horizon, n_folds)
    ]


def predict_folds(
    name: LearnerName, factory: LearnerFactory, shared: SharedRows, splits: list[InnerSplit], *, refit: bool = True
) -> Iterator[FloatArray]:
    """Yield the log odds of one learner on the test rows of each inner fold, in time order.

    `refit` as in `Learner.fit_rows`.

    Raises
    ------
    Exception
        Whatever the learner raises; TrainingFailedError if it says the same of every row of a fold.
    """
    label = factory.hyperparameters.label(name)
    for number, split in enumerate(splits):
        learner = fit_learner(factory.make(name, number), shared, split.train, label, refit=refit)
        part = logits(learner, shared.data.X[split.test])
        require_variation(name, part)
        yield part


def out_of_fold(factory: LearnerFactory, shared: SharedRows, splits: list[InnerSplit]) -> OutOfFold:
    """Out-of-fold log odds of all learners; one that fails is left out, with its reason."""

    def predict(name: LearnerName) -> FloatArray:
        return np.concatenate(list(predict_folds(name, factory, shared, splits)))

    collected: dict[LearnerName, FloatArray] = {}
    left_out: dict[str, str] = {}
    for name, found in attempt_each(LEARNER_NAMES, predict, factory.n_threads).items():
        if isinstance(found, Exception):
            left_out[name] = failure_reason(found)
        else:
            collected[name] = found
    return OutOfFold(
        rows=tested_rows(splits),
        fold=np.concatenate([np.full(split.test.stop - split.test.start, k) for k, split in enumerate(splits)]),
        logits=collected,
        left_out=left_out,
    )


def tested_rows(splits: list[InnerSplit]) -> IntArray:
    """Rows that have an out-of-fold prediction, ascending."""
    return np.concatenate([np.arange(split.test.start, split.test.stop) for split in splits])


def log_loss(y: FloatArray, odds: FloatArray) -> float:
    """Mean log loss of log odds against hits."""
    return float(np.mean(np.logaddexp(0.0, np.where(y > 0.5, -odds, odds))))


def mean_rank_ic(data: TrainingData, rows: IntArray, score: FloatArray) -> float:
    """Mean over dates of the Spearman correlation of score and net return; 0 where it cannot be measured."""
    dates, position = np.unique(data.decisions[rows], return_inverse=True)
    wide_score = np.full((len(dates), int(data.columns.max()) + 1), np.nan)
    wide_return = wide_score.copy()
    wide_score[position, data.columns[rows]] = score
    wide_return[position, data.columns[rows]] = data.net_return[rows]
    by_date = rank_ic_by_date(wide_score, wide_return, np.isfinite(wide_score))
    known = by_date[np.isfinite(by_date)]
    return float(known.mean()) if len(known) else 0.0


def require_variation(name: str, score: FloatArray) -> None:
    """Raise TrainingFailedError if a learner says the same of every row."""
    if len(score) > 1 and float(score.max() - score.min()) < 1e-9:
        raise TrainingFailedError(f"{name}: every prediction is the same, it learned nothing")


def failure_reason(error: Exception) -> str:
    """One line for the record, short enough for a result."""
    return f"{type(error).__name__}: {error}".splitlines()[0][:300]
