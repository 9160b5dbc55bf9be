"""How the live sources ask a server: in a measured pace, with patience, and not at all once it has stopped answering.

One place for Yahoo, EDGAR and FRED. What is likely to pass (a refused or broken connection, a timeout, status 429 or
5xx, an answer that cannot be read or is empty) is tried again with exponentially growing pauses and jitter, both by
`urllib3.Retry`; what a server says clearly (404) is an answer.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from urllib3.exceptions import MaxRetryError
from urllib3.util import Retry

from lambdas.core.errors import TransientMarketDataError

Answer = TypeVar("Answer")
Guard = Callable[[str, Callable[[], Any]], Any]
"""Makes a call on behalf of a source, by name; a circuit breaker raises `TransientMarketDataError` instead."""

OUTAGE_SYMBOLS = 5
OUTAGE_SHARE = 0.2


class PassingFaultError(Exception):
    """One request failed in a way that another attempt may cure."""

    def __init__(self, reason: str, retry_after: str | None = None) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class UnansweredError(OSError):
    """A request failed on every attempt; the message says how the last one did.

    An `OSError`, because that is what yfinance takes for a fault of the network: without a crumb it goes on.
    """


def unguarded(_name: str, call: Callable[[], Answer]) -> Answer:
    """Make every call: the guard where nothing remembers how the last ones went."""
    return call()


def patience() -> Retry:
    """Seven further attempts over about a minute: enough for a server that fails three requests of ten.

    With a chance of failure of 30 % one request in 15,000 stays unanswered. `Retry-After` is obeyed up to a minute.
    """
    return Retry(total=7, backoff_factor=0.5, backoff_jitter=1.0, backoff_max=30.0, retry_after_max=60)


@dataclass
class Pace:
    """At most `per_second` requests a second, evenly spaced, across the threads of this process."""

    per_second: float
    _next: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def wait(self) -> None:
        """Return when the next request may be made."""
        with self._lock:
            slot = max(self._next, time.monotonic())
            self._next = slot + 1.0 / self.per_second
        time.sleep(max(slot - time.monotonic(), 0.0))


@dataclass
class Traffic:
    """Bytes that servers answered with, added up across the threads of this process: what a NAT gateway charges for."""

    received: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, n_bytes: int) -> None:
        """Count an answer."""
        with self._lock:
            self.received += n_bytes


@dataclass(frozen=True)
class Manners:
    """How a source behaves towards its server.

    Attributes
    ----------
    name : str
        Of the source, in messages and for the guard.
    gateway : str, optional
        Address that stands in for every host: ``https://host/path`` is asked for as ``gateway/host/path``. For a
        company's mirror, and for tests.
    timeout_seconds : float
        For one attempt.
    traffic : Traffic
        Where answers are counted.
    """

    name: str
    pace: Pace
    retry: Retry = field(default_factory=patience)
    guard: Guard = unguarded
    gateway: str | None = None
    timeout_seconds: float = 20.0
    traffic: Traffic = field(default_factory=Traffic)

    def address(self, url: str) -> str:
        """Address under which `url` is asked for."""
        if self.gateway is None:
            return url
        return f"{self.gateway.rstrip('/')}/{url.removeprefix('https://')}"

    def ask(self, what: str, call: Callable[[], Answer]) -> Answer:
        """Make a call until it answers.

        Parameters
        ----------
        what : str
            What is asked for, in words, for the message.
        call : callable
            One attempt. Raises `PassingFaultError` where another one may help.

        Raises
        ------
        UnansweredError
            If no attempt succeeded.
        TransientMarketDataError
            If the guard lets no call through.
        """
        left = self.retry

        def attempt() -> Answer:
            self.pace.wait()
            return call()

        while True:
            try:
                answer: Answer = self.guard(self.name, attempt)
                return answer
            except PassingFaultError as fault:
                try:
                    left = left.increment(error=fault)
                except MaxRetryError:
                    attempts = len(left.history) + 1
                    raise UnansweredError(f"{self.name}: {what}: {fault} ({attempts} attempts)") from fault
                asked_for = left.parse_retry_after(fault.retry_after) if fault.retry_after else 0.0
                time.sleep(max(left.get_backoff_time(), asked_for))


def transient(source: str, reasons: dict[str, str]) -> TransientMarketDataError:
    """Make the error for a source that leaves much unanswered, with the first reason as an example."""
    symbol, reason = next(iter(sorted(reasons.items())))
    return TransientMarketDataError(
        f"{source} did not answer for {len(reasons)} symbols, for example {symbol}: {reason}. The step is retried; if "
        "it goes on, look at the source's status and at the network."
    )


def is_outage(n_unanswered: int, n_asked: int) -> bool:
    """Say whether so many unanswered symbols are the source's trouble, and not that of the symbols.

    The benchmark was answered for before: a symbol or two whose requests always fail shall cost themselves, in a
    batch of one too, and not the run.
    """
    return n_unanswered >= OUTAGE_SYMBOLS and n_unanswered > OUTAGE_SHARE * n_asked
