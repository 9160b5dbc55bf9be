"""Bars, benchmarks and macro series around simulated returns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from lambdas.core.market_data.panel import FIELDS, BoolArray, FloatArray, PricePanel

_DIVIDEND = 0.0045
"""Of the price, once a quarter, for the two thirds of symbols that pay one."""

_OVERNIGHT_SHARE = 0.25


def bars(
    rng: np.random.Generator,
    sessions: pd.DatetimeIndex,
    symbols: Sequence[str],
    returns: FloatArray,
    jumps: FloatArray,
    alive: BoolArray,
) -> tuple[PricePanel, tuple[FloatArray, FloatArray]]:
    """Bars whose total returns are `returns`, and what the market made overnight and over the whole session.

    An earnings jump happens overnight, like the release; the rest of a session's return is split between night and
    day. The close falls by the dividend on its day, `adj_close` does not. The market is the equally weighted mean of
    the listed symbols.
    """
    n_sessions, n_symbols = returns.shape
    night = _OVERNIGHT_SHARE * (returns - jumps) + 0.004 * rng.standard_normal(returns.shape)
    night = np.clip(night + jumps, -0.85, None)
    pays = rng.random(n_symbols) < 2 / 3
    offset = rng.integers(0, 63, n_symbols)
    ex_date = (np.arange(n_sessions)[:, np.newaxis] % 63 == offset) & pays
    kept = np.where(ex_date, 1.0 - _DIVIDEND, 1.0)
    start = np.exp(rng.normal(np.log(60.0), 0.5, n_symbols))
    close = start * np.cumprod((1.0 + returns) * kept, axis=0)
    open_ = np.vstack([start, close[:-1]]) * kept * (1.0 + night)
    top, bottom = np.maximum(open_, close), np.minimum(open_, close)
    reach = 0.006 * np.abs(rng.standard_normal((2, *returns.shape)))
    total = np.cumprod(1.0 + returns, axis=0)
    last = n_sessions - 1 - alive[::-1].argmax(axis=0)
    column = np.arange(n_symbols)
    adjusted = total / total[last, column] * close[last, column]
    activity = rng.normal(0.0, 0.3, returns.shape) + 12.0 * np.abs(returns)
    volume: FloatArray = np.exp(rng.normal(14.5, 0.6, n_symbols) + activity).round()

    def listed(values: FloatArray) -> FloatArray:
        return np.where(alive, values, np.nan)

    panel = PricePanel(
        sessions,
        tuple(symbols),
        open=listed(open_),
        high=listed(top * (1.0 + reach[0])),
        low=listed(bottom * (1.0 - np.minimum(reach[1], 0.5))),
        close=listed(close),
        adj_close=listed(adjusted),
        volume=listed(volume),
    )
    n_alive = alive.sum(axis=1)
    market = tuple(np.where(alive, part, 0.0).sum(axis=1) / n_alive for part in (night, returns))
    return panel, (market[0], market[1])


def with_missed_splits(
    rng: np.random.Generator, prices: PricePanel, n_splits: int, burn_in: int
) -> tuple[PricePanel, pd.DataFrame]:
    """Undo the adjustment of a few splits, one a symbol: before it prices are `ratio` times as high, volumes less."""
    told: dict[str, list[object]] = {"symbol": [], "date": [], "ratio": []}
    fields = {name: getattr(prices, name).copy() for name in FIELDS} if n_splits else {}
    for column in sorted(rng.permutation(len(prices.symbols))[:n_splits]) if n_splits else ():
        listed = np.flatnonzero(np.isfinite(prices.close[:, column]))
        listed = listed[listed > burn_in]
        row, ratio = (
            int(rng.choice(listed[len(listed) // 4 : -len(listed) // 4])),
            float(rng.choice([2.0, 3.0, 4.0, 10.0])),
        )
        for name, values in fields.items():
            values[:row, column] *= 1.0 / ratio if name == "volume" else ratio
        told["symbol"].append(prices.symbols[column])
        told["date"].append(prices.sessions[row])
        told["ratio"].append(ratio)
    return (replace(prices, **fields) if n_splits else prices), pd.DataFrame(told)


def benchmarks(
    rng: np.random.Generator, sessions: pd.DatetimeIndex, market: tuple[FloatArray, FloatArray]
) -> PricePanel:
    """SPY is the market itself; IWM and QQQ follow it with a higher beta and noise. They pay no dividends."""
    night, whole = market
    n_sessions = len(sessions)
    beta = np.array([1.1, 1.15, 1.0])
    noise = rng.standard_normal((n_sessions, 3)) * np.array([0.0035, 0.004, 0.0])
    returns = whole[:, np.newaxis] * beta + noise
    start = np.array([62.0, 46.0, 113.0])
    close = start * np.cumprod(1.0 + returns, axis=0)
    open_ = np.vstack([start, close[:-1]]) * (1.0 + night[:, np.newaxis] * beta)
    return PricePanel(
        sessions,
        ("IWM", "QQQ", "SPY"),
        open=open_,
        high=np.maximum(open_, close) * 1.001,
        low=np.minimum(open_, close) * 0.999,
        close=close,
        adj_close=close.copy(),
        volume=np.exp(18.0 + 0.2 * rng.standard_normal((n_sessions, 3))).round(),
    )


def macro(rng: np.random.Generator, sessions: pd.DatetimeIndex, volatility: FloatArray) -> pd.DataFrame:
    """VIX from the market's volatility, a slowly moving yield curve with gaps on a few days, and a dollar index."""
    n_sessions = len(sessions)
    steps = rng.standard_normal((n_sessions, 3))
    short = 1.2 + 0.9 * np.sin(np.arange(n_sessions) / 420.0) + 0.01 * steps[:, 0]
    term = 1.1 + 0.6 * np.sin(np.arange(n_sessions) / 290.0 + 1.0) + 0.02 * steps[:, 1]
    curve = np.column_stack([short, short + 0.3 * term, short + term])
    curve[rng.random(n_sessions) < 0.006] = np.nan
    vix = 100.0 * volatility * np.sqrt(252) * 1.2 * np.exp(0.05 * rng.standard_normal(n_sessions))
    return pd.DataFrame(
        {
            "date": sessions,
            "vix": vix.round(2),
            "ust3m": curve[:, 0].round(2),
            "ust2y": curve[:, 1].round(2),
            "ust10y": curve[:, 2].round(2),
            "dxy": (90.0 * np.exp(0.004 * steps[:, 2].cumsum() - 0.5 * 0.004**2 * np.arange(n_sessions))).round(3),
        }
    )
