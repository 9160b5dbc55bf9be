"""Model artefacts on S3: `models/<version>/`, file by file, the manifest last."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lambdas.adapters.objects import FILE_NAME, ObjectStore
from lambdas.adapters.workspace import fresh_folder
from lambdas.contracts.storage import ArtefactsPrefix
from lambdas.core.errors import ArtefactIntegrityError, InvalidRequestError

MANIFEST = "manifest.json"
RESTORE = "Restore it, the bucket keeps old versions, or go back to another version: `amts rollback`."


class ModelStore:
    """The artefacts bucket. An artefact without a manifest is unfinished, and nobody reads it."""

    def __init__(self, objects: ObjectStore, bucket: str) -> None:
        self._objects = objects
        self._prefix = f"s3://{bucket}/{ArtefactsPrefix.MODELS}"

    def uri(self, version: str) -> str:
        """Return where an artefact lies, or will lie."""
        return f"{self._prefix}{version}"

    def exists(self, version: str) -> bool:
        """Say whether the artefact is complete."""
        return self._objects.exists(f"{self.uri(version)}/{MANIFEST}")

    def save(self, folder: Path, version: str) -> str:
        """Upload an artefact once and return its URI. What an interrupted upload left is replaced."""
        uri = self.uri(version)
        if not self.exists(version):
            for file in sorted(path for path in folder.rglob("*") if path.is_file() and path.name != MANIFEST):
                self._objects.upload(file, f"{uri}/{file.relative_to(folder).as_posix()}", once=False)
            self._objects.upload(folder / MANIFEST, f"{uri}/{MANIFEST}", once=True)
        return uri

    def download(self, version: str) -> Path:
        """Return a local copy of an artefact, each file checked against the manifest.

        Raises
        ------
        ArtefactIntegrityError
            If the manifest or a file is missing or altered, or the manifest is that of another version.
        """
        folder = fresh_folder("model")
        for name, sha256 in self._hashes(version).items():
            file = folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            uri = f"{self.uri(version)}/{name}"
            try:
                self._objects.download(uri, file, sha256=sha256)
            except InvalidRequestError as error:
                raise ArtefactIntegrityError(f"{uri} is missing, its manifest lists it. {RESTORE}") from error
            except ArtefactIntegrityError as error:
                # What can be computed again may be deleted, as the object store says; a model may not.
                raise ArtefactIntegrityError(
                    f"{uri} was altered or cut: its manifest lists sha-256 {sha256}. {RESTORE}"
                ) from error
        (folder / MANIFEST).write_bytes(self._objects.read(f"{self.uri(version)}/{MANIFEST}"))
        return folder

    def verify(self, version: str) -> None:
        """Read each file of an artefact and check it against the manifest; needs no library that knows models.

        Raises
        ------
        ArtefactIntegrityError
            If the manifest or a file is missing or altered.
        """
        for name, expected in self._hashes(version).items():
            uri = f"{self.uri(version)}/{name}"
            if not self._objects.exists(uri):
                raise ArtefactIntegrityError(f"{uri} is missing, its manifest lists it: {version} cannot be deployed.")
            if (found := self._objects.sha256(uri)) != expected:
                raise ArtefactIntegrityError(
                    f"{uri} has sha-256 {found}, its manifest says {expected}: {version} was altered and cannot be "
                    "deployed; choose another version."
                )

    def delete(self, version: str) -> None:
        """Delete an artefact, the manifest first: without it nobody reads the rest. The bucket keeps old versions."""
        uri = self.uri(version)
        self._objects.delete(f"{uri}/{MANIFEST}")
        for name in self._objects.names(uri):
            self._objects.delete(f"{uri}/{name}")

    def manifest(self, version: str) -> dict[str, Any]:
        """Return the manifest of an artefact."""
        manifest: dict[str, Any] | None = self._objects.find_json(f"{self.uri(version)}/{MANIFEST}")
        if manifest is None:
            raise ArtefactIntegrityError(
                f"{self.uri(version)} has no {MANIFEST}: there is no complete model {version}."
            )
        return manifest

    def _hashes(self, version: str) -> dict[str, str]:
        """Return the files of an artefact with their hashes; a name is a name in its folder, never a way out of it."""
        content = self.manifest(version)
        try:
            files, named = dict(content["files"]), content.get("version", version)
        except (AttributeError, TypeError, KeyError, ValueError):
            files, named = {}, version
        if named != version:
            raise ArtefactIntegrityError(
                f"{self.uri(version)}/{MANIFEST} is that of {str(named)[:40]!r}. Restore it, the bucket keeps old "
                "versions, or go back to another version."
            )
        if not files or not all(FILE_NAME.fullmatch(part) for name in files for part in str(name).split("/")):
            raise ArtefactIntegrityError(f"{self.uri(version)}/{MANIFEST} lists no usable files; restore it.")
        return files
