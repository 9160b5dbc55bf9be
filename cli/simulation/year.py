"""The days and weeks of a simulation, by the handlers of the deployment."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

import boto3
import pandas as pd

from cli import in_process as machine
from lambdas.core.market_data.calendar import add_sessions, is_session, sessions_in
from lambdas.runtime.stores import Stores

NEW_YORK = ZoneInfo("America/New_York")
Progress = Callable[[str, int, int], None]


@dataclass
class Year:
    """What a simulation did.

    Attributes
    ----------
    first, last : date
        First and last session on which the daily run was started.
    days : list of dict
        One a daily run: day, outcome or numbers of the live gate.
    events : list of dict
        What a person would have been told: day, what was run, its outcome, what it was about, why.
    """

    first: dt.date
    last: dt.date
    days: list[dict[str, Any]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)

    def tell(self, day: dt.date, run: str, outcome: str, why: str, **facts: Any) -> None:
        """Note an event."""
        self.events.append({"day": day.isoformat(), "run": run, "outcome": outcome, "why": why, **facts})


def live_through(
    first: dt.date,
    last: dt.date,
    data: str,
    stores: Stores,
    progress: Progress,
    is_over: Callable[[], bool] = lambda: False,
) -> Year:
    """Run every week and every trading day from `first` to `last`, each with what was known then.

    Parameters
    ----------
    first, last : date
    data : str
        URI of the data set folder; no run sees more of it than up to its own `as_of`.
    stores : Stores
        To delete what a day leaves that no later day reads.
    progress : callable
        Told the day, how many are done and how many there are.
    is_over : callable
        Asked after each day whether it shall be the last.
    """
    sessions = [session.date() for session in sessions_in(first, last)]
    year = Year(sessions[0], sessions[-1])
    tune(year, sessions[0], "first", data, stores)
    for number, day in enumerate(sessions, start=1):
        progress(day.isoformat(), number, len(sessions))
        assess(year, day, data, stores)
        if is_over():
            year.last = day
            break
        following = day + dt.timedelta(days=1)
        while not is_session(following) and following.weekday() != 6:
            following += dt.timedelta(days=1)
        if following.weekday() == 6 and day != sessions[-1]:
            tune(year, following, "weekly", data, stores)
    return year


def tune(year: Year, day: dt.date, why: str, data: str, stores: Stores) -> None:
    """Start the tuning machine at 02:00 of a day, with the closes before it."""
    started = dt.datetime.combine(day, dt.time(2), NEW_YORK)
    request = {"data": data, "as_of": closed_before(day).isoformat(), "reason": why}
    run, end = machine.tune(f"{why}-{day}", request, started_at=started)
    forget(run, stores)
    outcome, shadow = str(end.get("outcome", end.get("kind"))).lower(), stores.shadow.version()
    year.tell(day, why, outcome, str(end.get("message", "")), champion=end.get("champion"), shadow=shadow)


def assess(year: Year, day: dt.date, data: str, stores: Stores) -> None:
    """Start the daily machine at 08:00 of a session; a failing live gate starts the tuning machine."""
    started = dt.datetime.combine(day, dt.time(8), NEW_YORK)
    request = {"data": data, "as_of": closed_before(day).isoformat(), "mode": "daily"}
    run, end = machine.assess(f"daily-{day}", request, started_at=started)
    forget(run, stores)
    champion = run.result("plan")["champion"]
    year.days.append({"day": day.isoformat(), "champion": champion, **end})
    if "alarm" in run.actions and run.result("alarm")["start_tuning"]:
        year.tell(day, "daily", "live gate failed", end["gate"]["reason"], champion=champion)
        tune(year, day, "live-gate", data, stores)


def closed_before(day: dt.date) -> dt.date:
    """Return the last session that had closed when a day began."""
    before = sessions_in(day - dt.timedelta(days=10), day - dt.timedelta(days=1))
    session: dt.date = before[-1].date()
    return session


def forget(run: machine.Run, stores: Stores) -> None:
    """Delete the data sets of a run: the next one has a session more, and a year of them would fill the disk."""
    s3 = boto3.client("s3")
    for _, event, result in run.steps:
        uri = {"collect": result.get("raw_uri"), "build": result.get("dataset_uri")}.get(event["action"])
        if uri is not None:
            bucket, key = stores.objects.split(uri)
            names = stores.objects.names(uri)
            s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": f"{key}/{name}"} for name in names]})


def sessions_before(day: dt.date, n: int) -> dt.date:
    """Return the session `n` sessions before the last one that closed before a day."""
    return add_sessions(pd.Timestamp(closed_before(day)).date(), -n)
