"""Earnings dates of Yahoo beside the quarters of EDGAR: when a result was announced, and what had been expected.

EDGAR says what was filed, and the filing comes days to weeks after the announcement. Yahoo says when the announcement
was, with the estimate and the result in street terms, which leave out what analysts leave out. A street estimate less
a filed figure would be no surprise but the difference of two ways to count. So `eps_est` is put on the basis of the
filed figure: `eps` less Yahoo's surprise. Yahoo's own two numbers are in `eps_reported` and `eps_consensus`.

A result that is announced and not filed yet has a row of its own, in street terms, until the filing replaces it: a
model that learnt from announcements is to see the newest one too.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

FIRST_HOUR = 4.0
"""Nobody reports earlier: Yahoo writes midnight in New York where it does not know the hour."""

CLOSE_HOUR = 16.0
LATEST_AFTER_FILING_DAYS = 1
MAX_AFTER_PERIOD_DAYS = 120
ANNOUNCED = "yahoo, announced and not filed"
"""What `source` says of a row that EDGAR does not have yet."""


def with_announcements(reports: pd.DataFrame, announcements: pd.DataFrame, today: pd.Timestamp) -> pd.DataFrame:
    """Add dates of announcement and estimates to the reports of one company.

    Parameters
    ----------
    reports : DataFrame
        Rows of `quarterly_reports`, one symbol, at least one row.
    announcements : DataFrame
        `Yahoo.announcements`.
    today : Timestamp
        Announcements after it are plans.

    Returns
    -------
    DataFrame
        `reports` with `announced`, `release_time`, `eps_est`, `eps_reported` and `eps_consensus`, and a row for a
        result that is not filed yet. The announcement of a period is the first one after its end and at most a day
        after its report; it stands in the row of the first filing. A row without a day of filing gets none.
        Columns without any value are there too.
    """
    past = announcements[announcements["announced"] <= today].sort_values("announced", ignore_index=True)
    joined = reports.sort_values(["period_end", "filed"], ignore_index=True)
    ends = joined["period_end"].to_numpy()
    days = past["announced"].to_numpy()
    first_of_period = ~joined["period_end"].duplicated().to_numpy()
    position = days.searchsorted(ends, side="right")
    found = np.where(position < len(days), days[np.minimum(position, len(days) - 1)] if len(days) else _NAT, _NAT)
    latest = joined["filed"].to_numpy() + np.timedelta64(LATEST_AFTER_FILING_DAYS, "D")
    latest = np.minimum(latest, ends + np.timedelta64(MAX_AFTER_PERIOD_DAYS, "D"))
    # Without a day of filing (Yahoo's statements) there is none: cash flows and balance sheets come after the result.
    usable = first_of_period & (found <= latest)
    usable[1:] &= found[1:] != found[:-1]  # One announcement belongs to one period: the earlier, which was late.
    row = np.where(usable, position, -1)
    taken = _taken(past, row)
    joined["announced"] = taken["announced"].to_numpy()
    joined["release_time"] = release_times(taken["hour"].to_numpy())
    joined["eps_reported"] = taken["eps_reported"].to_numpy()
    joined["eps_consensus"] = taken["eps_est"].to_numpy()
    # Rounded to what figures have: 1.64 less 0.05 is 1.59 and not 1.5899999999999999.
    joined["eps_est"] = (joined["eps"] - (joined["eps_reported"] - joined["eps_consensus"])).round(6)
    newest = joined["announced"].max()
    pending = past[past["eps_reported"].notna() & ~(past["announced"] <= newest)]
    news = _unfiled(joined, pending)
    return joined if news is None else pd.concat([joined, news], ignore_index=True)


def release_times(hours: np.ndarray) -> np.ndarray:
    """`pre`, `post`, or None where the hour says neither; a result of the trading day counts as known at its close."""
    known = np.full(len(hours), None, dtype=object)
    known[(hours >= FIRST_HOUR) & (hours < CLOSE_HOUR)] = "pre"
    known[hours >= CLOSE_HOUR] = "post"
    return known


_NAT = np.datetime64("NaT", "ns")


def _taken(past: pd.DataFrame, row: np.ndarray) -> pd.DataFrame:
    """Rows of `past` by number; an empty one for -1."""
    return past.reindex(row).reset_index(drop=True)


def _unfiled(joined: pd.DataFrame, pending: pd.DataFrame) -> pd.DataFrame | None:
    """Row of a result that was announced after the last report, for the quarter that follows the last one."""
    last = joined["period_end"].iloc[-1]
    end = last + pd.offsets.MonthEnd(3) if last.is_month_end else last + pd.Timedelta(days=91)
    after = pending[
        (pending["announced"] > end) & (pending["announced"] <= end + pd.Timedelta(days=MAX_AFTER_PERIOD_DAYS))
    ]
    if after.empty:
        return None
    result = after.iloc[0]
    row = pd.DataFrame(
        {
            "symbol": [joined["symbol"].iloc[0]],
            "period_end": [end],
            "announced": [result["announced"]],
            "release_time": release_times(np.array([result["hour"]])),
            "eps": [result["eps_reported"]],
            "eps_est": [result["eps_est"]],
            "eps_reported": [result["eps_reported"]],
            "eps_consensus": [result["eps_est"]],
            "source": [ANNOUNCED],
        }
    )
    return row.reindex(columns=joined.columns).astype(joined.dtypes.to_dict())
