"""The folder that a function may write to: `/tmp` on Lambda, gone with the process everywhere."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path


@cache
def workspace() -> Path:
    """Return this process's own writable folder; two processes on one machine never share a file in it."""
    folder = Path(tempfile.mkdtemp(prefix="amts-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def fresh_folder(name: str) -> Path:
    """Return an empty folder of that name in the workspace; what an earlier call left in it is removed."""
    folder = workspace() / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder
