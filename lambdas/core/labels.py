"""What a recommendation is worth: trade prices, who may be recommended, and outcomes (definitions, sections 1 to 3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from lambdas.core.errors import InvalidDatasetError
from lambdas.core.market_data.panel import BoolArray, FloatArray, IntArray, MarketDataset, PricePanel
from lambdas.core.settings import PortfolioSettings

MARKET = "SPY"
"""The benchmark that relative hits, the market gate and active returns are measured against."""

BASIS_POINT = 1e-4

BETA_SESSIONS = 252
MIN_BETA_RETURNS = 126
MIN_SECTOR = 3
"""A sector with fewer ranked symbols on a date has no mean worth the name: that of all symbols stands in."""


@dataclass(frozen=True)
class Outcomes:
    """Outcome of recommending each symbol at the close of each session (definitions, section 2).

    Attributes
    ----------
    gross, net : ndarray of shape (n_sessions, n_symbols)
        Return from the trade price of session i+1 to that of session i+1+h, before and after the cost of both trades.
        NaN where session i+1+h is not in the data, or the symbol has no trade price at i+1.
    benchmark : ndarray of shape (n_sessions,)
        Return of SPY between the same two opens, without cost. NaN where it is not known.
    absolute_hit, relative_hit : ndarray of shape (n_sessions, n_symbols)
        1.0, 0.0 or NaN: net return above zero, and above the benchmark's.
    matured : ndarray of bool, shape (n_sessions,)
        Whether session i+1+h has opened, that is, stands in the data.
    """

    gross: FloatArray
    net: FloatArray
    benchmark: FloatArray
    absolute_hit: FloatArray
    relative_hit: FloatArray
    matured: BoolArray

    def hit(self, definition: Literal["absolute", "relative"]) -> FloatArray:
        """Hits by the definition that a gate reads (`hit_definition`)."""
        return self.absolute_hit if definition == "absolute" else self.relative_hit


def has_price(panel: PricePanel) -> BoolArray:
    """Where a symbol has a close and an adjusted close, shape (n_sessions, n_symbols)."""
    return np.isfinite(panel.close) & np.isfinite(panel.adj_close)


def last_price_session(panel: PricePanel) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Index of the last session with a price, by symbol; -1 for a symbol that never has one."""
    priced = has_price(panel)
    n_sessions = priced.shape[0]
    last = n_sessions - 1 - np.argmax(priced[::-1], axis=0) if n_sessions else np.zeros(priced.shape[1])
    return np.where(priced.any(axis=0), last, -1).astype(np.int64)


def trade_prices(panel: PricePanel) -> FloatArray:
    """Price at which each symbol can be traded at the open of each session (definitions, section 1).

    The adjusted open ``open * adj_close / close``. A row without an open, or a data set without the column, uses the
    adjusted close of the same session. After its last price a symbol trades at its last adjusted close.

    Returns
    -------
    ndarray of shape (n_sessions, n_symbols)
        NaN before the first price and on sessions inside its life on which a symbol has no price: nobody can enter
        there. Who already holds it is valued by `execution_prices`.
    """
    priced = has_price(panel)
    with np.errstate(invalid="ignore", divide="ignore"):
        adjusted_open = panel.open * panel.adj_close / panel.close
    trade = np.where(np.isfinite(adjusted_open), adjusted_open, panel.adj_close)
    trade[~priced] = np.nan
    last = last_price_session(panel)
    ended = (np.arange(priced.shape[0])[:, np.newaxis] > last) & (last >= 0)
    final = panel.adj_close[last, np.arange(priced.shape[1])] if priced.shape[0] else np.empty(priced.shape[1])
    return np.where(ended, final, trade)


def mark_prices(panel: PricePanel) -> FloatArray:
    """Return the adjusted close of each session, or the last one before it; NaN only before a symbol's first price."""
    closes = np.where(has_price(panel), panel.adj_close, np.nan)
    return pd.DataFrame(closes, copy=False).ffill().to_numpy()


def execution_prices(panel: PricePanel) -> FloatArray:
    """Trade prices, where a session without a price inside a symbol's life trades at the last adjusted close.

    That is the rule for prices that have ended (definitions, section 1), applied to a suspension: a tranche that must
    be rolled, or an outcome that falls due, on such a session has no better price. NaN only before the first price.
    """
    trade = trade_prices(panel)
    return np.where(np.isnan(trade), mark_prices(panel), trade)


