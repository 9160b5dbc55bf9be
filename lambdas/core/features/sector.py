"""Features of a symbol's sector. Sectors are those of `securities.parquet`, one label for all of history."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd

from lambdas.core.features.feature import Feature, Market, change
from lambdas.core.market_data.panel import FloatArray


def _compounded(returns: FloatArray, window: int) -> FloatArray:
    """Return of `window` sessions from daily returns, all of which must be known."""
    return np.asarray(np.expm1(pd.DataFrame(np.log1p(returns)).rolling(window).sum()))


def sector_strength(market: Market, window: int) -> FloatArray:
    """Return of the sector, equally weighted, less that of SPY."""
    return _compounded(market.sector_returns, window) - _compounded(market.market_returns, window)


def symbol_against_sector(market: Market, window: int) -> FloatArray:
    """Return of the symbol less that of its sector."""
    return change(market.price, window) - _compounded(market.sector_returns, window)


_NEEDS = ("securities.sector",)
FEATURES = (
    Feature(
        "sector_strength_63",
        "sector",
        "Return of the equally weighted sector less SPY over 63 sessions",
        "fraction",
        64,
        "Moskowitz & Grinblatt 1999",
        partial(sector_strength, window=63),
        needs=_NEEDS,
        ranked=True,
    ),
    Feature(
        "symbol_against_sector_63",
        "sector",
        "Return of the symbol less its sector over 63 sessions",
        "fraction",
        64,
        "Moskowitz & Grinblatt 1999",
        partial(symbol_against_sector, window=63),
        needs=_NEEDS,
        ranked=True,
    ),
    Feature(
        "symbol_against_sector_21",
        "sector",
        "Return of the symbol less its sector over 21 sessions",
        "fraction",
        22,
        "Da, Liu & Schaumburg 2014",
        partial(symbol_against_sector, window=21),
        needs=_NEEDS,
        ranked=True,
    ),
)
