"""UBJSON, as far as XGBoost writes it: the reader believes no count that the bytes cannot hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

NUMBERS = {b"U": "u1", b"i": "i1", b"I": ">i2", b"l": ">i4", b"L": ">i8", b"d": ">f4", b"D": ">f8"}
MAX_DEPTH = 12
"""The leaves of a model lie seven deep."""


def read_ubjson(data: bytes) -> Any:
    r"""Return what the bytes say: objects as dict, arrays of one type as ndarray, other arrays as list.

    Raises
    ------
    ValueError
        If they are not UBJSON to their last byte, say a name twice, or use a form that XGBoost does not write.

    Examples
    --------
    >>> read_ubjson(b"{i\x01a[$U#i\x02\x07\x08}")
    {'a': array([7, 8], dtype=uint8)}
    """
    reader = _Reader(data)
    value = reader.value(0)
    if reader.at != len(data):
        raise ValueError(f"{len(data) - reader.at} bytes after its end")
    return value


@dataclass
class _Reader:
    data: bytes
    at: int = 0

    def take(self, n: int) -> bytes:
        if not 0 <= n <= len(self.data) - self.at:
            raise ValueError(f"it ends before the {n} bytes that byte {self.at} announces")
        taken = self.data[self.at : self.at + n]
        self.at += n
        return taken

    def number(self, marker: bytes) -> int | float:
        if marker not in NUMBERS:
            raise ValueError(f"byte {self.at - 1} is {marker!r}, not the beginning of a number")
        kind = np.dtype(NUMBERS[marker])
        value: int | float = np.frombuffer(self.take(kind.itemsize), kind)[0].item()
        return value

    def length(self) -> int:
        n = self.number(self.take(1))
        # Nothing that is counted has less than a byte.
        if not isinstance(n, int) or not 0 <= n <= len(self.data) - self.at:
            raise ValueError(f"a length of {n} at byte {self.at}")
        return n

    def text(self) -> str:
        return self.take(self.length()).decode("utf-8")

    def value(self, depth: int) -> Any:
        if depth > MAX_DEPTH:
            raise ValueError(f"more than {MAX_DEPTH} levels")
        marker = self.take(1)
        if marker == b"{":
            return self.object(depth)
        if marker == b"[":
            return self.array(depth)
        if marker == b"S":
            return self.text()
        return self.number(marker)

    def object(self, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while self.data[self.at : self.at + 1] != b"}":
            name = self.text()
            if name in found:
                raise ValueError(f"{name[:60]!r} is there twice")
            found[name] = self.value(depth + 1)
        self.at += 1
        return found

    def array(self, depth: int) -> Any:
        marker = self.take(1)
        if marker == b"$":
            marker = self.take(1)
            kind = NUMBERS.get(marker)
            if kind is None or self.take(1) != b"#":
                raise ValueError(f"an array of {marker!r} at byte {self.at}")
            return np.frombuffer(self.take(self.length() * np.dtype(kind).itemsize), kind)
        if marker != b"#":
            raise ValueError(f"an array without a length at byte {self.at}")
        return [self.value(depth + 1) for _ in range(self.length())]
