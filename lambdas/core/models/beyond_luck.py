"""Choosing by a Sharpe ratio that was measured on a few years: a lead that luck explains is no lead."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from lambdas.core.backtest.metrics import session_sharpe_ratio
from lambdas.core.backtest.portfolio import SESSIONS_PER_YEAR
from lambdas.core.backtest.sharpe_inference import expected_best_sharpe
from lambdas.core.market_data.panel import FloatArray

LEAST_ERRORS = 1.0
"""Standard errors that a single challenger has to lead by: the one of Breiman, Friedman, Olshen & Stone (1984)."""


def choose_beyond_luck(returns: Sequence[FloatArray], n_looked_at: int) -> int:
    """Return the series with the best Sharpe ratio, or the first one if the best does not lead it beyond luck.

    The first is what is used without a choice. Of k challengers without any merit the best leads by the expected
    maximum of k draws (Bailey & Lopez de Prado 2014) of the error of a lead; only what leads by more, and by one
    standard error at least, replaces the first. Challengers whose returns are alike are fewer than k, so the rule
    errs towards the first.

    Parameters
    ----------
    returns : sequence of ndarray of shape (n_sessions,)
        Net returns less cash on the same sessions; the first is the one in place. A Sharpe ratio that cannot be
        measured loses to one that can.
    n_looked_at : int
        Challengers that were tried, those that were given up included: at least ``len(returns) - 1``.

    Returns
    -------
    int
        Position in `returns`; the earlier of equals.
    """
    ratios = [session_sharpe_ratio(series) if len(series) > 1 else None for series in returns]
    best = max(range(len(returns)), key=lambda i: -math.inf if (ratio := ratios[i]) is None else ratio)
    if best == 0 or ratios[0] is None:
        return best
    lead = (ratios[best] or 0.0) - ratios[0]
    error = lead_error(returns[best], returns[0]) / math.sqrt(SESSIONS_PER_YEAR)
    errors = max(LEAST_ERRORS, expected_best_sharpe(n_looked_at, 1.0))
    return best if lead > errors * error else 0


def lead_error(returns: FloatArray, rival: FloatArray) -> float:
    """Return the standard error of the difference of two annualised Sharpe ratios on the same sessions.

    Jobson & Korkie (1981) as corrected by Memmel (2003), for returns without autocorrelation:
    ``Var = (2 - 2 rho + (a^2 + b^2 - 2 a b rho^2) / 2) / T``, a and b being the ratios per session.

    Parameters
    ----------
    returns, rival : ndarray of shape (n_sessions,)
        Both must vary.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> market = rng.normal(0.0004, 0.01, 750)
    >>> round(lead_error(market + rng.normal(0, 0.003, 750), market + rng.normal(0, 0.003, 750)), 2)
    0.24
    """
    a, b = session_sharpe_ratio(returns), session_sharpe_ratio(rival)
    if a is None or b is None:
        raise ValueError("both series must vary to have a Sharpe ratio")
    rho = float(np.corrcoef(returns, rival)[0, 1])
    variance = (2 - 2 * rho + 0.5 * (a**2 + b**2 - 2 * a * b * rho**2)) / len(returns)
    return math.sqrt(max(variance, 0.0) * SESSIONS_PER_YEAR)
