"""Information times worked by hand on a calendar of December 2018 to April 2019."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from lambdas.core.market_data.point_in_time import annual_rows, information_times


def known(period_end, announced=None, release_time=None, filed=None) -> tuple[str, str, bool]:
    frame = pd.DataFrame(
        {
            "symbol": ["AAA"],
            "period_end": pd.to_datetime([period_end]),
            "announced": pd.to_datetime([announced]),
            "release_time": [release_time],
            "filed": pd.to_datetime([filed]),
        }
    )
    times = information_times(frame)
    return str(times.announced[0]), str(times.filed[0]), bool(times.assumed[0])


@pytest.mark.parametrize(
    ("announced", "hour", "expected"),
    [
        ("2019-01-31", "pre", "2019-01-31"),  # Before the open of a Thursday: known at its close.
        ("2019-01-31", "post", "2019-02-01"),
        ("2019-01-31", None, "2019-02-01"),  # Unknown hour: the later of the two.
        ("2019-02-01", "post", "2019-02-04"),  # After a Friday's close: Monday.
        ("2019-02-02", "pre", "2019-02-04"),  # On a Saturday: Monday, whatever the hour.
        ("2019-02-02", "post", "2019-02-04"),
        ("2019-02-18", "pre", "2019-02-19"),  # Washington's Birthday is no session.
        ("2019-04-18", "post", "2019-04-22"),  # Good Friday and the weekend follow.
    ],
)
def test_an_announcement_is_known_at_the_first_close_after_it(announced, hour, expected):
    assert known("2018-12-31", announced, hour, filed="2019-04-24")[0] == expected


def test_other_figures_are_known_the_session_after_their_filing():
    assert known("2018-12-31", "2019-01-31", "pre", "2019-02-08")[1] == "2019-02-11"


def test_a_missing_date_is_replaced_by_the_other():
    assert known("2018-12-31", announced="2019-01-31", release_time="pre") == ("2019-01-31", "2019-01-31", False)
    assert known("2018-12-31", filed="2019-02-08") == ("2019-02-11", "2019-02-11", False)


def test_without_any_date_sixty_days_after_the_quarter():
    assert known("2018-12-31") == ("2019-03-01", "2019-03-01", True)
    assert known("2018-12-30") == ("2019-02-28", "2019-02-28", True)
    assert known("2019-01-01") == ("2019-03-04", "2019-03-04", True)  # The 60th day, 2 March, is a Saturday.


def test_a_release_before_the_period_ended_is_none():
    assert known("2018-12-31", announced="2018-12-31", release_time="pre")[2]
    assert known("2018-12-31", announced="1970-01-01", filed="2019-02-08") == ("2019-02-11", "2019-02-11", False)


def test_reports_of_years_are_told_from_quarters_by_earlier_reports_only():
    ends = ["2014-12-31", "2015-12-31", "2016-12-31"]
    years = pd.DataFrame({"symbol": "AAA", "period_end": pd.to_datetime(ends)})
    quarters = pd.DataFrame({"symbol": "BBB", "period_end": pd.to_datetime(["2014-12-31", "2015-03-31", "2016-06-30"])})
    frame = pd.concat([quarters, years], ignore_index=True)
    assert annual_rows(frame).tolist() == [False, False, False, False, True, True]
    times = information_times(frame)
    assert [str(day) for day in times.filed[4:]] == ["2016-03-30", "2017-03-31"]  # 90 days after.
    # What comes later changes nothing about an earlier row.
    for n_rows in range(1, 7):
        cut = information_times(frame.iloc[:n_rows])
        assert np.array_equal(cut.filed, times.filed[:n_rows])


def test_never_before_the_period_is_over_nor_before_the_release():
    random = np.random.default_rng(3)
    n_rows = 3000
    ends = pd.Timestamp("2012-01-01") + pd.to_timedelta(random.integers(0, 2500, n_rows), "D")
    frame = pd.DataFrame(
        {
            "symbol": [f"S{number}" for number in range(n_rows)],
            "period_end": ends,
            "announced": ends + pd.to_timedelta(random.integers(1, 90, n_rows), "D"),
            "filed": ends + pd.to_timedelta(random.integers(1, 90, n_rows), "D"),
            "release_time": random.choice(["pre", "post", None], n_rows),
        }
    )
    frame.loc[random.random(n_rows) < 0.3, "announced"] = pd.NaT
    frame.loc[random.random(n_rows) < 0.3, "filed"] = pd.NaT
    times = information_times(frame)
    for values in (times.announced, times.filed):
        assert (values > ends.to_numpy().astype("datetime64[D]")).all()
    has = frame["announced"].notna().to_numpy()
    assert (times.announced[has] >= frame["announced"].to_numpy().astype("datetime64[D]")[has]).all()
    has = frame["filed"].notna().to_numpy()
    assert (times.filed[has] > frame["filed"].to_numpy().astype("datetime64[D]")[has]).all()
