"""A search that was interrupted, pruned, or begun at an earlier model's parameters."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
import pytest

from lambdas.core.models import search as module
from lambdas.core.models.hyperparameters import LEARNER_NAMES, Hyperparameters
from lambdas.core.models.market_view import MarketView
from lambdas.core.models.search import Trial
from lambdas.core.models.tuning import TuningOutcome, tune_hyperparameters
from lambdas.core.settings import ModelSettings
from lambdas.core.splits import WalkForwardPlan
from lambdas.core.values import TuningPoint

N_TRIALS = 6


@pytest.fixture(scope="module")
def point(plan: WalkForwardPlan) -> TuningPoint:
    return plan.tuning_points[0]


@pytest.fixture(scope="module")
def deep(settings: ModelSettings) -> ModelSettings:
    tuning = settings.tuning.model_copy(update={"n_trials": N_TRIALS, "network_seeds": 1})
    return settings.model_copy(update={"tuning": tuning})


@pytest.fixture(scope="module")
def saved() -> list[list[Trial]]:
    return []


@pytest.fixture(scope="module")
def whole(market: MarketView, point: TuningPoint, deep: ModelSettings, saved: list[list[Trial]]) -> TuningOutcome:
    return tune_hyperparameters(market, point, deep, seed=3, save=lambda trials: saved.append(list(trials)))


def test_each_trial_is_kept_as_soon_as_it_is_scored(whole: TuningOutcome, saved: list[list[Trial]]) -> None:
    assert [len(trials) for trials in saved] == list(range(1, 3 * N_TRIALS + 1))
    for trials in saved:
        assert trials == list(whole.trial_log[: len(trials)])
    for name in LEARNER_NAMES:
        numbers = [trial.number for trial in whole.trial_log if trial.learner == name]
        assert numbers == list(range(N_TRIALS))


@pytest.mark.parametrize("n_kept", [7, 3 * N_TRIALS])
def test_an_interrupted_search_ends_as_an_uninterrupted_one(
    n_kept: int,
    whole: TuningOutcome,
    saved: list[list[Trial]],
    market: MarketView,
    point: TuningPoint,
    deep: ModelSettings,
) -> None:
    """Through JSON, as it lies on S3, and with two threads instead of one: the same outcome, bit for bit."""
    stored = json.loads(json.dumps([trial.model_dump(mode="json") for trial in saved[n_kept - 1]]))
    scored: list[int] = []

    def count(trials: Sequence[Trial]) -> None:
        scored.append(len(trials))

    again = tune_hyperparameters(
        market, point, deep, seed=3, log=[Trial.model_validate(t) for t in stored], save=count, n_threads=2
    )
    assert again == whole
    assert again.model_dump_json() == whole.model_dump_json()
    assert scored == list(range(n_kept + 1, 3 * N_TRIALS + 1)), "what was scored before is not scored again"


def test_the_sampler_learns_from_what_was_replayed(
    whole: TuningOutcome, market: MarketView, point: TuningPoint, deep: ModelSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A log that says otherwise leads elsewhere: replayed scores are told to the study, not only listed."""
    turned = [
        t.model_copy(update={"sharpe_ratio": -t.sharpe_ratio}) if t.sharpe_ratio is not None else t
        for t in whole.trial_log
        if t.number < N_TRIALS - 1
    ]
    asked: list[dict[str, object]] = []

    def score(self: module.LearnerSearch, number: int, parameters: dict[str, object], _: object) -> Trial:
        asked.append(parameters)
        return Trial(learner=self.name, number=number, parameters=parameters, sharpe_ratio=None)  # type: ignore[arg-type]

    monkeypatch.setattr(module.LearnerSearch, "_score", score)
    tune_hyperparameters(market, point, deep, seed=3, log=turned)
    last = [trial.parameters for trial in whole.trial_log if trial.number == N_TRIALS - 1]
    assert asked != last


def test_what_falls_behind_the_median_is_given_up(
    market: MarketView, point: TuningPoint, deep: ModelSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trials 0 to 2 are good, every later one is bad: it must end after its second fold, be counted, and never win."""
    folds_of: dict[tuple[str, int], int] = {}
    runs: dict[str, int] = {}

    def spy(name, factory, shared, splits, *, refit):  # type: ignore[no-untyped-def]
        number = runs[name] = runs.get(name, -1) + 1
        for k, split in enumerate(splits):
            folds_of[name, number] = k + 1
            knowing = shared.data.net_return[split.test]
            noise = np.random.default_rng(number).normal(scale=0.01 * (number + 1), size=len(knowing))
            yield (1.0 if number < 3 else -1.0) * knowing + noise

    monkeypatch.setattr(module, "predict_folds", spy)
    outcome = tune_hyperparameters(market, point, deep, seed=3)
    assert outcome.trials == 3 * N_TRIALS
    assert outcome.pruned == 3 * (N_TRIALS - 3)
    for trial in outcome.trial_log:
        assert trial.pruned == (trial.number >= 3)
        assert folds_of[trial.learner, trial.number] == len(trial.by_fold) == (2 if trial.pruned else 3)
        assert (trial.sharpe_ratio is None) == (not trial.returns) == trial.pruned
    for name in LEARNER_NAMES:
        chosen = outcome.hyperparameters.of(name)
        assert any(
            Hyperparameters().replace(name, t.parameters).of(name) == chosen
            for t in outcome.trial_log
            if t.learner == name and t.number < 3
        )
    trials = outcome.search_trials()
    assert trials.n_trials == 3 * N_TRIALS, "pruned ones count"
    assert trials.returns.shape[1] == 3 * 3
    runs.clear()
    unpruned = deep.model_copy(update={"tuning": deep.tuning.model_copy(update={"prune": False})})
    assert tune_hyperparameters(market, point, unpruned, seed=3).pruned == 0


def test_it_begins_with_the_defaults_and_then_an_earlier_model(
    market: MarketView, point: TuningPoint, deep: ModelSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[tuple[str, int], dict[str, object]] = {}

    def score(self: module.LearnerSearch, number: int, parameters: dict[str, object], _: object) -> Trial:
        asked[self.name, number] = parameters
        return Trial(learner=self.name, number=number, parameters=parameters, sharpe_ratio=None)  # type: ignore[arg-type]

    monkeypatch.setattr(module.LearnerSearch, "_score", score)
    earlier = Hyperparameters().replace("xgboost", {"max_depth": 3, "l2": 9.5, "relative_share": 0.75})
    tune_hyperparameters(market, point, deep, seed=3, start=earlier)
    for name in LEARNER_NAMES:
        assert Hyperparameters().replace(name, asked[name, 0]) == Hyperparameters()  # type: ignore[arg-type]
    assert Hyperparameters().replace("xgboost", asked["xgboost", 1]) == earlier  # type: ignore[arg-type]
    assert Hyperparameters().replace("network", asked["network", 1]) != Hyperparameters()  # type: ignore[arg-type]
