"""What live sources have answered, kept by source, symbol and content hash.

::

    raw/<source>/<symbol>/<sha-256 of the content>.<suffix>   immutable: written once, never changed
    raw/<source>/<symbol>/index.json                          which of them is current, and what it covers

The index is written last, on the condition that nobody has written it since it was read. A process that dies before
that leaves the old state; an object that no index names is what somebody saw on some day, and does no harm.
Where the objects lie is not this module's business: `RawObjects` is the whole of what it asks of a place.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from pydantic import Field, ValidationError

from lambdas.core.values import Value

INDEX = "index.json"
Clock = Callable[[], dt.datetime]


def now() -> dt.datetime:
    """Return the time, in UTC."""
    return dt.datetime.now(dt.UTC)


@dataclass(frozen=True)
class Found:
    """An object's content, and a version that changes whenever the object is replaced."""

    content: bytes
    version: str


class RawObjects(Protocol):
    """A place for objects under keys with slashes: a bucket, a folder, memory."""

    def find(self, key: str) -> Found | None:
        """Return an object, or None if there is none."""
        ...

    def write_once(self, key: str, content: bytes) -> None:
        """Write an object unless there is one already; it appears whole or not at all."""
        ...

    def replace(self, key: str, content: bytes, version: str | None) -> bool:
        """Write an object if the one there has still `version` (None: if there is none); say whether it was written."""
        ...


class RawIndex(Value):
    """What is known of the current object of one source and symbol.

    `checked` is when the source last confirmed it, `whole` when all of it was last fetched in one answer;
    `asked_from` is the first day that was asked for, which may lie before the first there is.
    """

    object: str
    sha256: str
    fetched: dt.datetime
    checked: dt.datetime
    whole: dt.datetime
    rows: int = 0
    first: dt.date | None = None
    last: dt.date | None = None
    asked_from: dt.date | None = None
    facts: dict[str, str] = Field(default_factory=dict)


@dataclass(frozen=True)
class Kept:
    """The current content of one source and symbol, its index, and the index's version."""

    content: bytes
    index: RawIndex
    version: str


@dataclass(frozen=True)
class RawStore:
    """Current answers of live sources by source and symbol.

    Attributes
    ----------
    objects : RawObjects
        Where they lie.
    clock : callable
        Tells the time.
    """

    objects: RawObjects
    clock: Clock = now

    def find(self, source: str, symbol: str) -> Kept | None:
        """Return what is kept; None if there is nothing, or if what the index names is missing or altered."""
        found = self.objects.find(_key(source, symbol, INDEX))
        if found is None:
            return None
        try:
            index = RawIndex.model_validate_json(found.content)
        except ValidationError:
            index = None
        stored = self.objects.find(_key(source, symbol, index.object)) if index is not None else None
        if index is None or stored is None or hashlib.sha256(stored.content).hexdigest() != index.sha256:
            return None
        return Kept(stored.content, index, found.version)

    def keep(
        self,
        source: str,
        symbol: str,
        content: bytes,
        suffix: str,
        previous: Kept | None,
        *,
        rows: int = 0,
        first: dt.date | None = None,
        last: dt.date | None = None,
        asked_from: dt.date | None = None,
        facts: Mapping[str, str] | None = None,
        is_whole: bool = True,
    ) -> None:
        """Make `content` current: the object first, its index last.

        Who loses a race against another writer leaves the other's index: it names an answer of the same minutes.
        """
        moment = self.clock()
        sha256 = hashlib.sha256(content).hexdigest()
        name = f"{sha256[:32]}.{suffix}"
        unchanged = previous is not None and previous.index.sha256 == sha256
        if not unchanged:
            self.objects.write_once(_key(source, symbol, name), content)
        index = RawIndex(
            object=name,
            sha256=sha256,
            fetched=previous.index.fetched if previous is not None and unchanged else moment,
            checked=moment,
            whole=moment if is_whole or previous is None else previous.index.whole,
            rows=rows,
            first=first,
            last=last,
            asked_from=asked_from,
            facts=dict(facts or {}),
        )
        self._write(source, symbol, index, previous)

    def confirm(self, source: str, symbol: str, kept: Kept) -> None:
        """Record that the source was asked and had nothing else."""
        self._write(source, symbol, kept.index.model_copy(update={"checked": self.clock()}), kept)

    def _write(self, source: str, symbol: str, index: RawIndex, previous: Kept | None) -> None:
        key = _key(source, symbol, INDEX)
        content = index.model_dump_json(indent=1).encode()
        if previous is not None:
            self.objects.replace(key, content, previous.version)
        elif not self.objects.replace(key, content, None) and self.find(source, symbol) is None:
            # There is an index, and nothing usable behind it: `find` said so before the source was asked.
            there = self.objects.find(key)
            self.objects.replace(key, content, there.version if there is not None else None)

    def age(self, moment: dt.datetime) -> dt.timedelta:
        """Return the time that has passed since `moment`."""
        return self.clock() - moment


def _key(source: str, symbol: str, name: str) -> str:
    # `^` needs quoting in addresses and shells.
    return f"{source}/{symbol.replace('^', '_')}/{name}"


@dataclass
class MemoryObjects:
    """Objects of this process: for a source that was opened without a place to keep anything."""

    contents: dict[str, bytes] = field(default_factory=dict)

    def find(self, key: str) -> Found | None:
        """Return an object, or None if there is none."""
        content = self.contents.get(key)
        return None if content is None else Found(content, hashlib.sha256(content).hexdigest())

    def write_once(self, key: str, content: bytes) -> None:
        """Write an object unless there is one already."""
        self.contents.setdefault(key, content)

    def replace(self, key: str, content: bytes, version: str | None) -> bool:
        """Write an object if the one there has still `version`."""
        there = self.find(key)
        if (there.version if there is not None else None) != version:
            return False
        self.contents[key] = content
        return True


@dataclass(frozen=True)
class FolderObjects:
    """Objects as files, for one machine. Files appear whole; of two processes that race for an index the last wins."""

    folder: Path

    def find(self, key: str) -> Found | None:
        """Return a file's content, or None if there is none."""
        try:
            content = (self.folder / key).read_bytes()
        except FileNotFoundError:
            return None
        return Found(content, hashlib.sha256(content).hexdigest())

    def write_once(self, key: str, content: bytes) -> None:
        """Write a file unless there is one already."""
        if not (self.folder / key).exists():
            self._move_in(key, content)

    def replace(self, key: str, content: bytes, version: str | None) -> bool:
        """Write a file if the one there has still `version`."""
        there = self.find(key)
        if (there.version if there is not None else None) != version:
            return False
        self._move_in(key, content)
        return True

    def _move_in(self, key: str, content: bytes) -> None:
        target = self.folder / key
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, partial = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}-")
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(content)
            Path(partial).replace(target)
        finally:
            Path(partial).unlink(missing_ok=True)
