"""One simulation of predictions, with everything that its metrics are read from."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import pandas as pd

from lambdas.core.backtest import metrics
from lambdas.core.backtest.benchmarks import benchmark_equity
from lambdas.core.backtest.hits import HitsByDate, hits_by_date, volatility_groups
from lambdas.core.backtest.portfolio import Portfolio, simulate
from lambdas.core.backtest.predictions import AlignedPredictions, align_predictions
from lambdas.core.backtest.recommendation import recommend
from lambdas.core.errors import InsufficientHistoryError, InvalidPredictionsError
from lambdas.core.labels import Outcomes, compute_outcomes, eligible
from lambdas.core.market_data.panel import BoolArray, FloatArray, IntArray, MarketDataset
from lambdas.core.settings import ModelSettings


@dataclass(frozen=True)
class Backtest:
    """One simulation with everything its metrics are read from.

    Arrays by session cover the whole data set; `absolute`, `relative`, `rank_ic` and `groups` cover the decisions
    first, ..., last only.
    """

    dataset: MarketDataset
    settings: ModelSettings
    aligned: AlignedPredictions
    eligible: BoolArray
    recommended: BoolArray
    portfolio: Portfolio
    benchmarks: dict[str, FloatArray]
    absolute: HitsByDate
    relative: HitsByDate
    rank_ic: FloatArray
    outcomes: Outcomes
    groups: IntArray

    @property
    def matured(self) -> BoolArray:
        """Sessions whose outcome is known."""
        return self.outcomes.matured

    @property
    def first(self) -> int:
        """Session of the first decision."""
        return self.portfolio.first

    @property
    def last(self) -> int:
        """Session of the last decision, at whose close the equity ends."""
        return self.portfolio.last

    @property
    def hits(self) -> HitsByDate:
        """Hits of the definition that the gate reads."""
        return self.absolute if self.settings.gates.hit_definition == "absolute" else self.relative

    def session_of(self, day: dt.date) -> int:
        """Index of a session by its date."""
        at = int(self.dataset.sessions.get_indexer(pd.DatetimeIndex([pd.Timestamp(day)]))[0])
        if not self.first <= at <= self.last:
            raise InvalidPredictionsError(f"predictions: {day} is not among their sessions")
        return at

    def day(self, session: int) -> dt.date:
        """Date of a session by its index."""
        day: dt.date = self.dataset.sessions[session].date()
        return day


def run_backtest(dataset: MarketDataset, predictions: pd.DataFrame, settings: ModelSettings) -> Backtest:
    """Turn predictions into recommendations, simulate them and settle their outcomes.

    Raises
    ------
    InvalidPredictionsError
        If the predictions break their schema or do not belong to the data set, or recommend what has no price.
    InvalidDatasetError
        If SPY is missing or lacks a price on a session that is evaluated.
    InsufficientHistoryError
        If the predictions span fewer than three sessions. Shorter spans than the horizon are simulated, but too few
        sessions for two blocks of the bootstrap have no evidence, and none of their outcomes may have matured.
    """
    aligned = align_predictions(predictions, dataset)
    dataset, first, last = aligned.dataset, aligned.first, aligned.last
    if last - first < 2:
        raise InsufficientHistoryError(
            f"predictions: they span {last - first + 1} sessions from {dataset.sessions[first].date()}; "
            "a portfolio needs at least three"
        )
    horizon = settings.portfolio.horizon
    benchmarks = benchmark_equity(dataset, first, last, must_reach=min(last + 1 + horizon, len(dataset.sessions) - 1))
    allowed = eligible(dataset, settings.portfolio.min_history_sessions) & ~aligned.outside_universe
    recommended = aligned.recommended
    if recommended is None:
        recommended = recommend(aligned.probability, allowed, settings.recommendation)
    portfolio = simulate(dataset, recommended, first, last, settings.portfolio)

    span = slice(first, last + 1)
    outcomes = compute_outcomes(dataset, settings.portfolio)
    groups = volatility_groups(dataset.prices, allowed, first, last)
    absolute, relative = (
        hits_by_date(hit[span], recommended[span], allowed[span], groups)
        for hit in (outcomes.absolute_hit, outcomes.relative_hit)
    )
    return Backtest(
        dataset=dataset,
        settings=settings,
        aligned=aligned,
        eligible=allowed,
        recommended=recommended,
        portfolio=portfolio,
        benchmarks=benchmarks,
        absolute=absolute,
        relative=relative,
        rank_ic=metrics.rank_ic_by_date(aligned.probability[span], outcomes.gross[span], allowed[span]),
        outcomes=outcomes,
        groups=groups,
    )


def daily_returns(equity: FloatArray) -> FloatArray:
    """Return of each session after the first."""
    daily: FloatArray = equity[1:] / equity[:-1] - 1.0
    return daily
