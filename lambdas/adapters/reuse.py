"""Keys of results that are worth keeping: equal keys mean that computing again would give the same."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from importlib import metadata
from pathlib import Path

from pydantic import BaseModel

import lambdas.core

NUMERIC_LIBRARIES = ("lightgbm", "numpy", "optuna", "pandas", "scikit-learn", "scipy", "torch", "xgboost-cpu")
"""What else decides a number; a library that an image lacks counts as absent."""


@cache
def core_version() -> str:
    """Return 12 hex digits of the hash of the core's source files."""
    digest = hashlib.sha256()
    root = Path(lambdas.core.__file__).parent
    for file in sorted(root.rglob("*.py")):
        digest.update(file.relative_to(root).as_posix().encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


@cache
def code_version() -> str:
    """Return 12 hex digits that stand for the core's source files and the installed numeric libraries."""
    return reuse_key(core_version(), *(f"{name}={_installed(name)}" for name in NUMERIC_LIBRARIES))[:12]


def _installed(library: str) -> str:
    try:
        return metadata.version(library)
    except metadata.PackageNotFoundError:
        return "absent"


def reuse_key(*parts: str | int | BaseModel) -> str:
    """Return 24 hex digits that stand for the parts, in their order.

    Examples
    --------
    >>> reuse_key("a", "bc") == reuse_key("ab", "c")
    False
    """
    plain = [part.model_dump(mode="json") if isinstance(part, BaseModel) else part for part in parts]
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()[:24]
