"""The numbers beside the gates on real companies: rank IC, regressions, and every table, against plain loops.

Oracles share nothing with `lambdas.core` but the recommendations that `test_real_market.py` holds against loops. Ratios
of daily returns are held against empyrical and quantstats on the same real series.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import empyrical
import numpy as np
import pandas as pd
import pytest
import quantstats
from numpy.testing import assert_allclose
from scipy.stats import spearmanr
from slow_loop import prices_of, slow_rates, slow_simulation

from lambdas.core.backtest import breakdown, metrics
from lambdas.core.backtest.evaluation import slice_metrics
from lambdas.core.backtest.run import Backtest, run_backtest
from lambdas.core.market_data.panel import MarketDataset
from lambdas.core.settings import ModelSettings, RecommendationRule
from lambdas.core.values import PortfolioMetrics

SETTINGS = ModelSettings(recommendation=RecommendationRule(min_probability=0.3))
FIRST, HORIZON, COST = 300, 21, 0.0005


@dataclass(frozen=True)
class Loops:
    """What plain loops find: by session from FIRST on, or by decision and symbol."""

    equity: np.ndarray
    cash: np.ndarray
    benchmarks: dict[str, np.ndarray]
    gross: np.ndarray
    by_decision: list[dict[str, float]]
    rank_ic: list[float]

    @property
    def returns(self) -> np.ndarray:
        return self.equity[1:] / self.equity[:-1] - 1

    @property
    def excess(self) -> np.ndarray:
        return self.returns - self.cash[1:]

    def rates(self, decisions: Iterable[int]) -> dict[str, float]:
        """Rates over some decisions, each weighted by its matured recommendations."""
        chosen = [self.by_decision[i - FIRST] for i in decisions]
        n = sum(row["n_matured"] for row in chosen)
        known = [row for row in chosen if row["n_matured"]]
        found = {
            name: sum(row[name] * row["n_matured"] for row in known) / n if n else None
            for name in ("absolute", "absolute_base", "matched")
        }
        return found | {"n_matured": n, "n_recommendations": sum(row["n_recommendations"] for row in chosen)}

    def mean_ic(self, decisions: Iterable[int]) -> float:
        return float(np.nanmean([self.rank_ic[i - FIRST] for i in decisions]))


@pytest.fixture(scope="module")
def backtest(sample: MarketDataset) -> Backtest:
    sessions = np.arange(FIRST, len(sample.sessions))
    n_symbols = len(sample.prices.symbols)
    frame = pd.DataFrame(
        {
            "date": np.repeat(sample.sessions[sessions], n_symbols),
            "symbol": np.tile(sample.prices.symbols, len(sessions)),
            "probability": np.random.default_rng(11).random(n_symbols * len(sessions)).round(2),
        }
    )
    return run_backtest(sample, frame[np.isfinite(sample.prices.close[sessions]).ravel()], SETTINGS)


@pytest.fixture(scope="module")
def loops(sample: MarketDataset, backtest: Backtest) -> Loops:
    last, n_symbols = backtest.last, len(sample.prices.symbols)
    columns = [prices_of(sample.prices, s) for s in range(n_symbols)]
    yields = sample.macro["ust3m"] if "date" not in sample.macro else sample.macro.set_index("date")["ust3m"]
    cash = [0.0]
    for session in range(1, last + 1):
        known = yields.get(sample.sessions[session - 1], np.nan)
        cash.append(0.0 if np.isnan(known) else known / 100 / 252)
    slow = slow_simulation(sample.prices, backtest.recommended, FIRST, last, HORIZON, COST, cash)
    gross = np.full((last + 1, n_symbols), np.nan)
    for i in range(FIRST, last + 1):
        for s in range(n_symbols):
            if i + 1 + HORIZON < len(sample.sessions):
                gross[i, s] = columns[s].settle(i + 1 + HORIZON) / columns[s].trade(i + 1) - 1
    rank_ic = []
    for i in range(FIRST, last + 1):
        pairs = [
            (backtest.aligned.probability[i, s], gross[i, s])
            for s in range(n_symbols)
            if backtest.eligible[i, s] and backtest.aligned.probability[i, s] >= 0 and gross[i, s] > -1
        ]
        rank_ic.append(spearmanr(*zip(*pairs, strict=True)).statistic if len(pairs) > 2 else np.nan)
    market = {name: prices_of(sample.benchmarks, j) for j, name in enumerate(sample.benchmarks.symbols)}
    return Loops(
        equity=np.array(slow.equity),
        cash=np.array(cash[FIRST:]),
        benchmarks={
            name: np.array([1.0] + [p.last_adjusted_close(t) / p.trade(FIRST + 1) for t in range(FIRST + 1, last + 1)])
            for name, p in market.items()
        },
        gross=gross,
        by_decision=[
            slow_rates(sample.prices, market["SPY"], backtest.recommended, backtest.eligible, HORIZON, COST, i, i)
            for i in range(FIRST, last + 1)
        ],
        rank_ic=rank_ic,
    )


@pytest.fixture(scope="module")
def pooled(backtest: Backtest) -> PortfolioMetrics:
    return slice_metrics(backtest, FIRST, backtest.last)


def worst_fall(equity: np.ndarray) -> float:
    return max(1 - equity[t] / max(equity[: t + 1]) for t in range(len(equity)))


def sharpe(excess: np.ndarray) -> float:
    return excess.mean() / excess.std(ddof=1) * 252**0.5


def newey_west(y: np.ndarray, factors: np.ndarray, lags: int) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients and errors, written out."""
    design = np.column_stack([np.ones(len(y)), factors])
    inverse = np.linalg.inv(design.T @ design)
    coefficients = inverse @ design.T @ y
    scores = design * (y - design @ coefficients)[:, None]
    middle = scores.T @ scores
    for lag in range(1, lags + 1):
        for t in range(lag, len(y)):
            product = np.outer(scores[t], scores[t - lag])
            middle += (1 - lag / (lags + 1)) * (product + product.T)
    return coefficients, np.sqrt(np.diag(inverse @ middle @ inverse))


