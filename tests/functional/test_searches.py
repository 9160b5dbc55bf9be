"""Searches on S3: killed, cut by their deadline, begun at the champion; and what the ledger counts of them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from in_memory_account import Account, call

from lambdas.core.features import build_features, write_features
from lambdas.core.market_data.dataset import dataset_hash, write_dataset
from lambdas.core.market_data.sources import SimulatedSource
from lambdas.core.models.artefact import save_model
from lambdas.core.models.ensemble import fit_candidate
from lambdas.core.models.hyperparameters import Hyperparameters
from lambdas.core.models.manifest import Lineage
from lambdas.core.models.market_view import market_view
from lambdas.core.models.search import Trial
from lambdas.core.models.tuning import tune_hyperparameters
from lambdas.core.settings import ModelSettings
from lambdas.core.splits import latest_training_fold
from lambdas.ensemble_model_engine import folds as module
from lambdas.ensemble_model_engine.handler import handler as ensemble

FIRST, LAST = dt.date(2015, 1, 2), dt.date(2016, 12, 30)
SETTINGS = ModelSettings.model_validate(
    {
        "portfolio": {"horizon": 5, "min_history_sessions": 130},
        "walk_forward": {"train_years": 1.0, "min_train_sessions": 100, "training_stride": 3},
        "tuning": {"n_trials": 2, "inner_folds": 2, "network_seeds": 1},
    }
)
N_TRIALS = 2 * 3


@pytest.fixture
def world(account: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    account.configure(model=SETTINGS)
    return World(account, tmp_path)


class World:
    """A small built data set, and the event of a search on it."""

    def __init__(self, account: Account, folder: Path) -> None:
        source = SimulatedSource(seed=1, n_symbols=12, signal_rank_ic=0.4, first=FIRST, last=LAST)
        dataset = source.load(None, as_of=None).dataset
        features = build_features(dataset)
        names = features.names[:12]
        features = replace(features, names=names, values=np.ascontiguousarray(features.values[:, :, :12]))
        write_dataset(dataset, folder / "data")
        write_features(features, folder / "data" / "features.parquet")
        self.account, self.folder = account, folder
        self.market = market_view(dataset, features, SETTINGS.portfolio)
        self.fold = latest_training_fold(dataset.sessions, SETTINGS.walk_forward, 5, 130)
        uri = account.stores.datasets.save(folder / "data", dataset_hash(dataset), "0123456789abcdef")
        point = {"number": 0, "train_first": str(self.fold.train_first), "train_last": str(self.fold.train_last)}
        self.event: dict[str, Any] = {"action": "tune", "run_id": "run-1", "dataset_uri": uri, "point": point}

    def logs(self) -> dict[str, int]:
        return self.account.stores.tuning.unfinished()

    def champion(self, train_last: dt.date, hyperparameters: Hyperparameters | None = None) -> str:
        """Store a model that says it was trained until then."""
        model = fit_candidate(self.market, self.fold, hyperparameters or CHAMPIONS, SETTINGS, seed=1)
        model = replace(model, train_last=train_last)
        lineage = Lineage(as_of=LAST, dataset_hash="d", settings_hash="s")
        manifest = save_model(model, self.folder / f"champion-{train_last}", lineage)
        self.account.stores.models.save(self.folder / f"champion-{train_last}", manifest.version)
        return manifest.version


CHAMPIONS = Hyperparameters().replace("lightgbm", {"num_leaves": 7})


def killed_after(n: int) -> Any:
    """Stand in for a process that dies after so many trials were kept."""

    def search(*arguments: Any, save: Any, **more: Any) -> Any:
        def keep(trials: Sequence[Trial]) -> None:
            save(trials)
            if len(trials) == n:
                raise MemoryError("the process died")

        return tune_hyperparameters(*arguments, save=keep, **more)

    return search


def test_a_killed_search_goes_on_and_counts_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    stores = world.account.stores
    with monkeypatch.context() as dying:
        dying.setattr(module, "tune_hyperparameters", killed_after(4))
        with pytest.raises(MemoryError):
            call(ensemble, world.event)
    ((key, scored),) = world.logs().items()
    assert scored == 4
    assert stores.ledger.add(key, trials=scored, run_id="run-1") == 4, "a failed search counts what it scored"
    result = call(ensemble, world.event)
    assert (result["trials"], result["reused"], result["deadline_reached"]) == (N_TRIALS, False, False)
    assert world.logs() == {}
    assert stores.tuning.key(result["hyperparameters_uri"]) == key
    assert stores.ledger.add(key, trials=result["trials"], run_id="run-2") == N_TRIALS, "and the rest when it is done"
    assert stores.ledger.add(key, trials=result["trials"], run_id="run-3") == N_TRIALS

    whole = tune_hyperparameters(
        world.market,
        module.TuneRequest.model_validate(world.event).point,
        SETTINGS,
        module.seed_of(world.event["dataset_uri"], stores),
    )
    assert stores.tuning.read(result["hyperparameters_uri"]) == whole.model_dump(mode="json")


def test_a_search_that_was_cut_is_continued_not_taken_for_complete(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def impatient(*arguments: Any, deadline: Any, log: Any, **more: Any) -> Any:
        calls: list[int] = []

        def remaining() -> float:
            calls.append(1)
            return 1000.0 if len(calls) <= 2 else -1.0

        return tune_hyperparameters(*arguments, deadline=remaining, log=log, **more)

    stores = world.account.stores
    with monkeypatch.context() as short:
        short.setattr(module, "tune_hyperparameters", impatient)
        cut = call(ensemble, world.event)
        later = call(ensemble, world.event)
    assert (cut["trials"], cut["deadline_reached"], cut["reused"]) == (2, True, False)
    assert (later["trials"], later["deadline_reached"], later["reused"]) == (4, True, False)
    assert cut["hyperparameters_uri"] != later["hyperparameters_uri"]
    whole = call(ensemble, world.event)
    assert (whole["trials"], whole["deadline_reached"], whole["reused"]) == (N_TRIALS, False, False)
    assert call(ensemble, world.event) == {**whole, "reused": True}
    uris = [result["hyperparameters_uri"] for result in (cut, later, whole)]
    assert len({stores.tuning.key(uri) for uri in uris}) == 1
    for uri, scored in zip(uris, (2, 4, N_TRIALS), strict=True):
        stored = stores.tuning.read(uri)
        assert len(stored["trial_log"]) == scored
        assert stores.ledger.add(stores.tuning.key(uri), trials=stored["trials"], run_id="r") == scored
    assert stores.tuning.read(uris[2])["trial_log"][:4] == stores.tuning.read(uris[1])["trial_log"]


def test_it_begins_at_the_champion_only_if_that_was_searched_on_earlier_data(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[Hyperparameters | None] = []

    def search(*arguments: Any, start: Hyperparameters | None, **more: Any) -> Any:
        started.append(start)
        return tune_hyperparameters(*arguments, start=start, **{**more, "deadline": lambda: -1.0})

    monkeypatch.setattr(module, "tune_hyperparameters", search)
    last = world.fold.train_last
    earlier = world.champion(last - dt.timedelta(days=7))
    same = world.champion(last)
    later = world.champion(last + dt.timedelta(days=7))
    for version in (None, earlier, same, later):
        call(ensemble, {**world.event, "champion": version})
    assert started[0] is None
    assert started[1] == CHAMPIONS
    assert started[2:] == [None, None], "what was searched on the same or later outcomes would look ahead"


def test_a_champion_of_defaults_leads_to_the_search_without_a_champion(world: World) -> None:
    """It would score the same trials; under another key the ledger would count them twice."""
    champion = world.champion(world.fold.train_last - dt.timedelta(days=7), Hyperparameters())
    without = call(ensemble, world.event)

    assert call(ensemble, {**world.event, "champion": champion}) == {**without, "reused": True}


def test_a_manifest_that_was_altered_is_no_start(world: World) -> None:
    earlier = world.champion(world.fold.train_last - dt.timedelta(days=7))
    stores = world.account.stores
    content = stores.models.manifest(earlier)
    content["hyperparameters"]["lightgbm"]["num_leaves"] = 200
    assert module.read_manifest(content, earlier) is None
    assert module.read_manifest({**stores.models.manifest(earlier), "format_version": 1}, earlier) is None
    assert module.read_manifest(stores.models.manifest(earlier), "v20200101-000000000000") is None
    assert module.read_manifest(stores.models.manifest(earlier), earlier) is not None
