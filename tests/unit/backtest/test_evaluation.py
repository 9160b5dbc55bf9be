"""The whole evaluation: slices of one simulation, what is refused, and what never becomes NaN."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from markets import NAN, make_panel, random_dataset

from lambdas.core.backtest import metrics
from lambdas.core.backtest.evaluation import evaluate_predictions, slice_metrics
from lambdas.core.backtest.evidence import drawdown_bound, outperformance_bound
from lambdas.core.backtest.run import run_backtest
from lambdas.core.errors import InsufficientHistoryError, InvalidDatasetError, InvalidPredictionsError
from lambdas.core.market_data.panel import MarketDataset
from lambdas.core.settings import EvidenceSettings, GateSettings, ModelSettings, PortfolioSettings, RecommendationRule
from lambdas.core.values import Evaluation

SETTINGS = ModelSettings(
    portfolio=PortfolioSettings(horizon=10, min_history_sessions=20),
    recommendation=RecommendationRule(min_probability=0.0, min_positions=3),
    evidence=EvidenceSettings(bootstrap_draws=300, random_portfolios=20),
)
FIRST, LAST = 60, 429


@pytest.fixture(scope="module")
def dataset() -> MarketDataset:
    return random_dataset(np.random.default_rng(0), 450, 12)


def predictions_for(
    dataset: MarketDataset, first: int = FIRST, last: int = LAST, fold: int | None = 20
) -> pd.DataFrame:
    random = np.random.default_rng(1)
    n_symbols, sessions = len(dataset.prices.symbols), np.arange(first, last + 1)
    rows = pd.DataFrame(
        {
            "date": np.repeat(dataset.sessions[sessions], n_symbols),
            "symbol": np.tile(dataset.prices.symbols, len(sessions)),
            "probability": random.random(n_symbols * len(sessions)),
        }
    )
    return rows if fold is None else rows.assign(fold=np.repeat((sessions - first) // fold, n_symbols))


@pytest.fixture(scope="module")
def evaluation(dataset) -> Evaluation:
    holdout = dataset.sessions[400].date()
    return evaluate_predictions(dataset, predictions_for(dataset), SETTINGS, n_trials=12, holdout_first=holdout)


def test_every_number_is_recomputed_from_the_published_series(evaluation):
    equity, cash = np.array(evaluation.series.equity), np.array(evaluation.series.cash_rate)
    spy = np.array(evaluation.series.benchmarks["SPY"])
    for part, base in ((evaluation.pooled, 0), (evaluation.holdout, 340), (evaluation.trailing, 117)):
        own = equity[base:]
        returns = own[1:] / own[:-1] - 1
        assert part.n_sessions == len(returns)
        assert part.total_return == pytest.approx(own[-1] / own[0] - 1, rel=1e-12)
        assert part.sharpe_ratio == pytest.approx(metrics.sharpe_ratio(returns - cash[base + 1 :]), rel=1e-9)
        assert part.max_drawdown == pytest.approx(metrics.max_drawdown(own), rel=1e-12)
        market = spy[-1] / spy[base] - 1
        assert part.benchmark_return["SPY"] == pytest.approx(market, rel=1e-12)
        expected = part.total_return - market
        if part.n_sessions > 252:
            expected = (1 + part.total_return) ** (252 / 369) - (1 + market) ** (252 / 369)
        assert part.market_outperformance["SPY"] == pytest.approx(expected, rel=1e-9)


def test_the_slices_are_where_the_definitions_put_them(dataset, evaluation):
    days = [day.date() for day in dataset.sessions]
    assert (evaluation.pooled.first_session, evaluation.pooled.last_session) == (days[FIRST], days[LAST])
    assert (evaluation.holdout.first_session, evaluation.holdout.n_sessions) == (days[400], 29)
    assert (evaluation.trailing.first_session, evaluation.trailing.n_sessions) == (days[LAST - 252], 252)
    assert evaluation.series.equity[0] == evaluation.series.benchmarks["SPY"][0] == 1.0


def test_every_number_that_a_gate_reads_has_its_bound_on_its_own_slice(evaluation):
    """Holdout of 29 sessions with a horizon of 10: two blocks, so it has one."""
    equity, spy = np.array(evaluation.series.equity), np.array(evaluation.series.benchmarks["SPY"])
    own, market = equity[1:] / equity[:-1] - 1, spy[1:] / spy[:-1] - 1
    evidence, settings = evaluation.evidence, SETTINGS.evidence
    expected = outperformance_bound(own[-29:], market[-29:], 10, settings)
    assert evidence.holdout_outperformance_lower == pytest.approx(expected, rel=1e-9)
    assert evidence.holdout_outperformance_lower < evaluation.holdout.market_outperformance["SPY"]
    assert evidence.trailing_max_drawdown_upper == pytest.approx(drawdown_bound(own[-252:], 10, settings), rel=1e-9)
    assert evidence.trailing_max_drawdown_upper >= evaluation.trailing.max_drawdown
    for name, estimate in (
        ("hit_rate_lower", evaluation.pooled.hit_rate),
        ("matched_skill_lower", evaluation.pooled.matched_skill),
        ("active_return_lower", evidence.active_return),
        ("trailing_sharpe_ratio_lower", evaluation.trailing.sharpe_ratio),
    ):
        assert getattr(evidence, name) < estimate, name


def test_without_a_holdout_there_is_no_bound_of_it(dataset):
    evidence = evaluate_predictions(dataset, predictions_for(dataset), SETTINGS, n_trials=1).evidence
    assert evidence.holdout_outperformance_lower is None
    assert evidence.trailing_max_drawdown_upper is not None


def test_folds_tile_the_simulation(evaluation):
    assert [row.fold for row in evaluation.by_fold] == list(range(19))
    product = np.prod([1 + row.total_return for row in evaluation.by_fold])
    assert product == pytest.approx(1 + evaluation.pooled.total_return, rel=1e-12)
    assert sum(row.n_recommendations for row in evaluation.by_fold) == evaluation.pooled.n_recommendations
    assert sum(row.n_matured for row in evaluation.by_fold) == evaluation.pooled.n_matured
    hits = sum(row.hit_rate * row.n_matured for row in evaluation.by_fold if row.n_matured)
    assert hits / evaluation.pooled.n_matured == pytest.approx(evaluation.pooled.hit_rate, rel=1e-12)


def test_the_gate_reads_the_hit_definition_of_the_settings(dataset):
    rows = predictions_for(dataset)
    relative = SETTINGS.model_copy(update={"gates": GateSettings(hit_definition="relative")})
    by_definition = [evaluate_predictions(dataset, rows, s, n_trials=1).pooled for s in (SETTINGS, relative)]
    assert by_definition[0].hit_rate == by_definition[0].absolute_hit_rate == by_definition[1].absolute_hit_rate
    assert by_definition[1].hit_rate == by_definition[1].relative_hit_rate == by_definition[0].relative_hit_rate
    assert by_definition[0].hit_rate != by_definition[1].hit_rate
    assert by_definition[0].skill == pytest.approx(by_definition[0].hit_rate - by_definition[0].base_rate)


def test_json_holds_no_nan_and_reads_back(evaluation):
    text = evaluation.model_dump_json()
    json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} in the JSON"))
    assert Evaluation.model_validate_json(text) == evaluation


def test_the_order_of_rows_does_not_matter_and_runs_repeat(dataset, evaluation):
    shuffled = predictions_for(dataset).sample(frac=1, random_state=3)
    again = evaluate_predictions(dataset, shuffled, SETTINGS, n_trials=12, holdout_first=dataset.sessions[400].date())
    assert again == evaluation


def test_an_order_preserving_change_of_probabilities_changes_nothing_above_the_minimum(dataset):
    rows = predictions_for(dataset)
    stretched = rows.assign(probability=0.5 + rows["probability"] ** 3 / 2)
    first, second = (evaluate_predictions(dataset, r, SETTINGS, n_trials=1) for r in (rows, stretched))
    assert first.pooled == second.pooled


def test_spy_recommended_every_day_from_the_benchmarks_is_spy_less_one_entry_cost(dataset):
    sessions = dataset.sessions[FIRST : LAST + 1]
    rows = pd.DataFrame({"date": sessions, "symbol": "SPY", "probability": 1.0, "recommended": True})
    result = evaluate_predictions(dataset, rows, SETTINGS, n_trials=1)
    np.testing.assert_allclose(
        result.series.equity[1:], 0.9995 * np.array(result.series.benchmarks["SPY"][1:]), rtol=1e-12
    )
    assert result.pooled.beta["SPY"] == pytest.approx(1.0, abs=0.01)
    assert result.pooled.relative_hit_rate == 0.0  # what it costs is never earned back against itself
    assert result.pooled.absolute_base_rate is not None
    assert any("were not eligible" in note for note in result.notes)


def test_recommending_nothing_is_cash_and_every_gate_number_is_unknown_or_zero(dataset):
    rows = predictions_for(dataset).assign(probability=0.1)
    strict = SETTINGS.model_copy(update={"recommendation": RecommendationRule()})
    result = evaluate_predictions(dataset, rows, strict, n_trials=5)
    pooled = result.pooled
    assert (pooled.hit_rate, pooled.sharpe_ratio, pooled.n_recommendations, pooled.exposure) == (None, None, 0, 0.0)
    assert result.evidence.matched_skill_lower is None
    assert result.evidence.deflated_sharpe is None
    assert pooled.total_return >= 0.0


def test_sessions_without_rows_recommend_nothing_and_are_noted(dataset):
    rows = predictions_for(dataset)
    gap = rows[~rows["date"].isin(dataset.sessions[200:230])]
    result = evaluate_predictions(dataset, gap, SETTINGS, n_trials=1)
    assert result.series.n_recommendations[200 - FIRST : 230 - FIRST] == (0,) * 30
    assert min(result.series.exposure[1:]) == 0.0  # all ten tranches came to their turn in the gap
    assert any("30 sessions" in note for note in result.notes)


def test_unmatured_outcomes_are_recommendations_that_do_not_count_yet(dataset):
    rows = predictions_for(dataset, 60, 449, fold=None)
    pooled = evaluate_predictions(dataset, rows, SETTINGS, n_trials=1).pooled
    per_day = np.array(evaluate_predictions(dataset, rows, SETTINGS, n_trials=1).series.n_recommendations)
    assert pooled.n_recommendations == per_day.sum()
    assert pooled.n_matured == per_day[: 450 - 60 - 11].sum()  # session i + 1 + 10 must be one of the 450


def test_short_spans_have_metrics_but_no_evidence(dataset):
    result = evaluate_predictions(dataset, predictions_for(dataset, 100, 112), SETTINGS, n_trials=1)
    assert result.pooled.n_sessions == 12
    assert result.pooled.sharpe_ratio is not None
    assert result.evidence.active_return_lower is None
    assert result.evidence.matched_skill_lower is None


def test_fewer_than_three_sessions_are_refused(dataset):
    with pytest.raises(InsufficientHistoryError, match="span 2 sessions"):
        evaluate_predictions(dataset, predictions_for(dataset, 100, 101), SETTINGS, n_trials=1)


@pytest.mark.parametrize(("lost", "message"), [(slice(None), "has no price on"), (slice(200, 450), "has no price on")])
def test_a_market_that_is_missing_or_ends_early_is_refused(dataset, lost, message):
    close = dataset.benchmarks.close.copy()
    close[lost, dataset.benchmarks.symbols.index("SPY")] = NAN
    broken = replace(dataset, benchmarks=replace(dataset.benchmarks, close=close))
    with pytest.raises(InvalidDatasetError, match=message):
        evaluate_predictions(broken, predictions_for(dataset), SETTINGS, n_trials=1)


def test_a_data_set_without_spy_is_refused(dataset):
    without = replace(dataset, benchmarks=make_panel(np.ones((450, 1)), symbols=["QQQ"]))
    with pytest.raises(InvalidDatasetError, match="SPY is missing"):
        evaluate_predictions(without, predictions_for(dataset), SETTINGS, n_trials=1)


def test_another_benchmark_that_ends_early_is_left_out_and_noted(dataset):
    close = dataset.benchmarks.close.copy()
    close[300:, dataset.benchmarks.symbols.index("IWM")] = NAN
    broken = replace(dataset, benchmarks=replace(dataset.benchmarks, close=close))
    result = evaluate_predictions(broken, predictions_for(dataset), SETTINGS, n_trials=1)
    assert set(result.pooled.market_outperformance) == {"QQQ", "SPY"}
    assert any(note.startswith("IWM lacks prices") for note in result.notes)


def test_a_holdout_outside_the_predictions_is_refused(dataset):
    with pytest.raises(InvalidPredictionsError, match="is not among their sessions"):
        evaluate_predictions(
            dataset, predictions_for(dataset), SETTINGS, n_trials=1, holdout_first=dataset.sessions[445].date()
        )


def test_slice_metrics_of_the_whole_are_the_pooled_metrics(dataset, evaluation):
    backtest = run_backtest(dataset, predictions_for(dataset), SETTINGS)
    assert slice_metrics(backtest, FIRST, LAST) == evaluation.pooled


def test_importing_the_evaluation_loads_no_model_library_and_no_statsmodels():
    program = "import sys, lambdas.core.backtest.evaluation, lambdas.core.validation.candidate; print(*sys.modules)"
    loaded = subprocess.run(  # noqa: S603
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not {"torch", "xgboost", "lightgbm", "sklearn", "statsmodels", "arch", "boto3"} & set(loaded)
