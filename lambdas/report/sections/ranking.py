"""Whether probabilities mean what they say, and whether they rank: calibration, rank IC, quantiles."""

from __future__ import annotations

from collections.abc import Sequence

from lambdas.core.exhibits.values import RankICSeries
from lambdas.core.values import PortfolioMetrics, QuantileReturns, Reliability
from lambdas.report import numbers
from lambdas.report.content import Absent, Block, Figure, Section
from lambdas.report.facts import RunReport
from lambdas.report.figure import MUTED, PERCENT_AXIS, PORTFOLIO, axis, days, layout, level, line, rounded
from lambdas.report.numbers import known, percent, points
from lambdas.report.sections.performance import not_backtested

SMOOTHING = 63
"""Decisions of the running mean of the rank IC: a quarter."""


def ranking(report: RunReport) -> Section:
    """Calibration, rank IC over time, returns by quintile of probability."""
    title = "What the probabilities are worth"
    if report.evaluation is None:
        return Section("ranking", title, [not_backtested(report)])
    exhibits, pooled = report.exhibits, report.evaluation.pooled
    lead = (
        f"Mean rank IC {known(pooled.rank_ic, numbers.correlation)}: the correlation, across the symbols of a date, of "
        f"probability and return that followed. 0 is no skill, 0.05 is good for stocks. Mean over deviation "
        f"{known(pooled.icir, numbers.ratio)}."
    )
    blocks: list[Block] = [
        calibration_figure(exhibits.calibration)
        if exhibits is not None and exhibits.calibration is not None and exhibits.calibration.table
        else Absent("Calibration", "no outcome of a prediction is known."),
        rank_ic_figure(exhibits.rank_ic, pooled)
        if exhibits is not None and exhibits.rank_ic.values
        else Absent("Rank IC over time", "no date has ranks and outcomes of enough symbols."),
        quantile_figure(report.evaluation.quantiles)
        if report.evaluation.quantiles is not None and report.evaluation.quantiles.n_dates
        else Absent("Returns by quintile", "no date has outcomes of five symbols."),
    ]
    return Section("ranking", title, blocks, lead)


def calibration_figure(found: Reliability) -> Figure:
    """Hit rate of each tenth of the probabilities against what they said."""
    said, was = [b.probability for b in found.table], [b.hit_rate for b in found.table]
    low, high = min(*said, *was) - 0.02, max(*said, *was) + 0.02
    perfect = line(
        "Perfect", [low, high], [low, high], {"color": MUTED, "width": 1.2, "dash": "dash"}, hoverinfo="skip"
    )
    points_ = {
        "type": "scatter",
        "mode": "lines+markers",
        "name": "Out of sample",
        "x": rounded(said),
        "y": rounded(was),
        "line": {"color": PORTFOLIO, "width": 1.6},
        "marker": {"color": PORTFOLIO, "size": 9},
        "customdata": [numbers.count(b.n_rows) for b in found.table],
        "hovertemplate": "said %{x:.1%}, was %{y:.1%} (%{customdata} predictions)<extra></extra>",
    }
    skill = (
        None
        if not found.brier_score_of_base_rate or found.brier_score is None
        else 1.0 - found.brier_score / found.brier_score_of_base_rate
    )
    return Figure(
        "calibration",
        "Calibration: what was said, and what happened",
        f"All {numbers.count(found.n_rows)} out-of-sample predictions of eligible symbols, in tenths. Brier score "
        f"{known(found.brier_score, numbers.correlation)} "
        f"(always saying the base rate: {known(found.brier_score_of_base_rate, numbers.correlation)}, "
        f"skill {known(skill, percent)}); mean calibration error {known(found.expected_calibration_error, percent)}. "
        "Hits of a date move together: a few points off the line are no proof of a bad calibration.",
        [perfect, points_],
        layout(
            hovermode="closest",
            xaxis=axis("probability that was published", range=[low, high], **PERCENT_AXIS),
            yaxis=axis("hit rate that followed", range=[low, high], **PERCENT_AXIS),
        ),
        height=380,
    )


def rank_ic_figure(series: RankICSeries, pooled: PortfolioMetrics) -> Figure:
    """Rank IC of each date, and its running mean."""
    x = days(series.sessions)
    daily = {
        "type": "bar",
        "name": "By date",
        "x": x,
        "y": rounded(series.values, 3),
        "marker": {"color": "@portfolio-area", "line": {"width": 0}},
        "hovertemplate": "%{y:.3f}",
    }
    smooth = line(
        f"Mean of {SMOOTHING} dates",
        x,
        running_mean(series.values, SMOOTHING),
        {"color": PORTFOLIO, "width": 2.2},
        hovertemplate="%{y:.3f}",
    )
    positive = sum(value > 0 for value in series.values) / len(series.values)
    shapes = {} if pooled.rank_ic is None else {"shapes": [level(pooled.rank_ic, "mean")]}
    return Figure(
        "rank-ic",
        "Rank IC over time",
        f"Positive on {percent(positive)} of {numbers.count(len(series.values))} dates. The dashed line is the mean of "
        "all. Outcomes of neighbouring dates overlap, so long runs of one sign are expected.",
        [daily, smooth],
        layout(xaxis=axis(type="date"), yaxis=axis("rank IC", zeroline=True), bargap=0, **shapes),
    )


def running_mean(values: Sequence[float], width: int) -> list[float | None]:
    """Return the mean of the last `width` values at each place, None before there are as many.

    Examples
    --------
    >>> running_mean([1.0, 2.0, 3.0, 4.0], 2)
    [None, 1.5, 2.5, 3.5]
    """
    total, means = 0.0, list[float | None]()
    for place, value in enumerate(values):
        total += value - (values[place - width] if place >= width else 0.0)
        means.append(total / width if place >= width - 1 else None)
    return means


def quantile_figure(found: QuantileReturns) -> Figure:
    """Mean gross return over the horizon by quintile of probability."""
    names = ["lowest", "second", "middle", "fourth", "highest"]
    bars = {
        "type": "bar",
        "name": "Mean return",
        "x": names[: len(found.mean_returns)],
        "y": rounded(found.mean_returns),
        "marker": {"color": PORTFOLIO},
        "text": [known(value, percent, "") for value in found.mean_returns],
        "textposition": "outside",
        "cliponaxis": False,
        "hovertemplate": "%{y:.2%}<extra></extra>",
    }
    return Figure(
        "quantiles",
        "Return by quintile of probability",
        f"Mean gross return over the holding period, over {numbers.count(found.n_dates)} dates. A model that ranks "
        f"rises from left to right. Highest less lowest: {known(found.spread, points)}, positive on "
        f"{known(found.positive_dates, percent)} of the dates.",
        [bars],
        layout(
            hovermode="closest",
            xaxis=axis("quintile of probability", type="category"),
            yaxis=axis("mean return over the horizon", tickformat=".1%", zeroline=True),
            showlegend=False,
            margin={"l": 56, "r": 14, "t": 28, "b": 40},
        ),
    )
