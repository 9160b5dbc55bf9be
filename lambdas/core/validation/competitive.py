"""The competitive score: where the portfolio stands among symbols, sectors and portfolios drawn by lot."""

from __future__ import annotations

import numpy as np

from lambdas.core.backtest import metrics
from lambdas.core.backtest.evidence import BOOTSTRAP_SEED
from lambdas.core.backtest.random_portfolios import simulate_random_portfolios
from lambdas.core.backtest.run import Backtest
from lambdas.core.labels import BASIS_POINT, execution_prices, mark_prices
from lambdas.core.market_data.panel import BoolArray, FloatArray, IntArray
from lambdas.core.values import CompetitiveScore


def competitive_score(backtest: Backtest, seed: int = BOOTSTRAP_SEED) -> CompetitiveScore:
    """Mean of four percentiles over the whole simulation (definitions, section 8).

    - return and Sharpe ratio among all symbols of the universe: those eligible at the first decision, bought at the
      open after it and held, without cost, as the benchmarks are;
    - return among the sector portfolios: the same symbols, equal parts in each sector, held;
    - Sharpe ratio among random portfolios of the same rule, dates and numbers of positions, costs included.

    A percentile counts those that are worse, and equal ones by half. The score is None unless all four are known: a
    mean of fewer would not be comparable between runs; `explanation` says what is missing.

    Parameters
    ----------
    backtest : Backtest
    seed : int
        Of the random portfolios.
    """
    first, last = backtest.first, backtest.last
    equity = backtest.portfolio.equity
    own_return = metrics.total_return(equity)
    own_sharpe = metrics.sharpe_ratio(backtest.portfolio.excess_returns)
    trade, mark = execution_prices(backtest.dataset.prices), mark_prices(backtest.dataset.prices)
    universe = np.flatnonzero(backtest.eligible[first])
    missing = []

    symbol_return, symbol_sharpe = _held_symbols(trade, mark, universe, backtest)
    if universe.size == 0:
        missing.append("no symbol was eligible at the first decision")
    sectors = _sector_of(backtest, universe)
    if not sectors and universe.size:
        missing.append("the data set has no sectors (securities.parquet)")
    sector_return = np.array([symbol_return[members].mean() for members in sectors.values()])
    if own_sharpe is None:
        missing.append("the portfolio's returns do not vary")

    drawn = simulate_random_portfolios(
        trade,
        mark,
        backtest.eligible,
        _positions(backtest),
        first,
        last,
        backtest.settings.portfolio.horizon,
        backtest.settings.portfolio.cost_bps * BASIS_POINT,
        _cash_by_session(backtest),
        backtest.settings.evidence.random_portfolios,
        seed,
    )
    parts = {
        "return_among_symbols": percentile(own_return, symbol_return),
        "sharpe_among_symbols": percentile(own_sharpe, symbol_sharpe),
        "return_among_sectors": percentile(own_return, sector_return),
        "sharpe_among_random": percentile(own_sharpe, drawn.sharpe_ratio),
    }
    if parts["sharpe_among_random"] is None and own_sharpe is not None:
        missing.append("no random portfolio could be drawn")
    known = [value for value in parts.values() if value is not None]
    complete = len(known) == len(parts)
    return CompetitiveScore(
        score=float(np.mean(known)) if complete else None,
        explanation="" if complete else f"No score: {'; '.join(missing)}.",
        **parts,
    )


def percentile(value: float | None, others: FloatArray) -> float | None:
    """Percentile of a value among others, 0 to 100: those below, and equal ones by half; None without others.

    Examples
    --------
    >>> percentile(2.0, np.array([1.0, 2.0, 3.0, 4.0]))
    37.5
    """
    known = others[np.isfinite(others)]
    if value is None or known.size == 0:
        return None
    return float(100.0 * ((known < value).sum() + 0.5 * (known == value).sum()) / known.size)


def _held_symbols(
    trade: FloatArray, mark: FloatArray, universe: IntArray, backtest: Backtest
) -> tuple[FloatArray, FloatArray]:
    """Total return and Sharpe ratio of holding each symbol of the universe."""
    first, last = backtest.first, backtest.last
    curve = np.ones((last - first + 1, universe.size))
    curve[1:] = mark[first + 1 : last + 1, universe] / trade[first + 1, universe]
    excess = curve[1:] / curve[:-1] - 1.0 - backtest.portfolio.cash_rate[1:, np.newaxis]
    sharpe = [metrics.sharpe_ratio(excess[:, j]) for j in range(universe.size)]
    return curve[-1] - 1.0, np.array([np.nan if ratio is None else ratio for ratio in sharpe])


def _sector_of(backtest: Backtest, universe: IntArray) -> dict[str, BoolArray]:
    """Which symbols of the universe belong to each sector."""
    securities = backtest.dataset.securities
    if securities is None or "sector" not in securities.columns:
        return {}
    sector = securities.drop_duplicates("symbol").set_index("symbol")["sector"]
    named = sector.reindex([backtest.dataset.prices.symbols[j] for j in universe])
    return {str(name): (named == name).to_numpy(dtype=np.bool_) for name in sorted(named.dropna().unique())}


def _positions(backtest: Backtest) -> IntArray:
    positions: IntArray = backtest.recommended.sum(axis=1).astype(np.int64)
    return positions


def _cash_by_session(backtest: Backtest) -> FloatArray:
    rates = np.zeros(len(backtest.dataset.sessions))
    rates[backtest.first : backtest.last + 1] = backtest.portfolio.cash_rate
    return rates
