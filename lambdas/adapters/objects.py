"""Objects on S3: read, write once, verify. The one way to reach S3, and only the configured buckets."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from lambdas.adapters.errors import error_code
from lambdas.core.errors import ArtefactIntegrityError, InvalidRequestError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

CHUNK_BYTES = 1 << 20
MISSING = frozenset({"404", "NoSuchKey"})
ALREADY_THERE = frozenset({"ConditionalRequestConflict", "PreconditionFailed", "412"})
INDEX = "_index.json"
"""Written last into a folder: with it the folder is complete, and each file's size and sha-256 are known."""

FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]{0,127}")
"""A name that an index or a manifest may have a file written under: nothing that leads out of the folder."""

CONTENT_TYPES = {".json": "application/json", ".html": "text/html; charset=utf-8"}


def file_sha256(file: Path) -> str:
    """Return the sha-256 of a file as hex."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def parse_json(uri: str, content: bytes) -> Any:
    """Return the values of a JSON object.

    Raises
    ------
    ArtefactIntegrityError
        If it is none, or nested so deeply that only harm can be meant.
    """
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ArtefactIntegrityError(
            f"{uri} cannot be read as JSON ({error}): it was altered or cut. Restore it, the bucket keeps old "
            "versions, or delete it; then run again."
        ) from None


class ObjectStore:
    """Reads and writes objects of the configured buckets, and of no others.

    Every object carries the sha-256 of its content as metadata, so that it can be checked wherever it is read.
    """

    def __init__(self, client: S3Client, buckets: Collection[str]) -> None:
        self._client = client
        self._buckets = frozenset(buckets)

    def split(self, uri: str) -> tuple[str, str]:
        """Return bucket and key of an URI.

        Raises
        ------
        InvalidRequestError
            If the bucket is not one of the configured ones: an execution input must not open doors.
        """
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        if not uri.startswith("s3://") or bucket not in self._buckets or not key:
            raise InvalidRequestError(
                f"{uri} is not in a bucket of this deployment ({', '.join(sorted(self._buckets))}); copy it there."
            )
        return bucket, key.rstrip("/")

    def find(self, uri: str) -> bytes | None:
        """Return an object's content, or None if there is none.

        Raises
        ------
        ArtefactIntegrityError
            If the content does not have the sha-256 that its writer recorded.
        """
        found = self._get(uri)
        if found is None:
            return None
        content, answer = found
        recorded = answer["Metadata"].get("sha256")
        if recorded and hashlib.sha256(content).hexdigest() != recorded:
            raise ArtefactIntegrityError(
                f"{uri} is not what its writer recorded (sha-256 {recorded}): it was altered or cut. Restore it, the "
                "bucket keeps old versions, or delete it; then run again."
            )
        return content

    def find_json(self, uri: str) -> Any | None:
        """Return the values of a JSON object, or None if there is none."""
        content = self.find(uri)
        return None if content is None else parse_json(uri, content)

    def find_tagged(self, uri: str) -> tuple[bytes, str] | None:
        """Return an object's content and its entity tag, which `write_over` asks for, or None if there is none.

        The content is as it lies there: who asks keeps a hash of his own.
        """
        found = self._get(uri)
        return None if found is None else (found[0], found[1]["ETag"])

    def _get(self, uri: str) -> tuple[bytes, Any] | None:
        bucket, key = self.split(uri)
        try:
            answer = self._client.get_object(Bucket=bucket, Key=key)
        except ClientError as error:
            if error_code(error) in MISSING:
                return None
            raise
        return answer["Body"].read(), answer

    def read(self, uri: str) -> bytes:
        """Return an object's content; `InvalidRequestError` if there is none."""
        content = self.find(uri)
        if content is None:
            raise InvalidRequestError(f"{uri} does not exist; it may have expired, run the step before it again.")
        return content

    def read_json(self, uri: str) -> Any:
        """Return the content of a JSON object."""
        return parse_json(uri, self.read(uri))

    def write(self, uri: str, content: bytes) -> None:
        """Write an object, replacing what is there."""
        self._put(uri, content, hashlib.sha256(content).hexdigest(), once=False)

    def write_once(self, uri: str, content: bytes) -> bool:
        """Write an object unless there is one already; say whether it was written."""
        return self._put(uri, content, hashlib.sha256(content).hexdigest(), once=True)

    def write_over(self, uri: str, content: bytes, entity_tag: str) -> bool:
        """Replace an object if it is still the one with `entity_tag`; say whether it was written."""
        return self._put(
            uri, content, hashlib.sha256(content).hexdigest(), once=False, condition={"IfMatch": entity_tag}
        )

    def upload(self, file: Path, uri: str, *, once: bool) -> str:
        """Upload a file and return the sha-256 of what now lies there: an earlier writer's, if `once` lost to it."""
        sha256 = file_sha256(file)
        with file.open("rb") as stream:
            if self._put(uri, stream, sha256, once=once):
                return sha256
        return self.sha256(uri)

    def _put(self, uri: str, content: Any, sha256: str, *, once: bool, condition: Any = None) -> bool:
        bucket, key = self.split(uri)
        condition = {"IfNoneMatch": "*"} if once else condition or {}
        try:
            self._client.put_object(
                Bucket=bucket,
                Key=key,
                Body=content,
                ContentType=CONTENT_TYPES.get(Path(key).suffix, "application/octet-stream"),
                Metadata={"sha256": sha256},
                **condition,
            )
        except ClientError as error:
            if condition and error_code(error) in ALREADY_THERE | MISSING:
                return False
            raise
        return True

    def delete(self, uri: str) -> None:
        """Delete an object; one that is not there is no error."""
        bucket, key = self.split(uri)
        self._client.delete_object(Bucket=bucket, Key=key)

    def exists(self, uri: str) -> bool:
        """Say whether there is an object at `uri`."""
        bucket, key = self.split(uri)
        try:
            self._client.head_object(Bucket=bucket, Key=key)
        except ClientError as error:
            if error_code(error) in MISSING:
                return False
            raise
        return True

    def download(self, uri: str, file: Path, *, sha256: str | None = None) -> None:
        """Download an object to a file that appears only when complete, and check its content.

        Raises
        ------
        ArtefactIntegrityError
            If the content does not have the sha-256 that is expected, or that its writer recorded.
        """
        partial = file.with_name(file.name + ".partial")
        digest = hashlib.sha256()
        with partial.open("wb") as stream:
            recorded = self._copy(uri, digest, stream)
        for expected in (sha256, recorded):
            if expected and digest.hexdigest() != expected:
                partial.unlink()
                raise ArtefactIntegrityError(
                    f"{uri} has sha-256 {digest.hexdigest()}, its writer recorded {expected}: it was altered or cut. "
                    "Delete it and run again."
                )
        partial.rename(file)

    def sha256(self, uri: str) -> str:
        """Return the sha-256 of an object's content, read in full: metadata could be altered with the content."""
        digest = hashlib.sha256()
        self._copy(uri, digest, None)
        return digest.hexdigest()

    def _copy(self, uri: str, digest: Any, stream: Any) -> str | None:
        bucket, key = self.split(uri)
        try:
            answer = self._client.get_object(Bucket=bucket, Key=key)
        except ClientError as error:
            if error_code(error) in MISSING:
                raise InvalidRequestError(f"{uri} does not exist; it may have expired, run again.") from error
            raise
        for chunk in answer["Body"].iter_chunks(CHUNK_BYTES):
            digest.update(chunk)
            if stream is not None:
                stream.write(chunk)
        return answer["Metadata"].get("sha256")

    def names(self, folder_uri: str) -> list[str]:
        """Return the names of the objects directly in a folder, sorted."""
        bucket, prefix = self.split(folder_uri)
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=bucket, Prefix=prefix + "/", Delimiter="/"
        )
        return sorted(_names(pages, len(prefix) + 1))

    def holds(self, uri: str) -> bool:
        """Say whether a text is the address of something in one of these buckets."""
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        return uri.startswith("s3://") and bucket in self._buckets and bool(key.strip("/"))

    def size(self, uri: str) -> int:
        """Return the bytes of an object, or of everything in a folder; 0 if there is neither."""
        bucket, key = self.split(uri)
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=key)
        found = [entry for page in pages for entry in page.get("Contents", [])]
        return sum(entry["Size"] for entry in found if entry["Key"] == key or entry["Key"].startswith(f"{key}/"))

    def check_access(self) -> None:
        """Ask each bucket for one name: refused, or not there, is an error (`StoreAccessError` once it is named)."""
        for bucket in sorted(self._buckets):
            self._client.list_objects_v2(Bucket=bucket, MaxKeys=1)

    def upload_folder(self, folder: Path, uri: str) -> None:
        """Upload a folder under a prefix that its content decides: the same content is written once.

        The files come first, the index with their hashes last, so a folder with an index is complete. A file that
        an earlier, interrupted or simultaneous writer left is kept, and the index records what really lies there.
        """
        if self.exists(f"{uri}/{INDEX}"):
            return
        index = {}
        for file in sorted(path for path in folder.iterdir() if path.is_file() and path.name != INDEX):
            index[file.name] = {"sha256": self.upload(file, f"{uri}/{file.name}", once=True)}
        self.write_once(f"{uri}/{INDEX}", json.dumps(index, sort_keys=True).encode())

    def download_folder(self, uri: str, folder: Path, *, without: Collection[str] = ()) -> None:
        """Download the files directly in a folder that `folder` does not hold yet, checked against its index.

        A folder without an index, one that a person uploaded, is taken as it lies.

        Raises
        ------
        InvalidRequestError
            If there is nothing.
        ArtefactIntegrityError
            If a file is missing or altered.
        """
        index = self._index(uri)
        if not index:
            raise InvalidRequestError(f"{uri} holds no files; upload a data set folder there (README, data sets).")
        folder.mkdir(parents=True, exist_ok=True)
        for name, entry in index.items():
            if name not in without and not (folder / name).exists():
                self.download(f"{uri.rstrip('/')}/{name}", folder / name, sha256=entry)

    def _index(self, uri: str) -> dict[str, str | None]:
        """Return the files of a folder with the sha-256 that its index has of them.

        What a person uploads may have an index, too: a name in it is a name in this folder, never a way out of it.
        """
        place = f"{uri.rstrip('/')}/{INDEX}"
        found = self.find(place)
        listed = {name: {} for name in self.names(uri)} if found is None else parse_json(place, found)
        try:
            index = {str(name): entry.get("sha256") for name, entry in listed.items()}
        except AttributeError:
            raise ArtefactIntegrityError(f"{place} is no index of files; delete it, and run again.") from None
        for name in index:
            if not FILE_NAME.fullmatch(name):
                raise InvalidRequestError(f"{uri} lists {name[:100]!r}, which is no name of a file; leave it out.")
        return index


def _names(pages: Any, prefix_length: int) -> Iterator[str]:
    for page in pages:
        for entry in page.get("Contents", []):
            if name := entry["Key"][prefix_length:]:
                yield name
