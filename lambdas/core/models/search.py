"""One learner's search: an Optuna study that can be rebuilt from its log, trial by trial, to the same bits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import optuna  # here: it keeps the frame that imports it first, and all arrays in there, for good
from pydantic import Field

from lambdas.core.backtest.metrics import sharpe_ratio
from lambdas.core.market_data.panel import FloatArray
from lambdas.core.models.beyond_luck import choose_beyond_luck
from lambdas.core.models.hyperparameters import Hyperparameters, LearnerName, Parameters, suggest
from lambdas.core.models.inner_portfolio import InnerPortfolio
from lambdas.core.models.learners import LearnerFactory, SharedRows
from lambdas.core.models.out_of_fold import (
    InnerSplit,
    failure_reason,
    log_loss,
    mean_rank_ic,
    predict_folds,
    tested_rows,
)
from lambdas.core.models.seeds import derive_seed
from lambdas.core.settings import ModelSettings
from lambdas.core.values import FiniteOrNone, Value

FAILED = -10.0
"""What the sampler is told of a configuration that failed or bought nothing: worse than any Sharpe ratio."""
NETWORK_MEMBERS = 1
"""Members of a network while configurations are compared; more only cost time."""


class Trial(Value):
    """One configuration of one learner that was scored. Failed and pruned ones count too."""

    learner: LearnerName
    number: int = Field(ge=0, description="Within the learner; 0 is the defaults.")
    parameters: Parameters
    sharpe_ratio: FiniteOrNone = Field(description="Annualised, net of costs, over all inner folds.")
    log_loss: FiniteOrNone = Field(default=None, description="Of the hit that was learned, over all inner folds.")
    rank_ic: FiniteOrNone = Field(default=None, description="Mean over dates, over all inner folds.")
    by_fold: tuple[FiniteOrNone, ...] = Field(
        default=(), description="Sharpe ratio up to the end of each inner fold: what the pruner sees."
    )
    pruned: bool = Field(default=False, description="Given up after the last of `by_fold`.")
    failure: str | None = None
    returns: tuple[float, ...] = Field(
        default=(),
        description="Daily net returns less cash, on the same sessions for every trial of a search; none if pruned.",
    )


class LearnerSearch:
    """Asks for configurations of one learner, scores them over the inner folds, and keeps their log.

    The sampler of trial n is seeded by the learner and n alone, and sees the trials before it. So a study that was
    rebuilt from its log asks for the same configuration next as the one that was interrupted.
    """

    def __init__(
        self,
        name: LearnerName,
        shared: SharedRows,
        splits: list[InnerSplit],
        portfolio: InnerPortfolio,
        settings: ModelSettings,
        seed: int,
        first: Sequence[Parameters],
    ) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.name = name
        self.log: list[Trial] = []
        self._shared, self._splits, self._portfolio = shared, splits, portfolio
        self._settings, self._seed, self._first = settings, seed, first
        self._rows = tested_rows(splits)
        # The library begins with ten random trials; with a budget of eight it would never model anything.
        self._n_random = max(3, min(10, settings.tuning.n_trials // 3))
        pruner: optuna.pruners.BasePruner = optuna.pruners.NopPruner()
        if settings.tuning.prune:
            # Not after the first fold: its Sharpe ratio alone is mostly chance.
            pruner = optuna.pruners.MedianPruner(n_startup_trials=self._n_random, n_warmup_steps=1)
        self._study = optuna.create_study(direction="maximize", pruner=pruner)

    def replay(self, log: Sequence[Trial]) -> None:
        """Take over trials that were scored before, as far as they follow on each other from the first."""
        mine = {trial.number: trial for trial in log if trial.learner == self.name}
        while len(self.log) in mine:
            trial = mine[len(self.log)]
            asked, _ = self._ask(trial.parameters)
            for step, value in enumerate(trial.by_fold):
                asked.report(FAILED if value is None else value, step)
            if trial.pruned:
                self._study.tell(asked, state=optuna.trial.TrialState.PRUNED)
            else:
                self._study.tell(asked, FAILED if trial.sharpe_ratio is None else trial.sharpe_ratio)
            self.log.append(trial)

    def run_next(self) -> Trial:
        """Score the next configuration."""
        number = len(self.log)
        asked, parameters = self._ask(self._first[number] if number < len(self._first) else None)
        trial = self._score(number, parameters, asked)
        if trial.pruned:
            self._study.tell(asked, state=optuna.trial.TrialState.PRUNED)
        else:
            self._study.tell(asked, FAILED if trial.sharpe_ratio is None else trial.sharpe_ratio)
        self.log.append(trial)
        return trial

    def chosen(self) -> Trial | None:
        """Return the trial to use: the defaults, or the best one if it leads them by more than luck would explain.

        None if no trial could be measured; the best one if the defaults could not. See `choose_beyond_luck`.
        """
        measured = [trial for trial in self.log if trial.sharpe_ratio is not None]
        if not measured or measured[0].number > 0:
            return max(measured, key=lambda trial: trial.sharpe_ratio or 0.0, default=None)
        return measured[choose_beyond_luck([np.array(trial.returns) for trial in measured], len(self.log) - 1)]

    def _ask(self, fixed: Parameters | None) -> tuple[Any, Parameters]:
        self._study.sampler = optuna.samplers.TPESampler(
            seed=derive_seed(self._seed, "sampler", self.name, len(self.log)), n_startup_trials=self._n_random
        )
        if fixed is not None:
            self._study.enqueue_trial(fixed)
        asked = self._study.ask()
        return asked, suggest(self.name, asked, self._settings.tuning.target)

    def _score(self, number: int, parameters: Parameters, asked: Any) -> Trial:
        data = self._shared.data
        factory = LearnerFactory(
            hyperparameters=Hyperparameters().replace(self.name, parameters),
            horizon=self._settings.portfolio.horizon,
            network_seeds=min(NETWORK_MEMBERS, self._settings.tuning.network_seeds),
            seed=self._seed,
            n_threads=1,
        )
        known = {"learner": self.name, "number": number, "parameters": parameters}
        scores = np.empty(0)
        returns: FloatArray = np.empty(0)
        by_fold: list[float | None] = []
        try:
            folds = predict_folds(self.name, factory, self._shared, self._splits, refit=False)
            for step, part in enumerate(folds):
                scores = np.concatenate([scores, part])
                returns = self._portfolio.excess_returns(data, self._rows[: len(scores)], scores)
                by_fold.append(sharpe_ratio(returns))
                asked.report(FAILED if by_fold[-1] is None else by_fold[-1], step)
                if step < len(self._splits) - 1 and asked.should_prune():
                    return Trial(**known, sharpe_ratio=None, by_fold=tuple(by_fold), pruned=True)
        except Exception as error:  # a library may raise anything; what it was is recorded
            return Trial(**known, sharpe_ratio=None, by_fold=tuple(by_fold), failure=failure_reason(error))
        return Trial(
            **known,
            sharpe_ratio=by_fold[-1],
            log_loss=log_loss(data.y[self._rows], scores),
            rank_ic=mean_rank_ic(data, self._rows, scores),
            by_fold=tuple(by_fold),
            returns=tuple(np.round(returns, 8).tolist()),
        )
