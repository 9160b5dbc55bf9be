"""Percentiles within sectors and industries: of what the portfolio held, and of what it recommends now."""

from __future__ import annotations

import numpy as np
import pandas as pd

from lambdas.core.backtest.run import Backtest
from lambdas.core.labels import mark_prices
from lambdas.core.market_data.panel import FloatArray, IntArray
from lambdas.core.validation.attribution import sectors_of
from lambdas.core.validation.competitive import percentile
from lambdas.core.validation.values import SectorStanding, SymbolStanding

YEAR = 252


def sector_standings(backtest: Backtest, first: int, last: int) -> tuple[SectorStanding, ...]:
    """Where the recommendations of a span stand among the symbols of their sectors.

    For each sector the mean gross return of its matured recommendations, each with the same weight, and its percentile
    among the symbols of the sector: the mean gross return of each over the same decision dates, weighted as the
    recommendations were spread over dates. So a percentile of 50 is what a pick by lot within the sector gives.

    Parameters
    ----------
    backtest : Backtest
    first, last : int
        Sessions of the first and of the last decision that count.

    Returns
    -------
    tuple of SectorStanding
        Sectors with at least one matured recommendation, by name; empty if the data set names no sectors.
    """
    names, codes = sectors_of(backtest)
    span = slice(first, last + 1)
    gross = backtest.outcomes.gross[span]
    chosen = backtest.recommended[span] & np.isfinite(gross)
    allowed = backtest.eligible[span] & np.isfinite(gross)
    rows = []
    for number, name in enumerate(names):
        member = np.flatnonzero(codes == number)
        picks = chosen[:, member]
        if not picks.any():
            continue
        by_date = picks.sum(axis=1)[:, np.newaxis] * allowed[:, member]
        weight = by_date.sum(axis=0)
        total = np.where(allowed[:, member], gross[:, member], 0.0)
        mean = np.divide((by_date * total).sum(axis=0), weight, out=np.full(member.size, np.nan), where=weight > 0)
        own = float(gross[:, member][picks].mean())
        rows.append(
            SectorStanding(
                sector=name, mean_return=own, n_recommendations=int(picks.sum()), percentile=percentile(own, mean)
            )
        )
    return tuple(rows)


def symbol_standings(backtest: Backtest) -> tuple[SymbolStanding, ...]:
    """Where each recommendation of the last session stands within its sector and industry.

    By probability among the eligible symbols of the session, and by total return over the 252 sessions up to it.
    """
    last = backtest.last
    symbols = backtest.dataset.prices.symbols
    chosen = np.flatnonzero(backtest.recommended[last])
    allowed = backtest.eligible[last]
    probability = np.where(allowed, backtest.aligned.probability[last], np.nan)
    marks = mark_prices(backtest.dataset.prices)
    gained = np.full(len(symbols), np.nan)
    if last >= YEAR:
        gained = np.where(allowed, marks[last] / marks[last - YEAR] - 1.0, np.nan)
    named = {column: _named(backtest, column) for column in ("sector", "industry")}
    order = chosen[np.lexsort((chosen, -np.nan_to_num(probability[chosen], nan=-1.0)))]
    rows = []
    for j in order:
        rows.append(
            SymbolStanding(
                symbol=symbols[j],
                sector=named["sector"][j],
                industry=named["industry"][j],
                probability=_number(probability[j]),
                probability_in_sector=_within(probability, named["sector"], int(j)),
                probability_in_industry=_within(probability, named["industry"], int(j)),
                year_return=_number(gained[j]),
                return_in_sector=_within(gained, named["sector"], int(j)),
                return_in_industry=_within(gained, named["industry"], int(j)),
            )
        )
    return tuple(rows)


def _within(values: FloatArray, groups: list[str | None], j: int) -> float | None:
    """Percentile of a symbol among those of its group, itself included; None alone or without a group."""
    if groups[j] is None:
        return None
    peers: IntArray = np.array([k for k, name in enumerate(groups) if name == groups[j]], dtype=np.int64)
    known = values[peers]
    return percentile(_number(values[j]), known) if np.isfinite(known).sum() > 1 else None


def _named(backtest: Backtest, column: str) -> list[str | None]:
    securities, symbols = backtest.dataset.securities, list(backtest.dataset.prices.symbols)
    if securities is None or column not in securities.columns:
        return [None] * len(symbols)
    named = securities.drop_duplicates("symbol").set_index("symbol")[column].reindex(symbols)
    return [None if pd.isna(name) else str(name) for name in named]


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
