"""The weeks that are lived through: which machine is due when, before, meanwhile and a week later."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.faults.machine import DAILY, TUNING
from benchmarks.faults.world import Market


@dataclass(frozen=True)
class Scheduled:
    """An execution that is due: by which machine, when, on what."""

    workflow: str
    name: str
    started_at: str
    request: Mapping[str, Any]


CLOSED = {"data": "yahoo", "symbols": ["AAPL"]}
"""On live data the exchange's calendar is asked first; on these days it must end the run before any server is."""

WEEKS: dict[str, tuple[tuple[str, str, str, Mapping[str, Any]], ...]] = {
    "ordinary": (
        (TUNING, "week", "2016-11-13T07:00:00+00:00", {"as_of": "2016-11-11"}),
        (DAILY, "monday", "2016-11-15T13:00:00+00:00", {"as_of": "2016-11-14"}),
    ),
    # 01:30 comes twice on this night: the weekly run starts in the first, 05:30 UTC, a second one in the second.
    "clock change": (
        (TUNING, "week", "2016-11-06T01:30:00-04:00", {"as_of": "2016-11-04"}),
        (TUNING, "hour-again", "2016-11-06T01:30:00-05:00", {"as_of": "2016-11-04"}),
        (DAILY, "still-sunday", "2016-11-07T04:30:00+00:00", CLOSED),  # 23:30 in New York, 00:30 the day before
        (DAILY, "monday", "2016-11-08T13:00:00+00:00", {"as_of": "2016-11-07"}),
    ),
    "holiday": (
        (TUNING, "week", "2016-11-20T07:00:00+00:00", {"as_of": "2016-11-18"}),
        (DAILY, "monday", "2016-11-22T13:00:00+00:00", {"as_of": "2016-11-21"}),
        (DAILY, "thanksgiving", "2016-11-24T13:00:00+00:00", CLOSED),
    ),
}
AFTERWARDS: dict[str, tuple[tuple[str, str, str, Mapping[str, Any]], ...]] = {
    "ordinary": (
        (TUNING, "next-week", "2016-11-20T07:00:00+00:00", {"as_of": "2016-11-11"}),
        (DAILY, "next-day", "2016-11-21T13:00:00+00:00", {"as_of": "2016-11-18"}),
    ),
    "clock change": (
        (TUNING, "next-week", "2016-11-13T07:00:00+00:00", {"as_of": "2016-11-04"}),
        (DAILY, "next-day", "2016-11-15T13:00:00+00:00", {"as_of": "2016-11-14"}),
    ),
    "holiday": (
        (TUNING, "next-week", "2016-11-27T07:00:00+00:00", {"as_of": "2016-11-18"}),
        (DAILY, "next-day", "2016-11-29T13:00:00+00:00", {"as_of": "2016-11-28"}),
    ),
}
BEFORE = (
    (TUNING, "week-before", "2016-10-30T06:00:00+00:00", {"as_of": "2016-10-28"}),
    (DAILY, "day-before", "2016-11-01T12:00:00+00:00", {"as_of": "2016-10-31"}),
)


def scheduled(table: Sequence[tuple[str, str, str, Mapping[str, Any]]], market: Market) -> list[Scheduled]:
    """Return executions on a market."""
    return [Scheduled(workflow, name, at, {"data": market.uri, **request}) for workflow, name, at, request in table]
