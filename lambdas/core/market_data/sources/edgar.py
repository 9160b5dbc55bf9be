"""SEC EDGAR: the reported facts of a company, and who filed them when. Free and in the public domain.

The SEC asks for at most ten requests a second from a user, and for a contact in the User-Agent of each.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from lambdas.core.errors import InvalidRequestError
from lambdas.core.market_data.sources.live_requests import Manners, Pace, UnansweredError

if TYPE_CHECKING:
    from curl_cffi.requests import Response

TICKERS = "https://www.sec.gov/files/company_tickers.json"
COMPANY_FACTS = "https://data.sec.gov/api/xbrl/companyfacts/CIK{cik:010d}.json"
MAX_REQUESTS_PER_SECOND = 10.0
"""https://www.sec.gov/about/developer-resources; for one user, however many functions ask at a time."""

REMEDY = (
    "set edgar_contact to an e-mail address or a company name with one (AMTS_EDGAR_CONTACT, or the file of the "
    "environment in cdk_app/environments) and deploy"
)


VALIDATORS = {"etag": "If-None-Match", "last-modified": "If-Modified-Since"}
"""Headers of an answer, and of a question that asks for another one only if it is newer (RFC 9110, section 13)."""


class NoFilingsError(Exception):
    """EDGAR answered, and has nothing of the company."""


@dataclass(frozen=True)
class Document:
    """The body of an answer, readable JSON, and what a later question can name it by."""

    body: bytes
    validators: dict[str, str]


def default_manners(per_second: float = MAX_REQUESTS_PER_SECOND / 2) -> Manners:
    """Return how EDGAR is asked where nobody says otherwise: half of what one user may, for two functions at a time."""
    return Manners("edgar", Pace(min(per_second, MAX_REQUESTS_PER_SECOND)))


@dataclass(frozen=True)
class Edgar:
    """EDGAR's data interfaces.

    Attributes
    ----------
    contact : str
        E-mail address, alone or behind a name, that the SEC can write to about these requests. Required.
    manners : Manners
        Pace, retries, guard and address.

    Raises
    ------
    InvalidRequestError
        If `contact` is no contact.
    """

    contact: str
    manners: Manners = field(default_factory=default_manners)

    def __post_init__(self) -> None:
        """Refuse to ask without a contact: the SEC would answer 403 and may block the address."""
        if "@" not in self.contact:
            raise InvalidRequestError(f"EDGAR wants a contact in each request, and {self.contact!r} is none; {REMEDY}")

    @cached_property
    def _session(self) -> Any:
        from lambdas.core.market_data.sources.live_session import PatientSession

        return PatientSession(self.manners, complaint, headers={"User-Agent": f"amts {self.contact}"})

    def tickers(self, validators: Mapping[str, str] | None = None) -> Document | None:
        """List every company that is listed today, with its number and symbol (see `ciks_of`); None if unchanged.

        Raises
        ------
        UnansweredError
            If no attempt brought a readable answer.
        InvalidRequestError
            If the SEC refuses the contact.
        """
        return self._document(TICKERS, "the list of companies", validators or {})

    def company_facts(self, cik: int, validators: Mapping[str, str] | None = None) -> Document | None:
        """Everything a company tagged in its reports, as the SEC hands it out; None if unchanged.

        Raises
        ------
        NoFilingsError
            If the company has filed no tagged report.
        UnansweredError
            If no attempt brought a readable answer.
        """
        return self._document(COMPANY_FACTS.format(cik=cik), f"company {cik:010d}", validators or {})

    def _document(self, url: str, what: str, validators: Mapping[str, str]) -> Document | None:
        headers = {VALIDATORS[name]: value for name, value in validators.items() if name in VALIDATORS}
        response = self._session.get(url, headers=headers)
        match response.status_code:
            case 200:
                found = {name: response.headers.get(name) for name in VALIDATORS}
                return Document(response.content, {name: value for name, value in found.items() if value})
            case 304 if headers:
                return None
            case 404:
                raise NoFilingsError(f"EDGAR has no facts of {what}")
            case 403:
                raise InvalidRequestError(f"EDGAR refused the request for {what} as {self.contact!r}; {REMEDY}")
        raise UnansweredError(f"edgar: {what}: status {response.status_code}")


def ciks_of(body: bytes) -> dict[str, int]:
    """Return the number of each company by its symbol, from EDGAR's list; classes are written ``BRK-B``."""
    return {str(row["ticker"]).upper(): int(row["cik_str"]) for row in json.loads(body).values()}


def complaint(_url: str, response: Response) -> str | None:
    """Complain about an accepted request whose answer cannot be read or is empty."""
    from lambdas.core.market_data.sources.live_session import body_of, unreadable

    if response.status_code != 200:
        return None
    if (reason := unreadable(response)) is not None:
        return reason
    body = body_of(response)
    return None if isinstance(body, dict) and body else "the answer is empty"
