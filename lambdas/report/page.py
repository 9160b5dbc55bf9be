"""A run as one page that needs nothing but a browser: no network, no other file."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from lambdas.report import verdict
from lambdas.report.content import Absent, Figure, Section
from lambdas.report.facts import RunReport
from lambdas.report.sections import hits, market, model, performance, provenance, ranking, reading, search

PROJECT = Path(__file__).resolve().parents[2]
PLOTTING_LIBRARY = PROJECT / "node_modules" / "plotly.js-basic-dist-min" / "plotly-basic.min.js"
"""As npm installs it; the image has a copy of this one file at the same place."""


def render_report(report: RunReport) -> str:
    """Return the page of a run.

    Everything that comes from data is text, never markup: the templates escape it, and JSON inside a script has no
    character that could end the script.

    Parameters
    ----------
    report : RunReport
        See `report_of`.
    """
    sections = sections_of(report)
    figures = [block for section in sections for block in section.blocks if isinstance(block, Figure)]
    views = verdict.gates(report)
    return (
        templates()
        .get_template("report.html.j2")
        .render(
            report=report,
            title=title_of(report),
            headline=verdict.headline(report),
            gates=views,
            tiles=verdict.tiles(views),
            sections=sections,
            figures=script_json({figure.id: {"data": shared_x(figure), "layout": figure.layout} for figure in figures}),
            plotly=plotting_library() if figures else None,
        )
    )


def sections_of(report: RunReport) -> list[Section]:
    """Return the sections in the order of the page; every report has all of them, but for a shadow that it may lack.

    Those of which a run that stopped early measured nothing come after those that have something to say.
    """
    sections = [
        performance.performance(report),
        hits.hits(report),
        performance.months(report),
        ranking.ranking(report),
        market.market(report),
        model.importance(report),
        model.recommendations(report),
        model.competition(report),
        *((model.shadow(report),) if report.shadow_gates else ()),
        search.search(report),
        provenance.data(report),
        provenance.run(report),
    ]
    sections.sort(key=lambda section: all(isinstance(block, Absent) for block in section.blocks))
    return [*sections, reading.reading()]


def title_of(report: RunReport) -> str:
    """Return what the browser's tab says."""
    if report.kind == "tear_sheet":
        return f"Tear sheet: {report.run.get('predictions', 'predictions')}"
    return f"AMTS {report.run.get('run_id', '')}"


def shared_x(figure: Figure) -> list[dict[str, Any]]:
    """Return the traces of a figure; one with the x of an earlier trace names that trace instead.

    Dates of twenty years in each of eight lines would be a third of a page's bytes.
    """
    traces, first = list[dict[str, Any]](), dict[int, int]()
    for place, trace in enumerate(figure.data):
        earlier = first.setdefault(id(trace["x"]), place)
        traces.append(trace if earlier == place else {**trace, "x": earlier})
    return traces


def script_json(value: Any) -> Markup:
    r"""Return JSON that may stand inside a script element: nothing in it can end the element or begin a comment.

    Examples
    --------
    >>> print(script_json({"name": "</script><!--"}))
    {"name":"\u003c/script\u003e\u003c!--"}
    """
    written = json.dumps(value, allow_nan=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        written = written.replace(character, f"\\u{ord(character):04x}")
    return Markup(written)  # noqa: S704 - escaped above; it stands in a script, where HTML's escapes mean nothing


@cache
def plotting_library() -> Markup | None:
    """Return the source of plotly.js, or None where it is not installed: the page then says so, and has no figures."""
    if not PLOTTING_LIBRARY.is_file():
        return None
    source = PLOTTING_LIBRARY.read_text(encoding="utf-8")
    # The one thing that could end the script inside which it stands.
    return Markup(source.replace("</script", "<\\/script"))  # noqa: S704 - the pinned library, not data


@cache
def templates() -> Environment:
    """Return the templates: everything is escaped, and a name that is not known is an error."""
    environment = Environment(
        loader=PackageLoader("lambdas.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    folder = Path(__file__).parent / "static"
    environment.globals["style"] = Markup((folder / "page.css").read_text(encoding="utf-8"))  # noqa: S704 - ours
    environment.globals["script"] = Markup((folder / "page.js").read_text(encoding="utf-8"))  # noqa: S704 - ours
    return environment
