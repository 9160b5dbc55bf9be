"""The study of a candidate in its market, each figure against a computation of its own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from small_panels import panel

from lambdas.core.backtest.evidence import outperformance_bound
from lambdas.core.backtest.run import run_backtest
from lambdas.core.market_data.panel import MarketDataset
from lambdas.core.settings import EvidenceSettings, ModelSettings, PortfolioSettings, RecommendationRule
from lambdas.core.validation.market import compare_with_market
from lambdas.core.validation.paired import (
    EQUAL_WEIGHT,
    MOMENTUM,
    momentum,
    naive_rivals,
    paired_difference,
    with_recommendations,
)
from lambdas.core.validation.regime import market_regime
from lambdas.core.validation.standing import sector_standings, symbol_standings
from lambdas.core.validation.study import study_market
from lambdas.core.validation.values import MarketStudy

N_SESSIONS, N_SYMBOLS = 700, 24
FIRST, HOLDOUT, LAST = 300, 600, 690
SYMBOLS = tuple(f"S{j:02d}" for j in range(N_SYMBOLS))
SETTINGS = ModelSettings(
    portfolio=PortfolioSettings(horizon=5, min_history_sessions=20),
    recommendation=RecommendationRule(min_probability=0.0, min_positions=4),
    evidence=EvidenceSettings(bootstrap_draws=400, random_portfolios=50),
)


@pytest.fixture(scope="module")
def dataset() -> MarketDataset:
    random = np.random.default_rng(3)
    shared = random.normal(0.0004, 0.008, (N_SESSIONS, 1))
    close = 50 * np.exp((shared + random.normal(0, 0.01, (N_SESSIONS, N_SYMBOLS))).cumsum(axis=0))
    spy = 200 * np.exp((shared + random.normal(0, 0.002, (N_SESSIONS, 3))).cumsum(axis=0))
    days = pd.bdate_range("2015-01-05", periods=N_SESSIONS)
    return MarketDataset(
        prices=panel(close, SYMBOLS, close * np.exp(random.normal(0, 0.003, close.shape))),
        benchmarks=panel(spy, ("SPY", "QQQ", "IWM")),
        macro=pd.DataFrame({"ust3m": 1.5, "vix": 15 + 5 * np.sin(np.arange(N_SESSIONS) / 40)}, index=days),
        securities=pd.DataFrame(
            {
                "symbol": SYMBOLS,
                "sector": [("Tech", "Energy", "Banks")[j % 3] for j in range(N_SYMBOLS)],
                "industry": [f"industry {j % 6}" for j in range(N_SYMBOLS)],
            }
        ),
    )


def predicted(dataset: MarketDataset, skill: float, seed: int = 0) -> pd.DataFrame:
    sessions = np.arange(FIRST, LAST + 1)
    known = np.log(dataset.prices.close[np.minimum(sessions + 6, N_SESSIONS - 1)] / dataset.prices.close[sessions + 1])
    noise = np.random.default_rng(seed).normal(size=known.shape)
    score = skill * known / known.std() + (1 - abs(skill)) * noise
    return pd.DataFrame(
        {
            "date": np.repeat(dataset.sessions[sessions], N_SYMBOLS),
            "symbol": np.tile(SYMBOLS, len(sessions)),
            "probability": 1 / (1 + np.exp(-score.ravel())),
        }
    )


@pytest.fixture(scope="module")
def backtest(dataset):
    return run_backtest(dataset, predicted(dataset, 0.1), SETTINGS)


class TestAgainstBenchmarks:
    def test_figures_by_hand(self, backtest):
        found = compare_with_market(backtest, HOLDOUT, LAST)
        own = backtest.portfolio.returns[HOLDOUT - FIRST :]
        cash = backtest.portfolio.cash_rate[1:][HOLDOUT - FIRST :]
        assert found.n_sessions == LAST - HOLDOUT == len(own)
        assert found.total_return.value == pytest.approx(np.prod(1 + own) - 1)
        assert found.max_drawdown.upper >= found.max_drawdown.value > 0
        for row in found.benchmarks:
            curve = backtest.benchmarks[row.benchmark][HOLDOUT : LAST + 1]
            market = curve[1:] / curve[:-1] - 1
            beta, alpha = np.polyfit(market - cash, own - cash, 1)
            assert row.beta.value == pytest.approx(beta)
            assert row.alpha.value == pytest.approx(alpha * 252)
            assert row.active_return.value == pytest.approx((own - market).mean() * 252)
            assert row.market_outperformance.value == pytest.approx(np.prod(1 + own) - curve[-1] / curve[0])
            up = [o for o, m in zip(own, market, strict=True) if m > 0]
            assert row.up_capture.value == pytest.approx(np.mean(up) / np.mean(market[market > 0]))
            down = [o for o, m in zip(own, market, strict=True) if m < 0]
            assert row.down_capture.value == pytest.approx(np.mean(down) / np.mean(market[market < 0]))
            for figure in (row.beta, row.alpha, row.up_capture, row.hit_rate, row.market_outperformance):
                assert figure.lower < figure.value < figure.upper

    def test_hits_against_each_benchmark_by_a_loop(self, backtest):
        found = compare_with_market(backtest, HOLDOUT, LAST)
        horizon, prices = 5, backtest.dataset.prices
        for number, row in enumerate(
            sorted(found.benchmarks, key=lambda row: ("SPY", "QQQ", "IWM").index(row.benchmark))
        ):
            market = backtest.dataset.benchmarks.close[:, number]
            beaten, matured = 0, 0
            for i in range(HOLDOUT, LAST + 1):
                if i + 1 + horizon >= N_SESSIONS:
                    continue
                for j in np.flatnonzero(backtest.recommended[i]):
                    net = prices.open[i + 1 + horizon, j] / prices.open[i + 1, j] * (1 - 5e-4) ** 2 - 1
                    beaten += net > market[i + 1 + horizon] / market[i + 1] - 1
                    matured += 1
            assert row.hit_rate.value == pytest.approx(beaten / matured)
            assert 0 < row.base_rate < 1

    def test_returns_beyond_a_year_are_annualised_on_both_sides(self, backtest):
        found = compare_with_market(backtest, FIRST, LAST)
        years = (LAST - FIRST) / 252
        equity, spy = backtest.portfolio.equity[-1], backtest.benchmarks["SPY"][LAST]
        row = next(row for row in found.benchmarks if row.benchmark == "SPY")
        assert row.market_outperformance.value == pytest.approx(equity ** (1 / years) - spy ** (1 / years))
        assert row.market_outperformance.lower < row.market_outperformance.value < row.market_outperformance.upper

    def test_the_lead_over_spy_has_the_bound_that_the_market_gate_shows(self, backtest):
        row = next(row for row in compare_with_market(backtest, HOLDOUT, LAST).benchmarks if row.benchmark == "SPY")
        spy = backtest.benchmarks["SPY"][HOLDOUT : LAST + 1]
        shown = outperformance_bound(
            backtest.portfolio.returns[HOLDOUT - FIRST :], spy[1:] / spy[:-1] - 1, 5, SETTINGS.evidence
        )
        assert row.market_outperformance.lower == pytest.approx(shown, rel=1e-9)

    def test_the_joint_regression_is_that_of_least_squares(self, backtest):
        found = compare_with_market(backtest, FIRST, LAST)
        cash = backtest.portfolio.cash_rate[1:]
        symbols = sorted(backtest.benchmarks)
        design = np.column_stack(
            [np.ones(LAST - FIRST)]
            + [np.diff(c := backtest.benchmarks[s][FIRST : LAST + 1]) / c[:-1] - cash for s in symbols]
        )
        solution = np.linalg.lstsq(design, backtest.portfolio.returns - cash, rcond=None)[0]
        assert found.joint_alpha.value == pytest.approx(solution[0] * 252)
        assert [found.joint_beta[s].value for s in symbols] == pytest.approx(list(solution[1:]))
        assert found.joint_alpha.lower < found.joint_alpha.value < found.joint_alpha.upper

    def test_a_span_of_less_than_two_blocks_has_no_bounds(self, backtest):
        found = compare_with_market(backtest, LAST - 8, LAST)
        assert found.sharpe_ratio.value is not None
        assert found.sharpe_ratio.lower is found.total_return.upper is None


class TestRivals:
    def test_a_rule_compared_with_itself_differs_by_nothing(self, backtest):
        same = paired_difference(backtest, backtest, "itself")
        assert (same.active_return.value, same.active_return.lower, same.active_return.upper) == (0.0, 0.0, 0.0)
        assert same.hit_rate.value == 0.0
        assert same.not_worse
        assert not same.better

    def test_knowledge_beats_the_naive_rules(self, dataset):
        rivals = naive_rivals(run_backtest(dataset, predicted(dataset, 0.8), SETTINGS))
        assert [rival.rival for rival in rivals] == [EQUAL_WEIGHT, MOMENTUM]
        assert all(rival.better for rival in rivals)
        assert all(rival.hit_rate.lower > 0 for rival in rivals)

    def test_knowing_nothing_is_told_so(self, dataset):
        study = study_market(run_backtest(dataset, predicted(dataset, 0.0, seed=4), SETTINGS), HOLDOUT)
        assert any(
            "not shown to beat equal weight" in sentence or "worse than" in sentence for sentence in study.sentences
        )

    def test_equal_weight_holds_every_eligible_symbol(self, backtest):
        equal = with_recommendations(backtest, backtest.eligible)
        rows = predicted(backtest.dataset, 0.0).assign(recommended=True)
        again = run_backtest(backtest.dataset, rows, SETTINGS)
        np.testing.assert_allclose(equal.portfolio.equity, again.portfolio.equity, rtol=1e-12)
        assert equal.hits.hit_rate == pytest.approx(equal.hits.base_rate)

    def test_momentum_ends_a_month_before_the_decision_and_never_sees_later(self, backtest):
        chosen = momentum(backtest)
        close = backtest.dataset.prices.close
        past = close[FIRST - 21] / close[FIRST - 252] - 1
        assert set(np.flatnonzero(chosen[FIRST])) == set(np.argsort(past)[-chosen[FIRST].sum() :])
        later = backtest.dataset.prices.adj_close.copy()
        later[FIRST + 1 :] *= np.linspace(1, 5, N_SYMBOLS)
        changed = replace(
            backtest, dataset=replace(backtest.dataset, prices=replace(backtest.dataset.prices, adj_close=later))
        )
        np.testing.assert_array_equal(momentum(changed)[: FIRST + 1], chosen[: FIRST + 1])

    def test_other_sessions_are_refused(self, dataset, backtest):
        later = predicted(dataset, 0.1)
        shorter = run_backtest(dataset, later[later["date"] > dataset.sessions[FIRST]], SETTINGS)
        with pytest.raises(ValueError, match="different sessions"):
            paired_difference(backtest, shorter, "later")


class TestStandings:
    def test_a_sectors_percentile_by_a_loop(self, backtest):
        rows = {row.sector: row for row in sector_standings(backtest, HOLDOUT, LAST)}
        gross = backtest.outcomes.gross
        for number, name in enumerate(("Tech", "Energy", "Banks")):
            members = range(number, N_SYMBOLS, 3)
            picks = [
                (i, j)
                for i in range(HOLDOUT, LAST + 1)
                for j in members
                if backtest.recommended[i, j] and np.isfinite(gross[i, j])
            ]
            own = np.mean([gross[i, j] for i, j in picks])
            others = [np.mean([gross[i, j] for i, _ in picks]) for j in members]
            assert rows[name].n_recommendations == len(picks)
            assert rows[name].mean_return == pytest.approx(own)
            assert rows[name].percentile == pytest.approx(100 * np.mean(np.array(others) < own))

    def test_the_most_probable_symbol_of_a_sector_stands_on_top_of_it(self, backtest):
        rows = symbol_standings(backtest)
        assert {row.symbol for row in rows} == {SYMBOLS[j] for j in np.flatnonzero(backtest.recommended[LAST])}
        assert [row.probability for row in rows] == sorted((row.probability for row in rows), reverse=True)
        assert rows[0].probability_in_sector == pytest.approx(100 * 7.5 / 8)  # of eight, itself counted by half
        assert rows[0].probability_in_industry == pytest.approx(100 * 3.5 / 4)
        close = backtest.dataset.prices.close
        first = SYMBOLS.index(rows[0].symbol)
        assert rows[0].year_return == pytest.approx(close[LAST, first] / close[LAST - 252, first] - 1)


class TestRegime:
    def test_a_lucky_quarter_is_seen_as_one(self, dataset):
        rising = dataset.benchmarks.close.copy()
        rising[HOLDOUT + 1 :] = rising[HOLDOUT] * np.exp(0.004 * np.arange(1, N_SESSIONS - HOLDOUT))[:, np.newaxis]
        lucky = replace(dataset, benchmarks=panel(rising, ("SPY", "QQQ", "IWM")))
        found = market_regime(run_backtest(lucky, predicted(lucky, 0.0), SETTINGS), HOLDOUT)
        assert found.market_return == pytest.approx(np.exp(0.004 * (LAST - HOLDOUT)) - 1)
        assert found.market_return_percentile == 100.0
        assert "came easily" in found.sentence
        assert found.above_trend_share == 1.0

    def test_the_percentile_counts_spans_before_the_holdout_only(self, backtest):
        found = market_regime(backtest, HOLDOUT)
        spy = backtest.dataset.benchmarks.close[:, 0]
        length = LAST - HOLDOUT
        spans = [spy[end] / spy[end - length] - 1 for end in range(length, HOLDOUT + 1)]
        assert found.market_return_percentile == pytest.approx(100 * np.mean(np.array(spans) < found.market_return))

    def test_without_a_vix_its_shares_are_unknown(self, dataset):
        bare = replace(dataset, macro=None)
        found = market_regime(run_backtest(bare, predicted(bare, 0.0), SETTINGS), HOLDOUT)
        assert found.vix_high_share is found.history_vix_low_share is None


def test_the_study_reads_back_from_json(backtest):
    study = study_market(backtest, HOLDOUT)
    assert MarketStudy.model_validate_json(study.model_dump_json()) == study
