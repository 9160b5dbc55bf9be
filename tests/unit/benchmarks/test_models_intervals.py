"""Intervals of the model benchmark are those of the product where both exist, and paired where two are compared."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from benchmarks.models.intervals import STATISTICS, Sampled, difference, estimate
from benchmarks.models.scoring import scored
from lambdas.core.backtest.evaluation import evaluate_predictions
from lambdas.core.backtest.run import run_backtest
from lambdas.core.market_data.sources import SimulatedSource
from lambdas.core.settings import EvidenceSettings, GateSettings, ModelSettings, PortfolioSettings
from lambdas.core.validation.champion import compare_with_champion

SETTINGS = ModelSettings(
    portfolio=PortfolioSettings(horizon=5, min_history_sessions=60),
    evidence=EvidenceSettings(bootstrap_draws=400),
)


@pytest.fixture(scope="module")
def dataset():
    source = SimulatedSource(seed=2, n_symbols=30, signal_rank_ic=0.2)
    return source.load(None, as_of=None).dataset


@pytest.fixture(scope="module")
def frames(dataset):
    """Two sets of predictions of the same year, the second with some sense."""
    sessions = dataset.sessions[400:652]
    symbols = np.array(dataset.prices.symbols)
    random = np.random.default_rng(8)
    noise = random.random((2, len(sessions), len(symbols)))
    future = dataset.prices.adj_close[406:658] / dataset.prices.adj_close[401:653]
    informed = 0.7 * noise[1] + 0.3 * np.nan_to_num(np.argsort(np.argsort(future, axis=1), axis=1) / len(symbols))
    alive = np.isfinite(dataset.prices.close[400:652])
    row, column = np.nonzero(alive)
    return [
        pd.DataFrame({"date": sessions[row], "symbol": symbols[column], "probability": grid[row, column]})
        for grid in (noise[0], informed)
    ]


@pytest.fixture(scope="module")
def runs(dataset, frames):
    return [Sampled.of(scored(run_backtest(dataset, frame, SETTINGS)), 5, SETTINGS.evidence) for frame in frames]


@pytest.mark.parametrize("which", [0, 1])
def test_points_and_lower_bounds_are_those_of_the_evaluation(dataset, frames, runs, which):
    judged = evaluate_predictions(dataset, frames[which], SETTINGS, n_trials=None)
    pooled, evidence = judged.pooled, judged.evidence
    expected = {
        "rank_ic": (pooled.rank_ic, None),
        "icir": (pooled.icir, None),
        "hit_rate": (pooled.absolute_hit_rate, evidence.hit_rate_lower),
        "skill": (pooled.skill, evidence.skill_lower),
        "matched_skill": (pooled.matched_skill, evidence.matched_skill_lower),
        "relative_hit_rate": (pooled.relative_hit_rate, None),
        "sharpe_ratio": (pooled.sharpe_ratio, evidence.sharpe_ratio_lower),
        "active_return": (evidence.active_return, evidence.active_return_lower),
    }
    for name, (value, lower) in expected.items():
        found = estimate(STATISTICS[name], [runs[which]])
        assert found.value == pytest.approx(value, rel=1e-9), name
        assert found.lower < found.value < found.upper, name
        if lower is not None:
            assert found.lower == pytest.approx(lower, rel=1e-9), name


def test_relative_skill_is_the_evaluation_of_the_other_definition(dataset, frames, runs):
    settings = SETTINGS.model_copy(update={"gates": GateSettings(hit_definition="relative")})
    judged = evaluate_predictions(dataset, frames[1], settings, n_trials=None)
    found = estimate(STATISTICS["relative_skill"], [runs[1]])
    assert found.value == pytest.approx(judged.pooled.skill, rel=1e-9)
    assert found.lower == pytest.approx(judged.evidence.skill_lower, rel=1e-9)


def test_the_difference_is_that_of_candidate_and_champion(dataset, frames, runs):
    compared = compare_with_champion(dataset, frames[1], frames[0], "1", SETTINGS)
    found = difference(STATISTICS["active_return"], [runs[1]], [runs[0]])
    assert found.value == pytest.approx(compared.difference, rel=1e-9)
    assert found.lower == pytest.approx(compared.difference_lower, rel=1e-9)
    assert found.upper == pytest.approx(compared.difference_upper, rel=1e-9)


def test_pairs_share_their_resamples(runs):
    same = difference(STATISTICS["sharpe_ratio"], [runs[0]], [runs[0]])
    assert (same.value, same.lower, same.upper) == pytest.approx((0.0, 0.0, 0.0), abs=1e-12)
    left, right = (
        difference(STATISTICS["rank_ic"], *sides) for sides in (([runs[1]], [runs[0]]), ([runs[0]], [runs[1]]))
    )
    assert left.value > 0 > right.value
    assert (left.lower, left.upper) == pytest.approx((-right.upper, -right.lower))


def test_a_mean_over_seeds_lies_between_them_and_is_no_wider(runs):
    for name, statistic in STATISTICS.items():
        single = [estimate(statistic, [run]) for run in runs]
        both = estimate(statistic, runs)
        assert both.value == pytest.approx(np.mean([found.value for found in single])), name
        assert both.seeds == pytest.approx([found.value for found in single])
        widths = [found.upper - found.lower for found in single]
        assert both.upper - both.lower <= max(widths) + 1e-12, name


def test_other_sessions_cannot_be_compared(dataset, frames, runs):
    cut = frames[0][frames[0]["date"] < frames[0]["date"].max()]
    shorter = Sampled.of(scored(run_backtest(dataset, cut, SETTINGS)), 5, SETTINGS.evidence)
    with pytest.raises(ValueError, match="cannot be compared in pairs"):
        difference(STATISTICS["sharpe_ratio"], [runs[0]], [shorter])


def test_too_few_sessions_have_no_bounds(dataset, frames):
    days = np.sort(frames[0]["date"].unique())[:9]
    cut = frames[0][frames[0]["date"].isin(days)]
    short = Sampled.of(scored(run_backtest(dataset, cut, SETTINGS)), 5, SETTINGS.evidence)
    found = estimate(STATISTICS["sharpe_ratio"], [short])
    assert found.value is not None
    assert (found.lower, found.upper) == (None, None)
