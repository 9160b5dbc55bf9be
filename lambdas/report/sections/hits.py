"""Hit rates taken apart: by fold with intervals, by year, sector and volatility regime."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lambdas.core.values import Evaluation, RegimeMetrics, SectorMetrics, YearMetrics
from lambdas.report import numbers
from lambdas.report.content import Absent, Block, Column, Figure, Section, Table, number, text
from lambdas.report.facts import RunReport
from lambdas.report.figure import (
    BAD,
    GOOD,
    MUTED,
    PERCENT_AXIS,
    PORTFOLIO,
    axis,
    days,
    interval,
    layout,
    level,
    rounded,
)
from lambdas.report.numbers import known, percent, points, short
from lambdas.report.sections.performance import not_backtested

REGIMES = {"low": "Calm: VIX in its lowest third", "middle": "Middle third", "high": "Nervous: highest third"}


def hits(report: RunReport) -> Section:
    """Hit rate by fold, year, sector and regime, each beside its base rate."""
    title = "Hit rates and their base rates"
    evaluation = report.evaluation
    if evaluation is None:
        return Section("hits", title, [not_backtested(report)])
    pooled, evidence = evaluation.pooled, evaluation.evidence
    together = "Walk-forward and holdout together: " if evaluation.holdout else ""
    lead = (
        f"{together}{numbers.count(pooled.n_matured)} recommendations have matured, worth about "
        f"{known(pooled.effective_n, numbers.count)} independent ones. Hit rate {known(pooled.hit_rate, percent)}, "
        f"base rate {known(pooled.base_rate, percent)}; skill {known(pooled.skill, points)}, at least "
        f"{known(evidence.skill_lower, points)} with {short(percent(evidence.confidence))} confidence."
    )
    blocks: list[Block] = [fold_figure(evaluation, report)]
    if evaluation.by_year:
        blocks.append(year_table(evaluation.by_year))
    if evaluation.by_sector:
        blocks += [sector_figure(evaluation.by_sector), sector_table(evaluation.by_sector)]
    else:
        blocks.append(Absent("By sector", "the data set names no sectors (securities.parquet)."))
    if any(regime.n_decisions for regime in evaluation.by_regime):
        blocks.append(regime_table(evaluation.by_regime))
    else:
        blocks.append(Absent("By volatility regime", "the data set has no VIX for these sessions (macro.parquet)."))
    return Section("hits", title, blocks, lead)


def fold_figure(evaluation: Evaluation, report: RunReport) -> Figure | Absent:
    """Hit rate of each fold with its interval, the base rate beside it, and the threshold of the gate."""
    folds = [fold for fold in evaluation.by_fold if fold.hit_rate is not None]
    if not folds:
        return Absent("Hit rate by fold", "the predictions name no folds, or none of them has matured.")
    intervals = {i.fold: i for i in report.exhibits.fold_intervals} if report.exhibits else {}
    lower = [intervals[f.fold].lower if f.fold in intervals else None for f in folds]
    upper = [intervals[f.fold].upper if f.fold in intervals else None for f in folds]
    rates = [fold.hit_rate for fold in folds]
    confidence = evaluation.evidence.confidence
    x = days(fold.first_session for fold in folds)
    rate: dict[str, Any] = {
        "type": "scatter",
        "mode": "markers",
        "name": f"Hit rate, {short(percent(2 * confidence - 1))} interval" if intervals else "Hit rate",
        "x": x,
        "y": rounded(rates),
        "marker": {"color": PORTFOLIO, "size": 8},
        "customdata": [f"fold {f.fold}, {f.n_matured} matured, skill {known(f.skill, points)}" for f in folds],
        "hovertemplate": "%{y:.1%} (%{customdata})",
    }
    if intervals:
        rate["error_y"] = interval(lower, rates, upper, PORTFOLIO)
    base = {
        "type": "scatter",
        "mode": "markers",
        "name": "Base rate",
        "x": x,
        "y": rounded(fold.base_rate for fold in folds),
        "marker": {"color": MUTED, "size": 11, "symbol": "line-ew", "line": {"color": MUTED, "width": 2.4}},
        "hovertemplate": "%{y:.1%}",
    }
    asked = report.settings.get("gates", {}).get("hit_rate")
    above = sum(f.skill is not None and f.skill > 0 for f in folds)
    shapes = {} if asked is None else {"shapes": [level(asked, "threshold")]}
    caption = f"Above the base rate in {above} of {len(folds)} folds. " + (
        "Intervals are wide because a fold is little more than one holding period. " if intervals else ""
    )
    if asked is not None:
        caption += f"The dashed line is the {short(percent(asked))} asked of all folds together."
    return Figure(
        "folds",
        "Hit rate by fold",
        caption,
        [base, rate],
        layout(xaxis=axis("first decision of the fold", type="date"), yaxis=axis("hit rate", **PERCENT_AXIS), **shapes),
    )


def year_table(years: Sequence[YearMetrics]) -> Table:
    """One row a calendar year."""
    heads = (
        Column("Year", number=False),
        Column("Hit rate"),
        Column("Base rate"),
        Column("Matched skill", hint="Against symbols of like volatility"),
        Column("Return"),
        Column("SPY"),
        Column("Over SPY"),
        Column("Sharpe"),
        Column("Drawdown"),
        Column("Rank IC"),
        Column("Matured"),
    )
    rows = [
        [
            text(year.year),
            number(year.hit_rate, percent),
            number(year.base_rate, percent),
            number(year.matched_skill, points),
            number(year.total_return, percent),
            number(year.benchmark_return, percent),
            number(year.market_outperformance, points),
            number(year.sharpe_ratio, numbers.ratio),
            number(year.max_drawdown, percent),
            number(year.rank_ic, numbers.correlation),
            number(year.n_matured, numbers.count),
        ]
        for year in years
    ]
    return Table("By calendar year", heads, rows, note="The first and the last year are partial.")


def sector_figure(sectors: Sequence[SectorMetrics]) -> Figure | Absent:
    """Skill by sector, the best on top."""
    measured = sorted((s for s in sectors if s.skill is not None), key=lambda s: s.skill or 0.0)
    if not measured:
        return Absent("Skill by sector", "no recommendation of a known sector has matured.")
    skills = [sector.skill for sector in measured]
    bars = {
        "type": "bar",
        "orientation": "h",
        "name": "Skill",
        "x": rounded(skills),
        "y": [sector.sector for sector in measured],
        "marker": {"color": [GOOD if (skill or 0.0) >= 0 else BAD for skill in skills]},
        "customdata": [
            f"hit rate {known(s.hit_rate, percent)}, base rate {known(s.base_rate, percent)}, {s.n_matured} matured"
            for s in measured
        ],
        "hovertemplate": "%{x:+.1%} (%{customdata})<extra></extra>",
    }
    return Figure(
        "sectors",
        "Skill by sector",
        "Hit rate of the recommendations in a sector, less that of all its eligible symbols on the same dates.",
        [bars],
        layout(
            hovermode="closest",
            xaxis=axis("hit rate less base rate", tickformat="+.0%", zeroline=True),
            yaxis=axis(automargin=True),
            showlegend=False,
        ),
        height=110 + 26 * len(measured),
    )


def sector_table(sectors: Sequence[SectorMetrics]) -> Table:
    """One row a sector."""
    heads = (
        Column("Sector", number=False),
        Column("Share", hint="Of all recommendations"),
        Column("Hit rate"),
        Column("Base rate"),
        Column("Skill"),
        Column("Mean net return", hint="Of a matured recommendation, over the horizon"),
        Column("Rank IC"),
        Column("Matured"),
    )
    rows = [
        [
            text(s.sector),
            number(s.share, percent),
            number(s.hit_rate, percent),
            number(s.base_rate, percent),
            number(s.skill, points),
            number(s.mean_net_return, percent),
            number(s.rank_ic, numbers.correlation),
            number(s.n_matured, numbers.count),
        ]
        for s in sectors
    ]
    return Table("By sector", heads, rows)


def regime_table(regimes: Sequence[RegimeMetrics]) -> Table:
    """One row a tercile of the VIX."""
    heads = (
        Column("Regime", number=False, hint="Tercile of the VIX among all closes known at the decision"),
        Column("Decisions"),
        Column("Hit rate"),
        Column("Base rate"),
        Column("Matched skill"),
        Column("Sharpe"),
        Column("Over SPY, a year"),
        Column("Rank IC"),
    )
    rows = [
        [
            text(REGIMES[regime.regime]),
            number(regime.n_decisions, numbers.count),
            number(regime.hit_rate, percent),
            number(regime.base_rate, percent),
            number(regime.matched_skill, points),
            number(regime.sharpe_ratio, numbers.ratio),
            number(regime.active_return, points),
            number(regime.rank_ic, numbers.correlation),
        ]
        for regime in regimes
    ]
    return Table("By volatility regime", heads, rows)