def eligible(dataset: MarketDataset, min_history_sessions: int) -> BoolArray:
    """Which symbols may be recommended at the close of each session (definitions, section 3).

    A close at i, at least `min_history_sessions` closes up to i, a trade price at i+1 and, where the data set has a
    membership, a member on that date. On the last session of the data i+1 has not opened and rules nobody out: a
    symbol that turns out to have ended at i stays eligible too and trades at its last adjusted close, since nobody
    knew at i.

    Returns
    -------
    ndarray of bool, shape (n_sessions, n_symbols)
    """
    panel = dataset.prices
    priced = has_price(panel)
    allowed = priced & (np.cumsum(priced, axis=0) >= min_history_sessions)
    allowed[:-1] &= np.isfinite(trade_prices(panel)[1:])
    if dataset.membership is not None:
        allowed &= members(dataset)
    return allowed


def members(dataset: MarketDataset) -> BoolArray:
    """Which symbols belong to the universe on each session: start <= date < end, no end meaning until today."""
    if dataset.membership is None:
        return np.ones(dataset.prices.shape, dtype=np.bool_)
    belongs = np.zeros(dataset.prices.shape, dtype=np.bool_)
    column = {symbol: j for j, symbol in enumerate(dataset.prices.symbols)}
    rows = dataset.membership[dataset.membership["symbol"].isin(list(column))]
    first = dataset.sessions.searchsorted(rows["start"], side="left")
    beyond = dataset.sessions.searchsorted(rows["end"].fillna(rows["start"]), side="left")
    beyond = np.where(rows["end"].isna(), len(dataset.sessions), beyond)
    first = np.where(rows["start"].isna(), 0, first)
    for symbol, begin, end in zip(rows["symbol"], first, beyond, strict=True):
        belongs[begin:end, column[symbol]] = True
    return belongs


def compute_outcomes(dataset: MarketDataset, portfolio: PortfolioSettings) -> Outcomes:
    """Outcomes of every decision on every symbol.

    Raises
    ------
    InvalidDatasetError
        If the benchmarks have no SPY: relative hits cannot be told without it.
    """
    horizon = portfolio.horizon
    n_sessions, n_symbols = dataset.prices.shape
    gross = np.full((n_sessions, n_symbols), np.nan)
    benchmark = np.full(n_sessions, np.nan)
    matured = np.arange(n_sessions) + 1 + horizon < n_sessions
    n_matured = int(matured.sum())
    market = trade_prices_of_benchmark(dataset, MARKET)
    if n_matured:
        entry = trade_prices(dataset.prices)[1 : 1 + n_matured]
        leave = execution_prices(dataset.prices)[1 + horizon : 1 + horizon + n_matured]
        gross[:n_matured] = leave / entry - 1.0
        benchmark[:n_matured] = market[1 + horizon : 1 + horizon + n_matured] / market[1 : 1 + n_matured] - 1.0
    cost = portfolio.cost_bps * BASIS_POINT
    net = (1.0 + gross) * (1.0 - cost) ** 2 - 1.0
    return Outcomes(
        gross=gross,
        net=net,
        benchmark=benchmark,
        absolute_hit=_as_hit(net > 0.0, known=np.isfinite(net)),
        relative_hit=_as_hit(
            net > benchmark[:, np.newaxis], known=np.isfinite(net) & np.isfinite(benchmark)[:, np.newaxis]
        ),
        matured=matured,
    )


def market_betas(dataset: MarketDataset, dates: IntArray) -> FloatArray:
    """Slope of each symbol's daily returns on SPY's over the 252 sessions up to and with each decision.

    Parameters
    ----------
    dataset : MarketDataset
    dates : ndarray of int, shape (n_dates,)
        Session numbers. Nothing later than a date enters its slopes.

    Returns
    -------
    ndarray of shape (n_dates, n_symbols)
        NaN with fewer than `MIN_BETA_RETURNS` sessions on which both have a return.
    """
    own = _daily_returns(dataset.prices.adj_close)
    market = _daily_returns(dataset.benchmarks.adj_close[:, [dataset.benchmarks.symbols.index(MARKET)]])
    betas = np.full((len(dates), own.shape[1]), np.nan)
    for row, date in enumerate(dates):
        y, x = own[max(0, date - BETA_SESSIONS + 1) : date + 1], market[max(0, date - BETA_SESSIONS + 1) : date + 1]
        known = np.isfinite(y) & np.isfinite(x)
        count = np.maximum(known.sum(axis=0), 1)
        x_known, y_known = np.where(known, x, 0.0), np.where(known, y, 0.0)
        x_mean = x_known.sum(axis=0) / count
        covariance = (x_known * y_known).sum(axis=0) - x_mean * y_known.sum(axis=0)
        variance = (x_known * x_known).sum(axis=0) - count * x_mean**2
        enough = (count >= MIN_BETA_RETURNS) & (variance > 1e-12)
        betas[row, enough] = covariance[enough] / variance[enough]
    return betas