def test_rank_ic(pooled, loops):
    known = np.array([value for value in loops.rank_ic if np.isfinite(value)])
    assert len(known) == len(loops.rank_ic) - HORIZON - 1
    assert pooled.rank_ic == pytest.approx(known.mean(), rel=1e-9, abs=1e-13)
    assert pooled.icir == pytest.approx(known.mean() / known.std(ddof=1), rel=1e-9, abs=1e-12)


def test_alpha_and_beta_of_each_benchmark_and_of_all(pooled, loops):
    names = sorted(loops.benchmarks)
    market = np.column_stack([loops.benchmarks[n][1:] / loops.benchmarks[n][:-1] - 1 for n in names])
    market -= loops.cash[1:, None]
    for j, name in enumerate(names):
        coefficients, errors = newey_west(loops.excess, market[:, [j]], HORIZON)
        assert pooled.alpha[name] == pytest.approx(coefficients[0] * 252, rel=1e-7)
        assert pooled.beta[name] == pytest.approx(coefficients[1], rel=1e-9)
        assert pooled.alpha_standard_error[name] == pytest.approx(errors[0] * 252, rel=1e-7)
    coefficients, errors = newey_west(loops.excess, market, HORIZON)
    assert pooled.alpha["joint"] == pytest.approx(coefficients[0] * 252, rel=1e-7)
    assert pooled.alpha_standard_error["joint"] == pytest.approx(errors[0] * 252, rel=1e-7)
    assert_allclose([pooled.joint_beta[name] for name in names], coefficients[1:], rtol=1e-8)


def test_sharpe_with_the_factor_of_lo(pooled, loops):
    away = loops.excess - loops.excess.mean()
    n, year = len(away), 252.0
    for k in range(1, HORIZON + 1):
        autocorrelation = sum(away[t] * away[t - k] for t in range(k, n)) / sum(a * a for a in away)
        year += 2 * (252 - k) * autocorrelation
    expected = loops.excess.mean() / loops.excess.std(ddof=1) * 252 / year**0.5
    assert pooled.sharpe_ratio_lo == pytest.approx(expected, rel=1e-9)
    assert pooled.sharpe_ratio_lo != pytest.approx(pooled.sharpe_ratio, rel=1e-3)


def test_effective_number_of_recommendations(pooled, loops):
    rows = loops.by_decision[: -HORIZON - 1]
    n = sum(row["n_matured"] for row in rows)
    rate = sum(row["absolute"] * row["n_matured"] for row in rows) / n
    surprise = [(row["absolute"] - rate) * row["n_matured"] for row in rows]
    days, variance = len(surprise), 0.0
    for d in range(days):
        for later in range(days):
            lag = abs(d - later)
            # Two sessions are drawn together in one block, or in one that wraps around the end.
            weight = (1 - lag / days) * (1 - 1 / HORIZON) ** lag
            weight += lag / days * (1 - 1 / HORIZON) ** (days - lag)
            variance += weight * surprise[d] * surprise[later]
    assert pooled.effective_n == pytest.approx(n * rate * (1 - rate) / n / (variance / n**2), rel=1e-9)


