"""A simulated portfolio as its trades: what was bought and sold at each open, and what that cost."""

from __future__ import annotations

import numpy as np
import pandas as pd

from lambdas.core.backtest.portfolio import Portfolio, previous_roll
from lambdas.core.backtest.slippage import impact_rates
from lambdas.core.labels import BASIS_POINT, execution_prices
from lambdas.core.market_data.panel import BoolArray, MarketDataset
from lambdas.core.settings import PortfolioSettings


def trade_list(
    dataset: MarketDataset, recommended: BoolArray, portfolio: Portfolio, settings: PortfolioSettings
) -> pd.DataFrame:
    """Every trade of a simulation, one row a roll and symbol.

    Parameters
    ----------
    dataset : MarketDataset
    recommended : ndarray of bool, shape (n_sessions, n_symbols)
    portfolio : Portfolio
        As it was simulated with `settings`.
    settings : PortfolioSettings

    Returns
    -------
    DataFrame
        date (session of the open), tranche, symbol, held (value before), target (value after), traded (bought is
        positive), cost (slippage included), slippage. Values are in the unit of the equity. At the first open the h
        tranches are one row a symbol, with tranche -1.
    """
    cost, impact = settings.cost_bps * BASIS_POINT, impact_rates(dataset.prices, settings)
    trade = execution_prices(dataset.prices)
    chosen = recommended[portfolio.first : portfolio.last]
    previous = previous_roll(len(chosen), portfolio.horizon)
    frames = []
    for m, basket_value in enumerate(portfolio.basket_value):
        session = portfolio.first + 1 + m
        new = np.flatnonzero(chosen[m])
        target = np.zeros(chosen.shape[1])
        target[new] = basket_value * (portfolio.horizon if m == 0 else 1) / max(len(new), 1)
        held = np.zeros(chosen.shape[1])
        if m > 0 and chosen[previous[m]].any():
            old = np.flatnonzero(chosen[previous[m]])
            # A tranche that has not rolled yet holds 1/h of what roll 0 bought, as much as tranche 0 does.
            invested = portfolio.basket_value[previous[m]] / len(old)
            held[old] = invested * trade[session, old] / trade[portfolio.first + 1 + previous[m], old]
        before_cost = target + (portfolio.cost[m + 1] / max(len(new), 1)) * (target > 0)
        traded, value = before_cost - held, before_cost.sum() if len(new) else held.sum()
        slippage = np.zeros(len(traded))
        if impact is not None and value > 0.0:
            share_of_capital = 1.0 if m == 0 else 1.0 / portfolio.horizon  # as `slippage_fraction` has it
            slippage = value * np.sqrt(share_of_capital) * impact[session] * (np.abs(traded) / value) ** 1.5
        rows = np.flatnonzero((target > 0) | (held > 0))
        frames.append(
            pd.DataFrame(
                {
                    "date": dataset.sessions[session],
                    "tranche": m % portfolio.horizon if m else -1,
                    "symbol": np.array(dataset.prices.symbols, dtype=object)[rows],
                    "held": held[rows],
                    "target": target[rows],
                    "traded": traded[rows],
                    "cost": (cost * np.abs(traded) + slippage)[rows],
                    "slippage": slippage[rows],
                }
            )
        )
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()
