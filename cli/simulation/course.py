"""What was announced in the course of a simulation, laid out by session and by month."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from lambdas.backtesting_engine.live import PUBLISHED

OF_PUBLISHED = ("total_return", "benchmark_return", "market_outperformance", "max_drawdown")
OF_MODEL = ("n_matured", "hit_rate", "base_rate", "skill", "skill_lower", "skill_upper")
QUARTER_DAYS = 90


def announced_course(performance: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the live numbers of each session as they were announced on the morning after it, oldest first.

    Parameters
    ----------
    performance : iterable of dict
        Records of the table: of all that was published, and of single models.

    Returns
    -------
    list of dict
        session, champion; returns of all that was published since the first recommendation; `champion_…`: the
        champion's own record, which the live gate reads; `quarter_…`: all outcomes that became known in 90 days.
    """
    records = list(performance)
    own = {(one["SK"].partition("#")[0], one["track"]): one for one in records}
    course = []
    for record in records:
        if record["track"] != PUBLISHED:
            continue
        session, champion = record["SK"].partition("#")[0], record["champion"]
        row: dict[str, Any] = {"session": session, "champion": champion}
        row |= {name: window_of(record, None).get(name) for name in OF_PUBLISHED}
        row |= {f"quarter_{name}": window_of(record, QUARTER_DAYS).get(name) for name in OF_MODEL}
        whole = window_of(own.get((session, champion)), None)
        row |= {f"champion_{name}": whole.get(name) for name in (*OF_MODEL, "max_drawdown")}
        course.append(row)
    return sorted(course, key=lambda row: str(row["session"]))


def window_of(record: Mapping[str, Any] | None, days: int | None) -> Mapping[str, Any]:
    """Return one window of a record of live numbers; empty where there is none."""
    windows = [] if record is None else record["performance"]["windows"]
    return next((window for window in windows if window["days"] == days), {})


def by_month(days: list[dict[str, Any]], course: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Sum up each calendar month: what was published and settled, the verdicts of the live gate, the returns.

    A month's return is that of all that was published, from the last announced close of the month before.
    """
    newest = {row["session"][:7]: row for row in course if row["total_return"] is not None}
    months: dict[str, dict[str, Any]] = {}
    for day in days:
        empty: dict[str, Any] = dict.fromkeys(("days", "published", "settled", "gate_failed"), 0)
        row = months.setdefault(day["day"][:7], {"month": day["day"][:7], **empty})
        row["days"] += 1
        row["published"] += day.get("n_published") or 0
        row["settled"] += day.get("n_settled") or 0
        row["gate_failed"] += (day.get("gate") or {}).get("verdict") == "FAIL"
        row["champion"] = day.get("champion")
    before = {"total_return": 0.0, "benchmark_return": 0.0}
    for month, row in months.items():
        known = newest.get(month)
        for name, returned in (("return", "total_return"), ("spy", "benchmark_return")):
            row[name] = None if known is None else (1.0 + known[returned]) / (1.0 + before[returned]) - 1.0
        for name in ("hit_rate", "base_rate", "skill_lower", "skill_upper"):
            row[f"live_{name}"] = None if known is None else known[f"champion_{name}"]
        before = known or before
    return list(months.values())
