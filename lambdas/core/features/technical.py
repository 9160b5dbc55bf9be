"""Features of prices and volumes alone, on closes adjusted for dividends; all of them are free of the price level."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd

from lambdas.core.features.feature import Feature, Market, change, rolling, shifted
from lambdas.core.market_data.panel import FloatArray

_ANNUAL = float(np.sqrt(252.0))
_VOLUME = ("prices.volume",)


def rsi(market: Market, window: int = 14) -> FloatArray:
    """Relative strength index with Wilder's own smoothing: a mean of the first `window` changes, then 1/window of each.

    Sessions without a price are skipped; the change is then that from the last price there was.
    """
    price = market.price
    result = np.full(price.shape, np.nan)
    last = np.full(price.shape[1], np.nan)
    gain, loss = np.zeros(price.shape[1]), np.zeros(price.shape[1])
    seen = np.zeros(price.shape[1])
    for row in range(len(price)):
        step = price[row] - last
        counted = ~np.isnan(step)
        seen += counted
        weight = 1.0 / np.clip(seen, 1.0, window)  # A running mean first, Wilder's smoothing from `window` on.
        gain = np.where(counted, gain + weight * (np.maximum(step, 0.0) - gain), gain)
        loss = np.where(counted, loss + weight * (np.maximum(-step, 0.0) - loss), loss)
        last = np.where(np.isnan(price[row]), last, price[row])
        total = gain + loss
        ready = counted & (seen >= window) & (total > 0.0)
        result[row, ready] = 100.0 * gain[ready] / total[ready]
    return result


def macd_histogram(market: Market) -> FloatArray:
    """MACD (12, 26) less its signal line (9), as a share of the price."""
    frame = pd.DataFrame(market.price)

    def average(values: pd.DataFrame, span: int) -> pd.DataFrame:
        return values.ewm(span=span, adjust=False, ignore_na=True).mean()

    macd = average(frame, 12) - average(frame, 26)
    histogram = ((macd - average(macd, 9)) / frame).to_numpy()
    enough = np.cumsum(~np.isnan(market.price), axis=0) >= 26 + 9
    return np.where(enough, histogram, np.nan)


def bollinger_percent_b(market: Market, window: int = 20) -> FloatArray:
    """Place of the price between the bands: 0 at the lower, 1 at the upper one (two population deviations)."""
    mean, deviation = rolling(market.price, window, "mean"), rolling(market.price, window, "std", ddof=0)
    # A price that did not move has no band; the sum of rounding errors is no deviation either.
    return (market.price - mean + 2.0 * deviation) / np.where(deviation > 1e-9 * mean, 4.0 * deviation, np.nan)


def price_to_average(market: Market, window: int) -> FloatArray:
    """Price over its mean of `window` sessions, less one."""
    return market.price / rolling(market.price, window, "mean") - 1.0


def momentum(market: Market, window: int) -> FloatArray:
    """Total return over `window` sessions."""
    return change(market.price, window)


def momentum_12_1(market: Market) -> FloatArray:
    """Total return from 252 to 21 sessions ago."""
    return shifted(market.price, 21) / shifted(market.price, 252) - 1.0


def reversal_5(market: Market) -> FloatArray:
    """Total return over five sessions with its sign changed."""
    return -change(market.price, 5)


def volatility_21(market: Market) -> FloatArray:
    """Annualised standard deviation of daily log returns over 21 sessions."""
    return rolling(np.log1p(market.returns), 21, "std", ddof=1) * _ANNUAL


def volume_ratio(market: Market) -> FloatArray:
    """Volume over its mean of the last 20 sessions."""
    mean = rolling(market.volume, 20, "mean")
    return market.volume / np.where(mean > 0.0, mean, np.nan)


def dollar_volume_63(market: Market) -> FloatArray:
    """Decimal logarithm of the mean value traded a session over 63 sessions."""
    mean = rolling(market.close * market.volume, 63, "mean")
    return np.log10(np.where(mean > 0.0, mean, np.nan))


def distance_from_high_252(market: Market) -> FloatArray:
    """Price over its highest close of 252 sessions, less one: 0 at a new high."""
    return market.price / rolling(market.price, 252, "max") - 1.0


def max_return_21(market: Market) -> FloatArray:
    """Largest daily return of 21 sessions."""
    return rolling(market.returns, 21, "max")


def skewness_63(market: Market) -> FloatArray:
    """Skewness of daily returns over 63 sessions."""
    return rolling(market.returns, 63, "skew")


def beta_252(market: Market) -> FloatArray:
    """Slope of daily returns on those of SPY over 252 sessions."""
    return market.slope_and_residual[0]


def idiosyncratic_volatility_252(market: Market) -> FloatArray:
    """Annualised deviation of what SPY does not explain of daily returns over 252 sessions."""
    return market.slope_and_residual[1] * _ANNUAL


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
        volatility_21,
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
