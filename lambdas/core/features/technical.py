"""Features of prices and volumes alone, on closes adjusted for dividends; all of them are free of the price level."""

from __future__ import annotations

from functools import partial

import numpy as np

from lambdas.core.features.exposures import market_beta
from lambdas.core.features.feature import Feature, Market, change, difference, shifted
from lambdas.core.features.windows import Rolling, smoothed
from lambdas.core.market_data.panel import BoolArray, FloatArray

_ANNUAL = float(np.sqrt(252.0))
_VOLUME = ("prices.volume",)
_NO_BAND = 1e-6
"""A deviation below this share of the price is rounding: the price did not move."""


def rsi(market: Market, window: int = 14) -> FloatArray:
    """Relative strength index with Wilder's own smoothing: a mean of the first `window` changes, then 1/window of each.

    Sessions without a price are skipped; the change is then that from the last price there was.
    """
    price, rolling = market.price, market.rolling_price
    steps = _steps(price, rolling.known)
    n_symbols = price.shape[1]
    both = np.empty((len(price), 2 * n_symbols))
    np.maximum(steps, 0.0, out=both[:, :n_symbols])
    np.maximum(-steps, 0.0, out=both[:, n_symbols:])
    mean = smoothed(both, 1.0 / np.arange(1.0, window + 1.0)[:, np.newaxis])
    gain, loss = mean[:, :n_symbols], mean[:, n_symbols:]
    total = gain + loss
    ready = rolling.known & (rolling.count(len(price)) > window) & (total > 0.0)
    return 100.0 * gain / np.where(ready, total, np.nan)


def _steps(price: FloatArray, known: BoolArray) -> FloatArray:
    """Change from the last price there was; NaN where there is no price, or none before."""
    steps = difference(price, 1)
    first = known.argmax(axis=0)
    resumed = known[1:] & ~known[:-1] & (np.arange(1, len(known))[:, np.newaxis] > first)
    columns = np.flatnonzero(resumed.any(axis=0))
    if len(columns):
        last = smoothed(price[:, columns], np.ones((1, 1)))  # All the weight on the newest: the last price.
        steps[:, columns] = price[:, columns] - shifted(np.where(last > 0.0, last, np.nan), 1)
    return steps


def macd_histogram(market: Market) -> FloatArray:
    """MACD (12, 26) less its signal line (9), as a share of the price."""
    price = market.price
    n_symbols = price.shape[1]
    weights = np.repeat([[1.0, 1.0], [2.0 / 13.0, 2.0 / 27.0]], n_symbols, axis=1)
    averages = smoothed(np.hstack([price, price]), weights)
    macd = averages[:, :n_symbols] - averages[:, n_symbols:]
    np.copyto(macd, np.nan, where=~market.rolling_price.known)
    macd -= smoothed(macd, np.array([[1.0], [0.2]]))
    macd /= price
    np.copyto(macd, np.nan, where=market.rolling_price.count(len(price)) < 26 + 9)
    return macd


def bollinger_percent_b(market: Market, window: int = 20) -> FloatArray:
    """Place of the price between the bands: 0 at the lower, 1 at the upper one (two population deviations)."""
    mean, deviation = market.rolling_price.mean_and_deviation(window, ddof=0)
    np.copyto(deviation, np.nan, where=deviation <= _NO_BAND * mean)
    return (market.price - mean) / (4.0 * deviation) + 0.5


def price_to_average(market: Market, window: int) -> FloatArray:
    """Price over its mean of `window` sessions, less one."""
    return market.price / market.rolling_price.mean(window) - 1.0


def momentum(market: Market, window: int) -> FloatArray:
    """Total return over `window` sessions."""
    return change(market.price, window)


def momentum_12_1(market: Market) -> FloatArray:
    """Total return from 252 to 21 sessions ago."""
    return shifted(market.price, 21) / shifted(market.price, 252) - 1.0


