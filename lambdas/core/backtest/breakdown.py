"""One simulation taken apart: by fold, year, sector, volatility regime and month, and by quintile of probability.

All of it is the same portfolio: nothing is simulated again, so parts add up to the whole.
"""

from __future__ import annotations

import datetime as dt
from typing import TypedDict

import numpy as np

from lambdas.core.backtest import metrics
from lambdas.core.backtest.hits import hits_by_date
from lambdas.core.backtest.portfolio import SESSIONS_PER_YEAR
from lambdas.core.backtest.run import Backtest, daily_returns
from lambdas.core.labels import MARKET
from lambdas.core.market_data.panel import IntArray
from lambdas.core.values import (
    FoldMetrics,
    MonthlyReturn,
    QuantileReturns,
    RegimeMetrics,
    SectorMetrics,
    YearMetrics,
)

REGIMES = ("low", "middle", "high")
MIN_VIX_SESSIONS = 252
"""Closes of the VIX before its terciles are taken to mean something."""


class _Span(TypedDict):
    first_session: dt.date
    last_session: dt.date
    n_sessions: int
    n_recommendations: int
    n_matured: int
    hit_rate: float | None
    base_rate: float | None
    skill: float | None
    matched_skill: float | None
    total_return: float
    benchmark_return: float
    market_outperformance: float | None
    sharpe_ratio: float | None
    max_drawdown: float
    rank_ic: float | None


def by_fold(backtest: Backtest) -> tuple[FoldMetrics, ...]:
    """One row a fold; together they tile the simulation, so their returns compound to the whole."""
    if backtest.aligned.fold is None:
        return ()
    fold = backtest.aligned.fold
    numbers = np.unique(fold[fold >= 0])
    starts = [int(np.argmax(fold == number)) for number in numbers]
    return tuple(
        FoldMetrics(fold=int(number), **_span(backtest, first, last, int(np.flatnonzero(fold == number)[-1])))
        for number, first, last in zip(numbers, starts, [*starts[1:], backtest.last], strict=True)
    )


def by_year(backtest: Backtest) -> tuple[YearMetrics, ...]:
    """One row a calendar year, from the last close of the year before; their returns compound to the whole.

    Recommendations are counted in the year of their decision.
    """
    years = np.asarray(backtest.dataset.sessions.year)[backtest.first : backtest.last + 1]
    rows = []
    for year in np.unique(years):
        decisions = backtest.first + np.flatnonzero(years == year)
        first = max(int(decisions[0]) - 1, backtest.first)
        if first < decisions[-1]:
            span = _span(backtest, first, int(decisions[-1]), int(decisions[-1]), first_decision=int(decisions[0]))
            rows.append(YearMetrics(year=int(year), **span))
    return tuple(rows)


def by_sector(backtest: Backtest) -> tuple[SectorMetrics, ...]:
    """Hits of each sector against the eligible symbols of that sector; empty if the data set names no sectors."""
    securities = backtest.dataset.securities
    if securities is None or "sector" not in securities.columns:
        return ()
    named = securities.drop_duplicates("symbol").set_index("symbol")["sector"]
    sector = named.reindex(list(backtest.dataset.prices.symbols)).fillna("unknown").astype(str).to_numpy()
    span = slice(backtest.first, backtest.last + 1)
    hit = backtest.outcomes.hit(backtest.settings.gates.hit_definition)
    total = max(int(backtest.recommended[span].sum()), 1)
    rows = []
    for name in np.unique(sector):
        member = np.flatnonzero(sector == name)
        chosen, allowed = backtest.recommended[span][:, member], backtest.eligible[span][:, member]
        hits = hits_by_date(hit[span][:, member], chosen, allowed, backtest.groups[:, member])
        net = backtest.outcomes.net[span][:, member]
        settled = net[chosen & np.isfinite(net)]
        ic = metrics.rank_ic_by_date(
            backtest.aligned.probability[span][:, member], backtest.outcomes.gross[span][:, member], allowed
        )
        rows.append(
            SectorMetrics(
                sector=str(name),
                n_recommendations=int(hits.n_recommended.sum()),
                n_matured=int(hits.n_matured.sum()),
                share=float(hits.n_recommended.sum()) / total,
                hit_rate=hits.hit_rate,
                base_rate=hits.base_rate,
                skill=hits.skill,
                mean_net_return=float(settled.mean()) if settled.size else None,
                rank_ic=metrics.mean_and_ratio(ic)[0],
            )
        )
    return tuple(rows)


def volatility_regimes(backtest: Backtest) -> IntArray | None:
    """Tercile of the VIX of each decision among all closes that were known by then.

    Returns
    -------
    ndarray of int, shape (n_decisions,), or None
        0 (low) to 2 (high); -1 where the VIX is missing or has fewer than 252 closes before. Equal values count as
        half above. None if the data set has no VIX.
    """
    macro = backtest.dataset.macro
    if macro is None or "vix" not in macro.columns:
        return None
    column = macro if "date" not in macro.columns else macro.set_index("date")
    vix = column["vix"].reindex(backtest.dataset.sessions).to_numpy(dtype=np.float64)
    regimes = np.full(backtest.last - backtest.first + 1, -1, dtype=np.int64)
    for row, session in enumerate(range(backtest.first, backtest.last + 1)):
        known = vix[: session + 1]
        known = known[np.isfinite(known)]
        if np.isfinite(vix[session]) and len(known) >= MIN_VIX_SESSIONS:
            place = ((known < vix[session]).sum() + 0.5 * (known == vix[session]).sum()) / len(known)
            regimes[row] = min(int(place * len(REGIMES)), len(REGIMES) - 1)
    return regimes


