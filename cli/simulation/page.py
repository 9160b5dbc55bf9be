"""A simulated year as one page: what was earned, how sure its skill was, and what was done about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from jinja2 import ChoiceLoader, PackageLoader

from lambdas.report import numbers
from lambdas.report.content import Absent, Block, Column, Figure, Note, Section, Table, Tone, number, text
from lambdas.report.figure import BAD, GOOD, MARKET, MUTED, PERCENT_AXIS, PORTFOLIO, SECOND, axis, band, layout, line
from lambdas.report.numbers import percent, points
from lambdas.report.page import plotting_library, script_json, shared_x, templates

TONES: dict[str, Tone] = {"promoted": "good", "live gate failed": "bad", "shadowed": "open", "failed": "bad"}
OUTCOMES = {
    "promoted": ("Promoted", {"color": GOOD, "symbol": "triangle-up", "size": 9}),
    "shadowed": ("Watched as the shadow", {"color": SECOND, "symbol": "diamond", "size": 8}),
    "rejected": ("Rejected, champion kept", {"color": MUTED, "symbol": "circle-open", "size": 7}),
    "live gate failed": ("Live gate failed", {"color": BAD, "symbol": "x", "size": 8}),
}
"""Rows of the figure of events, from the top."""


def render_year(result: Mapping[str, Any]) -> str:
    """Return the page of a simulation.

    Parameters
    ----------
    result : dict
        What `amts simulate --json` writes.
    """
    sections = [_course(result), _months(result), _events(result), _books(result), _settings(result)]
    figures = [block for section in sections for block in section.blocks if isinstance(block, Figure)]
    environment = templates().overlay(
        loader=ChoiceLoader([PackageLoader("cli.simulation"), PackageLoader("lambdas.report")])
    )
    balances = all(entry["balances"] for entry in result["books"])
    simulated = result["market"]["data"] == "simulated"
    return environment.get_template("year.html.j2").render(
        first=result["first"],
        last=result["last"],
        tone="good" if balances else "bad",
        headline="What was announced is what happened" if balances else "The books do not balance",
        sentences=_sentences(result),
        notice="A market that was made up says nothing about real ones." if simulated else "",
        sections=sections,
        figures=script_json({figure.id: {"data": shared_x(figure), "layout": figure.layout} for figure in figures}),
        plotly=plotting_library() if figures else None,
    )


def _sentences(result: Mapping[str, Any]) -> list[str]:
    market, course = result["market"], result["course"]
    counted = Counter(event["outcome"] for event in result["events"])
    done = ", ".join(f"{outcome} {n}" for outcome, n in counted.most_common())
    changed = market["changes_on"]
    n_tuned = sum(event["run"] != "daily" for event in result["events"])
    told = [
        f"{len(result['days'])} daily runs and {n_tuned} tuning runs "
        f"on {market['n_symbols']} symbols of {'a simulated market' if market['data'] == 'simulated' else 'real data'}"
        + (f" whose planted signal {market['regime_change']}s on {changed}" if changed else "")
        + f": {done}."
    ]
    final = next((row for row in reversed(course) if row["total_return"] is not None), None)
    if final is None:
        return [*told, "No model passed every gate, so nothing was published."]
    published = sum(day.get("n_published") or 0 for day in result["days"])
    return [
        *told,
        f"{numbers.count(published)} recommendations were published. As a portfolio they returned "
        f"{percent(final['total_return'])} after costs, SPY {percent(final['benchmark_return'])}; the largest fall was "
        f"{percent(final['max_drawdown'])}.",
    ]


def _course(result: Mapping[str, Any]) -> Section:
    course = [row for row in result["course"] if row["total_return"] is not None]
    if len(course) < 2:
        return Section("course", "The course", [Absent("Live record", "no model was ever deployed.")])
    lead = (
        "As it was announced on the morning after each session; nothing was computed again. The upper panel is what "
        "all published recommendations returned as a portfolio; the middle one is the champion's own live record, "
        "which begins anew with each promotion and which the live gate reads; the lowest is what was done."
    )
    return Section("course", "The course", [course_figure(result, course)], lead)


def course_figure(result: Mapping[str, Any], course: Sequence[Mapping[str, Any]]) -> Figure:
    """Three panels over one axis of time: returns, live skill with its bounds, events."""
    x = [row["session"] for row in course]
    percentages = {"yaxis": "y2"}
    data = [
        line("SPY", x, [row["benchmark_return"] for row in course], {"color": MARKET, "width": 1.6}),
        line("Published recommendations", x, [row["total_return"] for row in course], _own(2.4)),
        line("Ahead of SPY", x, [row["market_outperformance"] for row in course], {**_own(1.2), "dash": "dot"}),
    ]
    data += band("Bounds of the champion's skill", x, *_bounds(course), **percentages)
    skill = [row["champion_skill"] for row in course]
    data.append(line("The champion's live skill", x, skill, {"color": SECOND, "width": 2.0}, **percentages))
    data += [_marks(result["events"], outcome) for outcome in OUTCOMES]
    rows = [name for name, _ in reversed(OUTCOMES.values())]
    return Figure(
        "course",
        "Live return, live skill, and what was done",
        "Bounds are one-sided 95 %, of dates resampled in blocks; there are none before two horizons of outcomes. "
        "The live gate fails when the upper bound is below zero, or when the drawdown or drift reaches its limit.",
        [trace for trace in data if trace["x"]],
        layout(
            xaxis=axis(anchor="y3", type="date"),
            yaxis=axis("return since the first", domain=[0.60, 1], **PERCENT_AXIS),
            yaxis2=axis("live skill", domain=[0.26, 0.54], **PERCENT_AXIS),
            yaxis3=axis("", domain=[0, 0.2], type="category", categoryarray=rows, categoryorder="array"),
            margin={"l": 164, "r": 14, "t": 8, "b": 40},
            **_regime(result["market"]),
        ),
        height=680,
    )


def _own(width: float) -> dict[str, Any]:
    return {"color": PORTFOLIO, "width": width}


def _bounds(course: Sequence[Mapping[str, Any]]) -> tuple[list[float | None], list[float | None]]:
    """Return both bounds; where there are none yet, the band has no width at the skill itself."""
    middle = [row["champion_skill"] or 0.0 for row in course]
    lower, upper = ([row[f"champion_skill_{side}"] for row in course] for side in ("lower", "upper"))
    return (
        [m if value is None else value for value, m in zip(lower, middle, strict=True)],
        [m if value is None else value for value, m in zip(upper, middle, strict=True)],
    )


def _marks(events: Sequence[Mapping[str, Any]], outcome: str) -> dict[str, Any]:
    name, marker = OUTCOMES[outcome]
    found = [event for event in events if event["outcome"] == outcome]
    return {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "x": [event["day"] for event in found],
        "y": [name] * len(found),
        "yaxis": "y3",
        "marker": marker,
        "showlegend": False,
        "customdata": [f"{event['run']}: {event['why'][:160]}" for event in found],
        "hovertemplate": "%{customdata}<extra></extra>",
    }


def _regime(market: Mapping[str, Any]) -> dict[str, Any]:
    """Return the line that marks the change of the regime over all panels."""
    day = market["changes_on"]
    if day is None:
        return {}
    mark = {"color": BAD, "width": 1.4, "dash": "dash"}
    place = {"xref": "x", "yref": "paper", "x0": day, "x1": day, "y0": 0, "y1": 1}
    note = {"text": f"the signal {market['regime_change']}s", "xref": "x", "yref": "paper", "x": day, "y": 0.995}
    note |= {"xanchor": "left", "yanchor": "top", "showarrow": False, "font": {"size": 12, "color": BAD}}
    return {"shapes": [{"type": "line", **place, "line": mark}], "annotations": [note]}


def _months(result: Mapping[str, Any]) -> Section:
    columns = [
        Column("Month", number=False),
        Column("Champion at its end", number=False),
        Column("Published"),
        Column("Return", hint="Of all that was published, after costs."),
        Column("SPY"),
        Column("Champion's hit rate", hint="Of its own live record, at the end of the month."),
        Column("Base rate"),
        Column("Upper bound of its skill"),
        Column("Days on which the live gate failed"),
    ]
    rows = [
        [
            text(row["month"]),
            text(row["champion"]),
            number(row["published"], numbers.count),
            number(row["return"], percent),
            number(row["spy"], percent),
            number(row["live_hit_rate"], percent),
            number(row["live_base_rate"], percent),
            number(row["live_skill_upper"], points, tone="bad" if (row["live_skill_upper"] or 0.0) < 0.0 else ""),
            number(row["gate_failed"], numbers.count, tone="bad" if row["gate_failed"] else ""),
        ]
        for row in result["months"]
    ]
    return Section("months", "Month by month", [Table("Months", columns, rows)])


def _events(result: Mapping[str, Any]) -> Section:
    columns = [Column(name, number=False) for name in ("Day", "Run", "Outcome", "Why")]
    rows = [
        [text(one["day"]), text(one["run"]), text(one["outcome"], tone=TONES.get(one["outcome"], "")), text(one["why"])]
        for one in result["events"]
    ]
    return Section("events", "What was announced", [Table("Events", columns, rows)])


def _books(result: Mapping[str, Any]) -> Section:
    lead = (
        "The live numbers as they were announced last, and the same numbers from a backtest of the published items "
        "alone. They balance if they differ by less than a billionth."
    )
    columns = [
        Column("Number", number=False),
        Column("Announced"),
        Column("Backtest"),
        Column("Balances", number=False),
    ]
    rows = [
        [
            text(one["name"]),
            number(one["announced"], _exact),
            number(one["recomputed"], _exact),
            text("yes" if one["balances"] else "no", tone="good" if one["balances"] else "bad"),
        ]
        for one in result["books"]
    ]
    blocks: list[Block] = [Table("Books", columns, rows)] if rows else [Absent("Books", "nothing was published.")]
    return Section("books", "The books", blocks, lead)


def _exact(value: float) -> str:
    return f"{value:.12g}"


def _settings(result: Mapping[str, Any]) -> Section:
    settings: Mapping[str, Mapping[str, Any]] = result["market"]["settings"]
    columns = [Column("Setting", number=False), Column("Value", number=False)]
    rows = [
        [text(f"{group}.{name}"), text(value)] for group, values in settings.items() for name, value in values.items()
    ]
    whole, own = (numbers.ratio(result[name] / 60) for name in ("seconds", "processor_seconds"))
    note = Note(f"It took {whole} minutes, {own} of them of a processor, the emulator's own not counted.")
    return Section("settings", "Settings", [note, Table("Settings of every run", columns, rows, folded=True)])
