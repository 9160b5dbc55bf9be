"""Voting, stacking, the choice between them, and calibration."""

# ruff: noqa: N806

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit
from sklearn.calibration import calibration_curve
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss

from lambdas.core.errors import InvalidDatasetError
from lambdas.core.models import combination as module
from lambdas.core.models.combination import MIN_SLOPE, Combination, calibrate, combine, stacking_weights, voting_weights
from lambdas.core.models.out_of_fold import OutOfFold
from lambdas.core.models.reliability import reliability
from lambdas.core.models.training_data import TrainingData

skills = st.lists(st.floats(-0.2, 0.2), min_size=1, max_size=5).map(np.array)


class Purse:
    """Stands in for the simulated portfolio: its returns have the Sharpe ratio that the test wants for a score."""

    def __init__(self, prefers: np.ndarray | None = None) -> None:
        self.prefers = prefers
        self.rows: list[np.ndarray] = []

    def excess_returns(self, data: TrainingData, rows: np.ndarray, score: np.ndarray) -> np.ndarray:
        self.rows.append(rows)
        mean = 0.0 if self.prefers is None else float(np.corrcoef(score, self.prefers[rows])[0, 1])
        return mean + np.tile([-1.0, 1.0], 50)


def sample(seed: int, n_dates: int = 90, n_symbols: int = 30, n_learners: int = 3) -> tuple[TrainingData, OutOfFold]:
    """Three learners: a good one, a weaker one, and one of noise."""
    rng = np.random.default_rng(seed)
    n = n_dates * n_symbols
    signal = rng.normal(size=n)
    net = 0.15 * signal + rng.normal(size=n)
    data = TrainingData(
        X=np.zeros((n, 1), np.float32),
        y=(net > 0).astype(float),
        net_return=net,
        decisions=np.repeat(np.arange(n_dates) * 5, n_symbols),
        columns=np.tile(np.arange(n_symbols), n_dates),
        names=("x",),
    )
    noise = rng.normal(size=(3, n))
    logits = {"xgboost": signal + 0.5 * noise[0], "lightgbm": 4 * (signal + 3 * noise[1]) - 1, "network": noise[2]}
    fold = np.repeat([0, 1, 2], n // 3)
    return data, OutOfFold(np.arange(n), fold, dict(list(logits.items())[:n_learners]), {})  # type: ignore[arg-type]


# ---- weights -------------------------------------------------------------------------------------------------------


@settings(max_examples=80, deadline=None)
@given(skills, st.floats(0.1, 500))
def test_voting_weights_are_a_shrunk_share_of_the_skill(skill: np.ndarray, n_periods: float) -> None:
    weights = voting_weights(skill, n_periods)
    assert weights.min() >= 0
    assert weights.sum() == pytest.approx(1)
    order = np.argsort(skill)
    assert (np.diff(weights[order]) >= -1e-12).all(), "more skill, less weight"
    equal = 1 / len(skill)
    assert np.abs(weights - equal).max() <= np.abs(voting_weights(skill, 2 * n_periods) - equal).max() + 1e-12


def test_without_any_skill_the_vote_is_equal() -> None:
    np.testing.assert_allclose(voting_weights(np.array([-0.1, 0.0, -0.3]), 100), 1 / 3)


def test_stacking_with_much_evidence_is_the_logistic_regression() -> None:
    rng = np.random.default_rng(0)
    Z = rng.normal(size=(5000, 3))
    y = (rng.random(5000) < expit(Z @ [0.8, 0.3, 0.1] + 0.2)).astype(float)
    expected = LogisticRegression(C=np.inf).fit(Z, y).coef_[0]
    np.testing.assert_allclose(stacking_weights(Z, y, n_periods=1e9), expected / expected.sum(), atol=2e-4)


def test_stacking_sells_no_learner_against_another() -> None:
    rng = np.random.default_rng(0)
    common = rng.normal(size=4000)
    Z = np.column_stack([common, common + 0.2 * rng.normal(size=4000), rng.normal(size=4000)])
    y = (rng.random(4000) < expit(1.5 * Z[:, 0] - 1.0 * Z[:, 1])).astype(float)
    unconstrained = LogisticRegression(C=np.inf).fit(Z, y).coef_[0]
    weights = stacking_weights(Z, y, n_periods=1e9)
    assert unconstrained[1] < -0.5
    assert weights[1] == 0
    assert weights.sum() == pytest.approx(1)


def test_stacking_without_evidence_is_equal() -> None:
    rng = np.random.default_rng(0)
    Z = rng.normal(size=(500, 3))
    y = (rng.random(500) < expit(Z[:, 0])).astype(float)
    np.testing.assert_allclose(stacking_weights(Z, y, n_periods=1e-6), 1 / 3, atol=1e-3)


def test_stacking_of_learners_that_are_all_wrong_is_equal() -> None:
    rng = np.random.default_rng(0)
    Z = rng.normal(size=(500, 3))
    y = (Z.sum(axis=1) < 0).astype(float)
    np.testing.assert_allclose(stacking_weights(Z, y, n_periods=1e6), 1 / 3)


# ---- calibration ---------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.floats(-1.0, 2.0), st.floats(0.05, 0.95))
def test_calibration_keeps_the_order_and_meets_the_hit_rate(seed: int, strength: float, rate: float) -> None:
    rng = np.random.default_rng(seed)
    score = rng.normal(size=400)
    y = (rng.random(400) < expit(strength * score)).astype(float)
    hit = (rng.random(400) < rate).astype(float)
    hit[:7] = np.nan
    slope, intercept = calibrate(score, y, hit)
    probability = expit(slope * score + intercept)
    assert slope >= MIN_SLOPE
    np.testing.assert_array_equal(np.argsort(probability), np.argsort(score))
    known = np.isfinite(hit)
    expected = np.clip(hit[known].mean(), 0.5 / 393, 1 - 0.5 / 393)
    assert probability[known].mean() == pytest.approx(expected, abs=1e-9)


def test_calibration_on_the_target_itself_is_platt_scaling() -> None:
    rng = np.random.default_rng(0)
    score = rng.normal(size=3000)
    y = (rng.random(3000) < expit(0.7 * score - 0.3)).astype(float)
    expected = LogisticRegression(C=np.inf, tol=1e-8).fit(score[:, None], y)
    slope, intercept = calibrate(score, y, y)
    assert slope == pytest.approx(expected.coef_[0, 0], rel=1e-3)
    assert intercept == pytest.approx(expected.intercept_[0], abs=1e-3)


@pytest.mark.parametrize("value", [0.0, 1.0, np.nan])
def test_calibration_of_one_sided_hits_stays_finite(value: float) -> None:
    slope, intercept = calibrate(np.linspace(-1, 1, 50), np.ones(50), np.full(50, value))
    assert np.isfinite([slope, intercept]).all()


# ---- the whole -----------------------------------------------------------------------------------------------------


def test_the_better_learner_weighs_more_and_the_probability_is_calibrated() -> None:
    data, predictions = sample(0)
    hit = (data.net_return > -0.3).astype(float)
    chosen = combine(data, predictions, hit, 10, Purse())  # type: ignore[arg-type]
    assert chosen.kind == "voting", "without a difference the simplest is taken"
    assert set(chosen.inner_sharpe_ratio) == {"voting", "stacking", "single"}
    assert chosen.weights[0] > chosen.weights[1] > chosen.weights[2]
    fresh, new = sample(1)
    probability = chosen.probability(new.logits, None, fresh.decisions)
    hit_new = fresh.net_return > -0.3
    assert probability.mean() == pytest.approx(hit_new.mean(), abs=0.03)
    for low, high in ((0.0, 0.3), (0.7, 1.0)):
        band = (probability >= np.quantile(probability, low)) & (probability <= np.quantile(probability, high))
        assert probability[band].mean() == pytest.approx(hit_new[band].mean(), abs=0.06)


@pytest.mark.parametrize(("favourite", "kind"), [("xgboost", "single"), ("mean", "voting")])
def test_the_sharpe_ratio_chooses(favourite: str, kind: str) -> None:
    data, predictions = sample(0)
    z = {name: (v - v.mean()) / v.std() for name, v in predictions.logits.items()}
    prefers = (
        z["xgboost"] if favourite == "xgboost" else 0.36 * z["xgboost"] + 0.33 * z["lightgbm"] + 0.3 * z["network"]
    )
    chosen = combine(data, predictions, data.y, 10, Purse(prefers))  # type: ignore[arg-type]
    assert chosen.kind == kind
    if kind == "single":
        assert chosen.used == ("xgboost",)
        assert chosen.name == "xgboost"
        np.testing.assert_array_equal(
            np.argsort(chosen.probability({"xgboost": predictions.logits["xgboost"]}, None, data.decisions)),
            np.argsort(predictions.logits["xgboost"]),
        )


def test_weights_and_comparison_are_forward_only(monkeypatch: pytest.MonkeyPatch) -> None:
    data, predictions = sample(0)
    fitted_on: list[np.ndarray] = []
    original: Any = module._fit_weights

    def spy(data: TrainingData, rows: np.ndarray, logits: np.ndarray, horizon: int) -> Any:
        fitted_on.append(data.decisions[rows])
        return original(data, rows, logits, horizon)

    monkeypatch.setattr(module, "_fit_weights", spy)
    purse = Purse()
    combine(data, predictions, data.y, 10, purse)  # type: ignore[arg-type]
    decisions = data.decisions[predictions.rows]
    for seen, fold in zip(fitted_on, (1, 2), strict=False):
        assert seen.max() + 1 + 10 <= decisions[predictions.fold == fold].min()
    assert len(fitted_on) == 3
    assert all((predictions.fold[rows] > 0).all() for rows in purse.rows), "a fold is judged by weights that saw it"


def test_one_inner_fold_gives_the_equal_vote() -> None:
    data, predictions = sample(0)
    single = OutOfFold(predictions.rows, np.zeros_like(predictions.fold), predictions.logits, {})
    chosen = combine(data, single, data.y, 10, Purse())  # type: ignore[arg-type]
    assert chosen.kind == "voting"
    np.testing.assert_allclose(chosen.weights, 1 / 3)
    assert chosen.inner_sharpe_ratio == {}


def test_it_survives_json() -> None:
    data, predictions = sample(0)
    chosen = combine(data, predictions, data.y, 10, Purse())  # type: ignore[arg-type]
    again = Combination.model_validate_json(chosen.model_dump_json())
    np.testing.assert_array_equal(
        again.probability(predictions.logits, None, data.decisions),
        chosen.probability(predictions.logits, None, data.decisions),
    )


# ---- neutral scores and reliability --------------------------------------------------------------------------------


def exposed(seed: int) -> tuple[TrainingData, OutOfFold, np.ndarray]:
    """Learners that mostly rank by an exposure, which earns nothing."""
    data, predictions = sample(seed)
    risk = np.random.default_rng(seed + 100).normal(size=len(data.y))
    data = replace(data, exposures=np.column_stack([risk, np.full(len(risk), np.nan)]))
    logits = {name: values + 3.0 * values.std() * risk for name, values in predictions.logits.items()}
    return data, replace(predictions, logits=logits), risk


@pytest.mark.parametrize(("neutral", "expected"), [("never", False), ("chosen", True), ("always", True)])
def test_the_sharpe_ratio_chooses_neutral_scores_too(neutral: Any, expected: bool) -> None:
    data, predictions, risk = exposed(0)
    chosen = combine(data, predictions, data.y, 10, Purse(data.net_return), neutral)  # type: ignore[arg-type]
    assert chosen.neutralised is expected
    compared = {"never": 3, "chosen": 6, "always": 3}[neutral]
    assert len(chosen.inner_sharpe_ratio) == compared
    fresh, new, risk = exposed(1)
    probability = chosen.probability(new.logits, fresh.exposures, fresh.decisions)
    skill = np.corrcoef(probability, fresh.net_return)[0, 1]
    on_date = fresh.decisions == fresh.decisions[0]
    if expected:
        plain = combine(data, predictions, data.y, 10, Purse(), "never")  # type: ignore[arg-type]
        risky = plain.probability(new.logits, None, fresh.decisions)
        assert skill > 1.5 * np.corrcoef(risky, fresh.net_return)[0, 1] > 0
        assert abs(np.corrcoef(np.log(probability[on_date] / (1 - probability[on_date])), risk[on_date])[0, 1]) < 0.05
        # What it says is still how often such symbols hit.
        high = probability >= np.quantile(probability, 0.7)
        assert probability[high].mean() == pytest.approx(fresh.y[high].mean(), abs=0.05)
        assert probability.mean() == pytest.approx(fresh.y.mean(), abs=0.03)
        with pytest.raises(InvalidDatasetError, match="are needed to neutralise scores"):
            chosen.probability(new.logits, None, fresh.decisions)
    else:
        assert np.corrcoef(probability, risk)[0, 1] > 0.5
    again = Combination.model_validate_json(chosen.model_dump_json())
    np.testing.assert_array_equal(again.probability(new.logits, fresh.exposures, fresh.decisions), probability)


def test_without_exposures_scores_stay_or_it_says_so() -> None:
    data, predictions = sample(0)
    assert not combine(data, predictions, data.y, 10, Purse(), "chosen").neutralised  # type: ignore[arg-type]
    with pytest.raises(InvalidDatasetError, match="beta_252 and idiosyncratic_volatility_252 are needed"):
        combine(data, predictions, data.y, 10, Purse(), "always")  # type: ignore[arg-type]


def test_reliability_is_judged_on_a_later_fold_than_calibrated_on(monkeypatch: pytest.MonkeyPatch) -> None:
    data, predictions = sample(0)
    hit = (data.net_return > -0.3).astype(float)
    calibrated: list[np.ndarray] = []
    original = module.calibrate

    def spy(score: np.ndarray, y: np.ndarray, hits: np.ndarray) -> tuple[float, float]:
        calibrated.append(hits)
        return original(score, y, hits)

    monkeypatch.setattr(module, "calibrate", spy)
    judged = combine(data, predictions, hit, 10, Purse()).reliability  # type: ignore[arg-type]
    assert judged is not None
    decisions = data.decisions[predictions.rows]
    last = decisions[predictions.fold == 2]
    seen = decisions[predictions.fold == 1]
    assert len(calibrated[-1]) == int((seen + 1 + 10 <= last.min()).sum()), "calibrated on the fold before, purged"
    assert judged.n_rows == len(last) == sum(one.n_rows for one in judged.table)
    assert judged.hit_rate == pytest.approx(hit[predictions.fold == 2].mean(), abs=1e-6)
    assert judged.brier_score is not None
    assert judged.brier_score_of_base_rate is not None
    assert judged.brier_score < judged.brier_score_of_base_rate
    assert judged.expected_calibration_error is not None
    assert judged.expected_calibration_error < 0.05


def test_reliability_against_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    probability = rng.uniform(0.2, 0.9, 4000)
    hit = (rng.random(4000) < probability**2).astype(float)
    found = reliability(np.append(probability, 0.5), np.append(hit, np.nan), 0.4)
    assert found.n_rows == 4000
    assert found.brier_score == pytest.approx(brier_score_loss(hit, probability), abs=1e-6)
    observed, said = calibration_curve(hit, probability, n_bins=10, strategy="quantile")
    np.testing.assert_allclose([one.hit_rate for one in found.table], observed, atol=2e-3)
    np.testing.assert_allclose([one.probability for one in found.table], said, atol=2e-3)
    assert found.expected_calibration_error == pytest.approx(np.abs(observed - said).mean(), abs=2e-3)
    assert reliability(np.full(3, 0.5), np.full(3, np.nan), 0.5).brier_score is None
