"""Rolling regressions of every symbol's daily returns on series of the whole market."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from lambdas.core.features.feature import Market
from lambdas.core.features.windows import KNOWN_SHARE, Rolling, window_sum
from lambdas.core.market_data.panel import BoolArray, FloatArray, IntArray

WINDOW = 252
_NO_VARIANCE = 1e-12
_COLLINEAR = 1e-6
"""Two series of which less than this share of the variance is their own have no slopes of their own."""


class Comovement:
    """Second moments of returns, of SPY and of other series of the whole market over windows of 252 sessions.

    At least nine tenths of a window must be known. A symbol whose returns are known wherever the series are has the
    moments of the series themselves, in one column for all such symbols; the others need moments of their own.

    Parameters
    ----------
    returns : ndarray of shape (n_sessions, n_columns)
    market : ndarray of shape (n_sessions, 1)
        Returns of SPY. Its moments are made once, for all series with the same gaps.
    known : ndarray of bool, shape (n_sessions, 1)
        Where all series are known that are going to be asked about. Elsewhere no session counts.
    """

    def __init__(self, returns: FloatArray, market: FloatArray, known: BoolArray) -> None:
        rolling = Rolling(np.where(known, returns, np.nan))
        self._returns = rolling.filled
        complete = bool((rolling.known == known).all())
        self._counted = (known if complete else rolling.known).astype(np.float64)
        count = window_sum(self._counted, WINDOW)
        self._count = np.where(count < KNOWN_SHARE * WINDOW, np.nan, count)
        self._known = known
        self._mean = self._over_window(self._returns)
        self._market = self._zeroed(market)

    def variance_of_returns(self) -> FloatArray:
        """Variance of each symbol's returns."""
        variance = self._over_window(np.square(self._returns))
        variance -= np.square(self._mean)
        return np.maximum(variance, 0.0, out=variance)

    @cached_property
    def variance_of_market(self) -> FloatArray:
        """Variance of SPY over the sessions that count; one column, or one for each symbol."""
        return self._product(self._market, self._market) - np.square(self._mean_of_market)

    @cached_property
    def with_market(self) -> FloatArray:
        """Covariance of each symbol's returns with SPY."""
        return self._with_returns(self._market, self._mean_of_market)

    def of_series(self, series: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Variance of a series of shape (n_sessions, 1), its covariance with SPY, and that of each symbol's returns."""
        series = self._zeroed(series)
        mean = self._over_window(self._counted * series)
        variance = self._product(series, series) - np.square(mean)
        joint = self._product(self._market, series) - self._mean_of_market * mean
        return variance, joint, self._with_returns(series, mean)

    @cached_property
    def _mean_of_market(self) -> FloatArray:
        return self._over_window(self._counted * self._market)

    def _with_returns(self, series: FloatArray, mean: FloatArray) -> FloatArray:
        covariance = self._over_window(self._returns * series)
        covariance -= self._mean * mean
        return covariance

    def _product(self, first: FloatArray, second: FloatArray) -> FloatArray:
        return self._over_window(self._counted * (first * second))

    def _over_window(self, values: FloatArray) -> FloatArray:
        total = window_sum(values, WINDOW)
        total /= self._count
        return total

    def _zeroed(self, series: FloatArray) -> FloatArray:
        return np.where(self._known, series, 0.0)


def market_beta(market: Market) -> tuple[FloatArray, FloatArray]:
    """Slope of daily returns on those of SPY, and the standard deviation of the residual, over 252 sessions."""
    return market.shared("market_beta", _market_beta)


def _market_beta(market: Market) -> tuple[FloatArray, FloatArray]:
    spy = market.market_returns
    slope, residual = np.empty(market.returns.shape), np.empty(market.returns.shape)
    for columns, moments in _comovements(market, spy):
        covariance, variance = moments.with_market, moments.variance_of_market
        beta = covariance / np.where(variance > _NO_VARIANCE, variance, np.nan)
        left = moments.variance_of_returns() - beta * covariance
        slope[:, columns] = beta
        residual[:, columns] = np.sqrt(np.maximum(left, 0.0, out=left), out=left)
    return slope, residual


def beta_beside_market(market: Market, series: FloatArray) -> FloatArray:
    """Slope of daily returns on a series in a regression on SPY and that series, over 252 sessions.

    Beside SPY, because almost every series moves with it: a slope on the series alone mostly repeats the beta
    (Ang, Hodrick, Xing & Zhang 2006, equation 3, for the VIX; Jorion 1990 for exchange rates). The slope is that on
    what SPY does not explain of the series.

    Parameters
    ----------
    series : ndarray of shape (n_sessions, 1)
        Change of the series as known at each close.
    """
    spy = market.market_returns
    slope = np.empty(market.returns.shape)
    for columns, moments in _comovements(market, spy + series):
        variance, (own, joint, beta) = moments.variance_of_market, moments.of_series(series)
        explained = joint / np.where(variance > _NO_VARIANCE, variance, np.nan)
        left = own - explained * joint
        left[left <= _COLLINEAR * own] = np.nan
        beta -= explained * moments.with_market
        beta /= left
        slope[:, columns] = beta
    return slope


def _comovements(market: Market, total: FloatArray) -> list[tuple[IntArray, Comovement]]:
    """Moments over the sessions on which a sum of series is known, apart for symbols with gaps and without.

    Made once for all series with the same gaps.
    """
    known = ~np.isnan(total)

    def compute(of: Market) -> list[tuple[IntArray, Comovement]]:
        gaps = (np.isnan(of.returns) & known).any(axis=0)
        parts = (np.flatnonzero(~gaps), np.flatnonzero(gaps))
        return [
            (columns, Comovement(of.returns[:, columns], of.market_returns, known)) for columns in parts if len(columns)
        ]

    return market.shared(("comovement", known.tobytes()), compute)
