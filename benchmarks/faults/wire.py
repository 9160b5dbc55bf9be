"""Between the AWS clients and the network: calls are counted, faults come in, writes that took effect are noted.

It replaces `send` of botocore's HTTP session, below botocore's own retries: a throttled answer is retried by the real
client, an answer that is lost is lost after the emulator has done what was asked.
"""

from __future__ import annotations

import io
import json
import os
import time
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import botocore.endpoint
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ConnectionClosedError, ReadTimeoutError
from botocore.httpsession import URLLib3Session

WRITES = frozenset(
    {"PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems", "PutObject", "DeleteObject", "Publish"}
)
SLOW_SECONDS = 0.25


@dataclass(frozen=True)
class Call:
    """One request, as far as it matters here."""

    service: str
    operation: str
    target: str
    body: Any
    sha256: str | None = None


@dataclass
class Arm:
    """A fault that waits for its call.

    Attributes
    ----------
    at : int
        Number of the call in its invocation, from 1 on.
    kind : str
        What happens, one of `ACTS`.
    calls : int
        It happens at so many calls in a row, botocore's retries among them.
    act : callable
        What somebody else does at that moment.
    """

    at: int
    kind: str
    calls: int = 1
    act: Callable[[], None] = lambda: None
    fired: int = 0


@dataclass
class Wire:
    """The state of the wire in this process."""

    journal: Path
    calls: int = 0
    arms: list[Arm] = field(default_factory=list)
    under_test: bool = False
    label: str = ""
    postponed: list[tuple[int, Any, Any]] = field(default_factory=list)
    items_written: int = 0

    @contextmanager
    def invocation(self, label: str, arms: list[Arm]) -> Iterator[None]:
        """Take what is sent meanwhile for an invocation's, and arm its faults."""
        before = (self.calls, self.arms, self.under_test, self.label)
        self.calls, self.arms, self.under_test, self.label = 0, arms, True, label
        try:
            yield
        finally:
            self._let_through(everything=True)
            self.calls, self.arms, self.under_test, self.label = before

    @contextmanager
    def outside(self) -> Iterator[None]:
        """Take what is sent meanwhile for the bench's own."""
        before, self.under_test = self.under_test, False
        try:
            yield
        finally:
            self.under_test = before

    def send(self, real: Callable[[Any, Any], Any], session: Any, request: Any) -> Any:
        """Send a request, or have something happen to it."""
        if not self.under_test:
            return real(session, request)
        call = call_of(request)
        self.calls += 1
        self._let_through()
        arm = next((arm for arm in self.arms if arm.at <= self.calls and arm.fired < arm.calls), None)
        if arm is None:
            return self._noted(call, real(session, request))
        arm.fired += 1
        self.note({"fault": arm.kind, "call": self.calls, "operation": call.operation, "target": call.target})
        return self._happens(arm, call, real, session, request)

    def _happens(self, arm: Arm, call: Call, real: Callable[[Any, Any], Any], session: Any, request: Any) -> Any:
        url = request.url
        match arm.kind:
            case "throttled":
                return refusal(call, url, throttle=True)
            case "server error":
                return refusal(call, url, throttle=False)
            case "connection closed":
                raise ConnectionClosedError(endpoint_url=url)
            case "answer lost":
                self._noted(call, real(session, request))
                raise ReadTimeoutError(endpoint_url=url)
            case "late effect":  # the client gives up, and the request is carried out some calls later
                if hasattr(request.body, "read"):  # the file may be closed by then
                    request.body = request.body.read()
                self.postponed.append((self.calls + 3, session, request))
                raise ReadTimeoutError(endpoint_url=url)
            case "answer cut":
                return cut(self._noted(call, real(session, request)))
            case "slow":
                time.sleep(SLOW_SECONDS)
                return self._noted(call, real(session, request))
            case "meanwhile":
                arm.act()
                return self._noted(call, real(session, request))
            case "process ends before":
                arm.act()
            case "process ends after":
                self._noted(call, real(session, request))
                arm.act()
            case other:
                raise ValueError(other)
        return self._noted(call, real(session, request))  # it was stopped, and goes on

    def _let_through(self, *, everything: bool = False) -> None:
        due = [entry for entry in self.postponed if everything or entry[0] <= self.calls]
        self.postponed = [entry for entry in self.postponed if entry not in due]
        for _, session, request in due:
            with self.outside():
                self._noted(call_of(request), URLLib3Session.send(session, request))

    def _noted(self, call: Call, answer: Any) -> Any:
        if call.operation in WRITES and answer.status_code < 300:
            self.items_written += call.service == "dynamodb"
            self.note({"write": call.operation, "target": call.target, "body": call.body, "sha256": call.sha256})
        return answer

    def note(self, entry: dict[str, Any]) -> None:
        """Append one line to the journal, which all processes of a run share."""
        line = json.dumps({"by": self.label, "pid": os.getpid(), **entry}, default=str) + "\n"
        with self.journal.open("a", encoding="utf-8") as stream:
            stream.write(line)


