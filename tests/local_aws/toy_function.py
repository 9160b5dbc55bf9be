"""A function for the conformance tests: it does what its event says."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any


class TransientToyError(Exception):
    """Passes when tried again."""


class BrokenToyError(Exception):
    """Does not."""


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    began = time.time()
    for path in filter(None, [event.get("log")]):
        with Path(path).open("a") as log:
            log.write(f"{os.getpid()}\n")
    attempts = len(Path(event["log"]).read_text().splitlines()) if "log" in event else 0
    time.sleep(event.get("sleep", 0))
    if 0 < attempts <= event.get("transient_failures", 0):
        raise TransientToyError("try again")
    if event.get("broken"):
        raise BrokenToyError("nothing helps")
    return {"echo": event.get("echo"), "pid": os.getpid(), "began": began, "ended": time.time(), "attempts": attempts}
