"""The stationary bootstrap over sessions (Politis & Romano 1994), for statistics that are functions of sums.

`arch` draws the indices. Every statistic of section 7 is a function of sums over sessions (hits, picks, returns,
squared returns), so a resample is reduced to how often it takes each session, and 5 000 resamples of all sums are one
matrix product.

Bounds are percentiles of the resampled statistic, moved away from the estimate by `widening`. Plain percentiles are too
narrow where outcomes overlap: the chance that a lower bound at 95 % exceeds zero without any skill, of 2 000 simulated
samples (1 000 for hits) with h = 21 and a mean block of h, was, plain and then as it is done here,

=====================================================  =============  =============
daily values                                           1 year (230)   3 years (734)
=====================================================  =============  =============
luck shared by all picks, held for h sessions          13.4 -> 5.1 %   9.1 -> 4.5 %
hits of 20 picks that stay, a third of luck shared     11.6 -> 4.5 %   8.8 -> 4.8 %
half shared and held, half new every session           13.2 -> 5.1 %  10.4 -> 5.1 %
unrelated sessions (returns, and their widening)        7.4 -> 5.1 %   5.3 -> 4.4 %
=====================================================  =============  =============

Longer blocks alone do not help: at 1.5, 2 and 3 h the first row was 13.9, 14.4 and 15.9 % in a year and 8.6, 8.5 and
8.6 % in three, for the bias they remove they add as much noise. Bounds by reflection ("basic") were no better.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from lambdas.core.market_data.panel import FloatArray

_CHUNK = 500  # resamples at once: 500 x 2 500 sessions are 10 MB


def resampled_sums(columns: FloatArray, mean_block: int, draws: int, seed: int) -> FloatArray:
    """Sum each column over the sessions of each resample.

    Parameters
    ----------
    columns : ndarray of shape (n_sessions, n_columns)
        In time order, finite. All columns of a session are drawn together.
    mean_block : int
        Mean length of a block, in sessions.
    draws : int
    seed : int
        The same seed, length and block give the same resamples, so statistics of different calls are paired.

    Returns
    -------
    ndarray of shape (draws, n_columns)
    """
    from arch.bootstrap import StationaryBootstrap  # imports statsmodels: slow, and needed here only

    return sums_of_draws(StationaryBootstrap(mean_block, np.arange(len(columns)), seed=seed), columns, draws)


def sums_of_draws(bootstrap: Any, columns: FloatArray, draws: int) -> FloatArray:
    """Sum each column over the sessions that a bootstrap of arch draws; shape (draws, n_columns).

    How often each resample takes each session, times the columns: no resample is ever written out.
    """
    n_sessions = len(columns)
    sums = np.empty((draws, columns.shape[1]))
    for begin in range(0, draws, _CHUNK):
        end = min(begin + _CHUNK, draws)
        times_taken = np.empty((end - begin, n_sessions))
        for row in range(end - begin):
            times_taken[row] = np.bincount(bootstrap.update_indices(), minlength=n_sessions)
        sums[begin:end] = times_taken @ columns
    return sums


def resampled_drawdowns(returns: FloatArray, mean_block: int, draws: int, seed: int) -> FloatArray:
    """Largest fall of each resampled course of daily returns, shape (draws,)."""
    from arch.bootstrap import StationaryBootstrap

    generator = StationaryBootstrap(mean_block, returns, seed=seed)
    falls = np.empty(draws)
    for begin in range(0, draws, _CHUNK):
        course = np.ones((min(_CHUNK, draws - begin), len(returns) + 1))
        for row in range(len(course)):
            course[row, 1:] += returns[generator.update_indices()]
        np.cumprod(course, axis=1, out=course)
        falls[begin : begin + len(course)] = np.max(1.0 - course / np.maximum.accumulate(course, axis=1), axis=1)
    return falls


@cache
def widening(n_sessions: int, mean_block: int, overlap: int, confidence: float) -> float:
    """How much farther from the estimate than its percentile a bound has to be.

    The variance that a stationary bootstrap finds is a quadratic form of the data with known weights (Politis & Romano
    1994, lemma 1). For outcomes that overlap for `overlap` sessions, whose autocovariance falls linearly to zero as
    Hansen & Hodrick (1980) have it, two of its faults are therefore known before any data is seen:

    - its expectation is too small: joints of blocks cut the autocovariance down, and the mean is estimated. The factor
      is the true over the expected standard deviation;
    - it is noisy, as if it came from a few degrees of freedom (Satterthwaite's, from the eigenvalues of the form). The
      factor is the quantile of Student's t with these over the normal one: the argument of Kiefer & Vogelsang (2005)
      for bandwidths that are not small beside the sample.

    Parameters
    ----------
    n_sessions : int
    mean_block : int
    overlap : int
        Sessions that neighbouring values share: h for outcomes of daily decisions, 1 for daily returns.
    confidence : float

    Returns
    -------
    float
        Above 1, falling to 1 for long samples and blocks much longer than the overlap.

    Examples
    --------
    >>> round(widening(734, 21, 21, 0.95), 3), round(widening(734, 21, 1, 0.95), 3)
    (1.276, 1.055)
    """
    from scipy.special import ndtri, stdtrit

    lag = np.arange(n_sessions)
    covariance = np.maximum(1.0 - lag / overlap, 0.0)
    kernel = (1.0 - lag / n_sessions) * (1.0 - 1.0 / mean_block) ** lag
    true = (covariance[0] + 2.0 * (1.0 - lag[1:] / n_sessions) @ covariance[1:]) / n_sessions
    # It wraps around: of the products at lag l, l are those of lag n - l; each lacks the variance of the mean.
    products = (n_sessions - lag) * covariance + lag * np.concatenate([[0.0], covariance[:0:-1]]) - n_sessions * true
    expected = (kernel[0] * products[0] + 2.0 * kernel[1:] @ products[1:]) / n_sessions**2
    # Eigenvalues of kernel times covariance, both as circles; frequency 0 is taken out with the mean.
    eigenvalues = _circle(kernel) * _circle(covariance)
    eigenvalues = eigenvalues[1:]
    freedom = eigenvalues.sum() ** 2 / (eigenvalues @ eigenvalues)
    return float(np.sqrt(true / expected) * stdtrit(freedom, confidence) / ndtri(confidence))


def _circle(half: FloatArray) -> FloatArray:
    """Eigenvalues of the symmetric circulant matrix with these values at lags 0, 1, ... in both directions."""
    row = half.copy()
    row[1:] += half[:0:-1]
    eigenvalues: FloatArray = np.fft.fft(row).real
    return eigenvalues


def lower_bound(statistic: FloatArray, confidence: float, estimate: float | None, widen: float) -> float | None:
    """One-sided lower bound: the (1 - confidence) quantile of the resampled statistic, `widen` times as far away.

    Resamples in which it is not defined (none of their sessions counts) are left out; None if that is more than half,
    or if there is no estimate.
    """
    return _bound(statistic, 1.0 - confidence, estimate, widen)


def upper_bound(statistic: FloatArray, confidence: float, estimate: float | None, widen: float) -> float | None:
    """One-sided upper bound: the `confidence` quantile of the resampled statistic, `widen` times as far away."""
    return _bound(statistic, confidence, estimate, widen)


def _bound(statistic: FloatArray, level: float, estimate: float | None, widen: float) -> float | None:
    quantile = _quantile(statistic, level)
    return None if quantile is None or estimate is None else estimate + widen * (quantile - estimate)


def _quantile(statistic: FloatArray, level: float) -> float | None:
    known = statistic[np.isfinite(statistic)]
    if known.size == 0 or known.size * 2 < statistic.size:
        return None
    return float(np.quantile(known, level))
