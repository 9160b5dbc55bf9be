"""FRED, the data service of the Federal Reserve Bank of St. Louis: Treasury yields, VIX and a dollar index, as CSV.

Values carry the day they are about. The features of a session use the yields of the session before, which the
Treasury publishes in the evening. The dollar index of the Federal Reserve (release H.10) comes out on Mondays for the
week before, so it is moved to the sixth session after its day here, where every value of it was public.
"""

from __future__ import annotations

import datetime as dt
import io
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pandas as pd

from lambdas.core.market_data.calendar import sessions_in
from lambdas.core.market_data.sources.increments import Answer
from lambdas.core.market_data.sources.live_requests import Manners, Pace, UnansweredError

if TYPE_CHECKING:
    from curl_cffi.requests import Response

SERIES = {"ust3m": "DGS3MO", "ust2y": "DGS2", "ust10y": "DGS10", "vix": "VIXCLS", "dxy": "DTWEXBGS"}
"""Yields in percent, constant maturity; DTWEXBGS is the broad index of the Federal Reserve, not ICE's DXY."""

PUBLICATION_LAG_SESSIONS = {"dxy": 6}
ADDRESS = "https://fred.stlouisfed.org/graph/fredgraph.csv"
HEADERS = ("observation_date", "date")
REQUESTS_PER_SECOND = 2.0


def default_manners() -> Manners:
    """Return how FRED is asked where nobody says otherwise."""
    return Manners("fred", Pace(REQUESTS_PER_SECOND))


@dataclass(frozen=True)
class Fred:
    """FRED's public download."""

    manners: Manners = field(default_factory=default_manners)

    @cached_property
    def _session(self) -> Any:
        from lambdas.core.market_data.sources.live_session import PatientSession

        return PatientSession(self.manners, complaint)

    def rows(self, column: str, first: dt.date) -> Answer:
        """One macro series from `first` on, by the day the values are about: one column `value`, NaN for none.

        Raises
        ------
        UnansweredError
            If no attempt brought a readable answer.
        TransientMarketDataError
            If the circuit is open.
        """
        name = SERIES[column]
        response = self._session.get(ADDRESS, params={"id": name, "cosd": first.isoformat()})
        if response.status_code != 200:
            raise UnansweredError(f"fred: {name}: status {response.status_code}")
        return Answer(parsed(response.text, name).to_frame("value"))


def on_sessions(rows: pd.DataFrame, column: str, sessions: pd.DatetimeIndex) -> pd.Series:
    """Values of `Fred.rows` on `sessions`, NaN where there is none, moved to where they were public."""
    longer = sessions_in(first_day(sessions), sessions[-1].date())
    values = rows["value"].reindex(longer)
    return values.shift(PUBLICATION_LAG_SESSIONS.get(column, 0)).reindex(sessions)


def first_day(sessions: pd.DatetimeIndex) -> dt.date:
    """Return the day from which `sessions` need values: earlier, so that a moved series has some on the first ones."""
    day: dt.date = sessions[0].date() - dt.timedelta(days=30)
    return day


def complaint(_url: str, response: Response) -> str | None:
    """Complain about an answer that is no table, or is one only in part: error pages arrive with status 200."""
    if response.status_code != 200:
        return None
    text = response.text.lstrip("\ufeff")
    if not text.lower().startswith(HEADERS):
        return "the answer is no table" if response.content else "the answer is empty"
    name = text.partition("\n")[0].strip().rpartition(",")[2]
    try:
        parsed(text, name)
    except UnansweredError as error:
        return str(error)
    return None


def parsed(text: str, name: str) -> pd.Series:
    """Values of a CSV of FRED's by day; a point or nothing stands for a missing value.

    Raises
    ------
    UnansweredError
        If `text` is no such CSV.
    """
    try:
        table = pd.read_csv(io.StringIO(text), na_values=".", index_col=0)
        table.index = pd.to_datetime(table.index, format="%Y-%m-%d").astype("datetime64[ns]").rename(None)
        return table[name].astype(float)
    except (ValueError, KeyError, pd.errors.ParserError) as error:
        raise UnansweredError(f"fred: {name}: the answer could not be read ({error})") from error
