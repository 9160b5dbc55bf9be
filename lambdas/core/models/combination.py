"""How the learners become one probability: voting, stacking or the best of them, then calibration.

Each of them competes twice: with its scores as they are, and neutral to beta and volatility (`exposures`). Each way
is one vector of non-negative weights on the learners' standardised log odds, so a model stores nothing else.
Everything is fitted on out-of-fold predictions (`out_of_fold`), and compared and calibrated on inner folds that the
compared weights have not seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydantic import Field
from scipy.optimize import brentq, minimize
from scipy.special import expit, log_expit

from lambdas.core.backtest.metrics import sharpe_ratio
from lambdas.core.errors import InvalidDatasetError
from lambdas.core.market_data.panel import BoolArray, FloatArray, IntArray
from lambdas.core.models.beyond_luck import choose_beyond_luck
from lambdas.core.models.exposures import EXPOSURES, neutralise
from lambdas.core.models.hyperparameters import LearnerName
from lambdas.core.models.inner_portfolio import InnerPortfolio
from lambdas.core.models.out_of_fold import OutOfFold, mean_rank_ic
from lambdas.core.models.reliability import reliability
from lambdas.core.models.training_data import TrainingData
from lambdas.core.values import FiniteOrNone, Reliability, Value

SHRINKAGE_PERIODS = 36
"""Prior weight of "all learners are equally good", in independent holding periods: three years of months. With as much
evidence as that, half of the way to the estimated weights is gone."""
MIN_SLOPE = 1e-3
"""A calibration slope that comes out lower (no skill on the inner folds) is set to this: the ranking within a date must
survive calibration, while all probabilities stay at about the base rate."""

Kind = Literal["voting", "stacking", "single"]


class Combination(Value):
    """Weights, and the calibration of the weighted score.

    The score of a row is ``sum_j weights[j] * (logit_j - location[j]) / scale[j]``; its probability is
    ``1 / (1 + exp(-(slope * score + intercept)))``. Since `slope` is positive, calibration never changes the order of
    symbols within a date.

    Where `neutralised`, what beta and volatility explain of the scores of a date is taken out first. The probability
    is calibrated on such scores: it is how often symbols hit whose score, compared with symbols of like beta and
    volatility on the date, is this high. What risk alone says about a hit is not in it, and it depends on which
    symbols are predicted together.
    """

    kind: Kind
    learners: tuple[LearnerName, ...]
    weights: tuple[float, ...] = Field(description="Non-negative, adding up to 1.")
    location: tuple[float, ...]
    scale: tuple[float, ...]
    slope: float = Field(gt=0)
    intercept: float
    neutralised: bool = False
    inner_sharpe_ratio: dict[str, FiniteOrNone] = Field(
        default_factory=dict,
        description="Of every way that was compared, the runners-up too: `voting`, ... and `voting neutral`, ...",
    )
    inner_rank_ic: dict[LearnerName, float] = Field(default_factory=dict, description="Of each learner, out of fold.")
    reliability: Reliability | None = Field(
        default=None, description="Calibrated on all compared folds but the last, judged on the last."
    )

    @property
    def name(self) -> str:
        """`voting`, `stacking`, or the name of the single learner."""
        return self.learners[int(np.argmax(self.weights))] if self.kind == "single" else self.kind

    @property
    def used(self) -> tuple[LearnerName, ...]:
        """Learners with a positive weight: only these are fitted and stored."""
        return tuple(name for name, weight in zip(self.learners, self.weights, strict=True) if weight > 0)

    def probability(
        self, logits: dict[LearnerName, FloatArray], exposures: FloatArray | None, decisions: IntArray
    ) -> FloatArray:
        """Calibrated probability of a hit, shape (n_rows,).

        Parameters
        ----------
        logits : dict of learner name to ndarray of shape (n_rows,)
            Log odds of the learners in `used`.
        exposures : ndarray of shape (n_rows, n_exposures) or None
            Read where `neutralised`.
        decisions : ndarray of int, shape (n_rows,)
            Date of each row, ascending.
        """
        parts = zip(self.learners, self.weights, self.location, self.scale, strict=True)
        score = sum(
            (weight * (logits[name] - location) / scale for name, weight, location, scale in parts if weight > 0),
            start=np.zeros(len(logits[self.used[0]])),
        )
        if self.neutralised:
            score = neutralise(score, required_exposures(exposures), decisions)
        probability: FloatArray = expit(self.slope * score + self.intercept)
        return probability


def required_exposures(exposures: FloatArray | None) -> FloatArray:
    """Return the exposures, or say what to do without them."""
    if exposures is None:
        raise InvalidDatasetError(
            f"features: {' and '.join(EXPOSURES)} are needed to neutralise scores; build the feature set with them, or "
            f"set [tuning] neutralise to never"
        )
    return exposures


@dataclass(frozen=True)
class _Scores:
    """Weights fitted on some inner folds, and the standardisation that belongs to them."""

    weights: dict[Kind, FloatArray]
    location: FloatArray
    scale: FloatArray
    rank_ic: FloatArray


def combine(
    data: TrainingData,
    predictions: OutOfFold,
    hit: FloatArray,
    horizon: int,
    portfolio: InnerPortfolio,
    neutral: Literal["never", "chosen", "always"] = "never",
) -> Combination:
    """Choose and calibrate a combination.

    For every inner fold after the first, weights are fitted on the out-of-fold rows whose outcome is known at the
    fold's first decision and score the fold. On those scores, joined in time, the ways compete by the Sharpe ratio of
    what they would have bought: voting, unless the best of the others leads it by more than luck would explain
    (`choose_beyond_luck`). The winner is calibrated. Its final weights are fitted on all out-of-fold rows. With one
    inner fold only, equal weights are taken and calibrated there.

    Parameters
    ----------
    data : TrainingData
    predictions : OutOfFold
        Of at least one learner.
    hit : ndarray of shape (n_rows,)
        1.0 or 0.0: the hit whose probability is put out (`GateSettings.hit_definition`), for each row of `data`. It may
        be another than the one that was learned: the *slope* of the calibration is fitted on the latter, where the
        evidence about ranking is, the *intercept* is set so that the mean probability is the hit rate.
    horizon : int
        Sessions a recommendation is held.
    portfolio : InnerPortfolio
    neutral : {"never", "chosen", "always"}
        Whether scores neutral to beta and volatility compete too, or alone. Where the feature set lacks the exposures,
        "chosen" is "never".

    Raises
    ------
    InvalidDatasetError
        If `neutral` is "always" and the feature set lacks the exposures.
    """
    exposures = required_exposures(data.exposures) if neutral == "always" else data.exposures
    learners = tuple(predictions.logits)
    matrix = np.column_stack([predictions.logits[name] for name in learners])
    forward, scored = _forward_scores(data, predictions, matrix, horizon)
    final = _fit_weights(data, predictions.rows, matrix, horizon)

    kind: Kind = "voting"
    neutralised = neutral == "always"
    sharpe_ratios: dict[str, float | None] = {}
    if scored:
        fold = np.concatenate([np.full(int(test.sum()), k) for k, test in enumerate(scored)])
        rows = predictions.rows[np.logical_or.reduce(scored)]
        scores: dict[tuple[Kind, bool], FloatArray] = {}
        if neutral != "always":
            scores |= {(way, False): score for way, score in forward.items()}
        if neutral != "never" and exposures is not None:
            scores |= {
                (way, True): neutralise(score, exposures[rows], data.decisions[rows]) for way, score in forward.items()
            }
        returns = {way: portfolio.excess_returns(data, rows, score) for way, score in scores.items()}
        kind, neutralised = list(scores)[choose_beyond_luck(list(returns.values()), len(scores) - 1)]
        sharpe_ratios = {
            f"{way} neutral" if flat else way: sharpe_ratio(series) for (way, flat), series in returns.items()
        }
        weights, score = final.weights[kind], scores[kind, neutralised]
    else:
        rows, fold = predictions.rows, predictions.fold
        weights = np.full(len(learners), 1.0 / len(learners))
        score = ((matrix - final.location) / final.scale) @ weights
        if neutralised and exposures is not None:
            score = neutralise(score, exposures[rows], data.decisions[rows])
    slope, intercept = calibrate(score, data.y[rows], hit[rows])
    return Combination(
        kind=kind,
        learners=learners,
        weights=tuple(float(w) for w in weights),
        location=tuple(float(v) for v in final.location),
        scale=tuple(float(v) for v in final.scale),
        slope=slope,
        intercept=intercept,
        neutralised=neutralised,
        inner_sharpe_ratio=sharpe_ratios,
        inner_rank_ic={name: float(ic) for name, ic in zip(learners, final.rank_ic, strict=True)},
        reliability=_reliability_of_last_fold(data, rows, fold, score, hit, horizon),
    )


def _forward_scores(
    data: TrainingData, predictions: OutOfFold, matrix: FloatArray, horizon: int
) -> tuple[dict[Kind, FloatArray], list[BoolArray]]:
    """Scores of each fold by weights that have not seen it, joined in time, and which rows each of those folds is."""
    decisions = data.decisions[predictions.rows]
    forward: dict[Kind, list[FloatArray]] = {"voting": [], "stacking": [], "single": []}
    scored: list[BoolArray] = []
    for number in range(1, int(predictions.fold.max()) + 1):
        test = predictions.fold == number
        known = decisions + 1 + horizon <= decisions[test].min()
        if not known.any() or len(np.unique(data.y[predictions.rows[known]])) < 2:
            continue
        fitted = _fit_weights(data, predictions.rows[known], matrix[known], horizon)
        scored.append(test)
        for way, vector in fitted.weights.items():
            forward[way].append(((matrix[test] - fitted.location) / fitted.scale) @ vector)
    return {way: np.concatenate(parts) for way, parts in forward.items() if parts}, scored


def _reliability_of_last_fold(
    data: TrainingData, rows: IntArray, fold: IntArray, score: FloatArray, hit: FloatArray, horizon: int
) -> Reliability | None:
    """Calibrate on what was known before the last of the compared folds and judge there; None with one fold only."""
    test = fold == fold.max()
    known = data.decisions[rows] + 1 + horizon <= data.decisions[rows[test]].min()
    known &= np.isfinite(hit[rows])
    if not known.any() or not np.isfinite(hit[rows[test]]).any():
        return None
    slope, intercept = calibrate(score[known], data.y[rows[known]], hit[rows[known]])
    return reliability(expit(slope * score[test] + intercept), hit[rows[test]], float(hit[rows[known]].mean()))


def calibrate(score: FloatArray, y: FloatArray, hit: FloatArray) -> tuple[float, float]:
    """Slope and intercept of a logistic calibration (Platt 1999) that keeps the order of the scores.

    Parameters
    ----------
    score : ndarray of shape (n_rows,)
        Out-of-fold scores that neither learners nor weights were fitted on.
    y : ndarray of shape (n_rows,)
        Hits of the learned target; they give the slope.
    hit : ndarray of shape (n_rows,)
        Hits whose probability is wanted; their rate gives the intercept. Rows without one (NaN) are not counted.

    Returns
    -------
    (slope, intercept) : tuple of float
        ``slope >= MIN_SLOPE``, and the mean of ``expit(slope * score + intercept)`` is the hit rate.
    """
    slope = MIN_SLOPE
    if y.min() < y.max() and score.max() > score.min():
        slope = max(MIN_SLOPE, _slope(score, y))
    known = np.isfinite(hit)
    n_known = int(known.sum())
    # Half a row away from 0 and 1: all hits in a sample is no certainty.
    rate = min(max(float(hit[known].mean()), 0.5 / n_known), 1 - 0.5 / n_known) if n_known else 0.5
    centred = slope * score[known] if n_known else slope * score
    odds = float(np.log(rate / (1 - rate)))
    reach = float(np.abs(centred).max()) + 1.0
    intercept = brentq(lambda b: float(expit(centred + b).mean()) - rate, odds - reach, odds + reach)
    return float(slope), float(intercept)


def voting_weights(rank_ic: FloatArray, n_periods: float) -> FloatArray:
    """Weights in proportion to each learner's positive rank IC, shrunk to equal ones.

    Parameters
    ----------
    rank_ic : ndarray of shape (n_learners,)
        Mean out-of-fold rank IC.
    n_periods : float
        Independent holding periods it was measured on.

    Examples
    --------
    >>> voting_weights(np.array([0.03, 0.01, -0.02]), n_periods=36).round(3)
    array([0.542, 0.292, 0.167])
    """
    equal = np.full(len(rank_ic), 1.0 / len(rank_ic))
    skill = np.maximum(rank_ic, 0.0)
    if skill.sum() <= 1e-9:
        return equal
    trust = n_periods / (n_periods + SHRINKAGE_PERIODS)
    weights: FloatArray = trust * skill / skill.sum() + (1 - trust) * equal
    return weights


def stacking_weights(standardised: FloatArray, y: FloatArray, n_periods: float) -> FloatArray:
    """Non-negative logistic meta-learner (Wolpert 1992; Breiman 1996), shrunk to equal weights.

    Minimises the mean log loss plus ``penalty * sum_j (w_j - c)^2``, c being the weight that all learners would have if
    it had to be the same. An unconstrained stack wins by selling one learner against another; that does not last.

    Parameters
    ----------
    standardised : ndarray of shape (n_rows, n_learners)
        Log odds with mean 0 and standard deviation 1.
    y : ndarray of shape (n_rows,)
        0 or 1, both present.
    n_periods : float
        Independent holding periods: rows of a date, and of overlapping outcomes, are no independent evidence.

    Returns
    -------
    ndarray of shape (n_learners,)
        Adding up to 1; equal if no learner has a positive weight.
    """
    n_learners = standardised.shape[1]
    equal = np.full(n_learners, 1.0 / n_learners)
    common = max(0.0, _slope(standardised @ equal, y)) / n_learners
    # The curvature of the mean log loss is p (1 - p), about 1/4, for an input of variance 1; so the data weighs
    # n_periods against SHRINKAGE_PERIODS of the prior.
    penalty = 0.125 * SHRINKAGE_PERIODS / n_periods

    def loss(parameters: FloatArray) -> tuple[float, FloatArray]:
        weights, intercept = parameters[:-1], parameters[-1]
        odds = standardised @ weights + intercept
        residual = expit(odds) - y
        value = -float(np.mean(log_expit(np.where(y > 0.5, odds, -odds)))) + penalty * float(
            np.sum((weights - common) ** 2)
        )
        slope = standardised.T @ residual / len(y) + 2 * penalty * (weights - common)
        return value, np.append(slope, residual.mean())

    start = np.append(np.full(n_learners, common), 0.0)
    bounds = [(0.0, None)] * n_learners + [(None, None)]
    weights = np.maximum(minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds).x[:-1], 0.0)
    total = float(weights.sum())
    return weights / total if total > 1e-9 else equal


def _fit_weights(data: TrainingData, rows: IntArray, logits: FloatArray, horizon: int) -> _Scores:
    location, scale = logits.mean(axis=0), logits.std(axis=0)
    scale = np.where(scale > 0, scale, 1.0)
    standardised = (logits - location) / scale
    rank_ic = np.array([mean_rank_ic(data, rows, column) for column in standardised.T])
    decisions = data.decisions[rows]
    n_periods = max(1.0, float(decisions[-1] - decisions[0] + 1) / (horizon + 1))
    best = np.zeros(logits.shape[1])
    best[int(np.argmax(rank_ic))] = 1.0
    return _Scores(
        weights={
            "voting": voting_weights(rank_ic, n_periods),
            "stacking": stacking_weights(standardised, data.y[rows], n_periods),
            "single": best,
        },
        location=location,
        scale=scale,
        rank_ic=rank_ic,
    )


def _slope(score: FloatArray, y: FloatArray) -> float:
    """Slope of the logistic regression of y on a score, without penalty."""
    from sklearn.linear_model import LogisticRegression

    return float(LogisticRegression(C=np.inf).fit(score[:, np.newaxis], y).coef_[0, 0])
