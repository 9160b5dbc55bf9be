"""A Lambda runtime client in the standard library: `python -m cli.local_aws.runtime_client MODULE.FUNCTION`.

Stands in for `awslambdaric` where that has no wheel (macOS). It speaks the documented Runtime API: next invocation,
response, error. A handler's exception keeps the name of its class, which Retry and Catch of the state machines use.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
import traceback
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

API_VERSION = "2018-06-01"


@dataclass(frozen=True)
class Context:
    """What a handler is told of its invocation: the attributes of AWS's context object that Powertools reads."""

    aws_request_id: str
    invoked_function_arn: str
    deadline_ms: int
    function_name: str = os.environ.get("AWS_LAMBDA_FUNCTION_NAME", "")
    function_version: str = os.environ.get("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
    memory_limit_in_mb: str = os.environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
    log_group_name: str = os.environ.get("AWS_LAMBDA_LOG_GROUP_NAME", "")
    log_stream_name: str = os.environ.get("AWS_LAMBDA_LOG_STREAM_NAME", "")

    def get_remaining_time_in_millis(self) -> int:
        """Return the milliseconds until the invocation times out."""
        return max(0, self.deadline_ms - int(time.time() * 1000))


def serve(handler_path: str, api: str) -> None:
    """Answer invocations until the process is ended, or the Runtime API is gone."""
    try:
        handler = load(handler_path)
    except Exception as error:
        _post(f"http://{api}/{API_VERSION}/runtime/init/error", _fault(error))
        raise
    while True:
        answer_one(handler, f"http://{api}/{API_VERSION}/runtime/invocation")


def load(handler_path: str) -> Callable[[Any, Context], Any]:
    """Import `package.module.function`."""
    module, _, name = handler_path.rpartition(".")
    handler: Callable[[Any, Context], Any] = getattr(importlib.import_module(module.replace("/", ".")), name)
    return handler


def answer_one(handler: Callable[[Any, Context], Any], invocations: str) -> None:
    """Wait for one invocation, call the handler, and post its result or its error."""
    with _open(f"{invocations}/next") as event_answer:  # no timeout: the API keeps the request until there is work
        event = json.load(event_answer)
        headers = event_answer.headers
    request_id = headers["Lambda-Runtime-Aws-Request-Id"]
    if trace_id := headers.get("Lambda-Runtime-Trace-Id"):
        os.environ["_X_AMZN_TRACE_ID"] = trace_id
    context = Context(
        aws_request_id=request_id,
        invoked_function_arn=headers.get("Lambda-Runtime-Invoked-Function-Arn", ""),
        deadline_ms=int(headers["Lambda-Runtime-Deadline-Ms"]),
    )
    try:
        kind, body = "response", json.dumps(handler(event, context)).encode()
    except Exception as error:
        kind, body = "error", _fault(error)
    _post(f"{invocations}/{request_id}/{kind}", body)


def _fault(error: Exception) -> bytes:
    return json.dumps(
        {
            "errorType": type(error).__name__,
            "errorMessage": str(error),
            "stackTrace": traceback.format_tb(error.__traceback__),
        }
    ).encode()


def _post(url: str, body: bytes) -> None:
    with _open(url, body):
        pass


def _open(url: str, body: bytes | None = None) -> Any:
    # The API is on loopback: a proxy of the environment must not see it.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    return opener.open(urllib.request.Request(url, data=body))  # noqa: S310 - http on loopback


if __name__ == "__main__":
    serve(sys.argv[1], os.environ["AWS_LAMBDA_RUNTIME_API"])
