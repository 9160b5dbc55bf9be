"""A simulation taken apart: parts against plain loops, and against the whole they add up to."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from markets import random_dataset
from numpy.testing import assert_allclose

from lambdas.core.backtest import breakdown, metrics
from lambdas.core.backtest.run import Backtest, run_backtest
from lambdas.core.market_data.panel import MarketDataset
from lambdas.core.settings import ModelSettings, PortfolioSettings, RecommendationRule

SETTINGS = ModelSettings(
    portfolio=PortfolioSettings(horizon=10, min_history_sessions=20),
    recommendation=RecommendationRule(min_probability=0.0, min_positions=3),
)
FIRST, LAST = 300, 660


@pytest.fixture(scope="module")
def dataset() -> MarketDataset:
    random = np.random.default_rng(0)
    plain = random_dataset(random, 700, 14)
    vix = 20 + random.normal(0, 5, 700)
    vix[random.random(700) < 0.02] = np.nan
    names = ["Energy", "Tech", "Health"]
    securities = pd.DataFrame(
        {"symbol": plain.prices.symbols[:13], "sector": [names[j % 3] for j in range(13)]}
    )  # the last symbol has no sector
    return replace(plain, macro=plain.macro.assign(vix=np.round(vix)), securities=securities)


@pytest.fixture(scope="module")
def backtest(dataset: MarketDataset) -> Backtest:
    random = np.random.default_rng(1)
    sessions = np.arange(FIRST, LAST + 1)
    rows = pd.DataFrame(
        {
            "date": np.repeat(dataset.sessions[sessions], 14),
            "symbol": np.tile(dataset.prices.symbols, len(sessions)),
            "probability": np.round(random.random(14 * len(sessions)), 2),
        }
    )
    return run_backtest(dataset, rows, SETTINGS)


def test_years_add_up_to_the_whole(backtest):
    rows = breakdown.by_year(backtest)
    assert [row.year for row in rows] == sorted(set(backtest.dataset.sessions.year[FIRST : LAST + 1]))
    equity = backtest.portfolio.equity
    assert np.prod([1 + row.total_return for row in rows]) == pytest.approx(equity[-1] / equity[0], rel=1e-12)
    curve = backtest.benchmarks["SPY"]
    assert np.prod([1 + row.benchmark_return for row in rows]) == pytest.approx(curve[LAST] / curve[FIRST], rel=1e-12)
    assert sum(row.n_recommendations for row in rows) == backtest.recommended[FIRST : LAST + 1].sum()
    assert sum(row.n_matured for row in rows) == backtest.hits.n_matured.sum()
    assert sum(row.n_sessions for row in rows) == LAST - FIRST


def test_months_are_those_of_pandas(backtest):
    days = backtest.dataset.sessions[FIRST + 1 : LAST + 1]
    returns = pd.Series(1 + backtest.portfolio.returns, days)
    curve = pd.Series(backtest.benchmarks["SPY"], backtest.dataset.sessions).pct_change()[days] + 1
    rows = breakdown.monthly_returns(backtest)
    expected = returns.groupby(days.strftime("%Y-%m")).prod() - 1
    assert [row.month for row in rows] == list(expected.index)
    assert_allclose([row.portfolio for row in rows], expected, rtol=1e-9)
    assert_allclose([row.benchmark for row in rows], curve.groupby(days.strftime("%Y-%m")).prod() - 1, rtol=1e-9)


def test_sectors_are_counted_one_by_one(backtest, dataset):
    sector = dict(zip(dataset.securities["symbol"], dataset.securities["sector"], strict=True))
    rows = {row.sector: row for row in breakdown.by_sector(backtest)}
    assert set(rows) == {"Energy", "Tech", "Health", "unknown"}
    assert sum(row.n_recommendations for row in rows.values()) == backtest.recommended[FIRST : LAST + 1].sum()
    assert sum(row.share for row in rows.values()) == pytest.approx(1.0)
    for name, row in rows.items():
        members = [j for j, s in enumerate(dataset.prices.symbols) if sector.get(s, "unknown") == name]
        hits = matured = 0
        base, net = 0.0, []
        for i in range(FIRST, LAST + 1):
            outcome = backtest.outcomes.absolute_hit[i]
            universe = [outcome[j] for j in members if backtest.eligible[i, j] and np.isfinite(outcome[j])]
            for j in members:
                if backtest.recommended[i, j] and np.isfinite(outcome[j]):
                    hits, matured, base = hits + outcome[j], matured + 1, base + np.mean(universe)
                    net.append(backtest.outcomes.net[i, j])
        assert row.n_matured == matured
        assert row.hit_rate == pytest.approx(hits / matured)
        assert row.base_rate == pytest.approx(base / matured)
        assert row.mean_net_return == pytest.approx(np.mean(net))


def test_regimes_know_the_past_only(backtest, dataset):
    vix = dataset.macro["vix"].to_numpy()
    regimes = breakdown.volatility_regimes(backtest)
    for i in (FIRST, FIRST + 57, LAST):
        past = vix[: i + 1][np.isfinite(vix[: i + 1])]
        place = ((past < vix[i]).sum() + (past == vix[i]).sum() / 2) / len(past)
        assert regimes[i - FIRST] == (-1 if np.isnan(vix[i]) else min(int(3 * place), 2))
    shuffled = vix.copy()
    shuffled[500:] = np.random.default_rng(2).uniform(5, 80, 200)
    later = replace(backtest, dataset=replace(dataset, macro=dataset.macro.assign(vix=shuffled)))
    assert (breakdown.volatility_regimes(later)[: 500 - FIRST] == regimes[: 500 - FIRST]).all()
    assert (breakdown.volatility_regimes(later) != regimes).any()
    early = replace(dataset, macro=dataset.macro.assign(vix=np.where(np.arange(700) < 200, np.nan, vix)))
    few = breakdown.volatility_regimes(replace(backtest, dataset=early))
    assert (few[: 451 - FIRST] == -1).all()
    assert (few >= 0).any()


def test_regimes_split_decisions_and_the_sessions_after_them(backtest):
    regimes = breakdown.volatility_regimes(backtest)
    rows = breakdown.by_regime(backtest)
    assert [row.regime for row in rows] == ["low", "middle", "high"]
    assert sum(row.n_decisions for row in rows) == (regimes >= 0).sum()
    market = pd.Series(backtest.benchmarks["SPY"]).pct_change().to_numpy()
    for number, row in enumerate(rows):
        after = [i for i in range(LAST - FIRST) if regimes[i] == number]
        excess = backtest.portfolio.excess_returns[after]
        assert row.sharpe_ratio == pytest.approx(excess.mean() / excess.std(ddof=1) * 252**0.5)
        active = [backtest.portfolio.returns[i] - market[FIRST + 1 + i] for i in after]
        assert row.active_return == pytest.approx(np.mean(active) * 252)
        chosen = regimes == number
        assert row.hit_rate == pytest.approx(backtest.hits.hits[chosen].sum() / backtest.hits.n_matured[chosen].sum())


def test_without_sectors_or_a_vix_there_is_nothing_to_split(backtest, dataset):
    bare = replace(backtest, dataset=replace(dataset, macro=None, securities=None))
    assert breakdown.by_sector(bare) == breakdown.by_regime(bare) == breakdown.by_fold(bare) == ()


def test_quantiles_are_those_of_a_loop(backtest):
    span = slice(FIRST, LAST + 1)
    arrays = backtest.aligned.probability[span], backtest.outcomes.gross[span], backtest.eligible[span]
    by_date = metrics.quantile_returns_by_date(*arrays)
    for probability, gross, allowed, row in zip(*arrays, by_date, strict=True):
        known = [j for j in range(14) if allowed[j] and np.isfinite(probability[j]) and np.isfinite(gross[j])]
        ranked = sorted(known, key=lambda j: (probability[j], j))
        groups = [[gross[j] for r, j in enumerate(ranked) if 5 * r // len(ranked) == q] for q in range(5)]
        assert_allclose(row, [np.mean(g) for g in groups] if len(known) >= 5 else [np.nan] * 5, rtol=1e-12)
    result = breakdown.quantile_returns(backtest)
    spread = by_date[:, 4] - by_date[:, 0]
    spread = spread[np.isfinite(spread)]
    assert result.n_dates == len(spread) > 300
    assert result.spread == pytest.approx(spread.mean())
    assert result.spread == pytest.approx(result.mean_returns[4] - result.mean_returns[0])
    assert result.positive_dates == pytest.approx((spread > 0).mean())


def test_a_perfect_forecast_has_the_widest_spread():
    gross = np.random.default_rng(3).normal(0, 0.05, (30, 20))
    allowed = np.ones(gross.shape, dtype=bool)
    by_date = metrics.quantile_returns_by_date(gross, gross, allowed)
    assert (np.diff(by_date, axis=1) > 0).all()
    assert np.isnan(metrics.quantile_returns_by_date(gross[:, :4], gross[:, :4], allowed[:, :4])).all()
