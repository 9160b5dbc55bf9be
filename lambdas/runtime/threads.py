"""How many threads a step may use."""

from __future__ import annotations

import os


def available_threads() -> int:
    """Return `OMP_NUM_THREADS` where it is set, else the processors of this process: on Lambda, what its memory buys.

    More threads than processors are slower than one: those of OpenMP wait for each other by spinning.
    """
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return int(asked) if asked.isdigit() and int(asked) > 0 else processors()


def processors() -> int:
    """Return the processors that this process may run on; macOS does not say, and all count."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