def reversal_5(market: Market) -> FloatArray:
    """Total return over five sessions with its sign changed."""
    return -change(market.price, 5)


def volatility(market: Market, window: int) -> FloatArray:
    """Annualised standard deviation of daily log returns over `window` sessions."""
    return market.rolling_log_returns.mean_and_deviation(window, ddof=1)[1] * _ANNUAL


def range_volatility_21(market: Market) -> FloatArray:
    """Annualised volatility that the daily ranges of 21 sessions imply."""
    prices = market.dataset.prices
    squares = Rolling(np.square(np.log(prices.high / prices.low))).mean(21)
    return np.asarray(np.sqrt(squares / (4.0 * np.log(2.0))) * _ANNUAL)


def overnight_return_21(market: Market) -> FloatArray:
    """Logarithmic return from closes to the next opens, summed over 21 sessions."""
    prices = market.dataset.prices
    intraday = np.log(prices.close / prices.open)
    return Rolling(np.log1p(market.returns) - intraday).sum(21)


def volume_ratio(market: Market) -> FloatArray:
    """Volume over its mean of the last 20 sessions."""
    mean = Rolling(market.volume).mean(20)
    return market.volume / np.where(mean > 0.0, mean, np.nan)


def dollar_volume_63(market: Market) -> FloatArray:
    """Decimal logarithm of the mean value traded a session over 63 sessions."""
    mean = Rolling(market.close * market.volume).mean(63)
    return np.log10(np.where(mean > 0.0, mean, np.nan))


def distance_from_high_252(market: Market) -> FloatArray:
    """Price over its highest close of 252 sessions, less one: 0 at a new high."""
    return market.price / market.rolling_price.maximum(252) - 1.0


def max_return_21(market: Market) -> FloatArray:
    """Largest daily return of 21 sessions."""
    return market.rolling_returns.maximum(21)


def skewness_63(market: Market) -> FloatArray:
    """Skewness of daily returns over 63 sessions."""
    return market.rolling_returns.skewness(63)


def beta_252(market: Market) -> FloatArray:
    """Slope of daily returns on those of SPY over 252 sessions."""
    return market_beta(market)[0]


def idiosyncratic_volatility_252(market: Market) -> FloatArray:
    """Annualised deviation of what SPY does not explain of daily returns over 252 sessions."""
    return market_beta(market)[1] * _ANNUAL


