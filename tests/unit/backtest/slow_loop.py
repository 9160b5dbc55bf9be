"""Definitions 1 to 4 written as plain loops, one tranche and one symbol at a time: what the fast code must equal.

Nothing here is shared with `lambdas.core`: prices are looked up session by session, and portfolios are dictionaries.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np


def is_price(value: float) -> bool:
    return value == value


class Prices:
    """One symbol's prices, looked up as a person would."""

    def __init__(self, open_, close, adj_close) -> None:
        self.open, self.close, self.adj_close = list(open_), list(close), list(adj_close)
        self.sessions = [t for t, price in enumerate(self.close) if is_price(price) and is_price(self.adj_close[t])]

    def has(self, session: int) -> bool:
        return is_price(self.close[session]) and is_price(self.adj_close[session])

    def ended(self, session: int) -> bool:
        return bool(self.sessions) and session > self.sessions[-1]

    def last_adjusted_close(self, session: int) -> float:
        before = [t for t in self.sessions if t <= session]
        return self.adj_close[before[-1]] if before else math.nan

    def trade(self, session: int) -> float:
        """The adjusted open; NaN if nobody can buy here."""
        if self.has(session):
            if is_price(self.open[session]):
                return self.open[session] * self.adj_close[session] / self.close[session]
            return self.adj_close[session]
        return self.last_adjusted_close(session) if self.ended(session) else math.nan

    def settle(self, session: int) -> float:
        """What a holder gets at the open."""
        price = self.trade(session)
        return price if is_price(price) else self.last_adjusted_close(session - 1)


def prices_of(panel, symbol: int) -> Prices:
    return Prices(panel.open[:, symbol], panel.close[:, symbol], panel.adj_close[:, symbol])


@dataclass
class Tranche:
    """Units of symbols, and cash."""

    cash: float
    units: dict[int, float] = field(default_factory=dict)


@dataclass
class SlowPortfolio:
    equity: list[float]
    invested: list[float]
    traded: list[float]
    cost: list[float]
    delisted: set[int]
    trades: list[tuple[int, int, float]]


def slow_simulation(panel, recommended, first, last, horizon, cost, cash_rate, impact=None) -> SlowPortfolio:
    """`cash_rate[t]` is what cash earns over session t; `impact[t, s]` what trading all of the capital would cost."""
    columns = [prices_of(panel, s) for s in range(len(panel.symbols))]
    tranches = [Tranche(cash=1.0 / horizon) for _ in range(horizon)]
    result = SlowPortfolio([1.0], [0.0], [0.0], [0.0], set(), [])
    for session in range(first + 1, last + 1):
        m = session - first - 1
        symbols = [s for s in range(len(columns)) if recommended[session - 1, s]]
        traded_today = paid_today = 0.0
        for number, tranche in enumerate(tranches):
            if m != 0 and number != m % horizon:
                continue
            held = {s: units * columns[s].settle(session) for s, units in tranche.units.items()}
            value = tranche.cash + sum(held.values())
            target = {s: value / len(symbols) for s in symbols}
            traded = 0.0
            for s in sorted(set(held) | set(target)):
                change = target.get(s, 0.0) - held.get(s, 0.0)
                traded += abs(change)
                result.trades.append((session, s, change))
            paid = cost * traded
            if impact is not None:
                for s in set(held) | set(target):
                    share = abs(target.get(s, 0.0) - held.get(s, 0.0)) / value
                    of_capital = share if m == 0 else share / horizon
                    paid += value * share * impact[session, s] * math.sqrt(of_capital)
            traded_today += traded
            paid_today += paid
            if symbols:
                tranche.cash = 0.0
                tranche.units = {s: (value - paid) / len(symbols) / columns[s].settle(session) for s in symbols}
            else:
                tranche.cash, tranche.units = value - paid, {}
        for tranche in tranches:
            tranche.cash *= 1.0 + cash_rate[session]
        invested = 0.0
        for tranche in tranches:
            for s, units in tranche.units.items():
                invested += units * columns[s].last_adjusted_close(session)
                if columns[s].ended(session):
                    result.delisted.add(s)
        result.equity.append(invested + sum(tranche.cash for tranche in tranches))
        result.invested.append(invested)
        result.traded.append(traded_today)
        result.cost.append(paid_today)
    return result


