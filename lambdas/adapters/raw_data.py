"""What live sources answered, on S3: the place behind `lambdas.core.market_data.sources.raw_store`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lambdas.adapters.objects import ObjectStore
from lambdas.contracts.storage import DatasetsPrefix

if TYPE_CHECKING:
    from lambdas.core.market_data.sources.raw_store import Found


class RawData:
    """Objects of the raw prefix of the datasets bucket; safe to use from several threads."""

    def __init__(self, objects: ObjectStore, bucket: str) -> None:
        self._objects = objects
        self._place = f"s3://{bucket}/{DatasetsPrefix.RAW}"

    def find(self, key: str) -> Found | None:
        """Return an object with its entity tag, or None if there is none."""
        from lambdas.core.market_data.sources.raw_store import Found  # the coordinator has no numeric library

        found = self._objects.find_tagged(self._place + key)
        return None if found is None else Found(*found)

    def write_once(self, key: str, content: bytes) -> None:
        """Write an object unless there is one already."""
        self._objects.write_once(self._place + key, content)

    def replace(self, key: str, content: bytes, version: str | None) -> bool:
        """Write an object if the one there still has the entity tag `version`; say whether it was written."""
        if version is None:
            return self._objects.write_once(self._place + key, content)
        return self._objects.write_over(self._place + key, content, version)
