"""Data set folders on S3, immutable, under the hash of their content."""

from __future__ import annotations

import shutil
from collections.abc import Collection
from pathlib import Path

from lambdas.adapters.objects import ObjectStore
from lambdas.adapters.raw_data import RawData
from lambdas.adapters.workspace import workspace
from lambdas.contracts.storage import DatasetsPrefix
from lambdas.core.errors import InvalidRequestError

FEATURES = "features.parquet"
KEPT_FOLDERS = 2
"""Local copies that stay: a warm function is asked for the same data set many times, and `/tmp` is small."""


class DatasetStore:
    """The datasets bucket: what was collected, what features were built from, what people uploaded."""

    def __init__(self, objects: ObjectStore, bucket: str) -> None:
        self._objects = objects
        self._bucket = bucket

    @property
    def raw(self) -> RawData:
        """Where live sources keep what they were answered."""
        return RawData(self._objects, self._bucket)

    def save_batch(self, folder: Path, content_hash: str) -> str:
        """Upload one collected batch and return its URI."""
        return self._save(folder, f"{DatasetsPrefix.BATCHES}{content_hash}")

    def save(self, folder: Path, dataset_hash: str, build_key: str) -> str:
        """Upload a data set with its features and return its URI.

        `build_key` stands for what else the folder's files depend on: the code of the features, what was asked for.
        """
        return self._save(folder, f"{DatasetsPrefix.DATASETS}{dataset_hash}-{build_key}")

    def _save(self, folder: Path, key: str) -> str:
        uri = f"s3://{self._bucket}/{key}"
        self._objects.upload_folder(folder, uri)
        return uri

    def folder(self, uri: str, *, without: Collection[str] = ()) -> Path:
        """Return a local, verified copy of a data set folder; files named in `without` may be missing in it."""
        bucket, key = self._objects.split(uri)
        if bucket != self._bucket:
            raise InvalidRequestError(f"{uri} is not in the datasets bucket {self._bucket}; data sets lie there.")
        copies = workspace() / "datasets"
        copy = copies / key.replace("/", "__")
        self._objects.download_folder(uri, copy, without=without)
        copy.touch()
        for old in sorted(copies.iterdir(), key=lambda path: path.stat().st_mtime)[:-KEPT_FOLDERS]:
            shutil.rmtree(old)
        return copy


def hash_of_uri(dataset_uri: str) -> str:
    """Return the content hash in the URI of a built data set.

    Examples
    --------
    >>> hash_of_uri("s3://bucket/datasets/0123456789abcdef-89abcdef")
    '0123456789abcdef'
    """
    return dataset_uri.rstrip("/").rpartition("/")[2].partition("-")[0]
