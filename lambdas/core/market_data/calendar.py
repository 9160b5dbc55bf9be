"""The exchange calendar: which days are sessions of the New York Stock Exchange."""

from __future__ import annotations

import datetime as dt
from functools import cache

import exchange_calendars
import numpy as np
import numpy.typing as npt
import pandas as pd

from lambdas.core.errors import InvalidInputError

CALENDAR_NAME = "XNYS"
FIRST_DATE = dt.date(1990, 1, 1)
"""Older data is refused rather than guessed at: the sources of this system begin here."""


@cache
def exchange_calendar() -> exchange_calendars.ExchangeCalendar:
    """Calendar of the exchange from `FIRST_DATE` to a year after today; building it takes a third of a second."""
    return exchange_calendars.get_calendar(CALENDAR_NAME, start=FIRST_DATE.isoformat())


@cache
def _sessions() -> pd.DatetimeIndex:
    # Through the values: the calendar's custom frequency would make every slice slow and every comparison fragile.
    return pd.DatetimeIndex(exchange_calendar().sessions.to_numpy().astype("datetime64[ns]"))


@cache
def session_days() -> npt.NDArray[np.datetime64]:
    """Every session of the calendar as datetime64[D], ascending: what vectorised look-ups search in."""
    return _sessions().to_numpy().astype("datetime64[D]")


def sessions_in(start: dt.date, end: dt.date) -> pd.DatetimeIndex:
    """Sessions from `start` to `end`, both included, without time zone.

    Raises
    ------
    InvalidInputError
        If the dates are not covered by the calendar.

    Examples
    --------
    >>> len(sessions_in(dt.date(2019, 12, 23), dt.date(2019, 12, 27)))
    4
    """
    first, last = _day(start), _day(end)
    days = session_days()
    if first < np.datetime64(FIRST_DATE) or last > days[-1]:
        raise InvalidInputError(
            f"dates {first} to {last} reach beyond the exchange calendar ({FIRST_DATE} to {days[-1]}); "
            "remove the rows outside it"
        )
    left, right = int(days.searchsorted(first, side="left")), int(days.searchsorted(last, side="right"))
    return _sessions()[left:right]


def is_session(day: dt.date) -> bool:
    """Whether the exchange trades on `day`."""
    days, wanted = session_days(), _day(day)
    position = int(days.searchsorted(wanted))
    return position < len(days) and bool(days[position] == wanted)


def latest_closed_session(now: dt.datetime) -> dt.date:
    """Newest session whose close is not after `now`; a time without zone is taken as UTC.

    Half days count with their own close, so 13:30 in New York on the day after Thanksgiving is after the close.

    Examples
    --------
    >>> latest_closed_session(dt.datetime(2019, 12, 24, 17, 59, tzinfo=dt.UTC))  # closes at 18:00 UTC that day
    datetime.date(2019, 12, 23)
    """
    moment = pd.Timestamp(now)
    moment = moment.tz_localize("UTC") if moment.tzinfo is None else moment.tz_convert("UTC")
    closes = exchange_calendar().closes
    position = int(closes.searchsorted(moment, side="right")) - 1
    if position < 0:
        raise InvalidInputError(f"{now} lies before the exchange calendar, which begins on {FIRST_DATE}")
    return _as_date(session_days()[position])


def sessions_late(last: dt.date, as_of: dt.date) -> int:
    """How many sessions after `last` there are up to and including `as_of`; 0 if there are none.

    Examples
    --------
    >>> sessions_late(dt.date(2019, 12, 27), dt.date(2019, 12, 29))  # a Friday, seen on Sunday
    0
    """
    days = session_days()
    late = days.searchsorted(_day(as_of), side="right") - days.searchsorted(_day(last), side="right")
    return max(int(late), 0)


def next_session(day: dt.date) -> dt.date:
    """First session after `day`, which need not be a session itself."""
    return _at(int(session_days().searchsorted(_day(day), side="right")), day)


def add_sessions(day: dt.date, n: int) -> dt.date:
    """Session `n` sessions after session `day`; before it if `n` is negative.

    Raises
    ------
    InvalidInputError
        If `day` is no session, or the result lies outside the calendar.
    """
    if not is_session(day):
        raise InvalidInputError(f"{_as_date(_day(day))} is not a session of {CALENDAR_NAME}")
    return _at(int(session_days().searchsorted(_day(day))) + n, day)


def _at(position: int, day: dt.date) -> dt.date:
    days = session_days()
    if not 0 <= position < len(days):
        raise InvalidInputError(f"counting sessions from {_as_date(_day(day))} leaves the exchange calendar")
    return _as_date(days[position])


def _day(day: dt.date) -> np.datetime64:
    """Day of a date, a datetime or a Timestamp."""
    return np.datetime64(pd.Timestamp(day).tz_localize(None).date(), "D")


def _as_date(day: np.datetime64) -> dt.date:
    return pd.Timestamp(day).date()
