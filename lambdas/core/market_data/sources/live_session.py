"""The HTTP session of the live sources. Import it where it is used: it loads curl."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

from curl_cffi.requests import Response, Session
from curl_cffi.requests.exceptions import RequestException

from lambdas.core.market_data.sources.live_requests import Manners, PassingFaultError, UnansweredError

Complaint = Callable[[str, Response], str | None]
"""Says what is wrong with an answer, or None."""

_TOO_MANY_REQUESTS = 429
_REQUEST_TIMEOUT = 408


def no_complaint(_url: str, _response: Response) -> str | None:
    """Accept every answer."""
    return None


class PatientSession(Session[Response]):
    """A session of curl whose requests are made by the manners of a source.

    It is what yfinance is given, so that retries, the circuit breaker and the checks of an answer work below it:
    what yfinance sees is an answer, or `UnansweredError`.

    Parameters
    ----------
    manners : Manners
    complaint : callable
        Looks at every answer; what it complains about is asked for again.
    dispensable : callable
        Says of an address whether the caller can do without an answer: then it is asked for once.
    manners_for : callable, optional
        Manners by address, where not all are asked in the same way.
    """

    def __init__(
        self,
        manners: Manners,
        complaint: Complaint = no_complaint,
        dispensable: Callable[[str], bool] = lambda _url: False,
        manners_for: Callable[[str], Manners] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self._manners = manners
        self._complaint = complaint
        self._dispensable = dispensable
        self._manners_for = manners_for or (lambda _url: manners)
        self._answered = threading.local()

    @property
    def last_status(self) -> int:
        """Status of the last answer that this thread got; 0 before the first."""
        return int(getattr(self._answered, "status", 0))

    def request(self, method: Any, url: str, *args: Any, **options: Any) -> Response:
        """Make a request, with patience; statuses other than 408, 429 and 5xx are answers."""
        options["timeout"] = self._manners.timeout_seconds

        def attempt() -> Response:
            try:
                response = super(PatientSession, self).request(method, self._manners.address(url), *args, **options)
            except RequestException as error:
                reason = str(error).split(". See ")[0]
                raise PassingFaultError(f"{type(error).__name__}: {reason}"[:160]) from error
            self._manners.traffic.add(_size(response))
            status = response.status_code
            if status in (_TOO_MANY_REQUESTS, _REQUEST_TIMEOUT) or status >= 500:
                words = "too many requests" if status == _TOO_MANY_REQUESTS else "the server failed"
                raise PassingFaultError(f"status {status}, {words}", response.headers.get("Retry-After"))
            if (complaint := self._complaint(url, response)) is not None:
                raise PassingFaultError(complaint)
            self._answered.status = status
            return response

        if not self._dispensable(url):
            return self._manners_for(url).ask(url.split("?")[0], attempt)
        try:
            return attempt()
        except PassingFaultError as fault:
            raise UnansweredError(f"{self._manners.name}: {url}: {fault}") from fault


def _size(response: Response) -> int:
    """Return the bytes of an answer's body as they came; where the server does not say, as they were unpacked."""
    told = response.headers.get("Content-Length") or ""
    return int(told) if told.isdigit() else len(response.content)


def body_of(response: Response) -> Any:
    """Return the JSON of an answer; ValueError if it is none."""
    return json.loads(response.content)


def unreadable(response: Response) -> str | None:
    """Complain about a body that is no JSON."""
    try:
        body_of(response)
    except ValueError:
        return "the answer is no readable JSON" if response.content else "the answer is empty"
    return None