def sector_codes(dataset: MarketDataset) -> IntArray:
    """Return the number of each symbol's sector, shape (n_symbols,); -1 where the data set names none."""
    symbols = list(dataset.prices.symbols)
    if dataset.securities is None or "sector" not in dataset.securities.columns:
        return np.full(len(symbols), -1)
    named = dataset.securities.drop_duplicates("symbol").set_index("symbol")["sector"].reindex(symbols)
    return np.asarray(pd.factorize(named, sort=True)[0], dtype=np.int64)


def _daily_returns(price: FloatArray) -> FloatArray:
    returns = np.full(price.shape, np.nan)
    with np.errstate(invalid="ignore", divide="ignore"):
        returns[1:] = price[1:] / price[:-1] - 1.0
    return np.where(np.isfinite(returns), returns, np.nan)


def residual_ranks(
    net: FloatArray, benchmark: FloatArray, beta: FloatArray, sectors: IntArray, allowed: BoolArray
) -> FloatArray:
    """Rank, among the symbols of a date, of the return that neither the market nor the sector explains.

    The residual is ``net - beta * benchmark``, less its mean over the ranked symbols of the sector. What is left is
    what selection within a sector can earn (Grinold & Kahn 2000; Blitz, Huij & Martens 2011 for its lower noise); a
    rank keeps one symbol's earnings surprise from outweighing a hundred others.

    Parameters
    ----------
    net : ndarray of shape (n_dates, n_symbols)
        Net return over the outcome interval.
    benchmark : ndarray of shape (n_dates,)
        Return of SPY between the same opens.
    beta : ndarray of shape (n_dates, n_symbols)
        As known at the decision. Where it is unknown (NaN) it is 1.
    sectors : ndarray of int, shape (n_symbols,)
        Number of the sector; symbols without one (-1) form a group of their own. On a date on which a sector has
        fewer than `MIN_SECTOR` ranked symbols, the mean of all ranked ones is taken off instead.
    allowed : ndarray of bool, shape (n_dates, n_symbols)
        The eligible symbols: only they are ranked, and enter the means.

    Returns
    -------
    ndarray of shape (n_dates, n_symbols)
        ``(rank - 1/2) / n``, strictly between 0 and 1, equal residuals sharing one; NaN for who is not ranked.
    """
    residual = net - np.where(np.isfinite(beta), beta, 1.0) * benchmark[:, np.newaxis]
    ranked = allowed & np.isfinite(residual)
    centre = np.broadcast_to(_mean_where(residual, ranked), residual.shape).copy()
    for code in np.unique(sectors):
        members = np.flatnonzero(sectors == code)
        enough = ranked[:, members].sum(axis=1) >= MIN_SECTOR
        of_sector = _mean_where(residual[:, members], ranked[:, members])
        centre[np.ix_(enough, members)] = of_sector[enough]
    from scipy.stats import rankdata  # more than half a second to import, and only two targets need it

    order = rankdata(np.where(ranked, residual - centre, np.inf), axis=1)
    count = ranked.sum(axis=1, keepdims=True)
    return np.where(ranked, (order - 0.5) / np.maximum(count, 1), np.nan)


def _mean_where(values: FloatArray, chosen: BoolArray) -> FloatArray:
    """Mean of the chosen values of each row, shape (n_rows, 1); 0 where there is none."""
    total = np.where(chosen, values, 0.0).sum(axis=1, keepdims=True)
    return np.asarray(total / np.maximum(chosen.sum(axis=1, keepdims=True), 1))


def trade_prices_of_benchmark(dataset: MarketDataset, symbol: str) -> FloatArray:
    """Trade prices of one benchmark, shape (n_sessions,); NaN, unlike for a stock, also after its last price.

    A benchmark that stops early is a defect of the data and not a delisting: carried forward it would return zero and
    flatter every portfolio.

    Raises
    ------
    InvalidDatasetError
        If the data set does not have the benchmark.
    """
    panel = dataset.benchmarks
    if symbol not in panel.symbols:
        raise InvalidDatasetError(
            f"benchmarks.parquet: {symbol} is missing, it has {', '.join(panel.symbols) or 'no symbols'}; "
            "add its daily prices"
        )
    j = panel.symbols.index(symbol)
    trade = trade_prices(panel)[:, j]
    return np.where(has_price(panel)[:, j], trade, np.nan)


def _as_hit(hit: BoolArray, known: BoolArray) -> FloatArray:
    return np.where(known, hit.astype(np.float64), np.nan)
