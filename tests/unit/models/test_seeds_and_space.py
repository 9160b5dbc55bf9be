"""Seeds, the search space, and what importing costs."""

from __future__ import annotations

import subprocess
import sys
import warnings

import optuna
import pytest
from pydantic import ValidationError

from lambdas.core.models.hyperparameters import LEARNER_NAMES, Hyperparameters, LearnerName, suggest
from lambdas.core.models.seeds import derive_seed
from lambdas.core.settings import Target


def test_a_seed_means_the_same_in_every_process_and_release() -> None:
    # Printed once; a change would refit every stored fold to other numbers.
    assert derive_seed(0, "3f2a", 12) == 2100947287


def test_parts_do_not_run_together() -> None:
    seeds = {derive_seed(1, 2), derive_seed(12), derive_seed("1", 2), derive_seed("12"), derive_seed(2, 1)}
    assert len(seeds) == 5
    assert all(0 <= seed < 2**31 for seed in seeds)


@pytest.mark.parametrize("target", ["relative", "blend"])
@pytest.mark.parametrize("name", LEARNER_NAMES)
def test_the_defaults_lie_in_the_search_space(name: LearnerName, target: Target) -> None:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    study.enqueue_trial(Hyperparameters().of(name))
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # Optuna warns of an enqueued value outside its range, and samples another
        asked = suggest(name, study.ask(), target)
    assert Hyperparameters().replace(name, asked) == Hyperparameters()
    assert ("relative_share" in asked) == (target == "blend")
    seen = [suggest(name, study.ask(), target) for _ in range(20)]
    assert {values["uniqueness"] for values in seen} == {False, True}
    for values in seen:
        Hyperparameters().replace(name, values)


@pytest.mark.parametrize("name", LEARNER_NAMES)
def test_what_is_learned_is_no_argument_of_the_learner(name: LearnerName) -> None:
    chosen = Hyperparameters().replace(name, {"uniqueness": True, "relative_share": 0.25})
    assert not {"uniqueness", "relative_share"} & set(chosen.arguments(name))
    assert (chosen.label(name).uniqueness, chosen.label(name).relative_share) == (True, 0.25)
    assert Hyperparameters.model_validate_json(chosen.model_dump_json()) == chosen


def test_unknown_and_impossible_hyperparameters_are_refused() -> None:
    with pytest.raises(ValidationError):
        Hyperparameters().replace("network", {"widht": 3})
    with pytest.raises(ValidationError):
        Hyperparameters().replace("xgboost", {"learning_rate": 0.0})


@pytest.mark.parametrize(
    "module", ["market_view", "manifest", "hyperparameters", "training_data", "exposures", "seeds"]
)
def test_light_modules_import_no_learner_library(module: str) -> None:
    code = (
        f"import sys, lambdas.core.models.{module}; "
        "print([m for m in ('torch', 'xgboost', 'lightgbm', 'optuna', 'sklearn') if m in sys.modules])"
    )
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
