"""Where the outperformance comes from: universe, sector allocation, selection within sectors, costs (Brinson).

Each session falls into two parts, overnight and from open to close, with the positions held in it; trading in between
costs. In each part the portfolio's return less that of SPY is split (Brinson & Fachler 1985), with the equally weighted
eligible symbols as the benchmark that has sectors:

- universe: the equally weighted universe less SPY, which no model chose;
- allocation of a sector: its over- or underweight times the sector's return less the universe's. Cash is a sector that
  the universe does not hold;
- selection in a sector: its weight times the return of what was held in it less that of the sector. Interaction is part
  of it, since weights and symbols are one decision here;
- costs.

Parts are linked over time by Carino's (1999) logarithmic factors, so that they add up to the outperformance exactly.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lambdas.core.backtest.holdings import holdings_of
from lambdas.core.backtest.run import Backtest
from lambdas.core.labels import MARKET, trade_prices_of_benchmark
from lambdas.core.market_data.panel import BoolArray, FloatArray, IntArray
from lambdas.core.validation.values import Attribution, SectorAttribution

UNKNOWN_SECTOR = "unknown"
CASH = "cash"


@dataclass(frozen=True)
class _Parts:
    """Effects of each part of each session, in time order; rows are sessions, columns overnight, costs, intraday.

    `own` and `market` are returns, shape (n_rolls, 3); the others are effects, `allocation` and `selection` of shape
    (n_rolls, 3, n_sectors + 1), cash last.
    """

    own: FloatArray
    market: FloatArray
    universe: FloatArray
    costs: FloatArray
    allocation: FloatArray
    selection: FloatArray

    def rows(self, begin: int, end: int) -> _Parts:
        span = slice(begin, end)
        return _Parts(
            self.own[span],
            self.market[span],
            self.universe[span],
            self.costs[span],
            self.allocation[span],
            self.selection[span],
        )


def attribute(backtest: Backtest, first: int, last: int) -> Attribution | None:
    """Split the total return over SPY's between the closes of two sessions of a simulation.

    Parameters
    ----------
    backtest : Backtest
    first, last : int
        Sessions, ``backtest.first <= first < last <= backtest.last``.

    Returns
    -------
    Attribution or None
        None if the data set names no sectors, or a session had no eligible symbol to compare with.
    """
    names, codes = sectors_of(backtest)
    if not names:
        return None
    begin, end = first - backtest.first, last - backtest.first
    parts = _parts(backtest, codes, len(names))
    if parts is None:
        return None
    parts = parts.rows(begin, end)
    weight = _carino(parts.own, parts.market)
    allocation = (weight[..., np.newaxis] * parts.allocation).sum(axis=(0, 1))
    selection = (weight[..., np.newaxis] * parts.selection).sum(axis=(0, 1))
    rows = [
        SectorAttribution(sector=name, allocation=float(allocation[k]), selection=float(selection[k]))
        for k, name in enumerate((*names, CASH))
    ]
    own, market = (float(np.prod(1.0 + returns) - 1.0) for returns in (parts.own, parts.market))
    return Attribution(
        outperformance=own - market,
        universe=float((weight * parts.universe).sum()),
        allocation=float(allocation.sum()),
        selection=float(selection.sum()),
        costs=float((weight * parts.costs).sum()),
        by_sector=tuple(rows),
    )


def sectors_of(backtest: Backtest) -> tuple[tuple[str, ...], IntArray]:
    """Names of the sectors, sorted, and the number of each symbol's; no names if the data set has none."""
    securities = backtest.dataset.securities
    symbols = list(backtest.dataset.prices.symbols)
    if securities is None or "sector" not in securities.columns:
        return (), np.zeros(len(symbols), dtype=np.int64)
    named = securities.drop_duplicates("symbol").set_index("symbol")["sector"].reindex(symbols)
    names, codes = np.unique(named.fillna(UNKNOWN_SECTOR).astype(str).to_numpy(), return_inverse=True)
    return tuple(str(name) for name in names), codes.astype(np.int64)


