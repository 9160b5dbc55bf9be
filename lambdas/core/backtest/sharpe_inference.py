"""How sure a Sharpe ratio is: probabilistic and deflated Sharpe ratio, minimum track record.

Bailey & Lopez de Prado, "The Sharpe ratio efficient frontier" (2012) and "The deflated Sharpe ratio" (2014). Sharpe
ratios here are per session, kurtosis is raw (3 for a normal distribution).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from lambdas.core.backtest.metrics import session_sharpe_ratio
from lambdas.core.market_data.panel import FloatArray
from lambdas.core.values import TrialEvidence

_NORMAL = NormalDist()


def probabilistic_sharpe(
    sharpe: float, n_sessions: int, skewness: float, kurtosis: float, benchmark_sharpe: float = 0.0
) -> float | None:
    """Probability that the true Sharpe ratio is above `benchmark_sharpe`.

    ``Phi[(SR - SR*) sqrt(T - 1) / sqrt(1 - g3 SR + (g4 - 1) / 4 SR^2)]``

    Returns
    -------
    float or None
        None for fewer than two sessions, or moments for which the variance in the formula is not positive.

    Examples
    --------
    >>> annual, days = 2.5, 250
    >>> benchmark = expected_best_sharpe(100, 0.5 / days)
    >>> round(benchmark, 4), round(probabilistic_sharpe(annual / days**0.5, 1250, -3.0, 10.0, benchmark), 4)
    (0.1132, 0.9004)
    """
    variance = 1.0 - skewness * sharpe + (kurtosis - 1.0) / 4.0 * sharpe**2
    if n_sessions < 2 or not variance > 0.0:
        return None
    return _NORMAL.cdf((sharpe - benchmark_sharpe) * math.sqrt(n_sessions - 1) / math.sqrt(variance))


def expected_best_sharpe(n_trials: float, trial_variance: float) -> float:
    """Sharpe ratio that the best of `n_trials` trials without skill is expected to show, SR0.

    ``sqrt(V) ((1 - gamma) Z^-1(1 - 1/N) + gamma Z^-1(1 - 1/(N e)))``, gamma being Euler's constant. 0 for one trial.

    Parameters
    ----------
    n_trials : float
        Independent trials, from the trial ledger.
    trial_variance : float
        Variance of the Sharpe ratio per session across the trials.
    """
    if n_trials <= 1:
        return 0.0
    return math.sqrt(trial_variance) * (
        (1.0 - np.euler_gamma) * _NORMAL.inv_cdf(1.0 - 1.0 / n_trials)
        + np.euler_gamma * _NORMAL.inv_cdf(1.0 - 1.0 / (n_trials * math.e))
    )


def null_trial_variance(n_sessions: int) -> float:
    """Variance across trials to assume where none was recorded: 1 / T.

    That is the sampling variance of the Sharpe ratio per session of T returns without skill. Trials that differ only
    by luck spread by just that if they are independent, and by less if their portfolios overlap, as those of one
    model family do; so it overstates what luck can do, and deflates more, unless trials differ in true skill by more
    than their sampling error. Then the recorded variance must be handed in.
    """
    return 1.0 / n_sessions


def effective_trials(n_trials: float, correlation: float) -> float:
    """Independent trials that `n_trials` with a mean correlation are worth: ``rho + (1 - rho) M``.

    Bailey & Lopez de Prado (2014), appendix A.3: 1 for trials that are all the same, M for unrelated ones. A negative
    mean correlation counts as none.

    Examples
    --------
    >>> effective_trials(100, 0.9)
    10.899999999999999
    """
    rho = min(max(correlation, 0.0), 1.0)
    return rho + (1.0 - rho) * n_trials if n_trials > 1 else float(n_trials)


@dataclass(frozen=True)
class Deflation:
    """What the best of all trials without skill shows: `expected_best`, and the variance that gave it."""

    effective_trials: float
    variance: float
    expected_best: float


def deflation(n_sessions: int, n_trials: int, trials: TrialEvidence | None = None) -> Deflation:
    """Threshold SR0 of the deflated Sharpe ratio, from the ledger and from what is known of the run's trials.

    Correlated trials are less of a search than independent ones, in two ways that must not be counted twice: there are
    fewer independent ones among them, and their Sharpe ratios lie closer together. Equicorrelated trials without skill
    have the sampling variance 1 / T each and (1 - rho) / T across them, so both

    - 1 / T with the effective number ``rho + (1 - rho) N``, and
    - the variance V across the recorded trials with the raw number N

    estimate the same expected maximum, while V with the effective number would be too low by ``sqrt(1 - rho)``. The
    larger of the two is taken. The first errs upwards where N is large and is useless where few trials are close to
    identical; the second sees trials whose true Sharpe ratios differ, or that were scored on fewer sessions than T.

    Parameters
    ----------
    n_sessions : int
        T, of the series that is judged.
    n_trials : int
        N, from the trial ledger.
    trials : TrialEvidence, optional
        Of the run's searches. Their correlation stands for that of the whole ledger, whose earlier returns are gone;
        without it all trials count as independent.
    """
    rho = None if trials is None else trials.correlation
    independent = effective_trials(n_trials, 0.0 if rho is None else rho)
    null = null_trial_variance(n_sessions)
    candidates = [(expected_best_sharpe(independent, null), null)]
    if trials is not None and trials.sharpe_variance is not None:
        candidates.append((expected_best_sharpe(n_trials, trials.sharpe_variance), trials.sharpe_variance))
    expected, variance = max(candidates)
    return Deflation(effective_trials=independent, variance=variance, expected_best=max(expected, 0.0))


def probabilistic_sharpe_of(excess_returns: FloatArray, benchmark_sharpe: float = 0.0) -> float | None:
    """PSR of a series of daily excess returns; skewness and kurtosis are the moments of the sample."""
    sharpe = session_sharpe_ratio(excess_returns)
    if sharpe is None:
        return None
    skewness, kurtosis = _moments(excess_returns)
    return probabilistic_sharpe(sharpe, len(excess_returns), skewness, kurtosis, benchmark_sharpe)


def deflated_sharpe_of(
    excess_returns: FloatArray, n_trials: float | None, trial_variance: float | None = None
) -> float | None:
    """DSR of a series of daily excess returns: the PSR against the best of `n_trials` without skill.

    None if the number of trials is not known: evidence that was not counted is none.
    """
    if n_trials is None or len(excess_returns) < 2:
        return None
    variance = null_trial_variance(len(excess_returns)) if trial_variance is None else trial_variance
    return probabilistic_sharpe_of(excess_returns, expected_best_sharpe(n_trials, variance))


def minimum_track_record(excess_returns: FloatArray, confidence: float, benchmark_sharpe: float = 0.0) -> float | None:
    """Sessions of such returns that a PSR of `confidence` takes.

    ``1 + (1 - g3 SR + (g4 - 1) / 4 SR^2) (Z_confidence / (SR - SR*))^2``

    Returns
    -------
    float or None
        None if the Sharpe ratio is not above the benchmark: no length would do.
    """
    sharpe = session_sharpe_ratio(excess_returns)
    if sharpe is None or not sharpe > benchmark_sharpe:
        return None
    skewness, kurtosis = _moments(excess_returns)
    variance = 1.0 - skewness * sharpe + (kurtosis - 1.0) / 4.0 * sharpe**2
    if not variance > 0.0:
        return None
    return 1.0 + variance * (_NORMAL.inv_cdf(confidence) / (sharpe - benchmark_sharpe)) ** 2


def _moments(returns: FloatArray) -> tuple[float, float]:
    """Skewness and raw kurtosis of the sample, without correction for bias."""
    deviations = returns - returns.mean()
    variance = float(np.mean(deviations**2))
    return float(np.mean(deviations**3)) / variance**1.5, float(np.mean(deviations**4)) / variance**2
