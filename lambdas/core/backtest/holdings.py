"""What a simulated portfolio holds: shares of each symbol between two opens (definitions, section 4)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lambdas.core.backtest.portfolio import Portfolio
from lambdas.core.labels import execution_prices, mark_prices
from lambdas.core.market_data.panel import BoolArray, FloatArray, MarketDataset


@dataclass(frozen=True)
class Holdings:
    """Positions of one simulation; row m is the session at whose open roll m trades, session first + 1 + m.

    Attributes
    ----------
    opens, closes : ndarray of shape (n_rolls, n_symbols)
        Prices that positions are traded and valued at; 0 where a symbol has none yet, and nobody holds it.
    shares : ndarray of shape (n_rolls, n_symbols)
        Held from the open of the row's session, after its trades, to the next open; in units of equity per price.
    """

    opens: FloatArray
    closes: FloatArray
    shares: FloatArray

    @property
    def at_close(self) -> FloatArray:
        """Value of each position at the close of the row's session."""
        return self.shares * self.closes

    @property
    def after_trades(self) -> FloatArray:
        """Value of each position at the open of the row's session, after its trades."""
        return self.shares * self.opens

    @property
    def before_trades(self) -> FloatArray:
        """Value at the open of the row's session of what was held overnight; nothing in the first row."""
        value = np.zeros_like(self.shares)
        value[1:] = self.shares[:-1] * self.opens[1:]
        return value


def holdings_of(dataset: MarketDataset, recommended: BoolArray, portfolio: Portfolio) -> Holdings:
    """Work out the positions of a simulation from what its rolls bought.

    Parameters
    ----------
    dataset : MarketDataset
    recommended : ndarray of bool, shape (n_sessions, n_symbols)
        As it was simulated.
    portfolio : Portfolio
    """
    rows = slice(portfolio.first + 1, portfolio.last + 1)
    opens = np.nan_to_num(execution_prices(dataset.prices)[rows], nan=0.0)
    closes = np.nan_to_num(mark_prices(dataset.prices)[rows], nan=0.0)
    chosen = recommended[portfolio.first : portfolio.last]
    per_symbol = portfolio.basket_value / np.maximum(chosen.sum(axis=1), 1)
    bought = np.zeros(opens.shape)
    np.divide(per_symbol[:, np.newaxis], opens, out=bought, where=chosen)

    n_rolls, horizon = len(bought), portfolio.horizon
    shares = np.zeros_like(bought)
    for age in range(min(horizon, n_rolls)):
        shares[age:] += bought[: n_rolls - age]
    # Until its first own roll, tranche j = 1 .. h-1 holds a copy of the basket of roll 0.
    waiting = np.maximum(horizon - 1 - np.arange(n_rolls), 0)
    shares += waiting[:, np.newaxis] * bought[0]
    return Holdings(opens=opens, closes=closes, shares=shares)
