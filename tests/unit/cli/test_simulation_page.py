"""The page of a simulated year: what it says of each kind of year, and that data is text on it."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from cli.simulation.course import announced_course, by_month
from cli.simulation.page import render_year

V1, V2 = "v20180101-00000000000a", "v20180301-00000000000b"


def window(days: int | None, **values: Any) -> dict[str, Any]:
    names = ("total_return", "benchmark_return", "market_outperformance", "max_drawdown", "hit_rate", "base_rate")
    names += ("skill", "skill_lower", "skill_upper")
    return {"days": days, "n_matured": 10, **dict.fromkeys(names), **values}


def recorded(session: str, track: str, champion: str | None, **values: Any) -> dict[str, Any]:
    windows = [window(None, **values), window(90, **values)]
    return {
        "SK": f"{session}#{track}",
        "track": track,
        "champion": champion,
        "performance": {"windows": windows},
    }


def year(**changes: Any) -> dict[str, Any]:
    """Two months: one earns, in the other the champion fails its live gate."""
    performance = []
    for session, total, spy, skill, upper in (
        ("2018-01-30", 0.01, 0.005, 0.1, 0.2),
        ("2018-01-31", 0.02, 0.01, 0.1, 0.2),
        ("2018-02-28", -0.03, 0.0, -0.1, -0.01),
    ):
        total_and_spy = {"total_return": total, "benchmark_return": spy, "market_outperformance": total - spy}
        performance.append(recorded(session, "published", V1, **total_and_spy, max_drawdown=0.05))
        bounds = {"skill": skill, "skill_lower": skill - 0.1, "skill_upper": upper, "hit_rate": 0.5, "base_rate": 0.6}
        performance.append(recorded(session, V1, V1, **bounds))
    course = announced_course(performance)
    days = [
        {"day": "2018-01-31", "champion": V1, "n_published": 5, "n_settled": 0, "gate": {"verdict": "PASS"}},
        {"day": "2018-02-28", "champion": V1, "n_published": 5, "n_settled": 5, "gate": {"verdict": "FAIL"}},
    ]
    events = [
        {"day": "2018-01-02", "run": "first", "outcome": "promoted", "why": f"{V1} is champion now."},
        {"day": "2018-02-28", "run": "daily", "outcome": "live gate failed", "why": "<script>alert(1)</script>"},
        {"day": "2018-02-28", "run": "live-gate", "outcome": "rejected", "why": "Stopped."},
    ]
    return {
        "first": "2018-01-02",
        "last": "2018-02-28",
        "seconds": 90.0,
        "processor_seconds": 60.0,
        "days": days,
        "events": events,
        "course": course,
        "months": by_month(days, course),
        "books": [{"name": "hit_rate", "announced": 0.5, "recomputed": 0.5, "balances": True}],
        "market": {
            "data": "simulated",
            "n_symbols": 20,
            "seed": 0,
            "regime_change": "turn",
            "changes_on": "2018-02-01",
            "settings": {"portfolio": {"horizon": 5}},
        },
        **changes,
    }


def figures(page: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="figures">(.*?)</script>', page, re.DOTALL)
    assert found
    drawn: dict[str, Any] = json.loads(found[1])
    return drawn


def test_the_figure_has_returns_bounds_events_and_the_day_of_the_change() -> None:
    drawn = figures(render_year(year()))["course"]
    named = {trace["name"]: trace for trace in drawn["data"]}
    assert named["Published recommendations"]["y"] == [0.01, 0.02, -0.03]
    assert named["The champion's live skill"]["y"] == [0.1, 0.1, -0.1]
    upper = [trace for trace in drawn["data"] if trace["name"] == "Bounds of the champion's skill"][1]
    assert upper["y"] == [0.2, 0.2, -0.01]
    assert named["Live gate failed"]["x"] == ["2018-02-28"]
    assert "Watched as the shadow" not in named  # there was none: no row of nothing
    assert drawn["layout"]["shapes"][0]["x0"] == "2018-02-01"


def test_what_is_told_is_text() -> None:
    page = render_year(year())
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "What was announced is what happened" in page
    assert "whose planted signal turns on 2018-02-01" in page


def test_months_are_compounded_from_the_announced_returns() -> None:
    january, february = year()["months"]
    assert january["return"] == pytest.approx(0.02)
    assert february["return"] == pytest.approx(0.97 / 1.02 - 1)
    assert february["spy"] == pytest.approx(1.0 / 1.01 - 1)
    assert (january["gate_failed"], february["gate_failed"]) == (0, 1)
    assert (february["live_skill_upper"], february["published"]) == (-0.01, 5)


def test_books_that_do_not_balance_are_the_headline() -> None:
    off = [{"name": "hit_rate", "announced": 0.5, "recomputed": 0.6, "balances": False}]
    assert "The books do not balance" in render_year(year(books=off))


def test_a_year_without_a_champion_has_no_figure_and_says_why() -> None:
    days = [{"day": "2018-01-31", "champion": None, "kind": "nothing"}]
    market = {**year()["market"], "data": "folder", "regime_change": None, "changes_on": None}
    nothing = {"days": days, "course": [], "books": [], "months": by_month(days, []), "market": market}
    page = render_year(year(**nothing))
    assert figures(page) == {}
    assert "nothing was published" in page
    assert "no model was ever deployed" in page
    assert "on 20 symbols of real data: " in page


def test_the_champions_numbers_are_those_of_the_champion_of_the_day() -> None:
    """On the day after a promotion the record is the new champion's, which has nothing yet."""
    performance = [
        recorded("2018-01-31", "published", V2, total_return=0.1, benchmark_return=0.0),
        recorded("2018-01-31", V1, V2, hit_rate=0.7),
        recorded("2018-01-31", V2, V2),
    ]
    (row,) = announced_course(performance)
    assert (row["champion"], row["champion_hit_rate"], row["total_return"]) == (V2, None, 0.1)