def slow_eligible(panel, member, min_history) -> np.ndarray:
    """`member(session, symbol)` says whether it belongs to the universe."""
    n_sessions, n_symbols = panel.close.shape
    allowed = np.zeros((n_sessions, n_symbols), dtype=bool)
    for s in range(n_symbols):
        prices = prices_of(panel, s)
        for i in range(n_sessions):
            history = len([t for t in prices.sessions if t <= i])
            next_open = i + 1 == n_sessions or is_price(prices.trade(i + 1))
            allowed[i, s] = prices.has(i) and history >= min_history and next_open and member(i, s)
    return allowed


def slow_recommend(probability, eligible, top_fraction, min_positions, min_probability) -> np.ndarray:
    chosen = np.zeros(eligible.shape, dtype=bool)
    for i in range(len(eligible)):
        n_eligible = int(eligible[i].sum())
        k = min(n_eligible, max(min_positions, math.floor(top_fraction * n_eligible)))
        ranked = sorted(
            (-probability[i, s], s) for s in range(eligible.shape[1]) if eligible[i, s] and is_price(probability[i, s])
        )
        for negative, s in ranked[:k]:
            if -negative >= min_probability:
                chosen[i, s] = True
    return chosen


def slow_hit(panel, spy: Prices, i, s, horizon, cost) -> tuple[float, float]:
    """Absolute and relative hit of one recommendation; NaN before it matures."""
    if i + 1 + horizon >= len(panel.sessions):
        return math.nan, math.nan
    prices = prices_of(panel, s)
    entry, leave = prices.trade(i + 1), prices.settle(i + 1 + horizon)
    if not is_price(entry):
        return math.nan, math.nan
    net = (leave / entry) * (1 - cost) ** 2 - 1
    market = spy.trade(i + 1 + horizon) / spy.trade(i + 1) - 1
    return float(net > 0), float(net > market)


def slow_quintiles(panel, eligible_row, i) -> dict[int, int]:
    """Group of each eligible symbol by volatility of its last 252 daily log returns; 5 without one."""
    volatility = {}
    for s in np.flatnonzero(eligible_row):
        adjusted = panel.adj_close[:, s]
        returns = [
            math.log(adjusted[t] / adjusted[t - 1])
            for t in range(max(1, i - 251), i + 1)
            if is_price(adjusted[t]) and is_price(adjusted[t - 1])
        ]
        if len(returns) >= 126:
            mean = sum(returns) / len(returns)
            volatility[int(s)] = math.sqrt(sum((r - mean) ** 2 for r in returns) / (len(returns) - 1))
    order = sorted(volatility, key=lambda s: (volatility[s], s))
    groups = {s: math.floor(5 * rank / len(order)) for rank, s in enumerate(order)}
    return {int(s): groups.get(int(s), 5) for s in np.flatnonzero(eligible_row)}


def slow_rates(panel, spy: Prices, recommended, eligible, horizon, cost, first, last) -> dict[str, float]:
    """Hit rate, base rate and matched base rate of both hit definitions, over decisions first..last."""
    totals = {"n_recommendations": 0.0, "n_matured": 0.0}
    sums = dict.fromkeys(("absolute", "relative", "absolute_base", "relative_base", "matched", "rmatched"), 0.0)
    for i in range(first, last + 1):
        chosen = [int(s) for s in np.flatnonzero(recommended[i])]
        totals["n_recommendations"] += len(chosen)
        if not chosen or i + 1 + horizon >= len(panel.sessions):
            continue
        universe = {int(s): slow_hit(panel, spy, i, int(s), horizon, cost) for s in np.flatnonzero(eligible[i])}
        groups = slow_quintiles(panel, eligible[i], i)
        totals["n_matured"] += len(chosen)
        for s in chosen:
            absolute, relative = slow_hit(panel, spy, i, s, horizon, cost)
            peers = [universe[p] for p in universe if groups[p] == groups[s]]
            sums["absolute"] += absolute
            sums["relative"] += relative
            sums["matched"] += sum(hit[0] for hit in peers) / len(peers)
            sums["rmatched"] += sum(hit[1] for hit in peers) / len(peers)
            sums["absolute_base"] += sum(hit[0] for hit in universe.values()) / len(universe)
            sums["relative_base"] += sum(hit[1] for hit in universe.values()) / len(universe)
    return totals | {
        name: value / totals["n_matured"] if totals["n_matured"] else math.nan for name, value in sums.items()
    }
