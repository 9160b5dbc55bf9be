"""The record of recommendations that were really issued: a backtest of them, and its last 30, 90 and 365 days."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lambdas.core.backtest import metrics
from lambdas.core.backtest.bootstrap import lower_bound, resampled_sums, upper_bound, widening
from lambdas.core.backtest.evidence import BOOTSTRAP_SEED, MIN_BLOCKS
from lambdas.core.backtest.run import Backtest, run_backtest
from lambdas.core.labels import MARKET
from lambdas.core.live.values import LivePerformance, LiveWindow
from lambdas.core.market_data.panel import BoolArray, FloatArray, MarketDataset
from lambdas.core.models.reliability import reliability
from lambdas.core.settings import ModelSettings

WINDOW_DAYS = (30, 90, 365)
MIN_SESSIONS = 3
"""A portfolio needs as many from its first decision to its last."""


@dataclass(frozen=True)
class Issued:
    """What was recommended at the close of one session; `probability` belongs to `symbols`, one by one."""

    decision: dt.date
    symbols: tuple[str, ...]
    probability: tuple[float, ...]


def published_frame(issued: Sequence[Issued], dataset: MarketDataset) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Lay recommendations out as predictions whose own column `recommended` decides.

    Returns
    -------
    frame : DataFrame
        date, symbol, probability, recommended. Sessions before the data set are left out.
    not_in_data : tuple of str
        Symbols that the data set does not have: they are left out, and whoever reads the result has to know.
    """
    known = set(dataset.prices.symbols)
    rows = [
        (pd.Timestamp(one.decision), symbol, probability)
        for one in issued
        for symbol, probability in zip(one.symbols, one.probability, strict=True)
        if pd.Timestamp(one.decision) in dataset.sessions
    ]
    frame = pd.DataFrame(rows, columns=["date", "symbol", "probability"])
    missing = tuple(sorted(set(frame["symbol"]) - known))
    return frame[frame["symbol"].isin(known)].assign(recommended=True).reset_index(drop=True), missing


def live_performance(dataset: MarketDataset, issued: Sequence[Issued], settings: ModelSettings) -> LivePerformance:
    """Measure a live record.

    The recommendations are simulated as definitions, section 4, have it: what is announced is what a backtest of the
    published recommendations gives. A session on which nothing was published recommends nothing.

    Parameters
    ----------
    dataset : MarketDataset
    issued : sequence of Issued
        In any order; one a decision session.
    settings : ModelSettings

    Raises
    ------
    InvalidDatasetError
        If SPY lacks a price on a session of the record.
    """
    frame, missing = published_frame(issued, dataset)
    days = frame["date"]
    if frame.empty or len(dataset.sessions[(dataset.sessions >= days.min()) & (dataset.sessions <= days.max())]) < (
        MIN_SESSIONS
    ):
        return LivePerformance(n_recommendations=len(frame), not_in_data=missing, windows=())
    backtest = run_backtest(dataset, frame, settings)
    windows = tuple(_window(backtest, length) for length in (None, *WINDOW_DAYS))
    return LivePerformance(n_recommendations=len(frame), not_in_data=missing, windows=windows)


def _window(backtest: Backtest, days: int | None) -> LiveWindow:
    """Measure the last `days` calendar days, from the last close before them; the whole record if it is None."""
    horizon = backtest.settings.portfolio.horizon
    sessions, first, last = backtest.dataset.sessions, backtest.first, backtest.last
    begin, newest = first, len(sessions) - 1
    if days is not None:
        begin = max(first, int(sessions.searchsorted(sessions[last] - pd.Timedelta(days=days), side="right")) - 1)
    decisions = np.arange(first, last + 1)
    known = decisions + 1 + horizon <= newest
    if days is not None:
        matures = sessions[np.minimum(decisions + 1 + horizon, newest)]
        known &= np.asarray(matures > sessions[newest] - pd.Timedelta(days=days))
    hits = backtest.hits.select(known)
    lower, upper, skill_lower, skill_upper = _bounds(backtest, known)
    portfolio = backtest.portfolio
    equity = portfolio.equity[begin - first :]
    total, n_sessions = metrics.total_return(equity), last - begin
    market = metrics.total_return(backtest.benchmarks[MARKET][begin : last + 1])
    hit = backtest.outcomes.hit(backtest.settings.gates.hit_definition)
    picked = backtest.recommended.copy()
    picked[np.setdiff1d(np.arange(len(picked)), decisions[known])] = False
    calibration = reliability(backtest.aligned.probability[picked], hit[picked], base_rate=hits.base_rate or 0.0)
    return LiveWindow(
        days=days,
        first_session=backtest.day(begin),
        last_session=backtest.day(last),
        n_sessions=n_sessions,
        n_matured=int(hits.n_matured.sum()),
        hit_rate=hits.hit_rate,
        hit_rate_lower=lower,
        hit_rate_upper=upper,
        base_rate=hits.base_rate,
        skill=hits.skill,
        skill_lower=skill_lower,
        skill_upper=skill_upper,
        matched_skill=hits.matched_skill,
        total_return=total if n_sessions else None,
        benchmark_return=market if n_sessions else None,
        market_outperformance=metrics.market_outperformance(total, market, n_sessions) if n_sessions else None,
        sharpe_ratio=metrics.sharpe_ratio(portfolio.excess_returns[begin - first :]),
        max_drawdown=metrics.max_drawdown(equity),
        mean_probability=calibration.mean_probability,
        brier_score=calibration.brier_score,
        expected_calibration_error=calibration.expected_calibration_error,
    )


def _bounds(backtest: Backtest, known: BoolArray) -> tuple[float | None, ...]:
    """Lower and upper bound of the hit rate, then of the skill; None for fewer than two blocks of decisions."""
    settings, hits = backtest.settings, backtest.hits.select(known)
    horizon, confidence = settings.portfolio.horizon, settings.evidence.confidence
    n_dates = int(known.sum())
    if n_dates < MIN_BLOCKS * horizon or hits.hit_rate is None:
        return None, None, None, None
    columns: FloatArray = np.column_stack([hits.hits, hits.n_matured, hits.base, hits.n_compared])
    sums = resampled_sums(columns, horizon, settings.evidence.bootstrap_draws, BOOTSTRAP_SEED)
    with np.errstate(invalid="ignore", divide="ignore"):
        rate = sums[:, 0] / sums[:, 1]
        skill = rate - sums[:, 2] / sums[:, 3]
    widen = widening(n_dates, horizon, horizon, confidence)
    return (
        lower_bound(rate, confidence, hits.hit_rate, widen),
        upper_bound(rate, confidence, hits.hit_rate, widen),
        lower_bound(skill, confidence, hits.skill, widen),
        upper_bound(skill, confidence, hits.skill, widen),
    )
