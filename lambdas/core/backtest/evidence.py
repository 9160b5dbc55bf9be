"""How sure the pooled numbers are (definitions, section 7)."""

from __future__ import annotations

import numpy as np

from lambdas.core.backtest.bootstrap import lower_bound, resampled_drawdowns, resampled_sums, widening
from lambdas.core.backtest.hits import HitsByDate
from lambdas.core.backtest.metrics import (
    NO_VARIATION,
    market_outperformance,
    max_drawdown,
    sharpe_ratio,
)
from lambdas.core.backtest.portfolio import SESSIONS_PER_YEAR
from lambdas.core.backtest.sharpe_inference import (
    deflation,
    minimum_track_record,
    probabilistic_sharpe_of,
)
from lambdas.core.market_data.panel import BoolArray, FloatArray
from lambdas.core.settings import EvidenceSettings
from lambdas.core.values import Evidence, TrialEvidence

BOOTSTRAP_SEED = 20140101
"""Fixed, so that a verdict can be recomputed to the last digit and no seed can be tried until it passes."""

MIN_BLOCKS = 2
"""A bootstrap of fewer blocks than this resamples almost the same series: there is no evidence."""


def pooled_evidence(
    hits: HitsByDate,
    matured: BoolArray,
    excess_returns: FloatArray,
    active_returns: FloatArray,
    *,
    horizon: int,
    settings: EvidenceSettings,
    n_trials: int | None,
    trials: TrialEvidence | None = None,
    trailing_sessions: int = SESSIONS_PER_YEAR,
    returns: FloatArray | None = None,
    holdout_sessions: int = 0,
) -> Evidence:
    """Bounds and probabilities behind the point estimates of one simulation.

    Parameters
    ----------
    hits : HitsByDate
        Of every decision, of the hit definition that the gate reads.
    matured : ndarray of bool, shape (n_dates,)
        Decisions whose outcome is known: the only ones that are resampled.
    excess_returns, active_returns : ndarray of shape (n_sessions,)
        Daily net returns less cash, and less SPY's.
    horizon : int
        Mean block of the bootstrap.
    settings : EvidenceSettings
    n_trials : int or None
        From the trial ledger; None leaves the deflated Sharpe ratio unknown.
    trials : TrialEvidence, optional
        What the searches of the run looked at, see `deflation`.
    trailing_sessions : int
        Sessions of the slice that the risk gate reads, whose Sharpe ratio and drawdown have bounds of their own.
    returns : ndarray of shape (n_sessions,), optional
        Daily net returns, of which a drawdown is made; without them it and the holdout have no bound.
    holdout_sessions : int
        Sessions at the end that are the holdout; 0 if there is none.

    Returns
    -------
    Evidence
        None for bounds of fewer than two blocks of sessions, and for what cannot be measured.
    """
    hit_bounds = hit_rate_bounds(hits, matured, horizon, settings)
    active_lower, sharpe_lower = return_bounds(excess_returns, active_returns, horizon, settings)
    trailing = slice(max(len(excess_returns) - trailing_sessions, 0), None)
    n_sessions = len(excess_returns)
    deflated = None if n_trials is None or n_sessions == 0 else deflation(n_sessions, n_trials, trials)
    return Evidence(
        confidence=settings.confidence,
        n_trials=n_trials,
        hit_rate_lower=hit_bounds[0],
        skill_lower=hit_bounds[1],
        matched_skill_lower=hit_bounds[2],
        active_return=annual_mean(active_returns),
        active_return_lower=active_lower,
        sharpe_ratio_lower=sharpe_lower,
        trailing_sharpe_ratio_lower=return_bounds(
            excess_returns[trailing], active_returns[trailing], horizon, settings
        )[1],
        trailing_max_drawdown_upper=None if returns is None else drawdown_bound(returns[trailing], horizon, settings),
        holdout_outperformance_lower=None
        if returns is None or not holdout_sessions
        else outperformance_bound(
            returns[-holdout_sessions:], (returns - active_returns)[-holdout_sessions:], horizon, settings
        ),
        probabilistic_sharpe=probabilistic_sharpe_of(excess_returns),
        deflated_sharpe=deflated and probabilistic_sharpe_of(excess_returns, deflated.expected_best),
        effective_trials=deflated and deflated.effective_trials,
        expected_best_sharpe=deflated and deflated.expected_best,
        trial_sharpe_variance=deflated and deflated.variance,
        trial_correlation=trials and trials.correlation,
        minimum_track_record=minimum_track_record(excess_returns, settings.confidence),
        pbo=trials and trials.pbo,
        spa_p_value=trials and trials.spa_p_value,
    )


