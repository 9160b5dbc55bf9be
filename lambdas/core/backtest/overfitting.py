"""Whether the best of many trials is more than the luckiest: PBO by CSCV, and Hansen's SPA."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import combinations
from typing import Any

import numpy as np

from lambdas.core.backtest.bootstrap import sums_of_draws
from lambdas.core.backtest.metrics import NO_VARIATION
from lambdas.core.market_data.panel import FloatArray

_CHUNK = 2048  # combinations at once


@dataclass(frozen=True)
class OverfittingProbability:
    """Result of CSCV: share of combinations whose best trial in sample has a logit <= 0 out of sample."""

    pbo: float
    logits: FloatArray


def probability_of_overfitting(trial_returns: FloatArray, n_splits: int = 16) -> OverfittingProbability:
    """Probability of backtest overfitting by combinatorially symmetric cross-validation.

    Bailey, Borwein, Lopez de Prado & Zhu (2017). The sessions are cut into `n_splits` runs; for every choice of half
    of them, the trial with the best Sharpe ratio there is ranked by its Sharpe ratio on the other half. Sums and sums
    of squares by run give all Sharpe ratios of all combinations as two matrix products.

    Parameters
    ----------
    trial_returns : ndarray of shape (n_sessions, n_trials)
        Daily excess returns of every trial on the same sessions.
    n_splits : int
        Even. The first ``n_sessions % n_splits`` runs are one session longer.

    Returns
    -------
    OverfittingProbability
        `logits` are ``ln(w / (1 - w))`` with w the rank out of sample (average for ties) over n_trials + 1, in the
        order of `itertools.combinations` of the runs out of sample. A logit of 0, the median, counts as overfitted.

    Raises
    ------
    ValueError
        For fewer than two trials, an odd number of splits, fewer than two sessions a split, or a value that is not
        finite.
    """
    n_sessions, n_trials = trial_returns.shape
    if n_trials < 2 or n_splits < 2 or n_splits % 2 or n_sessions < 2 * n_splits:
        raise ValueError(
            f"PBO needs two trials, an even number of splits and two sessions a split; got {n_trials} trials, "
            f"{n_splits} splits, {n_sessions} sessions"
        )
    if not np.isfinite(trial_returns).all():
        raise ValueError("trial returns must be finite")
    centred = trial_returns - trial_returns.mean(axis=0)  # keeps the variance from sums of squares accurate
    offset = trial_returns.mean(axis=0)
    runs = np.array_split(np.arange(n_sessions), n_splits)
    length = np.array([len(run) for run in runs], dtype=np.float64)
    total = np.array([centred[run].sum(axis=0) for run in runs])
    squares = np.array([(centred[run] ** 2).sum(axis=0) for run in runs])

    out_of_sample = np.array(list(combinations(range(n_splits), n_splits // 2)))
    logits = np.empty(len(out_of_sample))
    for begin in range(0, len(out_of_sample), _CHUNK):
        chosen = out_of_sample[begin : begin + _CHUNK]
        outside = np.zeros((len(chosen), n_splits))
        np.put_along_axis(outside, chosen, 1.0, axis=1)
        inside_sharpe, outside_sharpe = (
            _sharpe(part @ length, part @ total, part @ squares, offset) for part in (1.0 - outside, outside)
        )
        best = outside_sharpe[np.arange(len(chosen)), inside_sharpe.argmax(axis=1)][:, np.newaxis]
        rank = (outside_sharpe < best).sum(axis=1) + ((outside_sharpe == best).sum(axis=1) + 1) / 2.0
        relative = rank / (n_trials + 1)
        logits[begin : begin + len(chosen)] = np.log(relative / (1.0 - relative))
    return OverfittingProbability(pbo=float(np.mean(logits <= 0.0)), logits=logits)


def superior_predictive_ability(
    market_returns: FloatArray, trial_returns: FloatArray, mean_block: int, draws: int = 1000, seed: int = 0
) -> float:
    """p-value of Hansen's test (2005) that no trial is better than the market.

    Parameters
    ----------
    market_returns : ndarray of shape (n_sessions,)
    trial_returns : ndarray of shape (n_sessions, n_trials)
        Daily returns of every candidate of the run on the same sessions.
    mean_block : int
        Mean block of the stationary bootstrap, the horizon.

    Returns
    -------
    float
        The consistent p-value: small where even the best of all is more than luck.
    """
    class_of_test = _spa_by_counts()
    test = class_of_test(
        -market_returns, -trial_returns, block_size=mean_block, reps=draws, bootstrap="stationary", seed=seed
    )
    test.compute()
    return float(test.pvalues["consistent"])


@cache
def _spa_by_counts() -> type[Any]:
    """Return arch's SPA with the means of its resamples taken at once: five times faster, the same p-values.

    Which sessions are drawn, the variances, which trials are recentred and the p-values are arch's. arch 8.0 does not
    divide the statistics by their deviations, whatever `studentize` says: it uses them for the recentring only.
    """
    from arch.bootstrap import SPA  # imports statsmodels: slow, and needed here only

    class SpaByCounts(SPA):
        def _simulate_values(self) -> None:
            self._compute_variance()
            self._valid_columns = self._check_column_validity()
            mean = self._loss_diff.mean(axis=0)
            recentred = [np.maximum(mean, 0.0), np.where(self._valid_columns, mean, 0.0), mean]
            resampled = sums_of_draws(self.bootstrap, self._loss_diff, self.reps) / self.t
            self._simulated_vals = np.stack([(resampled - by).T for by in recentred], axis=2)

    return SpaByCounts


def _sharpe(length: FloatArray, total: FloatArray, squares: FloatArray, offset: FloatArray) -> FloatArray:
    """Sharpe ratios per session from sums of centred returns, shape (n_combinations, n_trials); 0 if constant."""
    count = length[:, np.newaxis]
    variance = np.maximum(squares - total**2 / count, 0.0) / (count - 1.0)
    deviation = np.sqrt(variance)
    constant = deviation <= NO_VARIATION
    ratio: FloatArray = np.where(constant, 0.0, (total / count + offset) / np.where(constant, 1.0, deviation))
    return ratio
