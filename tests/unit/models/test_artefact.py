"""The artefact: data only, whole or not at all, and refused if a single bit is not what it was."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from lambdas.core.errors import ArtefactIntegrityError, InvalidRequestError
from lambdas.core.features import write_features
from lambdas.core.models.artefact import load_model, save_model
from lambdas.core.models.ensemble import EnsembleModel, fit_candidate
from lambdas.core.models.hyperparameters import Hyperparameters
from lambdas.core.models.inner_portfolio import InnerPortfolio
from lambdas.core.models.learner import Learner
from lambdas.core.models.manifest import Lineage, Manifest, verify_artefact, version_of
from lambdas.core.models.market_view import MarketView
from lambdas.core.settings import ModelSettings
from lambdas.core.splits import WalkForwardPlan

LINEAGE = Lineage(
    as_of=dt.date(2017, 6, 30), dataset_hash="d" * 16, settings_hash="5" * 16, seed=1, metrics={"rank_ic": 0.1}
)


@pytest.fixture(scope="module")
def seeded(market: MarketView, plan: WalkForwardPlan, settings: ModelSettings) -> Iterator[tuple[int, EnsembleModel]]:
    """A model that uses all three learners, and its seed: where no portfolio can be measured, the learners vote."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(InnerPortfolio, "excess_returns", lambda *_: np.empty(0))
        model = fit_candidate(market, plan.holdout, Hyperparameters(), settings, 1)
        assert len(model.learners) == 3
        yield 1, model


@pytest.fixture(scope="module")
def whole(seeded: tuple[int, EnsembleModel]) -> EnsembleModel:
    return seeded[1]


