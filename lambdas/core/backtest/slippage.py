"""What a trade moves the price by: the square root of its share of the day's dollar volume."""

from __future__ import annotations

import numpy as np

from lambdas.core.errors import InvalidDatasetError
from lambdas.core.labels import has_price
from lambdas.core.market_data.panel import BoolArray, FloatArray, PricePanel
from lambdas.core.settings import PortfolioSettings

VOLUME_SESSIONS = 21
MIN_KNOWN_SESSIONS = 10
"""Of the window: with fewer, a symbol's volume or volatility is unknown."""


def impact_rates(panel: PricePanel, settings: PortfolioSettings) -> FloatArray | None:
    """Slippage of trading the whole assumed capital in a symbol at a session's open, as a fraction of the trade.

    ``Y sigma sqrt(Q / V)``: Y is `slippage_coefficient`, sigma the standard deviation of daily log returns and V the
    mean dollar volume, both over the 21 sessions before, and Q the dollars traded. The square root is Barra's market
    impact model (Torre 1997; Grinold & Kahn 2000, chapter 16, with Y of about 1); Almgren, Thum, Hauptmann & Li (2005)
    measured a power of 0.6 on US orders, which for participations below 10 % is less. A fraction x of the capital costs
    ``rate * sqrt(x)`` of it, so the simulation scales by the size of each trade.

    Parameters
    ----------
    panel : PricePanel
    settings : PortfolioSettings

    Returns
    -------
    ndarray of shape (n_sessions, n_symbols), or None
        None where `slippage` is ``none``. A symbol whose volume or volatility is not known pays what the most expensive
        tenth of the symbols of that session pay, and the most expensive of all if none is known.

    Raises
    ------
    InvalidDatasetError
        If the data set has no volume at all.
    """
    if settings.slippage == "none":
        return None
    priced = has_price(panel)
    dollars = np.where(priced & (panel.volume > 0.0), panel.close * panel.volume, np.nan)
    if not np.isfinite(dollars).any():
        raise InvalidDatasetError(
            "prices.parquet: the column volume is missing or empty, and slippage is square_root; add the volume, or "
            "set slippage to none"
        )
    returns = np.diff(np.log(np.where(priced, panel.adj_close, np.nan)), axis=0, prepend=np.nan)
    volume = _mean_before(dollars)
    variance = _mean_before(returns**2) - _mean_before(returns) ** 2
    with np.errstate(invalid="ignore", divide="ignore"):
        rates = settings.slippage_coefficient * np.sqrt(np.maximum(variance, 0.0) * settings.capital / volume)
    known = np.isfinite(rates)
    costly = np.full(len(rates), rates[known].max() if known.any() else settings.slippage_coefficient)
    some = known.any(axis=1)
    costly[some] = np.nanquantile(np.where(known, rates, np.nan)[some], 0.9, axis=1)
    filled: FloatArray = np.where(known, rates, costly[:, np.newaxis])
    return filled


def slippage_fraction(chosen: BoolArray, held: FloatArray, impact: FloatArray, horizon: int) -> FloatArray:
    """Slippage of each roll as a fraction of the tranche's value before it.

    A tranche is 1 / h of the capital; at the first open all h of them buy the same, which is one trade.

    Parameters
    ----------
    chosen : ndarray of bool, shape (n_rolls, n_symbols)
        What each roll buys in equal parts.
    held : ndarray of shape (n_rolls, n_symbols)
        Weight of each symbol in the tranche before the roll. The first row is not read: nothing was held.
    impact : ndarray of shape (n_rolls, n_symbols)
        `impact_rates` of the sessions of the rolls.
    horizon : int

    Returns
    -------
    ndarray of shape (n_rolls,)
    """
    change = chosen / np.maximum(chosen.sum(axis=1, keepdims=True), 1)
    change[1:] = np.abs(change[1:] - held[1:])
    share_of_capital = np.full(len(chosen), 1.0 / horizon)
    share_of_capital[0] = 1.0
    fraction: FloatArray = np.sqrt(share_of_capital) * (impact * change**1.5).sum(axis=1)
    return fraction


def _mean_before(values: FloatArray) -> FloatArray:
    """Mean of the known values of the 21 sessions before each; NaN with fewer than ten."""
    known = np.isfinite(values)
    total, count = (
        np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(column, axis=0)])
        for column in (np.where(known, values, 0.0), known.astype(np.float64))
    )
    end = np.arange(len(values))
    begin = np.maximum(end - VOLUME_SESSIONS, 0)
    n = count[end] - count[begin]
    mean: FloatArray = np.full(values.shape, np.nan)
    np.divide(total[end] - total[begin], n, out=mean, where=n >= MIN_KNOWN_SESSIONS)
    return mean
