"""The ensemble of one training part: fitted for a walk-forward fold, or as the candidate."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from lambdas.core.errors import InvalidDatasetError, InvalidRequestError
from lambdas.core.features import FeatureSet
from lambdas.core.market_data.panel import BoolArray
from lambdas.core.models.combination import Combination, combine
from lambdas.core.models.exposures import EXPOSURES, exposures_of
from lambdas.core.models.hyperparameters import Hyperparameters, LearnerName
from lambdas.core.models.inner_portfolio import InnerPortfolio
from lambdas.core.models.lanes import attempt_each
from lambdas.core.models.learner import Learner
from lambdas.core.models.learners import LearnerFactory, SharedRows, fit_learner, logits, require_enough
from lambdas.core.models.market_view import MarketView
from lambdas.core.models.out_of_fold import (
    OutOfFold,
    failure_reason,
    inner_splits,
    out_of_fold,
    require_variation,
)
from lambdas.core.models.training_data import TrainingData, feature_rows, training_rows
from lambdas.core.settings import ModelSettings, Target
from lambdas.core.values import FoldPlan


@dataclass(frozen=True)
class EnsembleModel:
    """Fitted learners and how they are combined.

    The probability it gives is that of a hit of `hit_definition`, at the base rate of the inner folds; how symbols
    are ordered was learned on `target`. With the defaults: the order of "beats the S&P 500, and its like", and the
    level of "earns more than it costs", which is what `min_probability`, the published probability and the gate mean
    by a hit. What neutral scores change about that is said in `Combination`.

    Attributes
    ----------
    learners : dict of learner name to Learner
        Those with a positive weight.
    feature_names : tuple of str
        Features, in order, that the learners were given.
    train_first, train_last : date
        First and last training decision. The last one's outcome was known at the first decision predicted.
    left_out : dict of learner name to reason
        Learners that failed.
    """

    learners: dict[LearnerName, Learner]
    combination: Combination
    hyperparameters: Hyperparameters
    feature_names: tuple[str, ...]
    target: Target
    hit_definition: Literal["absolute", "relative"]
    horizon: int
    train_first: dt.date
    train_last: dt.date
    left_out: dict[str, str]

    def predict(self, features: FeatureSet, sessions: pd.DatetimeIndex, eligible: BoolArray) -> pd.DataFrame:
        """Probability of a hit for every eligible symbol on some sessions.

        Parameters
        ----------
        features : FeatureSet
            May have more features than the model uses, in any order.
        sessions : DatetimeIndex
            Decisions to predict; all must be sessions of `features`.
        eligible : ndarray of bool, shape (n_sessions, n_symbols)
            Of all sessions of `features`.

        Returns
        -------
        DataFrame
            date, symbol, probability; sorted by date and symbol. Without rows if nobody is eligible.

        Raises
        ------
        InvalidDatasetError
            If a feature is missing or infinite, or a session is not there.
        """
        needed = (*self.feature_names, *(EXPOSURES if self.combination.neutralised else ()))
        missing = [name for name in needed if name not in features.names]
        if missing:
            raise InvalidDatasetError(
                f"features: {', '.join(missing[:5])} of {len(missing)} missing, the model was fitted with them; build "
                f"the feature set with the code version of the model, or train a new one"
            )
        numbers = features.sessions.get_indexer(sessions)
        if (numbers < 0).any():
            raise InvalidDatasetError(
                f"features: no session {sessions[int(np.argmax(numbers < 0))].date()}, they end on "
                f"{features.sessions[-1].date()}; collect newer data"
            )
        position, columns = np.nonzero(eligible[numbers])
        X = feature_rows(features, numbers[position].astype(np.int64), columns.astype(np.int64))
        if tuple(features.names) != self.feature_names:
            X = np.ascontiguousarray(X[:, [features.names.index(name) for name in self.feature_names]])
        probability = np.empty(0)
        if len(X):
            odds = {name: logits(learner, X) for name, learner in self.learners.items()}
            numbered = numbers[position].astype(np.int64)
            exposures = exposures_of(features, numbered, columns) if self.combination.neutralised else None
            probability = self.combination.probability(odds, exposures, numbered)
        frame = pd.DataFrame(
            {
                "date": sessions[position],
                "symbol": np.array(features.symbols, dtype=object)[columns],
                "probability": probability,
            }
        )
        return frame.astype({"symbol": "str"})


@dataclass(frozen=True)
class FoldPredictions:
    """Out-of-sample predictions of one fold.

    Attributes
    ----------
    predictions : DataFrame
        date, symbol, probability, fold.
    combination : str
        `voting`, `stacking`, or the name of the best single learner.
    left_out : tuple of str
        Learners that failed.
    model : EnsembleModel
        What predicted, with every weight and reason.
    """

    predictions: pd.DataFrame
    combination: str
    left_out: tuple[str, ...]
    model: EnsembleModel


def fit_and_predict_fold(
    market: MarketView,
    fold: FoldPlan,
    hyperparameters: Hyperparameters,
    settings: ModelSettings,
    seed: int,
    *,
    n_threads: int = 1,
) -> FoldPredictions:
    """Fit on the training part of a fold and predict its decisions.

    Parameters
    ----------
    market : MarketView
    fold : FoldPlan
    hyperparameters : Hyperparameters
        Of the fold's tuning point.
    settings : ModelSettings
    seed : int
        Of everything random; see `derive_seed`.
    n_threads : int
        At most so many threads; the result does not depend on it. More than there are whole processors is slow.

    Raises
    ------
    InvalidRequestError
        If the plan does not fit the data, or a training outcome would reach the first decision.
    InsufficientHistoryError, TrainingFailedError
        If nothing can be trained, or fewer than two learners could be.
    InvalidDatasetError
        If a feature is infinite.
    """
    model = fit_candidate(market, fold, hyperparameters, settings, seed, n_threads=n_threads)
    sessions = market.features.sessions
    decided = sessions[(sessions >= pd.Timestamp(fold.first_decision)) & (sessions <= pd.Timestamp(fold.last_decision))]
    frame = model.predict(market.features, decided, market.eligible)
    frame["fold"] = np.full(len(frame), fold.number, dtype=np.int64)
    return FoldPredictions(
        predictions=frame, combination=model.combination.name, left_out=tuple(model.left_out), model=model
    )


def fit_candidate(
    market: MarketView,
    holdout: FoldPlan,
    hyperparameters: Hyperparameters,
    settings: ModelSettings,
    seed: int,
    *,
    n_threads: int = 1,
) -> EnsembleModel:
    """Fit the ensemble on the training part of a fold; parameters and errors are those of `fit_and_predict_fold`."""
    first, last = training_span(market, holdout, settings.portfolio.horizon)
    data = training_rows(market, first, last, settings)
    factory = LearnerFactory(
        hyperparameters, settings.portfolio.horizon, settings.tuning.network_seeds, seed, n_threads
    )
    splits = inner_splits(data, settings.portfolio.horizon, settings.tuning.inner_folds)
    predictions = out_of_fold(factory, SharedRows(data, settings.portfolio.horizon), splits)
    learners, combination, left_out = _fit_used(factory, data, predictions, market, settings, f"fold {holdout.number}")
    return EnsembleModel(
        learners=learners,
        combination=combination,
        hyperparameters=hyperparameters,
        feature_names=data.names,
        target=settings.tuning.target,
        hit_definition=settings.gates.hit_definition,
        horizon=settings.portfolio.horizon,
        train_first=holdout.train_first,
        train_last=holdout.train_last,
        left_out=left_out,
    )


def _fit_used(
    factory: LearnerFactory,
    data: TrainingData,
    predictions: OutOfFold,
    market: MarketView,
    settings: ModelSettings,
    where: str,
) -> tuple[dict[LearnerName, Learner], Combination, dict[str, str]]:
    """Combine, and fit the learners that have a weight on all rows; one that fails there is left out of both."""
    shared = SharedRows(data, settings.portfolio.horizon)
    portfolio = InnerPortfolio.of(market, settings)
    hits = market.outcomes.hit(settings.gates.hit_definition)
    hit = hits[data.decisions, data.columns]
    left_out = dict(predictions.left_out)
    remaining = dict(predictions.logits)
    fitted: dict[LearnerName, Learner] = {}

    def fit(name: LearnerName) -> Learner:
        learner = fit_learner(factory.make(name, "final"), shared, slice(None), factory.hyperparameters.label(name))
        require_variation(name, logits(learner, data.X))
        return learner

    while True:
        require_enough(len(remaining), left_out, where)
        combination = combine(
            data,
            OutOfFold(predictions.rows, predictions.fold, remaining, left_out),
            hit,
            settings.portfolio.horizon,
            portfolio,
            settings.tuning.neutralise,
        )
        missing = [name for name in combination.used if name not in fitted]
        if not missing:
            return {name: fitted[name] for name in combination.used}, combination, left_out
        for name, found in attempt_each(missing, fit, factory.n_threads).items():
            if isinstance(found, Exception):
                left_out[name] = failure_reason(found)
                del remaining[name]
            else:
                fitted[name] = found


def training_span(market: MarketView, fold: FoldPlan, horizon: int) -> tuple[int, int]:
    """Session numbers of the first and last training decision.

    Raises
    ------
    InvalidRequestError
        If a date of the plan is no session of the data, or the outcome of the last training decision is not known at
        the first decision. Plans travel as events: this is where a wrong one would leak.
    """
    sessions = market.features.sessions
    days = {"first_decision": fold.first_decision, "last_decision": fold.last_decision}
    days |= {"train_first": fold.train_first, "train_last": fold.train_last}
    numbers = {name: int(sessions.get_indexer(pd.DatetimeIndex([day]))[0]) for name, day in days.items()}
    absent = [f"{name} {days[name]}" for name, number in numbers.items() if number < 0]
    if absent:
        raise InvalidRequestError(
            f"fold {fold.number}: {', '.join(absent)} is no session of the data set "
            f"({sessions[0].date()} to {sessions[-1].date()}); plan the folds from this data set"
        )
    if numbers["train_last"] + 1 + horizon > numbers["first_decision"]:
        raise InvalidRequestError(
            f"fold {fold.number}: the outcome of training decision {fold.train_last} is not known at the first "
            f"decision {fold.first_decision} ({horizon} sessions are held); plan the folds with this horizon"
        )
    return numbers["train_first"], numbers["train_last"]