def _parts(backtest: Backtest, codes: IntArray, n_sectors: int) -> _Parts | None:
    portfolio = backtest.portfolio
    held = holdings_of(backtest.dataset, backtest.recommended, portfolio)
    n_rolls = len(held.shares)
    # Who stood for selection at the close before: the universe is held from that close to the next one.
    allowed = backtest.eligible[portfolio.first : portfolio.last]
    if not allowed.any(axis=1).all():
        return None
    equity_before = portfolio.equity[:-1]
    cash_before = np.maximum(equity_before - np.concatenate([[0.0], held.at_close[:-1].sum(axis=1)]), 0.0)
    equity_at_open = cash_before + held.before_trades.sum(axis=1)
    equity_after_trades = equity_at_open - portfolio.cost[1:]

    closes_before = np.vstack([np.zeros((1, held.closes.shape[1])), held.closes[:-1]])
    with np.errstate(invalid="ignore", divide="ignore"):
        overnight = np.where(closes_before > 0.0, held.opens / closes_before - 1.0, 0.0)
        intraday = np.where(held.opens > 0.0, held.closes / held.opens - 1.0, 0.0)
    overnight_weights = np.zeros_like(held.shares)
    overnight_weights[1:] = held.at_close[:-1] / equity_before[1:, np.newaxis]
    intraday_weights = held.after_trades / equity_after_trades[:, np.newaxis]

    market_open, market_close = _market_prices(backtest)
    shape = (n_rolls, 3)
    own, market, universe, costs = np.zeros(shape), np.zeros(shape), np.zeros(shape), np.zeros(shape)
    allocation, selection = np.zeros((*shape, n_sectors + 1)), np.zeros((*shape, n_sectors + 1))
    own[:, 0] = equity_at_open / equity_before - 1.0
    own[:, 1] = costs[:, 1] = equity_after_trades / equity_at_open - 1.0
    own[:, 2] = portfolio.equity[1:] / equity_after_trades - 1.0
    market[1:, 0] = market_open[1:] / market_close[:-1] - 1.0
    market[:, 2] = market_close / market_open - 1.0

    # The money waits in cash until the first open, as that of the benchmarks does: nothing is compared before it.
    for column, weights, returns, cash, rows in (
        (0, overnight_weights, overnight, np.zeros(n_rolls), slice(1, n_rolls)),
        (2, intraday_weights, intraday, portfolio.cash_rate[1:], slice(0, n_rolls)),
    ):
        base, allocated, selected = _brinson(weights[rows], returns[rows], cash[rows], allowed[rows], codes, n_sectors)
        universe[rows, column] = base - market[rows, column]
        allocation[rows, column], selection[rows, column] = allocated, selected
    return _Parts(own, market, universe, costs, allocation, selection)


def _brinson(
    weights: FloatArray, returns: FloatArray, cash: FloatArray, allowed: BoolArray, codes: IntArray, n_sectors: int
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return of the universe, and allocation and selection by sector with cash last, of each row."""
    member = np.zeros((len(codes), n_sectors))
    member[np.arange(len(codes)), codes] = 1.0
    size = allowed @ member
    n_allowed = allowed.sum(axis=1)
    earned = np.where(allowed, returns, 0.0)
    base = earned.sum(axis=1) / n_allowed
    held_weight = weights @ member
    held_return = (weights * returns) @ member
    # A sector without an eligible symbol has no return of its own: what is held in it counts as selection alone.
    sector_return = np.where(size > 0, earned @ member / np.maximum(size, 1), base[:, np.newaxis])
    allocation = np.zeros((len(weights), n_sectors + 1))
    selection = np.zeros_like(allocation)
    allocation[:, :-1] = (held_weight - size / n_allowed[:, np.newaxis]) * (sector_return - base[:, np.newaxis])
    allocation[:, -1] = (1.0 - held_weight.sum(axis=1)) * (cash - base)
    selection[:, :-1] = held_return - held_weight * sector_return
    return base, allocation, selection


def _market_prices(backtest: Backtest) -> tuple[FloatArray, FloatArray]:
    """Return opens and closes of SPY on the sessions of the simulation after its first decision."""
    panel = backtest.dataset.benchmarks
    rows = slice(backtest.first + 1, backtest.last + 1)
    return trade_prices_of_benchmark(backtest.dataset, MARKET)[rows], panel.adj_close[rows, panel.symbols.index(MARKET)]


def _carino(own: FloatArray, market: FloatArray) -> FloatArray:
    """Weight of each part's effects, so that they add up to the difference of the compounded returns (Carino 1999)."""
    total_own, total_market = (np.array([np.prod(1.0 + returns) - 1.0]) for returns in (own, market))
    return np.asarray(_log_slope(own, market) / _log_slope(total_own, total_market))


def _log_slope(a: FloatArray, b: FloatArray) -> FloatArray:
    """(ln(1 + a) - ln(1 + b)) / (a - b), and its limit 1 / (1 + a) where the two are the same."""
    same = np.abs(a - b) < 1e-12
    return np.asarray(np.where(same, 1.0 / (1.0 + a), (np.log1p(a) - np.log1p(b)) / np.where(same, 1.0, a - b)))
