"""An HTTP server in a thread that answers with what it is given, and misbehaves on purpose.

It stands in for every host: ``https://host/path`` is asked for as ``http://127.0.0.1:port/host/path``.
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

SLOW_SECONDS = 1.2


@dataclass(frozen=True)
class Request:
    """What was asked for. `number` counts the requests for this path from 0."""

    host: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    number: int
    at: float


@dataclass(frozen=True)
class Reply:
    body: bytes
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


Router = Callable[[Request], Reply | None]
Fault = Callable[[Request], str | None]
"""Names what goes wrong with a request: a status, `timeout`, `broken`, `empty`, `cut`; or None."""

FAULTS = ("429", "500", "503", "broken", "empty", "cut")


def healthy(_request: Request) -> str | None:
    return None


def always(kind: str, part: str = "") -> Fault:
    """The same fault whenever the address holds `part`."""
    return lambda request: kind if part in f"{request.host}{request.path}" else None


def at_first(kind: str, part: str = "", times: int = 1) -> Fault:
    """A fault on the first requests for each address that holds `part`."""
    return lambda request: kind if part in f"{request.host}{request.path}" and request.number < times else None


def sometimes(share: float, seed: int) -> Fault:
    """A fault of any kind on this share of all requests."""
    rng, lock = random.Random(seed), threading.Lock()

    def fault(_request: Request) -> str | None:
        with lock:
            return rng.choice(FAULTS) if rng.random() < share else None

    return fault


class ReplayServer:
    """Serves a router; remembers every request."""

    def __init__(self, router: Router, fault: Fault = healthy) -> None:
        self.router, self.fault = router, fault
        self.requests: list[Request] = []
        self.faults = 0
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                outer.answer(self)

            def log_message(self, *_args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def asked(self, part: str) -> list[Request]:
        """Requests whose address holds `part`."""
        return [request for request in self.requests if part in f"{request.host}{request.path}"]

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        url = urlsplit(handler.path)
        host, _, path = url.path.lstrip("/").partition("/")
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        key = f"{url.path}?{query.get('id', '')}"
        with self._lock:
            headers = {name.lower(): value for name, value in handler.headers.items()}
            request = Request(host, f"/{path}", query, headers, self._counts[key], time.monotonic())
            self._counts[key] += 1
            self.requests.append(request)
        kind = self.fault(request)
        if kind is not None:
            self.faults += 1
        reply = self.router(request) or Reply(b"<html>not found</html>", 404)
        if kind == "timeout":
            time.sleep(SLOW_SECONDS)
        elif kind == "broken":
            reply = Reply(reply.body[: len(reply.body) // 2] + b"<html>", reply.status)
        elif kind == "empty":
            reply = Reply(b"", 200)
        elif kind is not None and kind.isdigit():
            reply = Reply(b"Too Many Requests\r\n" if kind == "429" else b"<html>sorry</html>", int(kind))
        try:
            handler.send_response(reply.status)
            for name, value in reply.headers.items():
                handler.send_header(name, value)
            handler.send_header("Content-Length", str(len(reply.body)))
            handler.end_headers()
            if kind == "cut":
                handler.wfile.write(reply.body[: len(reply.body) // 2])
                handler.close_connection = True
                return
            handler.wfile.write(reply.body)
        except (BrokenPipeError, ConnectionResetError):
            handler.close_connection = True

    @contextmanager
    def running(self) -> Iterator[ReplayServer]:
        self._thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
