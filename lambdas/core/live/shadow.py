"""Judging the shadow: a model whose evidence did not suffice, by the same gates on a series that has grown."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import pandas as pd

from lambdas.core.backtest.evaluation import evaluate_predictions
from lambdas.core.errors import InvalidPredictionsError
from lambdas.core.gates import backtesting_gate
from lambdas.core.market_data.panel import MarketDataset
from lambdas.core.settings import ModelSettings
from lambdas.core.validation.candidate import validate_candidate
from lambdas.core.validation.values import Validation
from lambdas.core.values import GateRecord, TrialEvidence


@dataclass(frozen=True)
class FrozenRecord:
    """Predictions of one model: those that led to it, and those it made frozen.

    Attributes
    ----------
    walk_forward : DataFrame
        date, symbol, probability, fold: of the run that made the model.
    frozen : DataFrame
        date, symbol, probability: its holdout, and after it what was recorded day by day, before any outcome.
    """

    walk_forward: pd.DataFrame
    frozen: pd.DataFrame

    @classmethod
    def of(cls, walk_forward: pd.DataFrame, holdout: pd.DataFrame, live: pd.DataFrame) -> FrozenRecord:
        """Append what was recorded live to the holdout; a date of both is taken from the holdout."""
        columns = ["date", "symbol", "probability"]
        if live.empty:
            return cls(walk_forward, holdout[columns].reset_index(drop=True))
        later = live[pd.to_datetime(live["date"]) > pd.to_datetime(holdout["date"]).max()]
        return cls(walk_forward, pd.concat([holdout[columns], later[columns]], ignore_index=True))

    def split(self, benchmark_period_days: int) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Return what the backtesting gate reads and what the market gate reads.

        The market gate's span keeps its length: its threshold is a return over that many days, which a longer span
        would reach sooner. What is older joins the walk-forward, as a fold of its own.
        """
        days = pd.to_datetime(self.frozen["date"])
        recent = days > days.max() - pd.Timedelta(days=benchmark_period_days)
        next_fold = int(self.walk_forward["fold"].max()) + 1
        older = self.frozen[~recent].assign(fold=next_fold)
        first = pd.to_datetime(self.frozen["date"]).min()
        before = self.walk_forward[pd.to_datetime(self.walk_forward["date"]) < first]
        earlier = before if older.empty else pd.concat([before, older], ignore_index=True)
        return earlier.reset_index(drop=True), self.frozen[recent].reset_index(drop=True)


def judge_shadow(
    dataset: MarketDataset,
    record: FrozenRecord,
    settings: ModelSettings,
    *,
    n_trials: int,
    trials: TrialEvidence,
    data_quality: GateRecord,
    benchmark_period_days: int,
    champion: str | None,
    champion_frozen: pd.DataFrame | None,
) -> tuple[GateRecord, Validation]:
    """Ask a shadow what its candidate was asked, of all its out-of-sample sessions.

    Parameters
    ----------
    dataset : MarketDataset
    record : FrozenRecord
    settings : ModelSettings
    n_trials : int
        From the trial ledger, this look included.
    trials : TrialEvidence
        Of the run that made the model.
    data_quality : GateRecord
        Of the run that judges.
    benchmark_period_days : int
        Length of the span that the market gate reads.
    champion, champion_frozen
        Version of the incumbent and its own frozen predictions; both or neither.

    Returns
    -------
    backtesting gate, validation
        With the market, risk and deployment gates.

    Raises
    ------
    InvalidPredictionsError
        If a symbol of the record is not in the data set any more, or the champion's record shares no date with it:
        the record cannot be measured as a whole, and nothing less is evidence.
    """
    lost = set(record.walk_forward["symbol"]).union(record.frozen["symbol"]) - set(dataset.prices.symbols)
    if lost:
        raise InvalidPredictionsError(
            f"{', '.join(sorted(lost)[:5])} of the shadow's record are not in the data any more; without them the "
            "record would flatter it"
        )
    walk_forward, recent = record.split(benchmark_period_days)
    pooled = evaluate_predictions(dataset, walk_forward, settings, n_trials=n_trials, trials=trials)
    backtesting = backtesting_gate(pooled.pooled, pooled.evidence, settings.gates)
    if champion_frozen is not None:
        champion_frozen = champion_frozen[champion_frozen["symbol"].isin(dataset.prices.symbols)]
    return backtesting, validate_candidate(
        dataset,
        walk_forward,
        recent,
        settings,
        n_trials=n_trials,
        earlier_gates=[data_quality, backtesting],
        champion=champion,
        champion_holdout=champion_frozen,
        trials=trials,
    )


def matured_sessions(decisions: list[dt.date], dataset: MarketDataset, horizon: int) -> int:
    """Count the decisions whose outcome stands in the data."""
    if len(dataset.sessions) <= 1 + horizon:
        return 0
    last_known = dataset.sessions[-2 - horizon].date()
    return sum(day <= last_known for day in decisions)
