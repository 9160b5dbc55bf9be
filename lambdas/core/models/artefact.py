"""Saving and loading the ensemble as a folder of data files; the format is described in `manifest`."""

from __future__ import annotations

import datetime as dt
import json
import shutil
import tempfile
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

import numpy as np

from lambdas.core.errors import ArtefactIntegrityError, InvalidRequestError
from lambdas.core.models.combination import Combination
from lambdas.core.models.ensemble import EnsembleModel
from lambdas.core.models.hyperparameters import Hyperparameters, LearnerName, Parameters
from lambdas.core.models.learners import LEARNERS
from lambdas.core.models.manifest import (
    ENSEMBLE_NAME,
    FORMAT_VERSION,
    MANIFEST_NAME,
    Lineage,
    Manifest,
    file_hash,
    verify_artefact,
    version_of,
)
from lambdas.core.models.stored import check_learner_file
from lambdas.core.settings import Target
from lambdas.core.values import Value

LIBRARIES = ("lightgbm", "numpy", "scikit-learn", "scipy", "torch", "xgboost-cpu")
_NO_VERSION = "v00000000-000000000000"


class _LearnerState(Value):
    """A fitted learner without its file."""

    parameters: Parameters
    n_features: int
    columns: tuple[int, ...]
    rounds: int


class _EnsembleFile(Value):
    """`ensemble.json`: everything of an `EnsembleModel` but the learners' own files."""

    combination: Combination
    learners: dict[LearnerName, _LearnerState]
    hyperparameters: Hyperparameters
    feature_names: tuple[str, ...]
    target: Target
    hit_definition: Literal["absolute", "relative"]
    horizon: int
    train_first: dt.date
    train_last: dt.date
    left_out: dict[str, str]


def save_model(model: EnsembleModel, folder: Path, lineage: Lineage) -> Manifest:
    """Write a model to a new folder, whole or not at all.

    The files are written beside it and the folder is renamed into place. Saving the same model there again changes
    nothing.

    Parameters
    ----------
    model : EnsembleModel
    folder : Path
        Must not exist, be empty, or hold the same version already.
    lineage : Lineage

    Returns
    -------
    Manifest
        `version` is the name of the artefact. The same model and lineage give the same one.

    Raises
    ------
    InvalidRequestError
        If the folder holds something else.
    """
    folder = folder.absolute()
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".partial", dir=folder.parent))
    try:
        manifest = _write(model, partial, lineage)
        if folder.exists() and any(folder.iterdir()):
            if not (folder / MANIFEST_NAME).is_file() or verify_artefact(folder).version != manifest.version:
                raise InvalidRequestError(f"{folder} is not empty and holds something else; name a new folder")
            return manifest
        partial.chmod(0o755)
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return manifest


def load_model(folder: Path, *, n_threads: int = 1) -> EnsembleModel:
    """Read a model back, after every file was checked against the manifest.

    Raises
    ------
    ArtefactIntegrityError
        As `verify_artefact`, or if a learner's file is not what its library writes (`check_learner_file`).
    """
    manifest = verify_artefact(folder)
    try:
        content = _EnsembleFile.model_validate_json((folder / ENSEMBLE_NAME).read_bytes())
        _check_learners(content, folder)
        learners = {
            name: LEARNERS[name].restore(folder, state.model_dump(), n_threads)
            for name, state in content.learners.items()
        }
    except Exception as error:  # each library has its own; whatever it is, the model is unusable
        raise ArtefactIntegrityError(
            f"model {folder}: {manifest.version} has the right hashes but cannot be read here ({error}); written "
            f"with {manifest.libraries}"
        ) from error
    kept: dict[str, Any] = {name: getattr(content, name) for name in _EnsembleFile.model_fields if name != "learners"}
    return EnsembleModel(learners=learners, **kept)


def _check_learners(content: _EnsembleFile, folder: Path) -> None:
    """Refuse learners that do not belong to the ensemble, and files that a library could not read safely."""
    combination, n_features = content.combination, len(content.feature_names)
    numbers = (combination.weights, combination.location, combination.scale)
    if any(len(values) != len(combination.learners) or not np.isfinite(values).all() for values in numbers):
        raise ValueError(f"{ENSEMBLE_NAME} has not one weight, location and scale for each learner")
    if set(combination.used) != set(content.learners) or not content.learners:
        raise ValueError(f"{ENSEMBLE_NAME} combines {combination.used} and holds {tuple(content.learners)}")
    if min(combination.scale) <= 0:
        raise ValueError(f"{ENSEMBLE_NAME} has a scale that is not positive")
    for name, state in content.learners.items():
        if state.n_features != n_features:
            raise ValueError(f"{name} was fitted on {state.n_features} features, the ensemble on {n_features}")
        check_learner_file(folder / LEARNERS[name].file_name, name, state.columns, n_features)


def _write(model: EnsembleModel, folder: Path, lineage: Lineage) -> Manifest:
    states = {}
    for name, learner in model.learners.items():
        learner.save(folder)
        states[name] = _LearnerState(**learner.state())
    kept: dict[str, Any] = {name: getattr(model, name) for name in _EnsembleFile.model_fields if name != "learners"}
    _write_json(folder / ENSEMBLE_NAME, _EnsembleFile(learners=states, **kept).model_dump(mode="json"))
    unnamed = Manifest(
        format_version=FORMAT_VERSION,
        version=_NO_VERSION,
        lineage=lineage,
        train_first=model.train_first,
        train_last=model.train_last,
        feature_names=model.feature_names,
        combination=model.combination.name,
        hyperparameters=model.hyperparameters,
        libraries={library: metadata.version(library) for library in LIBRARIES},
        files={path.name: file_hash(path) for path in sorted(folder.iterdir())},
    )
    manifest = unnamed.model_copy(update={"version": version_of(unnamed)})
    _write_json(folder / MANIFEST_NAME, manifest.model_dump(mode="json"))
    return manifest


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, sort_keys=True, indent=1, allow_nan=False) + "\n", encoding="utf-8")
