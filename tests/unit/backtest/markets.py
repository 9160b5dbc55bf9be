"""Random small markets for the tests: gaps, late listings, prices that end, missing opens, ties."""

from __future__ import annotations

import numpy as np
import pandas as pd

from lambdas.core.market_data.panel import MarketDataset, PricePanel

NAN = np.nan


def make_panel(close, adj_close=None, open_=None, symbols=None, start="2015-01-05") -> PricePanel:
    close = np.array(close, dtype=float)
    nothing = np.full_like(close, NAN)
    return PricePanel(
        sessions=pd.bdate_range(start, periods=len(close)),
        symbols=tuple(symbols or [f"S{j:03d}" for j in range(close.shape[1])]),
        open=nothing if open_ is None else np.array(open_, dtype=float),
        high=nothing,
        low=nothing,
        close=close,
        adj_close=close.copy() if adj_close is None else np.array(adj_close, dtype=float),
        volume=nothing,
    )


def random_panel(random: np.random.Generator, n_sessions: int, n_symbols: int, defects: bool = True) -> PricePanel:
    close = 100 * np.exp(random.normal(0.0003, 0.02, (n_sessions, n_symbols)).cumsum(axis=0))
    opens = close * np.exp(random.normal(0, 0.005, close.shape))
    adjusted = close * np.linspace(0.9, 1.0, n_sessions)[:, np.newaxis]
    if defects:
        close[random.random(close.shape) < 0.03] = NAN
        opens[random.random(close.shape) < 0.03] = NAN
        for j in range(n_symbols):
            fate = random.random()
            if fate < 0.15:
                close[random.integers(1, n_sessions) :, j] = NAN
            elif fate < 0.3:
                close[: random.integers(1, n_sessions), j] = NAN
    missing = np.isnan(close)
    opens[missing] = NAN
    adjusted[missing] = NAN
    return make_panel(close, adjusted, opens)


def random_dataset(
    random: np.random.Generator, n_sessions: int, n_symbols: int, *, defects: bool = True, membership: bool = False
) -> MarketDataset:
    prices = random_panel(random, n_sessions, n_symbols, defects)
    benchmarks = random_panel(random, n_sessions, 3, defects=False)
    benchmarks = make_panel(benchmarks.close, benchmarks.adj_close, benchmarks.open, ["IWM", "QQQ", "SPY"])
    yields = np.where(random.random(n_sessions) < 0.1, NAN, random.uniform(0, 5, n_sessions))
    macro = pd.DataFrame({"ust3m": yields}, index=prices.sessions)
    intervals = None
    if membership:
        first = random.integers(0, n_sessions, n_symbols)
        length = random.integers(1, n_sessions, n_symbols)
        beyond = np.minimum(first + length, n_sessions - 1)
        intervals = pd.DataFrame(
            {
                "symbol": prices.symbols,
                "start": prices.sessions[first],
                "end": [pd.NaT if b == n_sessions - 1 else prices.sessions[b] for b in beyond],
            }
        )
    return MarketDataset(prices=prices, benchmarks=benchmarks, macro=macro, membership=intervals)


def member_of(dataset: MarketDataset):
    """Membership as a function of session and symbol, by comparing dates one by one."""
    if dataset.membership is None:
        return lambda i, s: True
    rows = list(dataset.membership[["symbol", "start", "end"]].itertuples(index=False, name=None))

    def member(i: int, s: int) -> bool:
        day = dataset.sessions[i]
        return any(
            symbol == dataset.prices.symbols[s] and start <= day and (pd.isna(end) or day < end)
            for symbol, start, end in rows
        )

    return member