FEATURES = (
    Feature(
        "rsi_14",
        "technical",
        "Relative strength index over 14 sessions, Wilder's smoothing",
        "0 to 100",
        14,
        "Wilder 1978",
        rsi,
    ),
    Feature(
        "macd_histogram",
        "technical",
        "EMA 12 less EMA 26, less its EMA 9, over the price",
        "share of the price",
        35,
        "Appel 1979",
        macd_histogram,
        ranked=True,
    ),
    Feature(
        "bollinger_percent_b",
        "technical",
        "(price - lower band) / (upper - lower), 20 sessions, 2 deviations",
        "1",
        20,
        "Bollinger 2001",
        bollinger_percent_b,
    ),
    Feature(
        "price_to_average_50",
        "technical",
        "Price / mean of 50 sessions - 1",
        "fraction",
        50,
        "Brock, Lakonishok & LeBaron 1992",
        partial(price_to_average, window=50),
        ranked=True,
    ),
    Feature(
        "price_to_average_200",
        "technical",
        "Price / mean of 200 sessions - 1",
        "fraction",
        200,
        "Brock, Lakonishok & LeBaron 1992",
        partial(price_to_average, window=200),
        ranked=True,
    ),
    Feature(
        "momentum_12_1",
        "technical",
        "Total return from 252 to 21 sessions ago",
        "fraction",
        252,
        "Jegadeesh & Titman 1993",
        momentum_12_1,
        ranked=True,
    ),
    Feature(
        "momentum_21",
        "technical",
        "Total return over 21 sessions",
        "fraction",
        21,
        "Jegadeesh 1990",
        partial(momentum, window=21),
        ranked=True,
    ),
    Feature(
        "momentum_63",
        "technical",
        "Total return over 63 sessions",
        "fraction",
        63,
        "Jegadeesh & Titman 1993",
        partial(momentum, window=63),
        ranked=True,
    ),
    Feature(
        "momentum_126",
        "technical",
        "Total return over 126 sessions",
        "fraction",
        126,
        "Jegadeesh & Titman 1993",
        partial(momentum, window=126),
        ranked=True,
    ),
    Feature(
        "momentum_252",
        "technical",
        "Total return over 252 sessions",
        "fraction",
        252,
        "Jegadeesh & Titman 1993",
        partial(momentum, window=252),
        ranked=True,
    ),
    Feature(
        "reversal_5",
        "technical",
        "Total return over 5 sessions, sign changed",
        "fraction",
        5,
        "Lehmann 1990",
        reversal_5,
        ranked=True,
    ),
    Feature(
        "volatility_21",
        "technical",
        "Standard deviation of daily log returns over 21 sessions, times sqrt(252)",
        "fraction a year",
        22,
        "Ang, Hodrick, Xing & Zhang 2006",
        partial(volatility, window=21),
        ranked=True,
    ),
    Feature(
        "volatility_252",
        "technical",
        "Standard deviation of daily log returns over 252 sessions, times sqrt(252)",
        "fraction a year",
        253,
        "Blitz & van Vliet 2007",
        partial(volatility, window=252),
        ranked=True,
    ),
    Feature(
        "range_volatility_21",
        "technical",
        "sqrt(mean of log(high / low)^2 over 21 sessions / (4 log 2)), times sqrt(252)",
        "fraction a year",
        21,
        "Parkinson 1980",
        range_volatility_21,
        needs=("prices.high", "prices.low"),
        ranked=True,
    ),
    Feature(
        "overnight_return_21",
        "technical",
        "Sum over 21 sessions of the log return from the close before to the open",
        "log",
        22,
        "Lou, Polk & Skouras 2019",
        overnight_return_21,
        needs=("prices.open",),
        ranked=True,
    ),
    Feature(
        "distance_from_high_252",
        "technical",
        "Price / highest close of 252 sessions - 1",
        "fraction",
        252,
        "George & Hwang 2004",
        distance_from_high_252,
        ranked=True,
    ),
    Feature(
        "beta_252",
        "technical",
        "Slope of daily returns on SPY over 252 sessions",
        "1",
        253,
        "Frazzini & Pedersen 2014",
        beta_252,
        ranked=True,
    ),
    Feature(
        "idiosyncratic_volatility_252",
        "technical",
        "Deviation of the residual of that regression, times sqrt(252)",
        "fraction a year",
        253,
        "Ang, Hodrick, Xing & Zhang 2006",
        idiosyncratic_volatility_252,
        ranked=True,
    ),
    Feature(
        "max_return_21",
        "technical",
        "Largest daily return of 21 sessions",
        "fraction",
        22,
        "Bali, Cakici & Whitelaw 2011",
        max_return_21,
        ranked=True,
    ),
    Feature(
        "skewness_63",
        "technical",
        "Skewness of daily returns over 63 sessions",
        "1",
        64,
        "Amaya, Christoffersen, Jacobs & Vasquez 2015",
        skewness_63,
    ),
    Feature(
        "volume_ratio",
        "technical",
        "Volume / mean volume of the last 20 sessions",
        "1",
        20,
        "Gervais, Kaniel & Mingelgrin 2001",
        volume_ratio,
        needs=_VOLUME,
        ranked=True,
    ),
    Feature(
        "dollar_volume_63",
        "technical",
        "log10 of the mean of close * volume over 63 sessions",
        "log10 of the currency",
        63,
        "Amihud 2002",
        dollar_volume_63,
        needs=_VOLUME,
        ranked=True,
    ),
)
