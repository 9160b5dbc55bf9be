"""When a figure became known: the one place that makes information times of release dates (definitions, section 1)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from lambdas.core.market_data.calendar import session_days
from lambdas.core.market_data.panel import BoolArray

DayArray = npt.NDArray[np.datetime64]

ANNOUNCED_COLUMNS = ("eps", "eps_est")
"""Known when earnings are announced; every other figure of a row when its report is filed."""

QUARTER_LAG_DAYS = 60
YEAR_LAG_DAYS = 90
_YEAR_SPACING_DAYS = 300
"""Reports further apart than this are those of years; a symbol with two missing quarters is not taken for one."""


@dataclass(frozen=True)
class InformationTimes:
    """Sessions at whose close the figures of each row of fundamentals are known, datetime64[D].

    Attributes
    ----------
    announced : ndarray of shape (n_rows,)
        For `eps` and `eps_est`.
    filed : ndarray of shape (n_rows,)
        For every other figure.
    assumed : ndarray of shape (n_rows,)
        Rows without any usable release date, known a fixed lag after `period_end`.
    """

    announced: DayArray
    filed: DayArray
    assumed: BoolArray


def information_times(fundamentals: pd.DataFrame) -> InformationTimes:
    """Information time of every row.

    A release before the open or during a session (`release_time = pre`) is known at that session's close; after the
    close (`post`), or at an unknown hour, at the next one's. A filing counts from the session after its date: EDGAR
    accepts filings until 17:30 and dates them with the day, and most earnings reports arrive after the close.
    A missing one of the two dates is replaced by the other. A date that is not after `period_end` cannot be a release
    of that period and counts as missing: vendors mark unknown ones like that.
    """
    period_end = _days(fundamentals, "period_end")
    announced, filed = _days(fundamentals, "announced"), _days(fundamentals, "filed")
    announced = np.where(announced > period_end, announced, np.datetime64("NaT", "D"))
    filed = np.where(filed > period_end, filed, np.datetime64("NaT", "D"))
    if "release_time" in fundamentals:
        before_close = (fundamentals["release_time"] == "pre").to_numpy(dtype=bool)
    else:
        before_close = np.zeros(len(fundamentals), dtype=bool)
    known_announced = np.where(before_close, _session_from(announced), _session_after(announced))
    known_filed = _session_after(filed)
    assumed = np.isnat(announced) & np.isnat(filed)
    lag = np.where(annual_rows(fundamentals), YEAR_LAG_DAYS, QUARTER_LAG_DAYS).astype("timedelta64[D]")
    fallback = _session_from(period_end + lag)
    return InformationTimes(
        announced=np.where(assumed, fallback, np.where(np.isnat(announced), known_filed, known_announced)),
        filed=np.where(assumed, fallback, np.where(np.isnat(filed), known_announced, known_filed)),
        assumed=assumed,
    )


def annual_rows(fundamentals: pd.DataFrame) -> BoolArray:
    """Which rows report a year: those of symbols whose reports so far were all a year apart.

    Only earlier periods decide, so that the answer for a row does not depend on later ones. The first report of a
    symbol counts as a quarter's.
    """
    ends = fundamentals[["symbol", "period_end"]].drop_duplicates().sort_values(["symbol", "period_end"])
    spacing = ends.groupby("symbol")["period_end"].diff().dt.days
    ends["annual"] = spacing.groupby(ends["symbol"]).cummin() > _YEAR_SPACING_DAYS
    return fundamentals[["symbol", "period_end"]].merge(ends, how="left")["annual"].to_numpy(dtype=bool)


def _days(frame: pd.DataFrame, name: str) -> DayArray:
    if name not in frame:
        return np.full(len(frame), np.datetime64("NaT", "D"))
    return frame[name].to_numpy().astype("datetime64[D]")


def _session_from(days: DayArray) -> DayArray:
    """First session on or after each day; NaT stays, and so does what lies beyond the calendar."""
    return _look_up(days, "left")


def _session_after(days: DayArray) -> DayArray:
    """First session after each day."""
    return _look_up(days, "right")


def _look_up(days: DayArray, side: str) -> DayArray:
    sessions = np.append(session_days(), np.datetime64("NaT", "D"))
    position = session_days().searchsorted(days, side="left" if side == "left" else "right")
    return np.where(np.isnat(days), np.datetime64("NaT", "D"), sessions[position])