@pytest.fixture(scope="module")
def saved(whole: EnsembleModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "candidate"
    save_model(whole, folder, LINEAGE)
    return folder


def test_it_predicts_the_same_bits(whole: EnsembleModel, saved: Path, market: MarketView) -> None:
    sessions = market.features.sessions[-30:]
    pd.testing.assert_frame_equal(
        load_model(saved).predict(market.features, sessions, market.eligible),
        whole.predict(market.features, sessions, market.eligible),
        check_exact=True,
    )
    assert verify_artefact(saved).hyperparameters == whole.hyperparameters
    again = load_model(saved)
    assert again.combination == whole.combination
    assert again.left_out == whole.left_out
    assert (again.train_first, again.train_last) == (whole.train_first, whole.train_last)


def test_the_folder_holds_data_and_no_code(saved: Path) -> None:
    assert sorted(path.name for path in saved.iterdir()) == [
        "ensemble.json",
        "lightgbm.txt",
        "manifest.json",
        "network.safetensors",
        "xgboost.ubj",
    ]
    for path in saved.iterdir():
        with pytest.raises((pickle.UnpicklingError, ValueError, KeyError, EOFError, IndexError)):
            pickle.loads(path.read_bytes())  # noqa: S301


def test_the_same_training_makes_the_same_bytes_and_the_same_version(
    market: MarketView,
    plan: WalkForwardPlan,
    settings: ModelSettings,
    seeded: tuple[int, EnsembleModel],
    saved: Path,
    tmp_path: Path,
) -> None:
    again = fit_candidate(market, plan.holdout, Hyperparameters(), settings, seeded[0])
    save_model(again, tmp_path / "again", LINEAGE)
    for path in saved.iterdir():
        assert (tmp_path / "again" / path.name).read_bytes() == path.read_bytes(), path.name


def test_the_version_names_the_date_and_the_content(saved: Path) -> None:
    manifest = verify_artefact(saved)
    assert manifest.version.startswith("v20170630-")
    assert manifest.version == version_of(manifest)
    other = manifest.model_copy(update={"lineage": LINEAGE.model_copy(update={"dataset_hash": "e" * 16})})
    assert version_of(other) != manifest.version
    assert manifest.lineage == LINEAGE


def test_saving_twice_changes_nothing_and_another_model_is_not_overwritten(whole: EnsembleModel, saved: Path) -> None:
    before = {path.name: path.stat().st_mtime_ns for path in saved.iterdir()}
    assert save_model(whole, saved, LINEAGE) == verify_artefact(saved)
    assert {path.name: path.stat().st_mtime_ns for path in saved.iterdir()} == before
    with pytest.raises(InvalidRequestError, match="holds something else"):
        save_model(whole, saved, LINEAGE.model_copy(update={"seed": 2}))
    assert [path.name for path in saved.parent.iterdir()] == ["candidate"], "a partial folder was left"


def test_a_write_that_fails_leaves_nothing(
    whole: EnsembleModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Learner, folder: Path) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(type(whole.learners["network"]), "save", full)
    with pytest.raises(OSError, match="no space"):
        save_model(whole, tmp_path / "model", LINEAGE)
    assert list(tmp_path.iterdir()) == []


# ---- damage --------------------------------------------------------------------------------------------------------


def flip(name: str) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        content = bytearray((folder / name).read_bytes())
        content[len(content) // 2] ^= 1
        (folder / name).write_bytes(content)

    return damage


def truncate(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes()[:-1]) and None


def remove(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def swap(folder: Path) -> None:
    a, b = (folder / "xgboost.ubj").read_bytes(), (folder / "lightgbm.txt").read_bytes()
    (folder / "xgboost.ubj").write_bytes(b)
    (folder / "lightgbm.txt").write_bytes(a)


def edit_manifest(**changes: object) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        path = folder / "manifest.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))

    return damage


def link(folder: Path) -> None:
    target = folder.parent / "elsewhere.ubj"
    shutil.copy(folder / "xgboost.ubj", target)
    (folder / "xgboost.ubj").unlink()
    (folder / "xgboost.ubj").symlink_to(target)


def climb(folder: Path) -> None:
    path = folder / "manifest.json"
    content = json.loads(path.read_text())
    content["files"]["../outside.json"] = "0" * 64
    path.write_text(json.dumps(content))


DAMAGE: dict[str, tuple[Callable[[Path], None], str]] = {
    **{
        f"flip {name}": (flip(name), f"{name} was altered")
        for name in ("xgboost.ubj", "lightgbm.txt", "network.safetensors", "ensemble.json")
    },
    **{
        f"truncate {name}": (truncate(name), f"{name} was altered")
        for name in ("xgboost.ubj", "lightgbm.txt", "network.safetensors", "ensemble.json")
    },
    "swap": (swap, "was altered"),
    "missing file": (remove("network.safetensors"), r"network\.safetensors is missing"),
    "missing manifest": (remove("manifest.json"), r"there is no manifest\.json"),
    "extra file": (lambda folder: (folder / "hook.py").write_text("1") and None, r"hook\.py is not listed"),
    "unknown version": (edit_manifest(format_version=3), r"format version 3, this code reads 2; train a new model"),
    "older version": (edit_manifest(format_version=1), r"format version 1, this code reads 2"),
    "no version": (edit_manifest(format_version=None), "format version None"),
    "manifest no json": (truncate("manifest.json"), "NEVER"),
    "manifest a list": (lambda folder: (folder / "manifest.json").write_text("[]") and None, "format version None"),
    "altered metric": (edit_manifest(combination="voting!"), "its content does not belong to v20170630"),
    "renamed": (edit_manifest(version="v20180101-0123456789ab"), "does not belong to v20180101-0123456789ab"),
    "unknown field": (edit_manifest(note="hello"), "field note: Extra inputs"),
    "link": (link, r"xgboost\.ubj is not a regular file"),
    "path outside": (climb, "field files"),
}
DAMAGE["manifest no json"] = (
    lambda folder: (folder / "manifest.json").write_bytes((folder / "manifest.json").read_bytes()[:-4]) and None,
    r"manifest\.json cannot be read",
)


@pytest.mark.parametrize("kind", list(DAMAGE))
def test_damage_is_refused_and_named(kind: str, saved: Path, tmp_path: Path) -> None:
    damage, message = DAMAGE[kind]
    folder = tmp_path / "model"
    shutil.copytree(saved, folder)
    load_model(folder)
    damage(folder)
    with pytest.raises(ArtefactIntegrityError, match=message):
        load_model(folder)


def test_no_folder_at_all(tmp_path: Path) -> None:
    with pytest.raises(ArtefactIntegrityError, match=r"there is no manifest\.json"):
        load_model(tmp_path / "nowhere")


def test_right_hashes_around_an_unreadable_file(saved: Path, tmp_path: Path) -> None:
    """Somebody who rewrites the hashes still gets a named error, not a traceback of a library."""
    for name in ("xgboost.ubj", "lightgbm.txt", "network.safetensors", "ensemble.json"):
        folder = tmp_path / name
        shutil.copytree(saved, folder)
        (folder / name).write_bytes(b"nonsense")
        content = json.loads((folder / "manifest.json").read_text())
        content["files"][name] = hashlib.sha256(b"nonsense").hexdigest()
        manifest = Manifest.model_validate(content)
        content["version"] = version_of(manifest)
        (folder / "manifest.json").write_text(json.dumps(content))
        with pytest.raises(ArtefactIntegrityError, match="cannot be read here"):
            load_model(folder)


def signed(folder: Path) -> None:
    """Write the manifest anew, so that every hash is right."""
    content = json.loads((folder / "manifest.json").read_text())
    content["files"] = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in content["files"]}
    content["version"] = version_of(Manifest.model_validate(content))
    (folder / "manifest.json").write_text(json.dumps(content))


def test_no_library_is_asked_to_read_a_file_that_would_end_it(
    saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """LightGBM 4 aborts the process at this count."""
    folder = tmp_path / "model"
    shutil.copytree(saved, folder)
    text = (folder / "lightgbm.txt").read_text()
    (folder / "lightgbm.txt").write_text(text.replace("num_leaves=", "num_leaves=9999", 1))
    signed(folder)
    monkeypatch.setattr(Learner, "restore", lambda *_: pytest.fail("the library was asked"))

    with pytest.raises(ArtefactIntegrityError, match=r"lightgbm\.txt is not what lightgbm writes: tree 0"):
        load_model(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda content: content["combination"].update(weights=[1.0]), "one weight, location and scale"),
        (lambda content: content["combination"].update(scale=[1.0, 0.0, 1.0]), "not positive"),
        (lambda content: content["combination"].update(scale=[1.0, 1e999, 1.0]), "cannot be read|one weight"),
        (lambda content: content["learners"].pop("network"), "combines .* and holds"),
        (lambda content: content["learners"]["network"].update(n_features=3), "fitted on 3 features"),
        (lambda content: content["learners"]["network"].update(columns=[0, 10_000]), "not among the"),
    ],
)
def test_an_ensemble_that_does_not_fit_together_is_refused(
    change: Callable[[dict[str, Any]], object], message: str, saved: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(saved, folder)
    content = json.loads((folder / "ensemble.json").read_text())
    change(content)
    (folder / "ensemble.json").write_text(json.dumps(content))
    signed(folder)

    with pytest.raises(ArtefactIntegrityError, match=message):
        load_model(folder)


def test_predicting_imports_no_torch_and_no_optuna(saved: Path, market: MarketView, tmp_path: Path) -> None:
    write_features(market.features, tmp_path / "features.parquet")
    code = f"""
import sys
from pathlib import Path
import numpy as np
from lambdas.core.features import read_features
from lambdas.core.models.artefact import load_model
features = read_features(Path({str(tmp_path / "features.parquet")!r}))
frame = load_model(Path({str(saved)!r})).predict(
    features, features.sessions[-1:], np.ones((len(features.sessions), len(features.symbols)), bool))
assert len(frame) == len(features.symbols)
print([m for m in ("torch", "optuna") if m in sys.modules])
"""
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == "[]", done.stderr
