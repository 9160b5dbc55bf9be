from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from lambdas.core.errors import InvalidInputError
from lambdas.core.market_data import calendar


def test_christmas_week_of_2019_has_four_sessions():
    sessions = calendar.sessions_in(dt.date(2019, 12, 21), dt.date(2019, 12, 29))
    assert [session.day for session in sessions] == [23, 24, 26, 27]
    assert sessions.tz is None


def test_known_closures():
    # Hurricane Sandy, the funeral of George H. W. Bush, Good Friday, the week after 11 September.
    for day in ("2012-10-29", "2012-10-30", "2018-12-05", "2019-04-19", "2001-09-11", "2001-09-14"):
        assert not calendar.is_session(dt.date.fromisoformat(day))
    assert calendar.is_session(dt.date(2001, 9, 17))


def test_reaches_from_1990_to_today():
    assert calendar.is_session(dt.date(1990, 1, 2))
    assert calendar.sessions_in(dt.date(1990, 1, 1), dt.date.today())[-1].date() >= dt.date.today() - dt.timedelta(6)


def test_days_beyond_the_calendar_are_refused():
    with pytest.raises(InvalidInputError, match="1989-12-29"):
        calendar.sessions_in(dt.date(1989, 12, 29), dt.date(1990, 2, 1))


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        ("2019-12-24 17:59", "2019-12-23"),  # A half day: New York closes at 13:00, 18:00 UTC.
        ("2019-12-24 18:00", "2019-12-24"),
        ("2019-07-01 19:59", "2019-06-28"),  # Summer time: 20:00 UTC.
        ("2019-07-01 20:00", "2019-07-01"),
        ("2019-12-29 12:00", "2019-12-27"),
    ],
)
def test_latest_closed_session_knows_half_days_and_summer_time(moment, expected):
    naive = dt.datetime.fromisoformat(moment)
    assert calendar.latest_closed_session(naive) == dt.date.fromisoformat(expected)
    new_york = pd.Timestamp(naive, tz="UTC").tz_convert("America/New_York").to_pydatetime()
    assert calendar.latest_closed_session(new_york) == dt.date.fromisoformat(expected)


@pytest.mark.parametrize(
    ("last", "as_of", "late"),
    [
        ("2019-12-27", "2019-12-29", 0),
        ("2019-12-27", "2019-12-30", 1),
        ("2019-12-20", "2019-12-27", 4),
        ("2019-12-29", "2019-12-30", 1),
        ("2019-12-30", "2019-12-27", 0),
    ],
)
def test_sessions_late(last, as_of, late):
    assert calendar.sessions_late(dt.date.fromisoformat(last), dt.date.fromisoformat(as_of)) == late


def test_stepping_over_a_holiday():
    friday = dt.date(2018, 11, 30)
    assert calendar.next_session(dt.date(2018, 12, 1)) == dt.date(2018, 12, 3)
    assert calendar.add_sessions(friday, 3) == dt.date(2018, 12, 6)
    assert calendar.add_sessions(dt.date(2018, 12, 6), -3) == friday
    with pytest.raises(InvalidInputError, match="not a session"):
        calendar.add_sessions(dt.date(2018, 12, 5), 1)


def test_a_session_counts_as_its_own_zero_step():
    days = calendar.session_days()[1000:1100]
    assert all(calendar.add_sessions(day.astype(object), 0) == day.astype(object) for day in days)
    assert (np.diff(days) > np.timedelta64(0, "D")).all()
