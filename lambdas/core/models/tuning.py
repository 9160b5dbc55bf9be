"""The search for hyper-parameters: which ones would have earned the best Sharpe ratio, on earlier data only."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from pydantic import Field

from lambdas.core.backtest.metrics import sharpe_ratio
from lambdas.core.backtest.trials import SearchTrials
from lambdas.core.errors import InvalidRequestError
from lambdas.core.market_data.panel import FloatArray, IntArray
from lambdas.core.models.hyperparameters import LEARNER_NAMES, SEARCH_SPACE, Hyperparameters, LearnerName
from lambdas.core.models.inner_portfolio import InnerPortfolio
from lambdas.core.models.learners import LearnerFactory
from lambdas.core.models.market_view import MarketView
from lambdas.core.models.out_of_fold import InnerSplit, failure_reason, inner_splits, learner_out_of_fold
from lambdas.core.models.seeds import derive_seed
from lambdas.core.models.training_data import TrainingData, training_data
from lambdas.core.settings import ModelSettings
from lambdas.core.values import FiniteOrNone, TuningPoint, Value

FAILED = -10.0
"""What the sampler is told of a configuration that failed or bought nothing: worse than any Sharpe ratio."""
TIME_MARGIN = 1.25
"""The next configuration is only begun if the remaining time is this many times the longest one so far."""
NETWORK_MEMBERS = 2
"""Members of a network while configurations are compared; more only cost time."""


class Trial(Value):
    """One configuration of one learner that was scored. Failed ones count too."""

    learner: LearnerName
    number: int = Field(ge=0, description="Within the learner; 0 is the defaults.")
    parameters: dict[str, float | int]
    sharpe_ratio: FiniteOrNone = Field(description="Annualised, net of costs, over all inner folds.")
    failure: str | None = None
    returns: tuple[float, ...] = Field(
        default=(), description="Daily net returns less cash, on the same sessions for every trial of a search."
    )


class TuningOutcome(Value):
    """What a tuning point decided, and every configuration it looked at."""

    point: int
    hyperparameters: Hyperparameters
    trials: int = Field(ge=0, description="Configurations scored, failed ones too: they count in the trial ledger.")
    inner_sharpe_ratio: FiniteOrNone = Field(
        description="Of the equal vote of the chosen learners over the inner folds; flattered by the search."
    )
    deadline_reached: bool = False
    first_session: dt.date = Field(description="First decision of the inner folds; `returns` begin one session later.")
    last_session: dt.date
    trial_log: tuple[Trial, ...]

    def search_trials(self) -> SearchTrials:
        """Return what the evidence reads: how many trials there were, and the returns of those that did not fail."""
        return SearchTrials.of(self.model_dump())


def tune_hyperparameters(
    market: MarketView,
    point: TuningPoint,
    settings: ModelSettings,
    seed: int,
    deadline: Callable[[], float] | None = None,
    *,
    n_threads: int = 1,
) -> TuningOutcome:
    """Search each learner's hyper-parameters for the Sharpe ratio of the portfolio it would have recommended.

    One study of Optuna's TPE sampler (Bergstra et al. 2011) a learner; its first trial is the defaults, so that a
    search never does worse than none on its own yardstick. A trial is scored by one simulation, net of costs, over the
    forward-only inner folds. Learners take turns, so that a deadline costs all of them alike.

    Parameters
    ----------
    market : MarketView
    point : TuningPoint
        Only decisions of its training part are read.
    settings : ModelSettings
    seed : int
        Of the samplers and the learners; see `derive_seed`.
    deadline : callable, optional
        Remaining seconds. No trial is begun that would probably not end in time.
    n_threads : int
        At most so many threads; the result does not depend on it. More than there are whole processors is slow.

    Returns
    -------
    TuningOutcome
        The best so far. A learner of which nothing could be scored keeps its defaults.

    Raises
    ------
    InvalidRequestError
        If the point's dates are no sessions of the data.
    InsufficientHistoryError, TrainingFailedError, InvalidDatasetError
        As `training_data` and `inner_folds`.
    """
    data, splits = _training_part(market, point, settings)
    search = _Search(data, splits, InnerPortfolio.of(market, settings), settings, seed, n_threads)
    studies = {name: _study(name, seed, settings.tuning.n_trials) for name in LEARNER_NAMES}
    longest = 0.0
    stopped = False
    for number in range(settings.tuning.n_trials):
        for name in LEARNER_NAMES:
            if deadline is not None and deadline() < TIME_MARGIN * longest:
                stopped = True
                break
            started = time.monotonic()
            asked = studies[name].ask()
            score = search.run(name, number, SEARCH_SPACE[name](asked))
            studies[name].tell(asked, FAILED if score is None else score)
            longest = max(longest, time.monotonic() - started)
        if stopped:
            break

    chosen = Hyperparameters()
    for name, best in search.best.items():
        chosen = chosen.replace(name, best.parameters)
    sessions = market.features.sessions
    decisions = data.decisions[search.rows]
    return TuningOutcome(
        point=point.number,
        hyperparameters=chosen,
        trials=len(search.log),
        inner_sharpe_ratio=search.vote(),
        deadline_reached=stopped,
        first_session=sessions[int(decisions[0])].date(),
        last_session=sessions[int(decisions[-1])].date(),
        trial_log=tuple(search.log),
    )


class _Search:
    """Scores configurations, keeps the log and the best of each learner."""

    def __init__(
        self,
        data: TrainingData,
        splits: list[InnerSplit],
        portfolio: InnerPortfolio,
        settings: ModelSettings,
        seed: int,
        n_threads: int,
    ) -> None:
        self.data, self.splits, self.portfolio = data, splits, portfolio
        self.settings, self.seed, self.n_threads = settings, seed, n_threads
        self.rows: IntArray = np.concatenate([np.arange(split.test.start, split.test.stop) for split in splits])
        self.log: list[Trial] = []
        self.best: dict[LearnerName, Trial] = {}
        self._best_logits: dict[LearnerName, FloatArray] = {}

    def run(self, name: LearnerName, number: int, parameters: dict[str, float | int]) -> float | None:
        """Score one configuration; None if it failed or its portfolio cannot be measured."""
        factory = LearnerFactory(
            hyperparameters=Hyperparameters().replace(name, parameters),
            horizon=self.settings.portfolio.horizon,
            network_seeds=min(NETWORK_MEMBERS, self.settings.tuning.network_seeds),
            seed=self.seed,
            n_threads=self.n_threads,
        )
        try:
            scores = learner_out_of_fold(name, factory, self.data, self.splits)
        except Exception as error:  # a library may raise anything; what it was is recorded
            failed = Trial(
                learner=name, number=number, parameters=parameters, sharpe_ratio=None, failure=failure_reason(error)
            )
            self.log.append(failed)
            return None
        returns = self.portfolio.excess_returns(self.data, self.rows, scores)
        trial = Trial(
            learner=name,
            number=number,
            parameters=parameters,
            sharpe_ratio=sharpe_ratio(returns),
            returns=tuple(np.round(returns, 8).tolist()),
        )
        self.log.append(trial)
        best = self.best.get(name)
        if trial.sharpe_ratio is not None and (best is None or trial.sharpe_ratio > (best.sharpe_ratio or FAILED)):
            self.best[name] = trial
            self._best_logits[name] = scores
        return trial.sharpe_ratio

    def vote(self) -> float | None:
        """Sharpe ratio of the equal vote of the best configurations."""
        if not self._best_logits:
            return None
        vote = np.mean([(z - z.mean()) / z.std() for z in self._best_logits.values()], axis=0)
        return sharpe_ratio(self.portfolio.excess_returns(self.data, self.rows, vote))


def _training_part(
    market: MarketView, point: TuningPoint, settings: ModelSettings
) -> tuple[TrainingData, list[InnerSplit]]:
    sessions = market.features.sessions
    first, last = sessions.get_indexer(pd.DatetimeIndex([point.train_first, point.train_last]))
    if min(first, last) < 0:
        raise InvalidRequestError(
            f"tuning point {point.number}: {point.train_first} or {point.train_last} is no session of the data set "
            f"({sessions[0].date()} to {sessions[-1].date()}); plan the folds from this data set"
        )
    data = training_data(
        market.features,
        market.outcomes,
        market.eligible,
        int(first),
        int(last),
        settings.walk_forward.training_stride,
        settings.tuning.target,
    )
    return data, inner_splits(data, settings.portfolio.horizon, settings.tuning.inner_folds)


def _study(name: LearnerName, seed: int, n_trials: int) -> Any:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    # The library begins with ten random trials; with a budget of eight it would never model anything.
    sampler = optuna.samplers.TPESampler(
        seed=derive_seed(seed, "sampler", name), n_startup_trials=max(3, min(10, n_trials // 3))
    )
    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.enqueue_trial(Hyperparameters().of(name))
    return study
