"""Times that a busy machine does not spoil, and peers in environments of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import venv
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PEERS = Path(__file__).resolve().parent / "peers"
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")


class PeerMissingError(Exception):
    """A peer cannot be installed here; what needs it is skipped, and says why."""


@dataclass(frozen=True)
class Timing:
    """Best of some repetitions. `cpu` is what the process used: on a shared machine the number to compare."""

    cpu: float
    wall: float
    repetitions: int


def best_of(call: Callable[[], object], repetitions: int) -> Timing:
    """Time a call, in seconds; the first one, which warms caches up, does not count."""
    call()
    cpu, wall = [], []
    for _ in range(repetitions):
        wall_start, cpu_start = time.perf_counter(), time.process_time()
        call()
        cpu.append(time.process_time() - cpu_start)
        wall.append(time.perf_counter() - wall_start)
    return Timing(min(cpu), min(wall), repetitions)


def once(call: Callable[[], object]) -> Timing:
    """Time one call, for what takes long."""
    wall_start, cpu_start = time.perf_counter(), time.process_time()
    call()
    return Timing(time.process_time() - cpu_start, time.perf_counter() - wall_start, 1)


def peer_python(name: str) -> Path:
    """Return the interpreter of a peer's own environment, .local/bench-<name>; install it on first use.

    The peer is never a dependency of the project, and its own dependencies cannot change the project's.

    Raises
    ------
    PeerMissingError
        If it cannot be installed: no package index, or no build of it for this machine.
    """
    requirements = PEERS / f"{name}.txt"
    folder = ROOT / ".local" / f"bench-{name}"
    python, stamp = folder / "bin" / "python", folder / "installed.txt"
    if not stamp.exists() or stamp.read_text() != requirements.read_text():
        print(f"installing {name} into {folder.relative_to(ROOT)}", file=sys.stderr)
        try:
            venv.create(folder, with_pip=True, clear=True)
            subprocess.run([python, "-m", "pip", "install", "--quiet", "-r", requirements], check=True)  # noqa: S603
        except (subprocess.CalledProcessError, OSError) as error:
            raise PeerMissingError(f"{name} could not be installed ({error})") from error
        stamp.write_text(requirements.read_text())
    return python


def in_process(python: Path | str, arguments: Sequence[str | Path]) -> dict[str, Any]:
    """Run a script that prints one JSON document, with one thread."""
    done = subprocess.run(  # noqa: S603
        [python, *arguments], cwd=ROOT, env={**os.environ, **ONE_THREAD}, check=True, stdout=subprocess.PIPE, text=True
    )
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def as_seconds(timing: Timing) -> dict[str, float | int]:
    """Return a timing as JSON takes it."""
    return {name: round(value, 6) for name, value in asdict(timing).items()}
