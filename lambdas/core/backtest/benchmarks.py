"""The benchmarks over the same sessions as a portfolio."""

from __future__ import annotations

import numpy as np

from lambdas.core.errors import InvalidDatasetError
from lambdas.core.labels import MARKET, has_price, trade_prices
from lambdas.core.market_data.panel import FloatArray, MarketDataset


def benchmark_equity(dataset: MarketDataset, first: int, last: int, must_reach: int) -> dict[str, FloatArray]:
    """Equity of each benchmark, bought at the open after the first decision and held, without cost.

    Parameters
    ----------
    dataset : MarketDataset
    first, last : int
        Sessions of the first and of the last decision.
    must_reach : int
        Last session on which SPY must have a price, for outcomes that lie beyond the last decision.

    Returns
    -------
    dict of str to ndarray of shape (n_sessions,)
        1 at the close of `first`, NaN outside the decisions. A benchmark other than SPY that lacks a price is left
        out.

    Raises
    ------
    InvalidDatasetError
        If SPY is missing, or has no price on a session between.
    """
    panel = dataset.benchmarks
    if MARKET not in panel.symbols:
        raise InvalidDatasetError(f"benchmarks.parquet: {MARKET} is missing; add its daily prices")
    trade, priced = trade_prices(panel), has_price(panel)
    equity = {}
    for j, symbol in enumerate(panel.symbols):
        needed = priced[first + 1 : (must_reach if symbol == MARKET else last) + 1, j]
        if needed.all():
            curve = np.full(len(panel.sessions), np.nan)
            curve[first] = 1.0
            curve[first + 1 : last + 1] = panel.adj_close[first + 1 : last + 1, j] / trade[first + 1, j]
            equity[symbol] = curve
        elif symbol == MARKET:
            day = panel.sessions[first + 1 + int(np.argmin(needed))].date()
            raise InvalidDatasetError(
                f"benchmarks.parquet: {MARKET} has no price on {day}, a session that is evaluated; add it, or end the "
                "predictions before"
            )
    return equity
