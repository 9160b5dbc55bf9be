"""Features of a symbol's sector. Sectors are those of `securities.parquet`, one label for all of history."""

from __future__ import annotations

from functools import partial

import numpy as np
import numpy.typing as npt
import pandas as pd

from lambdas.core.features.cross_section import ranks
from lambdas.core.features.feature import Feature, Market, change, difference
from lambdas.core.features.fundamental import book_to_market, earnings_yield
from lambdas.core.features.technical import momentum_12_1
from lambdas.core.features.windows import Rolling
from lambdas.core.market_data.panel import FloatArray


class Sectors:
    """Which symbols belong together, and means over them; computed through one matrix product each.

    Attributes
    ----------
    members : ndarray of shape (n_symbols, n_sectors)
        1 where the symbol is of the sector, else 0.
    """

    def __init__(self, market: Market) -> None:
        securities = market.dataset.securities
        assert securities is not None, "a feature that needs securities.* is not computed without them"  # noqa: S101
        sectors = securities.set_index("symbol")["sector"].reindex(list(market.dataset.prices.symbols))
        codes = pd.factorize(sectors, sort=True)[0]
        self._symbols: npt.NDArray[np.int64] = np.flatnonzero(codes >= 0).astype(np.int64)
        self._codes = codes[self._symbols]
        self.members = np.zeros((len(codes), int(codes.max(initial=-1)) + 1))
        self.members[self._symbols, self._codes] = 1.0

    def means(self, values: FloatArray) -> FloatArray:
        """Mean of each sector's known values, shape (n_sessions, n_sectors)."""
        known = ~np.isnan(values)
        count = known.astype(np.float64) @ self.members
        total = np.where(known, values, 0.0) @ self.members
        return np.asarray(total / np.where(count > 0.0, count, np.nan))

    def of_each_symbol(self, values: FloatArray) -> FloatArray:
        """Value of each symbol's sector, shape (n_sessions, n_symbols); NaN for symbols without one."""
        result = np.full((len(values), len(self.members)), np.nan)
        result[:, self._symbols] = values[:, self._codes]
        return result


def sectors_of(market: Market) -> Sectors:
    """Sectors of a market, prepared once."""
    return market.shared("sectors", Sectors)


def _sector_returns(market: Market, window: int) -> FloatArray:
    """Return of each sector, equally weighted every session, over `window` sessions, all of which must be known."""
    daily = market.shared("sector_returns", lambda of: sectors_of(of).means(of.returns))
    return np.asarray(np.expm1(Rolling(np.log1p(daily)).sum(window, required=1.0)))


def _strength(market: Market, window: int) -> FloatArray:
    spy = np.expm1(Rolling(np.log1p(market.market_returns)).sum(window, required=1.0))
    return _sector_returns(market, window) - spy


def sector_strength(market: Market, window: int) -> FloatArray:
    """Return of the sector, equally weighted, less that of SPY."""
    return sectors_of(market).of_each_symbol(_strength(market, window))


def sector_rotation(market: Market, window: int, sessions: int) -> FloatArray:
    """Change of the sector's rank by its strength: which sectors come up, and which go down."""
    rank = ranks(_strength(market, window).astype(np.float32)).astype(np.float64)
    return sectors_of(market).of_each_symbol(difference(rank, sessions))


def symbol_against_sector(market: Market, window: int) -> FloatArray:
    """Return of the symbol less that of its sector."""
    return change(market.price, window) - sectors_of(market).of_each_symbol(_sector_returns(market, window))


def _less_sector(market: Market, values: FloatArray) -> FloatArray:
    sectors = sectors_of(market)
    return values - sectors.of_each_symbol(sectors.means(values))


def sector_neutral_momentum(market: Market) -> FloatArray:
    """Momentum from 252 to 21 sessions ago less the mean of the sector's symbols."""
    return _less_sector(market, momentum_12_1(market))


def sector_neutral_earnings_yield(market: Market) -> FloatArray:
    """Earnings yield less the mean of the sector's symbols."""
    return _less_sector(market, earnings_yield(market))


def sector_neutral_book_to_market(market: Market) -> FloatArray:
    """Book to market less the mean of the sector's symbols."""
    return _less_sector(market, book_to_market(market))


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
        "sector_rotation_21",
        "sector",
        "Change over 21 sessions of the rank of the sector among sectors by sector_strength_63",
        "-1 to 1",
        85,
        "Moskowitz & Grinblatt 1999",
        partial(sector_rotation, window=63, sessions=21),
        needs=_NEEDS,
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
    Feature(
        "sector_neutral_momentum",
        "sector",
        "momentum_12_1 less its mean over the sector",
        "fraction",
        252,
        "Moskowitz & Grinblatt 1999",
        sector_neutral_momentum,
        needs=_NEEDS,
        ranked=True,
    ),
    Feature(
        "sector_neutral_earnings_yield",
        "sector",
        "earnings_yield less its mean over the sector",
        "fraction",
        635,
        "Asness, Porter & Stevens 2000",
        sector_neutral_earnings_yield,
        needs=(*_NEEDS, "fundamentals.eps"),
        ranked=True,
    ),
    Feature(
        "sector_neutral_book_to_market",
        "sector",
        "book_to_market less its mean over the sector",
        "1",
        270,
        "Asness, Porter & Stevens 2000",
        sector_neutral_book_to_market,
        needs=(*_NEEDS, "fundamentals.equity", "fundamentals.shares"),
        ranked=True,
    ),
)