def test_quantile_spread(backtest, loops):
    by_date = []
    for i in range(FIRST, backtest.last + 1):
        known = [
            (backtest.aligned.probability[i, s], s)
            for s in range(loops.gross.shape[1])
            if backtest.eligible[i, s] and backtest.aligned.probability[i, s] >= 0 and loops.gross[i, s] > -1
        ]
        if len(known) < 5:
            continue
        means = []
        for quintile in range(5):
            members = [s for rank, (_, s) in enumerate(sorted(known)) if 5 * rank // len(known) == quintile]
            means.append(sum(loops.gross[i, s] for s in members) / len(members))
        by_date.append(means)
    table = np.array(by_date)
    spread = table[:, 4] - table[:, 0]
    found = breakdown.quantile_returns(backtest)
    assert found.n_dates == len(table) == len(loops.rank_ic) - HORIZON - 1
    assert_allclose(found.mean_returns, table.mean(axis=0), rtol=1e-9, atol=1e-14)
    assert found.spread == pytest.approx(spread.mean(), rel=1e-9, abs=1e-14)
    assert found.spread_ratio == pytest.approx(spread.mean() / spread.std(ddof=1), rel=1e-9, abs=1e-12)
    assert found.positive_dates == pytest.approx((spread > 0).mean())


def test_by_year(backtest, loops, sample):
    rows = breakdown.by_year(backtest)
    years = [day.year for day in sample.sessions]
    assert [row.year for row in rows] == sorted(set(years[FIRST:])) == [2017, 2018]
    for row in rows:
        decisions = [i for i in range(FIRST, backtest.last + 1) if years[i] == row.year]
        begin, end = max(decisions[0] - 1, FIRST) - FIRST, decisions[-1] - FIRST
        rates, own, spy = loops.rates(decisions), loops.equity, loops.benchmarks["SPY"]
        expected = {
            "n_sessions": end - begin,
            "n_recommendations": rates["n_recommendations"],
            "n_matured": rates["n_matured"],
            "hit_rate": rates["absolute"],
            "base_rate": rates["absolute_base"],
            "total_return": own[end] / own[begin] - 1,
            "benchmark_return": spy[end] / spy[begin] - 1,
            "market_outperformance": own[end] / own[begin] - spy[end] / spy[begin],
            "sharpe_ratio": sharpe(loops.excess[begin:end]),
            "max_drawdown": worst_fall(own[begin : end + 1]),
        }
        if rates["n_matured"]:
            expected["skill"] = rates["absolute"] - rates["absolute_base"]
            expected["matched_skill"] = rates["absolute"] - rates["matched"]
            expected["rank_ic"] = loops.mean_ic(decisions)
        for name, value in expected.items():
            found = getattr(row, name)
            assert found is value if value is None else found == pytest.approx(value, rel=1e-9, abs=1e-12), name
    assert sum(row.n_matured for row in rows) > 500


def test_by_sector(backtest, loops, sample):
    sector = dict(zip(sample.securities["symbol"], sample.securities["sector"], strict=True))
    spy = prices_of(sample.benchmarks, sample.benchmarks.symbols.index("SPY"))
    rows = {row.sector: row for row in breakdown.by_sector(backtest)}
    of_symbol = [str(sector.get(symbol, "unknown")) for symbol in sample.prices.symbols]
    assert set(rows) == set(of_symbol)
    assert len(rows) > 5
    everything = backtest.recommended[FIRST : backtest.last + 1].sum()
    for name, row in rows.items():
        members = [s for s, of in enumerate(of_symbol) if of == name]
        part = _columns(sample.prices, members)
        chosen, allowed = backtest.recommended[:, members], backtest.eligible[:, members]
        rates = slow_rates(part, spy, chosen, allowed, HORIZON, COST, FIRST, backtest.last)
        net = [
            (1 + loops.gross[i, s]) * (1 - COST) ** 2 - 1
            for i in range(FIRST, backtest.last + 1)
            for s in members
            if backtest.recommended[i, s] and np.isfinite(loops.gross[i, s])
        ]
        assert (row.n_recommendations, row.n_matured) == (rates["n_recommendations"], rates["n_matured"])
        assert row.share == pytest.approx(rates["n_recommendations"] / everything)
        if net:
            assert row.hit_rate == pytest.approx(rates["absolute"], rel=1e-9)
            assert row.base_rate == pytest.approx(rates["absolute_base"], rel=1e-9)
            assert row.skill == pytest.approx(rates["absolute"] - rates["absolute_base"], rel=1e-9, abs=1e-13)
            assert row.mean_net_return == pytest.approx(np.mean(net), rel=1e-9, abs=1e-14)


def test_by_regime(backtest, loops, sample):
    macro = sample.macro if "date" not in sample.macro else sample.macro.set_index("date")
    vix = [macro["vix"].get(day, np.nan) for day in sample.sessions]
    market = loops.benchmarks["SPY"][1:] / loops.benchmarks["SPY"][:-1] - 1
    of_decision = []
    for i in range(FIRST, backtest.last + 1):
        past = [value for value in vix[: i + 1] if value == value]
        below = sum(value < vix[i] for value in past) + sum(value == vix[i] for value in past) / 2
        of_decision.append(min(int(3 * below / len(past)), 2) if vix[i] == vix[i] else -1)
    rows = breakdown.by_regime(backtest)
    assert sum(row.n_decisions > 0 for row in rows) >= 2
    for number, row in enumerate(rows):
        decisions = [FIRST + d for d, regime in enumerate(of_decision) if regime == number]
        rates = loops.rates(decisions)
        after = [d - FIRST for d in decisions if d < backtest.last]
        assert (row.n_decisions, row.n_matured) == (len(decisions), rates["n_matured"])
        if rates["n_matured"]:
            assert row.hit_rate == pytest.approx(rates["absolute"], rel=1e-9)
            assert row.skill == pytest.approx(rates["absolute"] - rates["absolute_base"], rel=1e-9, abs=1e-13)
            assert row.matched_skill == pytest.approx(rates["absolute"] - rates["matched"], rel=1e-9, abs=1e-13)
            assert row.rank_ic == pytest.approx(loops.mean_ic(decisions), rel=1e-9, abs=1e-13)
        if len(after) > 1:
            assert row.sharpe_ratio == pytest.approx(sharpe(loops.excess[after]), rel=1e-9)
            expected = np.mean([loops.returns[a] - market[a] for a in after]) * 252
            assert row.active_return == pytest.approx(expected, rel=1e-9, abs=1e-13)


@pytest.mark.parametrize("name", ["portfolio", "SPY", "QQQ", "IWM"])
def test_ratios_of_real_series_are_those_of_empyrical_and_quantstats(loops, sample, name):
    equity = loops.equity if name == "portfolio" else loops.benchmarks[name]
    daily, spy = equity[1:] / equity[:-1] - 1, loops.benchmarks["SPY"][1:] / loops.benchmarks["SPY"][:-1] - 1
    dated = pd.Series(daily, index=sample.sessions[FIRST + 1 :])
    total = metrics.total_return(equity)
    ours = {
        "sharpe": metrics.sharpe_ratio(daily),
        "sortino": metrics.sortino_ratio(daily),
        "fall": -metrics.max_drawdown(equity),
        "volatility": metrics.volatility(daily),
        "total": total,
    }
    theirs = {
        "sharpe": (empyrical.sharpe_ratio(daily), quantstats.stats.sharpe(dated)),
        "sortino": (empyrical.sortino_ratio(daily), quantstats.stats.sortino(dated)),
        "fall": (empyrical.max_drawdown(daily), quantstats.stats.max_drawdown(dated)),
        "volatility": (empyrical.annual_volatility(daily), quantstats.stats.volatility(dated)),
        "total": (empyrical.cum_returns_final(daily), quantstats.stats.comp(dated)),
    }
    for measure, value in ours.items():
        assert (value, value) == pytest.approx(theirs[measure], rel=1e-9), measure
    assert metrics.annualised(total, len(daily)) == pytest.approx(empyrical.annual_return(daily), rel=1e-9)
    excess = daily - loops.cash[1:]
    assert metrics.sharpe_ratio(excess) == pytest.approx(empyrical.sharpe_ratio(daily, loops.cash[1:]), rel=1e-9)
    if name != "SPY":
        fit = metrics.regress(daily, spy[:, None], HORIZON)
        assert fit.beta[0] == pytest.approx(empyrical.beta(daily, spy), rel=1e-9)
        assert (1 + fit.alpha / 252) ** 252 - 1 == pytest.approx(empyrical.alpha(daily, spy), rel=1e-7)
        greeks = quantstats.stats.greeks(dated, pd.Series(spy, index=dated.index))
        assert fit.beta[0] == pytest.approx(greeks["beta"], rel=1e-9)
        assert fit.alpha == pytest.approx(greeks["alpha"], rel=1e-7)


def _columns(panel, members):
    class Part:
        symbols = tuple(panel.symbols[s] for s in members)
        sessions = panel.sessions
        open, close, adj_close = (getattr(panel, name)[:, members] for name in ("open", "close", "adj_close"))

    return Part
