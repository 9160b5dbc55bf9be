"""Start, stop and find the AWS emulator (MiniStack, pinned) on loopback.

The running emulator holds an exclusive `flock` on its lock file, handed down by the process that started it. So
"is it running" is answered by the kernel: a crash releases the lock, and a recycled process id cannot mislead.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from cli.console import SetupError
from cli.local_aws.place import Place

DEFAULT_PORT = 4566
START_TIMEOUT_SECONDS = 60.0
STOP_TIMEOUT_SECONDS = 60.0


@dataclass(frozen=True)
class Emulator:
    """A running emulator."""

    pid: int
    port: int

    @property
    def endpoint(self) -> str:
        """URL that every AWS client is pointed at."""
        return f"http://127.0.0.1:{self.port}"


def find(place: Place) -> Emulator | None:
    """Return the running emulator of this place, or None. A stale pid file counts for nothing."""
    try:
        lock = _lock_file(place).open("r+")
    except FileNotFoundError:
        return None
    with lock:
        if _try_lock(lock, fcntl.LOCK_SH):
            return None  # nobody holds it: whatever the file says is of a process that is gone
        # The holder is either running or about to be: its own starter waits for its health, so we need not.
        return _read(place)


def start(place: Place, port: int | None = None) -> Emulator:
    """Start the emulator unless it runs already, and wait until it answers.

    Parameters
    ----------
    place
        Its state folder decides which emulator is meant.
    port
        Port on 127.0.0.1. None: the one used before, else 4566, else any that is free.

    Raises
    ------
    SetupError
        If the tools are missing, the port is taken by something else, or it does not come up in a minute.
    """
    place.home.mkdir(parents=True, exist_ok=True)
    with exclusive(place, "start"):
        running = find(place)
        if running is not None and _answers_within(running, START_TIMEOUT_SECONDS):
            if port not in (None, running.port):
                raise SetupError(
                    f"the local AWS runs on port {running.port}, not {port}. Stop it first: amts local down"
                )
            return running
        if running is not None:
            stop(place)
        return _launch(place, port)


def stop(place: Place) -> bool:
    """Stop the emulator gracefully, so that its state is on disk, with the functions it runs. False: none ran."""
    running = find(place)
    if running is None:
        return False
    _signal(running.pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_TIMEOUT_SECONDS
    while time.monotonic() < deadline and find(place) is not None:
        time.sleep(0.05)
    # The functions share its process group. They end by themselves when the runtime API is gone, the group makes sure.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(running.pid, signal.SIGKILL)
    return True


@contextlib.contextmanager
def exclusive(place: Place, purpose: str) -> Iterator[None]:
    """Hold a lock of this place: two processes that start, or deploy, wait for each other."""
    place.home.mkdir(parents=True, exist_ok=True)
    with (place.home / f"{purpose}.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _launch(place: Place, port: int | None) -> Emulator:
    chosen = _choose_port(place, port)
    for folder in (place.state, place.home / "tmp"):
        folder.mkdir(parents=True, exist_ok=True)
    endpoint = f"http://127.0.0.1:{chosen}"
    environment = place.environment() | {
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(chosen),
        "PERSIST_STATE": "1",
        "STATE_DIR": str(place.state),
        "S3_PERSIST": "1",
        "S3_DATA_DIR": str(place.state / "s3"),
        "TMPDIR": str(place.home / "tmp"),
        "AWS_ENDPOINT_URL": endpoint,  # the functions inherit it
        "MINISTACK_HOST": "127.0.0.1",
        "LOG_LEVEL": "INFO",
        # Folds run side by side, one process each: one thread a process, as a Lambda of 2 GB has about one core.
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_WAIT_POLICY": "PASSIVE",  # waiting threads that spin would take the core from the other process
        "PYTHONUNBUFFERED": "1",
    }
    if place.log.exists():  # one run of the emulator a file, and the one before for those who look for a crash
        place.log.replace(place.log.with_suffix(".log.before"))
    with _lock_file(place).open("a+") as lock, place.log.open("ab") as log:
        fcntl.flock(lock, fcntl.LOCK_EX)  # nobody runs it; at most a `find` looks at it for an instant
        process = subprocess.Popen(  # noqa: S603 - a pinned tool of the project
            [place.tool("ministack")],
            env=environment,
            cwd=place.home,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=(lock.fileno(),),
        )
        emulator = Emulator(process.pid, chosen)
        lock.truncate(0)
        lock.write(json.dumps({"pid": process.pid, "port": chosen}))
        lock.flush()
    _await_health(place, emulator, process)
    return emulator


def _await_health(place: Place, emulator: Emulator, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise SetupError(f"the local AWS ended with status {process.returncode}. Its last words are in {place.log}")
        if _healthy(emulator):
            return
        time.sleep(0.1)
    stop(place)
    raise SetupError(f"the local AWS did not answer within {START_TIMEOUT_SECONDS:.0f} s. See {place.log}")


def _answers_within(emulator: Emulator, seconds: float) -> bool:
    """Be patient with a machine that is busy fitting models: only an emulator that hangs is replaced."""
    deadline = time.monotonic() + seconds
    while not _healthy(emulator):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.2)
    return True


def _healthy(emulator: Emulator) -> bool:
    try:
        # A plain opener: the health check must not go through a person's proxy.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"{emulator.endpoint}/_ministack/health", timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _choose_port(place: Place, wanted: int | None) -> int:
    if wanted is not None:
        if not _is_free(wanted):
            raise SetupError(f"port {wanted} of 127.0.0.1 is taken by another program. Choose another one with --port")
        return wanted
    before = _read(place)
    for port in ([before.port] if before else []) + [DEFAULT_PORT]:
        if _is_free(port):
            return port
    return free_port()


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _lock_file(place: Place) -> Path:
    return place.home / "emulator.json"


def _read(place: Place) -> Emulator | None:
    try:
        content = json.loads(_lock_file(place).read_text())
        return Emulator(int(content["pid"]), int(content["port"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _try_lock(file: IO[str], kind: int) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _signal(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
