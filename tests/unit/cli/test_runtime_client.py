"""The own runtime client against a Runtime API that follows AWS's documentation, in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

HANDLER = """
import os
class TransientMarketDataError(Exception):
    pass
def handler(event, context):
    if event.get("fail"):
        raise TransientMarketDataError("the source is busy")
    return {"sum": sum(event["numbers"]), "id": context.aws_request_id, "name": context.function_name,
            "time_left": 0 < context.get_remaining_time_in_millis() <= 60000, "trace": os.environ["_X_AMZN_TRACE_ID"]}
"""


class RuntimeApi:
    """Hands out events and keeps what is posted."""

    def __init__(self, events: list[Any]) -> None:
        self.posted: list[tuple[str, Any]] = []
        waiting = iter(enumerate(events))
        api = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None: ...

            def do_GET(self) -> None:
                number, event = next(waiting, (0, None))
                self.send_response(500 if event is None else 200)  # 500: the environment is shut down
                body = json.dumps(event).encode()
                self.send_header("Lambda-Runtime-Aws-Request-Id", f"request-{number}")
                self.send_header("Lambda-Runtime-Deadline-Ms", str(int((__import__("time").time() + 60) * 1000)))
                self.send_header("Lambda-Runtime-Trace-Id", "Root=1-2-3")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self) -> None:
                api.posted.append((self.path, json.loads(self.rfile.read(int(self.headers["Content-Length"])))))
                self.send_response(202)
                self.send_header("Content-Length", "0")
                self.end_headers()

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server.server_address[1]}"


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Any]:
    (tmp_path / "toy.py").write_text(HANDLER)
    servers = []

    def run(events: list[Any], handler: str = "toy.handler") -> list[tuple[str, Any]]:
        api = RuntimeApi(events)
        servers.append(api.server)
        # A proxy in the environment must not be asked for loopback.
        environment = {**os.environ, "AWS_LAMBDA_RUNTIME_API": api.address, "AWS_LAMBDA_FUNCTION_NAME": "toy"}
        environment |= {
            "PYTHONPATH": str(tmp_path),
            "HTTP_PROXY": "http://127.0.0.1:9",
            "http_proxy": "http://127.0.0.1:9",
        }
        command = [sys.executable, "-m", "cli.local_aws.runtime_client", handler]
        subprocess.run(  # noqa: S603
            command, env=environment, capture_output=True, timeout=30, check=False
        )
        return api.posted

    yield run
    for server in servers:
        server.shutdown()
        server.server_close()


def test_results_and_errors_are_posted_under_the_request_they_belong_to(serve: Any) -> None:
    posted = serve([{"numbers": [1, 2]}, {"fail": True}, {"numbers": [5]}])

    (first, result), (second, error), (third, again) = posted
    assert first.endswith("/2018-06-01/runtime/invocation/request-0/response")
    assert result == {"sum": 3, "id": "request-0", "name": "toy", "time_left": True, "trace": "Root=1-2-3"}
    # The class name is what Retry and Catch of the state machines read.
    assert second.endswith("/request-1/error")
    assert (error["errorType"], error["errorMessage"]) == ("TransientMarketDataError", "the source is busy")
    assert third.endswith("/request-2/response")
    assert again["sum"] == 5


def test_a_handler_that_cannot_be_imported_is_an_init_error(serve: Any) -> None:
    ((path, error),) = serve([{"numbers": []}], handler="no_such_module.handler")

    assert path.endswith("/runtime/init/error")
    assert error["errorType"] == "ModuleNotFoundError"
