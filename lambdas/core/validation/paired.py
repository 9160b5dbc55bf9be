"""Two rules on the same dates, compared in pairs: luck that both shared cancels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from lambdas.core.backtest.bootstrap import lower_bound, resampled_sums, upper_bound, widening
from lambdas.core.backtest.evidence import BOOTSTRAP_SEED, MIN_BLOCKS, annual_mean
from lambdas.core.backtest.hits import hits_by_date
from lambdas.core.backtest.portfolio import SESSIONS_PER_YEAR, simulate
from lambdas.core.backtest.recommendation import recommend
from lambdas.core.backtest.run import Backtest
from lambdas.core.labels import mark_prices
from lambdas.core.market_data.panel import BoolArray, FloatArray
from lambdas.core.settings import ModelSettings
from lambdas.core.validation.values import Estimate, PairedDifference

EQUAL_WEIGHT = "equal weight"
MOMENTUM = "12-1 momentum"
_YEAR, _MONTH = 252, 21


def estimate(value: float | None, resampled: FloatArray | None, confidence: float, widen: float) -> Estimate:
    """Return a value with its two one-sided bounds; without resamples (too few sessions) it has none."""
    if resampled is None:
        return Estimate(value=value)
    return Estimate(
        value=value,
        lower=lower_bound(resampled, confidence, value, widen),
        upper=upper_bound(resampled, confidence, value, widen),
    )


def paired_difference(mine: Backtest, theirs: Backtest, rival: str) -> PairedDifference:
    """Compare two simulations of the same sessions.

    Parameters
    ----------
    mine, theirs : Backtest
        From the same first to the same last decision.
    rival : str
        Name of the other rule.

    Returns
    -------
    PairedDifference
        Daily returns are resampled together (SPY cancels from their difference), and so are the hits of a date.
        Without two blocks of sessions there are no bounds, and neither `better` nor `not_worse` is shown.

    Raises
    ------
    ValueError
        If the simulations cover different sessions.
    """
    if (mine.first, mine.last) != (theirs.first, theirs.last):
        raise ValueError("two simulations of different sessions cannot be compared in pairs")
    settings = mine.settings
    difference = mine.portfolio.returns - theirs.portfolio.returns
    active = Estimate(value=annual_mean(difference))
    if len(difference) >= MIN_BLOCKS * settings.portfolio.horizon:
        sums = _resampled(difference[:, np.newaxis], settings)[:, 0]
        yearly = sums / len(difference) * SESSIONS_PER_YEAR
        widen = widening(len(difference), settings.portfolio.horizon, 1, settings.evidence.confidence)
        active = estimate(active.value, yearly, settings.evidence.confidence, widen)
    return PairedDifference(
        rival=rival,
        n_sessions=len(difference),
        active_return=active,
        hit_rate=_hit_rate_difference(mine, theirs),
        better=active.lower is not None and active.lower > 0.0,
        not_worse=active.upper is not None and active.upper >= 0.0,
    )


def naive_rivals(backtest: Backtest) -> tuple[PairedDifference, ...]:
    """Compare a simulation with rules that nobody has to tune, on the same dates with the same costs.

    Equal weight recommends every eligible symbol; momentum the same number of symbols as the rule of the settings
    would, those with the highest return over the twelve months before the last one (Jegadeesh & Titman 1993).
    """
    return (
        paired_difference(backtest, with_recommendations(backtest, backtest.eligible), EQUAL_WEIGHT),
        paired_difference(backtest, with_recommendations(backtest, momentum(backtest)), MOMENTUM),
    )


def momentum(backtest: Backtest) -> BoolArray:
    """Recommend by the return from 252 to 21 sessions before the decision, shape (n_sessions, n_symbols)."""
    marks = mark_prices(backtest.dataset.prices)
    score = np.full(marks.shape, np.nan)
    if len(marks) > _YEAR:
        score[_YEAR:] = marks[_YEAR - _MONTH : -_MONTH] / marks[:-_YEAR] - 1.0
    # The rule compares probabilities: a logistic curve keeps the order, and no return is too low to be recommended.
    probability = 1.0 / (1.0 + np.exp(-np.clip(score, -30.0, 30.0)))
    rule = backtest.settings.recommendation.model_copy(update={"min_probability": 0.0})
    return recommend(probability, backtest.eligible, rule)


def with_recommendations(backtest: Backtest, recommended: BoolArray) -> Backtest:
    """Simulate other recommendations on the sessions of a simulation."""
    first, last = backtest.first, backtest.last
    span = slice(first, last + 1)
    outside = np.ones(len(recommended), dtype=np.bool_)
    outside[span] = False
    chosen = recommended & ~outside[:, np.newaxis]
    absolute, relative = (
        hits_by_date(hit[span], chosen[span], backtest.eligible[span], backtest.groups)
        for hit in (backtest.outcomes.absolute_hit, backtest.outcomes.relative_hit)
    )
    return replace(
        backtest,
        recommended=chosen,
        portfolio=simulate(backtest.dataset, chosen, first, last, backtest.settings.portfolio),
        absolute=absolute,
        relative=relative,
    )


def _hit_rate_difference(mine: Backtest, theirs: Backtest) -> Estimate:
    settings = mine.settings
    matured = mine.matured[mine.first : mine.last + 1]
    own, other = mine.hits.select(matured), theirs.hits.select(matured)
    if own.hit_rate is None or other.hit_rate is None:
        return Estimate(value=None)
    value = own.hit_rate - other.hit_rate
    if matured.sum() < MIN_BLOCKS * settings.portfolio.horizon:
        return Estimate(value=value)
    sums = _resampled(np.column_stack([own.hits, own.n_matured, other.hits, other.n_matured]), settings)
    with np.errstate(invalid="ignore", divide="ignore"):
        resampled = sums[:, 0] / sums[:, 1] - sums[:, 2] / sums[:, 3]
    horizon, confidence = settings.portfolio.horizon, settings.evidence.confidence
    return estimate(value, resampled, confidence, widening(int(matured.sum()), horizon, horizon, confidence))


def _resampled(columns: FloatArray, settings: ModelSettings) -> FloatArray:
    return resampled_sums(columns, settings.portfolio.horizon, settings.evidence.bootstrap_draws, BOOTSTRAP_SEED)