def hit_rate_bounds(
    hits: HitsByDate, matured: BoolArray, horizon: int, settings: EvidenceSettings
) -> tuple[float | None, float | None, float | None]:
    """Lower bounds of hit_rate, skill and matched_skill, all symbols of a date resampled together.

    Dates without recommendations stay in the sequence, so that blocks are spans of time.
    """
    if matured.sum() < MIN_BLOCKS * horizon or hits.n_matured.sum() == 0.0:
        return None, None, None
    columns = np.column_stack([hits.hits, hits.n_matured, hits.base, hits.matched, hits.n_compared])[matured]
    sums = resampled_sums(columns, horizon, settings.bootstrap_draws, BOOTSTRAP_SEED)
    with np.errstate(invalid="ignore", divide="ignore"):
        hit_rate = sums[:, 0] / sums[:, 1]
        skill = hit_rate - sums[:, 2] / sums[:, 4]
        matched_skill = hit_rate - sums[:, 3] / sums[:, 4]
    rates = hits.select(matured)
    widen = widening(len(columns), horizon, horizon, settings.confidence)
    return (
        lower_bound(hit_rate, settings.confidence, rates.hit_rate, widen),
        lower_bound(skill, settings.confidence, rates.skill, widen),
        lower_bound(matched_skill, settings.confidence, rates.matched_skill, widen),
    )


def return_bounds(
    excess_returns: FloatArray, active_returns: FloatArray, horizon: int, settings: EvidenceSettings
) -> tuple[float | None, float | None]:
    """Lower bounds of the annualised active return and of the annualised Sharpe ratio, sessions resampled."""
    n_sessions = len(excess_returns)
    if n_sessions < MIN_BLOCKS * horizon:
        return None, None
    columns = np.column_stack([active_returns, excess_returns, excess_returns**2])
    sums = resampled_sums(columns, horizon, settings.bootstrap_draws, BOOTSTRAP_SEED)
    active = sums[:, 0] / n_sessions * SESSIONS_PER_YEAR
    mean = sums[:, 1] / n_sessions
    variance = (sums[:, 2] - n_sessions * mean**2) / (n_sessions - 1)
    varies = variance > NO_VARIATION**2
    sharpe = np.divide(mean, np.sqrt(variance, where=varies, out=np.ones_like(mean)), where=varies, out=mean * np.nan)
    widen = widening(n_sessions, horizon, 1, settings.confidence)
    return (
        lower_bound(active, settings.confidence, annual_mean(active_returns), widen),
        lower_bound(sharpe * np.sqrt(SESSIONS_PER_YEAR), settings.confidence, sharpe_ratio(excess_returns), widen),
    )


def outperformance_bound(
    returns: FloatArray, market_returns: FloatArray, horizon: int, settings: EvidenceSettings
) -> float | None:
    """Lower bound of `market_outperformance` over these sessions; the two returns of a session stay together.

    Returns
    -------
    float or None
        None for fewer than two blocks of sessions.
    """
    n_sessions = len(returns)
    if n_sessions < MIN_BLOCKS * horizon:
        return None
    logs = np.log1p(np.column_stack([returns, market_returns]))
    resampled = resampled_sums(logs, horizon, settings.bootstrap_draws, BOOTSTRAP_SEED)
    totals = np.expm1(np.vstack([logs.sum(axis=0), resampled]))
    ahead = np.array([market_outperformance(own, market, n_sessions) for own, market in totals], dtype=np.float64)
    widen = widening(n_sessions, horizon, 1, settings.confidence)
    return lower_bound(ahead[1:], settings.confidence, float(ahead[0]), widen)


def drawdown_bound(returns: FloatArray, horizon: int, settings: EvidenceSettings) -> float | None:
    """Upper bound of the largest fall: what one in twenty resampled courses of these sessions exceeds (at 95 %).

    A fall depends on the order of the returns, which the blocks keep for a horizon and no longer: a fall that took
    longer is seen less often than it came. The bound is therefore never below the fall that was seen. It is not
    widened: what is known of the variance of means does not hold for extremes.

    Returns
    -------
    float or None
        None for fewer than two blocks of sessions.
    """
    if len(returns) < MIN_BLOCKS * horizon:
        return None
    falls = resampled_drawdowns(returns, horizon, settings.bootstrap_draws, BOOTSTRAP_SEED)
    seen = max_drawdown(np.concatenate([[1.0], np.cumprod(1.0 + returns)]))
    return max(float(np.quantile(falls, settings.confidence)), seen)


def annual_mean(daily: FloatArray) -> float | None:
    """Mean of daily differences, times 252."""
    return float(daily.mean()) * SESSIONS_PER_YEAR if daily.size else None
