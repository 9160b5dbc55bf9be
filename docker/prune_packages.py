"""Take out of an installed environment what no function ever imports: tests, headers, build tools, unused libraries.

Run in the build stages of the Dockerfile, by the environment's own interpreter, after packages are installed.
"""

from __future__ import annotations

import shutil
import sysconfig
from pathlib import Path

SITE = Path(sysconfig.get_path("purelib"))

FOLDERS = (
    "torch/include",
    "torch/share",
    "torch/test",
    "pyarrow/include",
    "sklearn/datasets/data",
    "sklearn/datasets/images",
)
LIBRARIES = ("pyarrow/libarrow_flight.so*", "pyarrow/_flight*.so")  # remote procedure calls
PROGRAMS = "torch/bin/*"
NEEDED_PROGRAM = "torch_shm_manager"
"""The one that torch looks for when it is imported; beside it lie protoc and test programs."""

SOURCES = ("*.h", "*.hpp", "*.pxd", "*.pyx", "*.pxi", "*.c", "*.cpp", "*.a", "*.lib")


def size_of(folder: Path) -> int:
    """Return the bytes below a folder."""
    return sum(file.lstat().st_size for file in folder.rglob("*") if file.is_file())


def prune() -> None:
    """Delete, and say how much that was."""
    before = size_of(SITE)
    for folder in [SITE / name for name in FOLDERS] + [path for path in SITE.rglob("tests") if path.is_dir()]:
        shutil.rmtree(folder, ignore_errors=True)
    for pattern in LIBRARIES:
        for file in SITE.glob(pattern):
            file.unlink()
    for file in SITE.glob(PROGRAMS):
        if file.is_file() and file.name != NEEDED_PROGRAM:
            file.unlink()
    for pattern in SOURCES:
        for file in SITE.rglob(pattern):
            file.unlink()
    print(f"pruned {SITE}: {before / 1e6:.0f} MB, now {size_of(SITE) / 1e6:.0f} MB")


if __name__ == "__main__":
    prune()
