"""Intervals of a mean over seeds, and of the difference of two models, from the same resampled sessions.

The resamples depend on the number of sessions, the mean block and a fixed seed alone, so every model and every seed of
it is read on the same ones: the difference of two models is paired, and the mean over seeds is a mean within each
resample. Bounds are widened as the evidence of a run is (`lambdas.core.backtest.bootstrap`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.models.scoring import Scored
from lambdas.core.backtest.bootstrap import lower_bound, resampled_sums, upper_bound, widening
from lambdas.core.backtest.evidence import BOOTSTRAP_SEED, MIN_BLOCKS
from lambdas.core.backtest.hits import HitsByDate
from lambdas.core.backtest.portfolio import SESSIONS_PER_YEAR
from lambdas.core.market_data.panel import FloatArray
from lambdas.core.settings import EvidenceSettings
from lambdas.core.values import PortfolioMetrics


@dataclass(frozen=True)
class Sums:
    """Columns summed over sessions: as they are, and in every resample; all that a statistic reads."""

    n_sessions: int
    total: FloatArray
    drawn: FloatArray | None

    @classmethod
    def of(cls, columns: FloatArray, horizon: int, settings: EvidenceSettings) -> Sums:
        """Resample columns of shape (n_sessions, n_columns); too few sessions for two blocks are not resampled."""
        enough = len(columns) >= MIN_BLOCKS * horizon
        drawn = resampled_sums(columns, horizon, settings.bootstrap_draws, BOOTSTRAP_SEED) if enough else None
        return cls(len(columns), columns.sum(axis=0), drawn)


@dataclass(frozen=True)
class Sampled:
    """One model, one seed, one universe: the metrics of the product, and sums to draw intervals from.

    Attributes
    ----------
    decisions : Sums
        Of matured decisions, whose outcomes overlap: see `_decision_columns`.
    returns : Sums
        Of sessions: active return, excess return and its square.
    """

    metrics: PortfolioMetrics
    decisions: Sums
    returns: Sums
    horizon: int
    confidence: float

    @classmethod
    def of(cls, scored: Scored, horizon: int, settings: EvidenceSettings) -> Sampled:
        """Resample what was scored."""
        returns = np.column_stack([scored.active, scored.excess, scored.excess**2])
        return cls(
            metrics=scored.metrics,
            decisions=Sums.of(_decision_columns(scored), horizon, settings),
            returns=Sums.of(returns, horizon, settings),
            horizon=horizon,
            confidence=settings.confidence,
        )


@dataclass(frozen=True)
class Estimate:
    """A number with its one-sided bounds, and what each seed gave."""

    value: float | None
    lower: float | None = None
    upper: float | None = None
    seeds: tuple[float, ...] = ()


@dataclass(frozen=True)
class Statistic:
    """A function of sums of shape (..., n_columns) and the number of sessions; NaN where it is not defined."""

    value: Callable[[FloatArray, int], FloatArray]
    of_returns: bool = False

    def sums(self, run: Sampled) -> Sums:
        """Return the sums it is a function of."""
        return run.returns if self.of_returns else run.decisions


def estimate(statistic: Statistic, runs: Sequence[Sampled]) -> Estimate:
    """Mean of a statistic over seeds, with bounds."""
    return _bounded(statistic, [(1.0, runs)])


def difference(statistic: Statistic, left: Sequence[Sampled], right: Sequence[Sampled]) -> Estimate:
    """Left less right, means over seeds, with paired bounds.

    Raises
    ------
    ValueError
        If the two do not cover the same number of sessions.
    """
    return _bounded(statistic, [(1.0, left), (-1.0, right)])


def _bounded(statistic: Statistic, sides: Sequence[tuple[float, Sequence[Sampled]]]) -> Estimate:
    first = sides[0][1][0]
    n_sessions = statistic.sums(first).n_sessions
    lengths = {statistic.sums(run).n_sessions for _, runs in sides for run in runs}
    if len(lengths) > 1:
        raise ValueError(f"runs of {sorted(lengths)} sessions cannot be compared in pairs")
    points = [[float(statistic.value(statistic.sums(run).total, n_sessions)) for run in runs] for _, runs in sides]
    if not all(np.isfinite(of_side).all() for of_side in points):
        return Estimate(None)
    value = sum(sign * float(np.mean(of_side)) for (sign, _), of_side in zip(sides, points, strict=True))
    seeds = tuple(points[0])
    drawn = [
        sign * statistic.value(sums.drawn, n_sessions) / len(runs)
        for sign, runs in sides
        for run in runs
        if (sums := statistic.sums(run)).drawn is not None
    ]
    if not drawn:
        return Estimate(value, seeds=seeds)
    overlap = 1 if statistic.of_returns else first.horizon
    widen = widening(n_sessions, first.horizon, overlap, first.confidence)
    resampled = np.sum(drawn, axis=0)
    lower, upper = (bound(resampled, first.confidence, value, widen) for bound in (lower_bound, upper_bound))
    return Estimate(value, lower, upper, seeds)


def _decision_columns(scored: Scored) -> FloatArray:
    known = np.isfinite(scored.rank_ic)
    ic = np.where(known, scored.rank_ic, 0.0)
    columns = [ic, ic**2, known.astype(np.float64), *_hit_columns(scored.absolute), *_hit_columns(scored.relative)]
    return np.column_stack(columns)[scored.matured]


def _hit_columns(hits: HitsByDate) -> list[FloatArray]:
    return [hits.hits, hits.n_matured, hits.base, hits.matched, hits.n_compared]


_ABSOLUTE, _RELATIVE = 3, 8
_HITS, _MATURED, _BASE, _MATCHED, _COMPARED = range(5)


def _ratio(part: FloatArray, whole: FloatArray) -> FloatArray:
    return np.divide(part, whole, out=np.full(np.shape(part), np.nan), where=np.asarray(whole) > 0)


def _icir(sums: FloatArray, _: int) -> FloatArray:
    count = sums[..., 2]
    mean = _ratio(sums[..., 0], count)
    variance = _ratio(sums[..., 1] - count * mean**2, count - 1)
    return mean / np.sqrt(np.where(variance > 0, variance, np.nan))


def _hit_rate(block: int) -> Statistic:
    return Statistic(lambda sums, _: _ratio(sums[..., block + _HITS], sums[..., block + _MATURED]))


def _skill(block: int, base: int) -> Statistic:
    return Statistic(
        lambda sums, _: (
            _ratio(sums[..., block + _HITS], sums[..., block + _MATURED])
            - _ratio(sums[..., block + base], sums[..., block + _COMPARED])
        )
    )


def _sharpe(sums: FloatArray, n_sessions: int) -> FloatArray:
    mean = sums[..., 1] / n_sessions
    variance = (sums[..., 2] - n_sessions * mean**2) / (n_sessions - 1)
    return mean / np.sqrt(np.where(variance > 0, variance, np.nan)) * np.sqrt(SESSIONS_PER_YEAR)


STATISTICS: dict[str, Statistic] = {
    "rank_ic": Statistic(lambda sums, _: _ratio(sums[..., 0], sums[..., 2])),
    "icir": Statistic(_icir),
    "hit_rate": _hit_rate(_ABSOLUTE),
    "skill": _skill(_ABSOLUTE, _BASE),
    "matched_skill": _skill(_ABSOLUTE, _MATCHED),
    "relative_hit_rate": _hit_rate(_RELATIVE),
    "relative_skill": _skill(_RELATIVE, _BASE),
    "sharpe_ratio": Statistic(_sharpe, of_returns=True),
    "active_return": Statistic(lambda sums, n: sums[..., 0] / n * SESSIONS_PER_YEAR, of_returns=True),
}
