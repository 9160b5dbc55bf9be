"""The search for hyper-parameters: which ones would have earned a better Sharpe ratio, on earlier data only."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

import numpy as np
import pandas as pd
from pydantic import Field

from lambdas.core.backtest.metrics import sharpe_ratio
from lambdas.core.backtest.trials import SearchTrials
from lambdas.core.errors import InvalidRequestError
from lambdas.core.models.hyperparameters import LEARNER_NAMES, Hyperparameters
from lambdas.core.models.inner_portfolio import InnerPortfolio
from lambdas.core.models.learners import SharedRows
from lambdas.core.models.market_view import MarketView
from lambdas.core.models.out_of_fold import inner_splits, tested_rows
from lambdas.core.models.search import LearnerSearch, Trial
from lambdas.core.models.training_data import TrainingData, training_rows
from lambdas.core.settings import ModelSettings
from lambdas.core.values import FiniteOrNone, TuningPoint, Value

TIME_MARGIN = 1.25
"""The next configuration is only begun if the remaining time is this many times the longest one so far."""

SaveTrials = Callable[[Sequence[Trial]], None]
"""Told all trials so far after each one, in the order of the log."""


class TuningOutcome(Value):
    """What a tuning point decided, and every configuration it looked at."""

    point: int
    hyperparameters: Hyperparameters
    trials: int = Field(
        ge=0, description="Configurations scored, failed and pruned ones too: they count in the trial ledger."
    )
    pruned: int = Field(default=0, ge=0, description="Of them, those that were given up before the last inner fold.")
    inner_sharpe_ratio: FiniteOrNone = Field(
        description="Of holding the portfolios of the chosen configurations in equal parts over the inner folds; "
        "flattered by the search."
    )
    deadline_reached: bool = False
    first_session: dt.date = Field(description="First decision of the inner folds; `returns` begin one session later.")
    last_session: dt.date
    trial_log: tuple[Trial, ...]

    def search_trials(self) -> SearchTrials:
        """Return what the evidence reads: how many trials there were, and the returns of those that ran to the end."""
        return SearchTrials.of(self.model_dump())


def tune_hyperparameters(
    market: MarketView,
    point: TuningPoint,
    settings: ModelSettings,
    seed: int,
    deadline: Callable[[], float] | None = None,
    *,
    n_threads: int = 1,
    start: Hyperparameters | None = None,
    log: Sequence[Trial] = (),
    save: SaveTrials | None = None,
) -> TuningOutcome:
    """Search each learner's hyper-parameters for the Sharpe ratio of the portfolio it would have recommended.

    One study of Optuna's TPE sampler (Bergstra et al. 2011) a learner; its first trial is the defaults. A trial is
    scored by one simulation, net of costs, over the forward-only inner folds, with the models that early stopping
    found there, not fitted again on all rows; one that after two or more of them is below the median of earlier trials
    is given up. The best replaces the defaults if it leads them by more than the best of so many configurations would
    by luck (`choose_beyond_luck`).
    Learners take turns, so that a deadline costs all of them alike.

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
        Learners that are searched at a time; the result does not depend on it.
    start : Hyperparameters, optional
        Of an earlier model, scored as the second trial of each learner. The caller answers for them not having been
        searched on anything later than this training part.
    log : sequence of Trial
        Trials that an interrupted search with the same arguments has scored. They are taken over, and the search goes
        on to the same result, bit for bit, as without the interruption.
    save : callable, optional
        Keeps the trials for that; told them after each one.

    Returns
    -------
    TuningOutcome
        What is chosen so far. A learner of which nothing could be scored keeps its defaults.

    Raises
    ------
    InvalidRequestError
        If the point's dates are no sessions of the data.
    InsufficientHistoryError, TrainingFailedError, InvalidDatasetError
        As `training_data` and `inner_folds`.
    """
    data = _training_part(market, point, settings)
    splits = inner_splits(data, settings.portfolio.horizon, settings.tuning.inner_folds)
    shared = SharedRows(data, settings.portfolio.horizon)
    portfolio = InnerPortfolio.of(market, settings)
    searches = []
    for name in LEARNER_NAMES:
        first = [Hyperparameters().of(name)]
        if start is not None and start.of(name) != first[0]:
            first.append(start.of(name))
        search = LearnerSearch(name, shared, splits, portfolio, settings, seed, first)
        search.replay(log)
        searches.append(search)
    stopped = _run(searches, settings.tuning.n_trials, deadline, n_threads, save)

    chosen = Hyperparameters()
    mixed = []
    for search in searches:
        if (best := search.chosen()) is not None:
            chosen = chosen.replace(search.name, best.parameters)
            mixed.append(best.returns)
    trials = _in_order(searches)
    sessions = market.features.sessions
    decisions = data.decisions[tested_rows(splits)]
    return TuningOutcome(
        point=point.number,
        hyperparameters=chosen,
        trials=len(trials),
        pruned=sum(trial.pruned for trial in trials),
        inner_sharpe_ratio=sharpe_ratio(np.mean(mixed, axis=0)) if mixed else None,
        deadline_reached=stopped,
        first_session=sessions[int(decisions[0])].date(),
        last_session=sessions[int(decisions[-1])].date(),
        trial_log=tuple(trials),
    )


def _run(
    searches: list[LearnerSearch],
    n_trials: int,
    deadline: Callable[[], float] | None,
    n_threads: int,
    save: SaveTrials | None,
) -> bool:
    """Give the learner that is furthest behind the next turn; say whether the deadline ended it."""
    longest = 0.0
    running: dict[Future[Trial], tuple[LearnerSearch, float]] = {}
    with ThreadPoolExecutor(max_workers=max(1, n_threads)) as pool:
        while True:
            busy = [search for search, _ in running.values()]
            waiting = [search for search in searches if search not in busy and len(search.log) < n_trials]
            in_time = not waiting or len(running) >= n_threads or deadline is None
            in_time = in_time or deadline() >= TIME_MARGIN * longest  # type: ignore[misc]  # not None here
            if waiting and in_time and len(running) < n_threads:
                search = min(waiting, key=lambda search: len(search.log))
                running[pool.submit(search.run_next)] = search, time.monotonic()
                continue
            if not running:
                return bool(waiting)
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                future.result()
                longest = max(longest, time.monotonic() - running.pop(future)[1])
            if save is not None:
                save(_in_order(searches))


def _in_order(searches: list[LearnerSearch]) -> list[Trial]:
    """Trials by number, then by learner: the order does not tell how many threads there were."""
    return [
        search.log[number]
        for number in range(max(len(search.log) for search in searches))
        for search in searches
        if number < len(search.log)
    ]


def _training_part(market: MarketView, point: TuningPoint, settings: ModelSettings) -> TrainingData:
    sessions = market.features.sessions
    first, last = sessions.get_indexer(pd.DatetimeIndex([point.train_first, point.train_last]))
    if min(first, last) < 0:
        raise InvalidRequestError(
            f"tuning point {point.number}: {point.train_first} or {point.train_last} is no session of the data set "
            f"({sessions[0].date()} to {sessions[-1].date()}); plan the folds from this data set"
        )
    return training_rows(market, int(first), int(last), settings)
