"""The look that all figures share, and the small pieces they are put together from."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable, Sequence
from typing import Any

PORTFOLIO, MARKET, SECOND, THIRD = "@portfolio", "@market", "@second", "@third"
GOOD, BAD, BAND, MUTED, SHADE = "@good", "@bad", "@band", "@muted", "@shade"
"""Names of colours; the style sheet gives them a value in each mode, from Okabe and Ito's palette."""

BENCHMARK_LINES = {
    "SPY": {"color": MARKET, "width": 1.8},
    "QQQ": {"color": SECOND, "width": 1.4, "dash": "dash"},
    "IWM": {"color": THIRD, "width": 1.4, "dash": "dot"},
}
OTHER_LINE = {"color": MUTED, "width": 1.2, "dash": "dashdot"}

PERCENT_AXIS = {"tickformat": ".0%"}


def rounded(values: Iterable[float | None], digits: int = 5) -> list[float | None]:
    """Return values with as many digits as a screen can show; None stays a gap.

    Examples
    --------
    >>> rounded([1.23456789, None, 0.000123456])
    [1.2346, None, 0.00012346]
    """
    return [None if v is None or not math.isfinite(v) else float(f"{v:.{digits}g}") for v in values]


def days(values: Iterable[dt.date]) -> list[str]:
    """Return dates as plotly.js reads them."""
    return [day.isoformat() for day in values]


def axis(title: str = "", **more: Any) -> dict[str, Any]:
    """Return an axis with its title, which names the unit."""
    return {"title": {"text": title, "standoff": 8}, **more}


def layout(**more: Any) -> dict[str, Any]:
    """Return a layout; the page's script adds fonts and colours."""
    return {
        "margin": {"l": 56, "r": 14, "t": 8, "b": 40},
        "hovermode": "x unified",
        "legend": {"orientation": "h", "x": 0, "y": 1.02, "xanchor": "left", "yanchor": "bottom"},
        "xaxis": axis(),
        "yaxis": axis(),
        **more,
    }


def line(name: str, x: Sequence[Any], y: Iterable[float | None], style: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return a line."""
    return {"type": "scatter", "mode": "lines", "name": name, "x": x, "y": rounded(y), "line": style, **more}


def band(
    name: str, x: Sequence[Any], lower: Iterable[float | None], upper: Iterable[float | None], **more: Any
) -> list[dict[str, Any]]:
    """Return an area between two lines, with one entry in the legend."""
    invisible = {"color": BAND, "width": 0}
    shared = {"legendgroup": name, **more}
    return [
        line(name, x, lower, invisible, showlegend=False, hoverinfo="skip", **shared),
        line(name, x, upper, invisible, fill="tonexty", fillcolor=BAND, hoverinfo="skip", **shared),
    ]


def shaded(first: dt.date, last: dt.date, label: str, label_at: float) -> dict[str, Any]:
    """Return the shapes and annotations that mark a span of time over the whole height."""
    return {
        "shapes": [
            {
                "type": "rect",
                "xref": "x",
                "yref": "paper",
                "x0": first.isoformat(),
                "x1": last.isoformat(),
                "y0": 0,
                "y1": 1,
                "fillcolor": SHADE,
                "line": {"width": 0},
                "layer": "below",
            }
        ],
        "annotations": [
            {
                "text": label,
                "xref": "x",
                "yref": "paper",
                "x": last.isoformat(),
                "y": label_at,
                "xanchor": "right",
                "yanchor": "middle",
                "showarrow": False,
                "font": {"size": 11, "color": MUTED},
            }
        ],
    }


def level(value: float, text: str, *, dash: str = "dash") -> dict[str, Any]:
    """Return a horizontal line across a figure; its text stands in the caption or the legend, never over data."""
    return {
        "type": "line",
        "xref": "paper",
        "yref": "y",
        "x0": 0,
        "x1": 1,
        "y0": value,
        "y1": value,
        "line": {"color": MUTED, "width": 1, "dash": dash},
        "name": text,
    }


def interval(
    lower: Sequence[float | None], value: Sequence[float | None], upper: Sequence[float | None], color: str
) -> dict[str, Any]:
    """Return error bars from two bounds; a missing bound has none."""

    def beyond(bound: float | None, middle: float | None, sign: int) -> float:
        return 0.0 if bound is None or middle is None else max(sign * (bound - middle), 0.0)

    return {
        "type": "data",
        "symmetric": False,
        "array": rounded(beyond(u, v, 1) for u, v in zip(upper, value, strict=True)),
        "arrayminus": rounded(beyond(b, v, -1) for b, v in zip(lower, value, strict=True)),
        "color": color,
        "thickness": 1.4,
        "width": 4,
    }


def log_ticks(low: float, high: float) -> dict[str, Any]:
    """Ticks of a logarithmic axis at round numbers, written in full: the library writes 0.9 and 9 alike.

    Examples
    --------
    >>> log_ticks(0.85, 3.1)["ticktext"]
    ['1', '1.5', '2', '3']
    """
    round_numbers = sorted({first * 10.0**power for power in range(-6, 7) for first in (1, 1.5, 2, 3, 5, 7)})
    values = [value for value in round_numbers if low <= value <= high]
    return {"tickmode": "array", "tickvals": values, "ticktext": [f"{value:,g}" for value in values]}
