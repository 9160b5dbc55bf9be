"""Metrics of a portfolio's daily net returns (definitions, section 5): the only place where they are computed.

Every function takes plain arrays. One that cannot measure (too few sessions, no variation) returns None and never NaN
or infinity, so that no gate can read a number that is none.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lambdas.core.backtest.portfolio import SESSIONS_PER_YEAR
from lambdas.core.market_data.panel import BoolArray, FloatArray

NO_VARIATION = 1e-12
"""A standard deviation of daily returns below this is rounding: a portfolio in cash has no Sharpe ratio."""


def sharpe_ratio(excess_returns: FloatArray) -> float | None:
    """Annualised Sharpe ratio: mean / standard deviation (ddof 1) * sqrt(252) of returns less cash (Sharpe 1994).

    Parameters
    ----------
    excess_returns : ndarray of shape (n_sessions,)
        Daily returns less what cash earned.

    Returns
    -------
    float or None
        None for fewer than two sessions, or returns that do not vary.

    Examples
    --------
    >>> round(sharpe_ratio(np.array([0.01, -0.005, 0.002])), 4)
    4.9351
    """
    per_session = session_sharpe_ratio(excess_returns)
    return None if per_session is None else per_session * float(np.sqrt(SESSIONS_PER_YEAR))


def session_sharpe_ratio(excess_returns: FloatArray) -> float | None:
    """Sharpe ratio per session, not annualised: what the probabilistic Sharpe ratio reads."""
    if excess_returns.size < 2:
        return None
    deviation = float(np.std(excess_returns, ddof=1))
    if not deviation > NO_VARIATION:
        return None
    return float(np.mean(excess_returns)) / deviation


def sharpe_ratio_lo(excess_returns: FloatArray, lags: int) -> float | None:
    """Annualised Sharpe ratio that allows for autocorrelation (Lo 2002).

    ``SR * q / sqrt(q + 2 sum_{k=1}^{q-1} (q - k) rho_k)`` with q = 252, and rho_k taken as zero beyond `lags`: returns
    of overlapping tranches are related up to the horizon, and hundreds of estimated ones would add only noise.

    Returns
    -------
    float or None
        None where `sharpe_ratio` is None, or the sample autocorrelations make the variance of a year negative.
    """
    per_session = session_sharpe_ratio(excess_returns)
    if per_session is None:
        return None
    deviations = excess_returns - excess_returns.mean()
    variance = float(deviations @ deviations)
    q = SESSIONS_PER_YEAR
    inflation = float(q)
    for k in range(1, min(lags, len(deviations) - 1, q - 1) + 1):
        inflation += 2.0 * (q - k) * float(deviations[k:] @ deviations[:-k]) / variance
    if inflation <= 0.0:
        return None
    return per_session * q / float(np.sqrt(inflation))


def sortino_ratio(excess_returns: FloatArray) -> float | None:
    """Annualised Sortino ratio: mean / downside deviation * sqrt(252) of returns less cash (Sortino & Price 1994).

    The downside deviation is the root of the mean square of the negative ones, the others counting as 0.

    Returns
    -------
    float or None
        None for fewer than two sessions, or without a negative return.

    Examples
    --------
    >>> round(sortino_ratio(np.array([0.01, -0.005, 0.002])), 4)
    12.8312
    """
    if excess_returns.size < 2:
        return None
    downside = float(np.sqrt(np.mean(np.minimum(excess_returns, 0.0) ** 2)))
    if not downside > NO_VARIATION:
        return None
    return float(np.mean(excess_returns)) / downside * float(np.sqrt(SESSIONS_PER_YEAR))


def max_drawdown(equity: FloatArray) -> float:
    """Largest fall of an equity curve from its running peak.

    Parameters
    ----------
    equity : ndarray of shape (n_sessions + 1,)
        Value of the portfolio at each close, from the one before the first return. Must be positive.

    Returns
    -------
    float
        A positive fraction: 0.15 is a fall of 15 %. 0 for a curve that never falls.

    Raises
    ------
    ValueError
        If `equity` is empty or holds a value that is not positive and finite.

    Examples
    --------
    >>> max_drawdown(np.array([1.0, 1.2, 0.9, 1.1]))
    0.25
    """
    if equity.size == 0 or not (np.isfinite(equity) & (equity > 0.0)).all():
        raise ValueError("equity must hold at least one value, all positive and finite")
    return float(np.max(1.0 - equity / np.maximum.accumulate(equity)))


def total_return(equity: FloatArray) -> float:
    """Last value over first, less 1."""
    return float(equity[-1] / equity[0] - 1.0)


def annualised(total: float, n_sessions: int) -> float | None:
    """Yearly rate of a total return over `n_sessions` sessions, 252 to the year; None if all was lost or no time."""
    if n_sessions < 1 or total <= -1.0:
        return None
    return float((1.0 + total) ** (SESSIONS_PER_YEAR / n_sessions) - 1.0)


def volatility(returns: FloatArray) -> float | None:
    """Annualised standard deviation (ddof 1) of daily returns."""
    return float(np.std(returns, ddof=1) * np.sqrt(SESSIONS_PER_YEAR)) if returns.size > 1 else None


def market_outperformance(portfolio_return: float, benchmark_return: float, n_sessions: int) -> float | None:
    """Portfolio return less benchmark return over the same sessions.

    Windows of more than 252 sessions are annualised first, both of them; shorter ones never are (GIPS 2020: returns
    of periods under a year are not annualised).

    Examples
    --------
    >>> market_outperformance(0.05, 0.03, 60)
    0.020000000000000004
    >>> round(market_outperformance(0.21, 0.1025, 504), 6)
    0.05
    """
    if n_sessions <= SESSIONS_PER_YEAR:
        return portfolio_return - benchmark_return
    portfolio, benchmark = annualised(portfolio_return, n_sessions), annualised(benchmark_return, n_sessions)
    return None if portfolio is None or benchmark is None else portfolio - benchmark


def turnover(traded: FloatArray, equity: FloatArray) -> float | None:
    """Annualised turnover: value bought and sold, halved, over mean equity.

    Parameters
    ----------
    traded : ndarray of shape (n_sessions,)
    equity : ndarray of shape (n_sessions,)
        At the closes of the same sessions.
    """
    if traded.size == 0:
        return None
    return float(traded.sum() / 2.0 / equity.mean() * SESSIONS_PER_YEAR / traded.size)


def exposure(invested: FloatArray, equity: FloatArray) -> float | None:
    """Mean share of the equity that is invested, over closes."""
    return float(np.mean(invested / equity)) if equity.size else None


@dataclass(frozen=True)
class Regression:
    """Excess returns regressed on those of benchmarks, with Newey-West errors.

    `alpha` and its standard error are annualised (times 252); `beta` and its errors follow the benchmarks' order.
    """

    alpha: float
    alpha_standard_error: float
    beta: tuple[float, ...]
    beta_standard_error: tuple[float, ...]


def regress(excess_returns: FloatArray, benchmark_excess: FloatArray, lags: int) -> Regression | None:
    """Alpha and beta by least squares, heteroscedasticity- and autocorrelation-consistent (Newey & West 1987).

    Parameters
    ----------
    excess_returns : ndarray of shape (n_sessions,)
    benchmark_excess : ndarray of shape (n_sessions, n_benchmarks)
    lags : int
        Lags of the Bartlett kernel, the horizon; not more than n_sessions - 1 are used.

    Returns
    -------
    Regression or None
        None with fewer than n_benchmarks + 3 sessions, or where a benchmark does not vary or repeats another.
    """
    n_sessions, n_benchmarks = benchmark_excess.shape
    if n_sessions < n_benchmarks + 3 or not np.isfinite(benchmark_excess).all():
        return None
    if (benchmark_excess.std(axis=0) <= NO_VARIATION).any():
        return None
    design = np.column_stack([np.ones(n_sessions), benchmark_excess])
    if np.linalg.matrix_rank(design) < design.shape[1]:
        return None
    from statsmodels.regression.linear_model import OLS  # a second to import, and only evaluations need it

    fit = OLS(excess_returns, design).fit(cov_type="HAC", cov_kwds={"maxlags": min(lags, n_sessions - 1)})
    errors = np.sqrt(np.maximum(np.diag(fit.cov_params()), 0.0))
    return Regression(
        alpha=float(fit.params[0]) * SESSIONS_PER_YEAR,
        alpha_standard_error=float(errors[0]) * SESSIONS_PER_YEAR,
        beta=tuple(float(b) for b in fit.params[1:]),
        beta_standard_error=tuple(float(e) for e in errors[1:]),
    )


def rank_ic_by_date(probability: FloatArray, gross: FloatArray, allowed: BoolArray) -> FloatArray:
    """Spearman correlation across symbols of probability and gross return, for each session.

    Parameters
    ----------
    probability, gross : ndarray of shape (n_sessions, n_symbols)
        NaN where unknown; pairs with one unknown are left out.
    allowed : ndarray of bool, shape (n_sessions, n_symbols)
        The eligible symbols.

    Returns
    -------
    ndarray of shape (n_sessions,)
        NaN for sessions with fewer than three pairs, or without variation in one of the two.
    """
    from scipy.stats import rankdata

    known = allowed & np.isfinite(probability) & np.isfinite(gross)
    count = known.sum(axis=1)
    centred = []
    for values in (probability, gross):
        # Unknown values tie for the last ranks, so those of the known ones are what they would be among themselves.
        ranks = rankdata(np.where(known, values, np.inf), axis=1)
        mean = np.where(known, ranks, 0.0).sum(axis=1) / np.maximum(count, 1)
        centred.append(np.where(known, ranks - mean[:, np.newaxis], 0.0))
    covariance = np.einsum("ds,ds->d", centred[0], centred[1])
    scale = np.sqrt(np.einsum("ds,ds->d", centred[0], centred[0]) * np.einsum("ds,ds->d", centred[1], centred[1]))
    usable = (count >= 3) & (scale > 0.0)
    correlation: FloatArray = np.divide(covariance, scale, out=np.full(len(count), np.nan), where=usable)
    return correlation


def quantile_returns_by_date(
    probability: FloatArray, gross: FloatArray, allowed: BoolArray, n_quantiles: int = 5
) -> FloatArray:
    """Mean gross return of each quantile of probability, for each session.

    The quantile of rank r of n, by probability and then symbol, is ``floor(n_quantiles * (r - 1) / n)``, as that of
    volatility is.

    Parameters
    ----------
    probability, gross : ndarray of shape (n_sessions, n_symbols)
        NaN where unknown; pairs with one unknown are left out.
    allowed : ndarray of bool, shape (n_sessions, n_symbols)
        The eligible symbols.

    Returns
    -------
    ndarray of shape (n_sessions, n_quantiles)
        The last column is that of the highest probabilities. NaN for sessions with fewer than `n_quantiles` pairs.
    """
    known = allowed & np.isfinite(probability) & np.isfinite(gross)
    count = known.sum(axis=1)
    order = np.argsort(np.where(known, probability, np.inf), axis=1, kind="stable")
    place = np.arange(known.shape[1])[np.newaxis, :]
    quantile = np.where(place < count[:, np.newaxis], n_quantiles * place // np.maximum(count, 1)[:, np.newaxis], -1)
    ordered = np.take_along_axis(np.where(known, gross, 0.0), order, axis=1)
    columns = []
    for number in range(n_quantiles):
        member = quantile == number
        total, size = np.where(member, ordered, 0.0).sum(axis=1), member.sum(axis=1)
        columns.append(
            np.divide(total, size, out=np.full(len(count), np.nan), where=(count >= n_quantiles) & (size > 0))
        )
    return np.column_stack(columns)


def mean_and_ratio(values: FloatArray) -> tuple[float | None, float | None]:
    """Mean over dates, and mean over standard deviation (ddof 1), of the known values: rank_ic and icir.

    Grinold (1989).
    """
    known = values[np.isfinite(values)]
    if known.size == 0:
        return None, None
    deviation = float(np.std(known, ddof=1)) if known.size > 1 else 0.0
    mean = float(known.mean())
    return mean, (mean / deviation if deviation > NO_VARIATION else None)
