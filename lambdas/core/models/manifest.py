"""The manifest of a model artefact, and the check that a folder is what it says. Imports no learner library.

An artefact is a folder of data, never of code: `manifest.json`, `ensemble.json` and one file a learner (XGBoost UBJSON,
LightGBM text, network weights as safetensors). Nothing in it is unpickled.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, StringConstraints, ValidationError

from lambdas.core.errors import ArtefactIntegrityError
from lambdas.core.models.hyperparameters import Hyperparameters
from lambdas.core.values import Value

FORMAT_VERSION = 2
MANIFEST_NAME = "manifest.json"
ENSEMBLE_NAME = "ensemble.json"

FileName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*\.(json|ubj|txt|safetensors)$")]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class Lineage(Value):
    """What a model came from. Times of day and run ids are left out: the same inputs make the same version."""

    as_of: dt.date = Field(description="Newest day of the data the run was allowed to use.")
    dataset_hash: str
    settings_hash: str
    code_version: str = "unknown"
    seed: int = Field(default=0, ge=0)
    metrics: dict[str, float | None] = Field(default_factory=dict)


class Manifest(Value):
    """What is in an artefact, and what it came from."""

    format_version: int
    version: str = Field(pattern=r"^v[0-9]{8}-[0-9a-f]{12}$")
    lineage: Lineage
    train_first: dt.date
    train_last: dt.date
    feature_names: tuple[str, ...]
    combination: str
    hyperparameters: Hyperparameters = Field(description="The next search may begin with them.")
    libraries: dict[str, str]
    files: dict[FileName, Sha256] = Field(description="Every file but the manifest.")

    def canonical(self) -> bytes:
        """Canonical JSON of everything but the version, which is derived from it."""
        content = self.model_dump(mode="json", exclude={"version"})
        return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()


def read_manifest(content: Any, version: str) -> Manifest | None:
    """Return a stored manifest, or None if it is of another format, altered, or not that of the version."""
    try:
        manifest = Manifest.model_validate(content)
    except ValidationError:
        return None
    sound = manifest.format_version == FORMAT_VERSION and version == manifest.version == version_of(manifest)
    return manifest if sound else None


def version_of(manifest: Manifest) -> str:
    """``v<as_of>-<12 hex digits of the sha-256 of the manifest's content>``, which contains the hash of every file."""
    return f"v{manifest.lineage.as_of:%Y%m%d}-{hashlib.sha256(manifest.canonical()).hexdigest()[:12]}"


def file_hash(path: Path) -> str:
    """Sha-256 of a file's bytes, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def verify_artefact(folder: Path) -> Manifest:
    """Check every file of an artefact against its manifest, and the manifest against its version.

    Raises
    ------
    ArtefactIntegrityError
        If the manifest is missing, unreadable, of an unknown format or altered, or a file is missing, altered or not
        listed.
    """
    manifest = _read_manifest(folder)
    present = {path.name for path in folder.iterdir()} - {MANIFEST_NAME}
    if missing := sorted(set(manifest.files) - present):
        raise _damaged(folder, f"{', '.join(missing)} is missing")
    if extra := sorted(present - set(manifest.files)):
        raise _damaged(folder, f"{', '.join(extra)} is not listed in {MANIFEST_NAME}")
    for name, expected in manifest.files.items():
        path = folder / name
        if path.is_symlink() or not path.is_file():
            raise _damaged(folder, f"{name} is not a regular file")
        if (actual := file_hash(path)) != expected:
            raise _damaged(folder, f"{name} was altered: its sha-256 begins {actual[:12]}, listed is {expected[:12]}")
    return manifest


def _read_manifest(folder: Path) -> Manifest:
    path = folder / MANIFEST_NAME
    try:
        content: Any = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise _damaged(folder, f"there is no {MANIFEST_NAME}") from None
    except (OSError, ValueError, RecursionError) as error:
        raise _damaged(folder, f"{MANIFEST_NAME} cannot be read ({error})") from None
    found = content.get("format_version") if isinstance(content, dict) else None
    if found != FORMAT_VERSION:
        raise ArtefactIntegrityError(
            f"model {folder}: format version {found!r}, this code reads {FORMAT_VERSION}; train a new model, or run "
            f"the code version that wrote it"
        )
    try:
        manifest = Manifest.model_validate(content)
    except ValidationError as error:
        detail = error.errors()[0]
        where = ".".join(str(part) for part in detail["loc"])
        raise _damaged(folder, f"{MANIFEST_NAME}, field {where}: {detail['msg']}") from None
    if version_of(manifest) != manifest.version:
        raise _damaged(folder, f"{MANIFEST_NAME} was altered: its content does not belong to {manifest.version}")
    return manifest


def _damaged(folder: Path, what: str) -> ArtefactIntegrityError:
    return ArtefactIntegrityError(f"model {folder}: {what}; fetch the artefact again or roll back to another version")