def by_regime(backtest: Backtest) -> tuple[RegimeMetrics, ...]:
    """Decisions, and the sessions after them, by the tercile of the VIX at the decision; empty without a VIX.

    The terciles are those of the history known at each decision, so nothing is sorted with hindsight.
    """
    regimes = volatility_regimes(backtest)
    if regimes is None:
        return ()
    excess = backtest.portfolio.excess_returns
    market = daily_returns(backtest.benchmarks[MARKET][backtest.first : backtest.last + 1])
    active = backtest.portfolio.returns - market
    rows = []
    for number, name in enumerate(REGIMES):
        chosen = regimes == number
        after = chosen[:-1]
        hits = backtest.hits.select(chosen)
        rows.append(
            RegimeMetrics(
                regime=name,
                n_decisions=int(chosen.sum()),
                n_matured=int(hits.n_matured.sum()),
                hit_rate=hits.hit_rate,
                base_rate=hits.base_rate,
                skill=hits.skill,
                matched_skill=hits.matched_skill,
                sharpe_ratio=metrics.sharpe_ratio(excess[after]),
                active_return=float(active[after].mean()) * SESSIONS_PER_YEAR if after.any() else None,
                rank_ic=metrics.mean_and_ratio(backtest.rank_ic[chosen])[0],
            )
        )
    return tuple(rows)


def monthly_returns(backtest: Backtest) -> tuple[MonthlyReturn, ...]:
    """Return of the portfolio and of SPY in each calendar month, close to close; the first and the last are partial."""
    days = backtest.dataset.sessions[backtest.first + 1 : backtest.last + 1]
    month = np.asarray(days.year) * 12 + np.asarray(days.month) - 1
    starts = np.flatnonzero(np.diff(month, prepend=-1))
    own = np.multiply.reduceat(1.0 + backtest.portfolio.returns, starts) - 1.0
    curve = backtest.benchmarks[MARKET][backtest.first : backtest.last + 1]
    spy = np.multiply.reduceat(1.0 + daily_returns(curve), starts) - 1.0
    return tuple(
        MonthlyReturn(month=f"{number // 12}-{number % 12 + 1:02d}", portfolio=float(mine), benchmark=float(theirs))
        for number, mine, theirs in zip(month[starts].tolist(), own, spy, strict=True)
    )


def quantile_returns(backtest: Backtest) -> QuantileReturns:
    """Mean gross return by quintile of probability, and what the top one is ahead of the bottom one."""
    span = slice(backtest.first, backtest.last + 1)
    by_date = metrics.quantile_returns_by_date(
        backtest.aligned.probability[span], backtest.outcomes.gross[span], backtest.eligible[span]
    )
    spread = by_date[:, -1] - by_date[:, 0]
    known = spread[np.isfinite(spread)]
    mean, ratio = metrics.mean_and_ratio(spread)
    return QuantileReturns(
        n_dates=len(known),
        mean_returns=tuple(metrics.mean_and_ratio(column)[0] for column in by_date.T),
        spread=mean,
        spread_ratio=ratio,
        positive_dates=float((known > 0.0).mean()) if known.size else None,
    )


def _span(backtest: Backtest, first: int, last: int, last_decision: int, first_decision: int | None = None) -> _Span:
    """Metrics of the closes first to last and of the decisions first (or `first_decision`) to `last_decision`."""
    begin, end = first - backtest.first, last - backtest.first
    start = first if first_decision is None else first_decision
    decided = slice(start - backtest.first, last_decision - backtest.first + 1)
    hits = backtest.hits.select(decided)
    equity = backtest.portfolio.equity[begin : end + 1]
    total = metrics.total_return(equity)
    market = metrics.total_return(backtest.benchmarks[MARKET][first : last + 1])
    return _Span(
        first_session=backtest.day(first),
        last_session=backtest.day(last),
        n_sessions=last - first,
        n_recommendations=int(hits.n_recommended.sum()),
        n_matured=int(hits.n_matured.sum()),
        hit_rate=hits.hit_rate,
        base_rate=hits.base_rate,
        skill=hits.skill,
        matched_skill=hits.matched_skill,
        total_return=total,
        benchmark_return=market,
        market_outperformance=metrics.market_outperformance(total, market, last - first),
        sharpe_ratio=metrics.sharpe_ratio(backtest.portfolio.excess_returns[begin:end]),
        max_drawdown=metrics.max_drawdown(equity),
        rank_ic=metrics.mean_and_ratio(backtest.rank_ic[decided])[0],
    )