def call_of(request: Any) -> Call:
    """Read what a request asks for."""
    headers = {
        name.lower(): value if isinstance(value, str) else value.decode() for name, value in request.headers.items()
    }
    target = headers.get("x-amz-target", "")
    if target.startswith("DynamoDB"):
        body = json.loads(request.body)
        operation = target.rpartition(".")[2]
        return Call("dynamodb", operation, body.get("TableName", ""), body)
    if target.startswith("AWSStepFunctions"):
        return Call("states", target.rpartition(".")[2], "", None)
    body = request.body if isinstance(request.body, bytes | str) else b""
    text = body.decode(errors="replace") if isinstance(body, bytes) else body
    if "Action=" in text[:2000]:
        fields = {name: values[0] for name, values in urllib.parse.parse_qs(text).items()}
        return Call("sns", fields.get("Action", ""), fields.get("TopicArn", ""), fields)
    path = urllib.parse.unquote(urllib.parse.urlsplit(request.url).path).lstrip("/")
    operation = {"GET": "GetObject", "PUT": "PutObject", "HEAD": "HeadObject", "DELETE": "DeleteObject"}.get(
        request.method, request.method
    )
    if operation == "GetObject" and "list-type" in request.url:
        operation = "ListObjects"
    return Call("s3", operation, path, None, headers.get("x-amz-meta-sha256"))


def refusal(call: Call, url: str, *, throttle: bool) -> AWSResponse:
    """Return the answer of a service that does not do what was asked."""
    if call.service == "dynamodb":
        code = "ProvisionedThroughputExceededException" if throttle else "InternalServerError"
        kind = f"com.amazonaws.dynamodb.v20120810#{code}"
        body = json.dumps({"__type": kind, "message": "a fault of the bench"}).encode()
        return answer_of(url, 400 if throttle else 500, body, "application/x-amz-json-1.0")
    code = "SlowDown" if throttle else "InternalError"
    if call.service == "sns":
        code = "Throttling" if throttle else "InternalError"
        body = (
            "<ErrorResponse><Error><Type>Sender</Type>"
            f"<Code>{code}</Code><Message>a fault of the bench</Message></Error></ErrorResponse>"
        ).encode()
        return answer_of(url, 400 if throttle else 500, body, "text/xml")
    body = (
        b""
        if call.operation == "HeadObject"
        else (
            f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>a fault of the bench</Message></Error>".encode()
        )
    )
    return answer_of(url, 503 if throttle else 500, body, "application/xml")


def answer_of(url: str, status: int, body: bytes, content_type: str) -> AWSResponse:
    """Return an answer as botocore has it."""
    return AWSResponse(url, status, {"content-type": content_type, "content-length": str(len(body))}, Raw(body))


def cut(answer: Any) -> Any:
    """Return an answer whose body ends in its middle."""
    body = answer.content
    headers = dict(answer.headers) | {"content-length": str(len(body))}
    return AWSResponse(answer.url, answer.status_code, headers, Raw(body[: len(body) // 2]))


class Raw(io.BytesIO):
    """The raw body of an answer, as urllib3 has it."""

    def stream(self, amount: int = 1 << 16, **_: Any) -> Iterator[bytes]:
        """Yield the body."""
        while chunk := self.read(amount):
            yield chunk

    def read(self, amount: int | None = -1, **_: Any) -> bytes:
        """Read; urllib3's own arguments are accepted."""
        return super().read(-1 if amount is None else amount)


@contextmanager
def installed(wire: Wire) -> Iterator[Wire]:
    """Put the wire under every client of this process and its children; waits of botocore's retries take no time."""
    real = URLLib3Session.send

    def send(session: Any, request: Any) -> Any:
        return wire.send(real, session, request)

    class NoWaiting:
        """`time` of botocore's endpoint."""

        time = staticmethod(time.time)

        @staticmethod
        def sleep(_: float) -> None:
            """Do not."""

    clock = botocore.endpoint.time
    URLLib3Session.send = send  # type: ignore[method-assign]
    botocore.endpoint.time = NoWaiting  # type: ignore[assignment, attr-defined]
    try:
        yield wire
    finally:
        URLLib3Session.send = real  # type: ignore[method-assign]
        botocore.endpoint.time = clock  # type: ignore[attr-defined]
