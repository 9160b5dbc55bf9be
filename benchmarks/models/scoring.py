"""What scores would have earned: the evaluation of the product, and the daily sums that intervals are drawn from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from benchmarks.models.course import Course, Measured
from lambdas.core.backtest.evaluation import slice_metrics
from lambdas.core.backtest.hits import HitsByDate
from lambdas.core.backtest.run import Backtest, daily_returns, run_backtest
from lambdas.core.labels import MARKET, eligible
from lambdas.core.market_data.panel import BoolArray, FloatArray, MarketDataset
from lambdas.core.values import PortfolioMetrics

Universe = Literal["members", "all"]
UNIVERSES: tuple[Universe, ...] = ("members", "all")
OWN_PROBABILITIES = ("tuned ensemble",)
"""Models whose probabilities are calibrated, and bought by the rule as it is. Of the others the best tenth is bought
whatever its level: a raw score has none."""


@dataclass(frozen=True)
class Scored:
    """One model, one seed, one universe.

    Attributes
    ----------
    metrics : PortfolioMetrics
        Of the whole course: windows and holdout as one simulation.
    rank_ic : ndarray of shape (n_dates,)
        NaN where it cannot be measured.
    absolute, relative : HitsByDate
        Sums by decision date.
    matured : ndarray of bool, shape (n_dates,)
    excess, active : ndarray of shape (n_dates - 1,)
        Daily net returns less cash, and less SPY's.
    """

    metrics: PortfolioMetrics
    rank_ic: FloatArray
    absolute: HitsByDate
    relative: HitsByDate
    matured: BoolArray
    excess: FloatArray
    active: FloatArray


def universe_of(dataset: MarketDataset, universe: Universe) -> MarketDataset:
    """Return the data set with or without its membership."""
    return dataset if universe == "members" else replace(dataset, membership=None)


def score(course: Course, parts: Sequence[Measured], model: str, universe: Universe) -> Scored:
    """Backtest the joined folds of one model."""
    dataset = universe_of(course.market.dataset, universe)
    frames = [
        predictions_of(course, fold.number, course.decided(fold), part.scores[model], model)
        for fold, part in zip(course.folds, parts, strict=True)
    ]
    return scored(run_backtest(dataset, pd.concat(frames, ignore_index=True), course.settings))


def score_equal_weight(course: Course, universe: Universe) -> Scored:
    """Backtest buying every eligible symbol."""
    dataset = universe_of(course.market.dataset, universe)
    allowed = eligible(dataset, course.settings.portfolio.min_history_sessions)
    frames = []
    for fold in course.folds:
        decided = course.decided(fold)
        grid = np.where(allowed[decided], 0.5, np.nan)
        frames.append(_frame(course, fold.number, decided, grid).assign(recommended=True))
    return scored(run_backtest(dataset, pd.concat(frames, ignore_index=True), course.settings))


def predictions_of(course: Course, number: int, decided: slice, grid: FloatArray, model: str) -> pd.DataFrame:
    """Scores of a fold as a frame of predictions: a calibrated probability as it is, any other score as its rank.

    Ranks are per date, in [0.5, 1], so that `min_probability` keeps nobody out; equal scores share one.
    """
    return _frame(course, number, decided, grid if model in OWN_PROBABILITIES else _as_ranks(grid))


def _as_ranks(grid: FloatArray) -> FloatArray:
    known = np.isfinite(grid)
    count = np.maximum(known.sum(axis=1, keepdims=True), 1)
    ranks = rankdata(np.where(known, grid, np.inf), axis=1)
    return np.where(known, 0.5 + 0.5 * ranks / count, np.nan)


def _frame(course: Course, number: int, decided: slice, probability: FloatArray) -> pd.DataFrame:
    row, column = np.nonzero(np.isfinite(probability))
    market = course.market
    return pd.DataFrame(
        {
            "date": market.features.sessions[decided][row],
            "symbol": np.array(market.features.symbols, dtype=object)[column],
            "probability": probability[row, column],
            "fold": number,
        }
    )


def scored(backtest: Backtest) -> Scored:
    """Keep of a simulation what tables and intervals read."""
    first, last = backtest.first, backtest.last
    return Scored(
        metrics=slice_metrics(backtest, first, last),
        rank_ic=backtest.rank_ic,
        absolute=backtest.absolute,
        relative=backtest.relative,
        matured=backtest.matured[first : last + 1],
        excess=backtest.portfolio.excess_returns,
        active=backtest.portfolio.returns - daily_returns(backtest.benchmarks[MARKET][first : last + 1]),
    )
