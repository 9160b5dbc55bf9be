"""A candidate before its deployment: a skilled one, a lucky one, and one that is worse than the champion."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from small_panels import panel

from lambdas.core.backtest.evaluation import evaluate_predictions
from lambdas.core.backtest.run import run_backtest
from lambdas.core.errors import InvalidPredictionsError
from lambdas.core.market_data.panel import MarketDataset
from lambdas.core.settings import EvidenceSettings, ModelSettings, PortfolioSettings, RecommendationRule
from lambdas.core.validation.candidate import validate_candidate
from lambdas.core.validation.champion import compare_with_champion
from lambdas.core.validation.competitive import competitive_score, percentile
from lambdas.core.validation.values import Validation
from lambdas.core.values import GateRecord

N_SESSIONS, N_SYMBOLS = 560, 30
FIRST, HOLDOUT, LAST = 60, 440, 540
SETTINGS = ModelSettings(
    portfolio=PortfolioSettings(horizon=5, min_history_sessions=20),
    recommendation=RecommendationRule(min_probability=0.0, min_positions=5),
    evidence=EvidenceSettings(bootstrap_draws=300, random_portfolios=200),
)
PASSED = [GateRecord(gate=gate, verdict="PASS", checks=(), reason="passed") for gate in ("data_quality", "backtesting")]


@pytest.fixture(scope="module")
def dataset() -> MarketDataset:
    """Symbols drift at random around the market, each with a slow signal of its own that a good model knows."""
    random = np.random.default_rng(0)
    market = random.normal(0.0004, 0.007, (N_SESSIONS, 1))
    close = 50 * np.exp((market + random.normal(0, 0.01, (N_SESSIONS, N_SYMBOLS))).cumsum(axis=0))
    symbols = tuple(f"S{j:02d}" for j in range(N_SYMBOLS))
    spy = 200 * np.exp((market + np.array([[0.0, 0.0001, -0.0001]])).cumsum(axis=0))
    return MarketDataset(
        prices=panel(close, symbols),
        benchmarks=panel(spy, ("SPY", "QQQ", "IWM")),
        macro=pd.DataFrame({"ust3m": 1.0}, index=pd.bdate_range("2015-01-05", periods=N_SESSIONS)),
        securities=pd.DataFrame({"symbol": symbols, "sector": [("Tech", "Energy", "Banks")[j % 3] for j in range(30)]}),
    )


def predictions(dataset: MarketDataset, first: int, last: int, skill: float, seed: int = 1) -> pd.DataFrame:
    """`skill` 1 knows the return of the next six sessions, 0 knows nothing, -1 picks the worst."""
    random = np.random.default_rng(seed)
    sessions = np.arange(first, last + 1)
    known = np.log(dataset.prices.close[sessions + 6] / dataset.prices.close[sessions + 1])
    score = skill * known / known.std() + (1 - abs(skill)) * random.normal(size=known.shape)
    return pd.DataFrame(
        {
            "date": np.repeat(dataset.sessions[sessions], N_SYMBOLS),
            "symbol": np.tile(dataset.prices.symbols, len(sessions)),
            "probability": 1 / (1 + np.exp(-score.ravel())),
            "fold": np.repeat((sessions - first) // 40, N_SYMBOLS),
        }
    )


def validated(dataset: MarketDataset, skill: float, champion_skill: float | None = None, **options) -> Validation:
    rival = None if champion_skill is None else predictions(dataset, HOLDOUT, LAST, champion_skill, seed=2)
    return validate_candidate(
        dataset,
        predictions(dataset, FIRST, HOLDOUT - 1, skill),
        predictions(dataset, HOLDOUT, LAST, skill),
        SETTINGS,
        **(
            {
                "n_trials": 50,
                "earlier_gates": PASSED,
                "champion": None if rival is None else "v20260101-0123456789ab",
                "champion_holdout": rival,
            }
            | options
        ),
    )


def test_a_skilled_candidate_passes_every_gate_and_meets_the_target(dataset):
    result = validated(dataset, 0.5, champion_skill=0.0)
    verdicts = [gate.verdict for gate in (result.market_gate, result.risk_gate, result.deployment_gate)]
    assert verdicts == ["PASS", "PASS", "PASS"]
    assert result.target.target_met
    assert result.recommended_deployment
    assert result.champion.not_worse
    assert result.champion.difference_lower > 0.0
    assert result.competitive_score.sharpe_among_random == 100.0
    assert result.competitive_score.score > 90.0


def test_a_candidate_without_skill_does_not_deploy(dataset):
    result = validated(dataset, 0.0)
    assert result.deployment_gate.verdict == "FAIL"
    assert not result.recommended_deployment
    assert result.champion is None


def test_a_candidate_that_is_worse_than_the_champion_does_not_deploy(dataset):
    result = validated(dataset, 0.3, champion_skill=0.9)
    assert result.market_gate.verdict == result.risk_gate.verdict == "PASS"
    assert not result.champion.not_worse
    assert result.champion.difference_upper < 0.0
    assert result.deployment_gate.verdict == "FAIL"
    assert "worse than the champion v20260101-0123456789ab" in result.deployment_gate.reason


def test_gates_read_the_slices_that_the_definitions_name(dataset):
    result = validated(dataset, 0.2)
    pooled = pd.concat(
        [predictions(dataset, FIRST, HOLDOUT - 1, 0.2), predictions(dataset, HOLDOUT, LAST, 0.2).assign(fold=99)]
    )
    expected = evaluate_predictions(
        dataset, pooled, SETTINGS, n_trials=50, holdout_first=dataset.sessions[HOLDOUT].date()
    )
    read = {c.metric: c.value for gate in (result.market_gate, result.risk_gate) for c in gate.checks}
    assert read == {
        "market_outperformance": expected.holdout.market_outperformance["SPY"],
        "active_return_lower": expected.evidence.active_return_lower,
        "sharpe_ratio": expected.trailing.sharpe_ratio,
        "max_drawdown": expected.trailing.max_drawdown,
        "deflated_sharpe": expected.evidence.deflated_sharpe,
    }
    assert expected.trailing.n_sessions == 252
    assert result.target.hit_rate == expected.pooled.hit_rate
    assert result.evaluation.pooled == expected.pooled
    assert result.evaluation.by_fold[-1].first_session == dataset.sessions[HOLDOUT].date()


def test_without_a_count_of_trials_there_is_no_evidence(dataset):
    result = validated(dataset, 0.5, n_trials=None)
    assert result.risk_gate.verdict == "INSUFFICIENT_EVIDENCE"
    assert result.deployment_gate.verdict == "FAIL"


def test_an_earlier_gate_that_did_not_pass_stops_the_deployment(dataset):
    failed = GateRecord(gate="backtesting", verdict="INSUFFICIENT_EVIDENCE", checks=(), reason="luck")
    result = validated(dataset, 0.5, earlier_gates=[failed])
    assert result.deployment_gate.verdict == "FAIL"
    assert not result.recommended_deployment


def test_validation_reads_back_from_json(dataset):
    result = validated(dataset, 0.1, champion_skill=0.0)
    assert Validation.model_validate_json(result.model_dump_json()) == result


@pytest.mark.parametrize(
    ("walk_forward", "holdout", "options", "message"),
    [
        ((FIRST, HOLDOUT), (HOLDOUT, LAST), {}, "must begin after the last session"),
        ((FIRST, HOLDOUT - 1), (HOLDOUT, LAST), {"champion": "v1"}, "one of them is missing"),
    ],
)
def test_refused(dataset, walk_forward, holdout, options, message):
    with pytest.raises(InvalidPredictionsError, match=message):
        validate_candidate(
            dataset,
            predictions(dataset, *walk_forward, 0.1),
            predictions(dataset, *holdout, 0.1),
            SETTINGS,
            n_trials=1,
            earlier_gates=PASSED,
            **options,
        )


def test_an_empty_part_is_refused(dataset):
    rows = predictions(dataset, FIRST, LAST, 0.1)
    with pytest.raises(InvalidPredictionsError, match="one is empty"):
        validate_candidate(dataset, rows, rows.iloc[:0], SETTINGS, n_trials=1, earlier_gates=PASSED)


class TestChampion:
    def test_a_model_is_not_worse_than_itself(self, dataset):
        rows = predictions(dataset, HOLDOUT, LAST, 0.1)
        result = compare_with_champion(dataset, rows, rows, "v1", SETTINGS)
        assert (result.difference, result.difference_lower, result.difference_upper) == (0.0, 0.0, 0.0)
        assert result.not_worse

    def test_the_difference_is_that_of_the_two_simulations(self, dataset):
        mine, theirs = predictions(dataset, HOLDOUT, LAST, 0.3), predictions(dataset, HOLDOUT, LAST, 0.0, seed=5)
        result = compare_with_champion(dataset, mine, theirs, "v1", SETTINGS)
        returns = [run_backtest(dataset, rows, SETTINGS).portfolio.returns for rows in (mine, theirs)]
        assert result.n_sessions == LAST - HOLDOUT
        assert result.difference == pytest.approx((returns[0] - returns[1]).mean() * 252, rel=1e-12)
        assert result.difference_lower < result.difference < result.difference_upper

    def test_what_may_be_luck_either_way_is_not_worse(self, dataset):
        mine, theirs = (predictions(dataset, HOLDOUT, LAST, 0.0, seed) for seed in (8, 9))
        for left, right in ((mine, theirs), (theirs, mine)):
            result = compare_with_champion(dataset, left, right, "v1", SETTINGS)
            assert result.difference_lower < 0.0 < result.difference_upper
            assert result.not_worse

    def test_only_common_dates_are_compared(self, dataset):
        mine, theirs = predictions(dataset, HOLDOUT, LAST, 0.3), predictions(dataset, HOLDOUT - 20, LAST - 30, 0.0)
        assert compare_with_champion(dataset, mine, theirs, "v1", SETTINGS).n_sessions == LAST - 30 - HOLDOUT

    def test_too_few_sessions_to_tell_are_not_enough_to_replace_a_champion(self, dataset):
        rows = predictions(dataset, HOLDOUT, HOLDOUT + 6, 0.5)
        result = compare_with_champion(dataset, rows, rows, "v1", SETTINGS)
        assert result.difference_upper is None
        assert not result.not_worse

    def test_no_common_date_is_refused(self, dataset):
        with pytest.raises(InvalidPredictionsError, match="share no date"):
            compare_with_champion(
                dataset, predictions(dataset, 60, 80, 0.1), predictions(dataset, 90, 99, 0.1), "v1", SETTINGS
            )


class TestCompetitiveScore:
    def test_percentiles_against_a_count_by_hand(self, dataset):
        backtest = run_backtest(dataset, predictions(dataset, FIRST, LAST, 0.05), SETTINGS)
        score = competitive_score(backtest)
        close = dataset.prices.close
        held = close[LAST] / close[FIRST + 1] - 1  # no opens: entered at the close after the first decision
        own = backtest.portfolio.equity[-1] - 1
        assert score.return_among_symbols == pytest.approx(100 * np.mean(held < own))
        sectors = [held[j::3].mean() for j in range(3)]
        assert score.return_among_sectors == pytest.approx(100 * np.mean(np.array(sectors) < own))
        parts = (
            score.return_among_symbols,
            score.sharpe_among_symbols,
            score.return_among_sectors,
            score.sharpe_among_random,
        )
        assert score.score == pytest.approx(np.mean(parts))
        assert score.explanation == ""

    def test_portfolios_without_skill_are_anywhere_among_the_random_ones(self, dataset):
        places = [
            competitive_score(
                run_backtest(dataset, predictions(dataset, FIRST, LAST, 0.0, seed), SETTINGS)
            ).sharpe_among_random
            for seed in range(12)
        ]
        assert 25 < np.mean(places) < 75
        assert min(places) < 35
        assert max(places) > 65

    def test_without_sectors_there_is_no_score_and_it_says_so(self, dataset):
        bare = MarketDataset(prices=dataset.prices, benchmarks=dataset.benchmarks)
        score = competitive_score(run_backtest(bare, predictions(bare, FIRST, LAST, 0.1), SETTINGS))
        assert score.score is None
        assert score.return_among_sectors is None
        assert score.return_among_symbols is not None
        assert score.explanation == "No score: the data set has no sectors (securities.parquet)."

    def test_a_portfolio_in_cash_has_no_score(self, dataset):
        rows = predictions(dataset, FIRST, LAST, 0.1).assign(recommended=False)
        score = competitive_score(run_backtest(dataset, rows, SETTINGS))
        assert score.score is None
        assert "do not vary" in score.explanation

    def test_percentile(self):
        assert percentile(5.0, np.array([1.0, np.nan, 3.0])) == 100.0
        assert percentile(2.0, np.array([1.0, 2.0, 3.0, 4.0])) == 37.5  # an equal one counts half
        assert percentile(0.0, np.array([1.0, 3.0])) == 0.0
        assert percentile(1.0, np.array([np.nan])) is None
        assert percentile(None, np.array([1.0])) is None
