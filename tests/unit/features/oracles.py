"""Slow and obvious versions of the technical features, one symbol and one session at a time, from the textbooks."""

from __future__ import annotations

import itertools
import math
import statistics

import numpy as np
from scipy.stats import linregress, skew


def rsi(price: list[float], window: int = 14) -> float:
    """Wilder 1978: simple means of the first gains and losses, then (13 * old + new) / 14."""
    steps = [after - before for before, after in itertools.pairwise(price)]
    if len(steps) < window:
        return math.nan
    gain = sum(max(step, 0.0) for step in steps[:window]) / window
    loss = sum(max(-step, 0.0) for step in steps[:window]) / window
    for step in steps[window:]:
        gain = ((window - 1) * gain + max(step, 0.0)) / window
        loss = ((window - 1) * loss + max(-step, 0.0)) / window
    return 100.0 - 100.0 / (1.0 + gain / loss)


def ema(values: list[float], span: int) -> list[float]:
    result = [values[0]]
    for value in values[1:]:
        result.append(result[-1] + 2.0 / (span + 1) * (value - result[-1]))
    return result


def macd_histogram(price: list[float]) -> float:
    macd = [fast - slow for fast, slow in zip(ema(price, 12), ema(price, 26), strict=True)]
    return (macd[-1] - ema(macd, 9)[-1]) / price[-1]


def percent_b(price: list[float]) -> float:
    window = price[-20:]
    middle, width = statistics.fmean(window), 2.0 * statistics.pstdev(window)
    return (price[-1] - (middle - width)) / (2.0 * width)


def returns(price: list[float]) -> list[float]:
    return [after / before - 1.0 for before, after in itertools.pairwise(price)]


def volatility(price: list[float], window: int) -> float:
    return statistics.stdev([math.log(1.0 + step) for step in returns(price)[-window:]]) * math.sqrt(252)


def parkinson(high: list[float], low: list[float]) -> float:
    """Parkinson 1980: the variance of a session is log(high / low) ** 2 / (4 log 2)."""
    variances = [math.log(top / bottom) ** 2 / (4 * math.log(2)) for top, bottom in zip(high, low, strict=True)]
    return math.sqrt(252 * statistics.fmean(variances))


def overnight(price: list[float], close: list[float], opened: list[float]) -> float:
    """Log of the adjusted open over the adjusted close before it, added up."""
    adjusted = [o * p / c for o, p, c in zip(opened, price, close, strict=True)]
    return sum(math.log(now / before) for before, now in zip(price[-22:-1], adjusted[-21:], strict=True))


def beta(price: list[float], spy: list[float]) -> float:
    return linregress(returns(spy)[-252:], returns(price)[-252:]).slope


def idiosyncratic_volatility(price: list[float], spy: list[float]) -> float:
    own, market = np.array(returns(price)[-252:]), np.array(returns(spy)[-252:])
    line = linregress(market, own)
    return float(np.std(own - line.intercept - line.slope * market)) * math.sqrt(252)


def skewness(price: list[float]) -> float:
    return float(skew(returns(price)[-63:], bias=False))


TECHNICAL = {
    "rsi_14": lambda bar: rsi(bar.price),
    "macd_histogram": lambda bar: macd_histogram(bar.price),
    "bollinger_percent_b": lambda bar: percent_b(bar.price),
    "price_to_average_50": lambda bar: bar.price[-1] / statistics.fmean(bar.price[-50:]) - 1,
    "price_to_average_200": lambda bar: bar.price[-1] / statistics.fmean(bar.price[-200:]) - 1,
    "momentum_12_1": lambda bar: bar.price[-22] / bar.price[-253] - 1,
    "momentum_21": lambda bar: bar.price[-1] / bar.price[-22] - 1,
    "momentum_63": lambda bar: bar.price[-1] / bar.price[-64] - 1,
    "momentum_126": lambda bar: bar.price[-1] / bar.price[-127] - 1,
    "momentum_252": lambda bar: bar.price[-1] / bar.price[-253] - 1,
    "reversal_5": lambda bar: 1 - bar.price[-1] / bar.price[-6],
    "volatility_21": lambda bar: volatility(bar.price, 21),
    "volatility_252": lambda bar: volatility(bar.price, 252),
    "range_volatility_21": lambda bar: parkinson(bar.high[-21:], bar.low[-21:]),
    "overnight_return_21": lambda bar: overnight(bar.price, bar.close, bar.open),
    "distance_from_high_252": lambda bar: bar.price[-1] / max(bar.price[-252:]) - 1,
    "beta_252": lambda bar: beta(bar.price, bar.spy),
    "idiosyncratic_volatility_252": lambda bar: idiosyncratic_volatility(bar.price, bar.spy),
    "max_return_21": lambda bar: max(returns(bar.price)[-21:]),
    "skewness_63": lambda bar: skewness(bar.price),
    "volume_ratio": lambda bar: bar.volume[-1] / statistics.fmean(bar.volume[-20:]),
    "dollar_volume_63": lambda bar: math.log10(
        statistics.fmean([close * volume for close, volume in zip(bar.close[-63:], bar.volume[-63:], strict=True)])
    ),
}
