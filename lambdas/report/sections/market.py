"""The candidate in its market: each benchmark with bounds, where the return came from, rivals that nobody tunes."""

from __future__ import annotations

from collections.abc import Sequence

from lambdas.core.validation.values import (
    Attribution,
    Estimate,
    MarketRegime,
    PairedDifference,
    SectorStanding,
    SliceComparison,
)
from lambdas.report import numbers
from lambdas.report.content import Absent, Block, Cell, Column, Figure, Note, Section, Table, number, text
from lambdas.report.facts import RunReport
from lambdas.report.figure import BAD, GOOD, MUTED, PORTFOLIO, axis, interval, layout, rounded
from lambdas.report.numbers import Write, known, percent, points


def market(report: RunReport) -> Section:
    """Benchmarks, attribution, rivals and the regime of the holdout."""
    title = "Against each benchmark, and against simple rules"
    study = report.study
    if study is None:
        return Section("market", title, [not_validated(report)])
    blocks: list[Block] = [Note(numbers.told(sentence)) for sentence in study.sentences]
    blocks.append(rivals_figure(study.rivals))
    for name, part in (
        ("all out of sample", study.walk_forward_and_holdout),
        ("holdout", study.holdout),
    ):
        blocks.append(benchmarks_table(name, part))
    whole = study.walk_forward_and_holdout
    if whole.attribution is None:
        blocks.append(Absent("Where the return came from", "the data set names no sectors (securities.parquet)."))
    else:
        blocks += [attribution_figure(whole.attribution), sector_attribution_table(whole.attribution)]
    if study.sectors:
        blocks.append(standing_table(study.sectors))
    blocks.append(regime_table(study.regime))
    return Section("market", title, blocks)


def not_validated(report: RunReport) -> Absent:
    """Say that there is no candidate that was judged on its holdout."""
    stopped = next((gate.gate for gate in report.gates if gate.verdict != "PASS"), None)
    if stopped in ("data_quality", "backtesting"):
        why = f"the run stopped at the {stopped.replace('_', ' ')} gate, before a candidate was fitted."
    else:
        why = "the run did not get as far as a candidate."
    return Absent("Market validation", why)


def rivals_figure(rivals: tuple[PairedDifference, ...]) -> Figure | Absent:
    """Difference to each naive rule, with its bounds."""
    measured = [rival for rival in rivals if rival.active_return.value is not None]
    if not measured:
        return Absent("Simple rules", "there are too few sessions to compare it with them.")
    value = [rival.active_return.value for rival in measured]
    whiskers = interval(
        [rival.active_return.lower for rival in measured],
        value,
        [rival.active_return.upper for rival in measured],
        PORTFOLIO,
    )
    dots = {
        "type": "scatter",
        "mode": "markers",
        "name": "Difference a year",
        "x": rounded(value),
        "y": [f"{rival.rival}" for rival in measured],
        "marker": {"color": PORTFOLIO, "size": 10},
        "error_x": whiskers,
        "hovertemplate": "%{x:+.1%} a year<extra></extra>",
    }
    zero = {
        "type": "line",
        "xref": "x",
        "yref": "paper",
        "x0": 0,
        "x1": 0,
        "y0": 0,
        "y1": 1,
        "line": {"color": MUTED, "width": 1, "dash": "dash"},
    }
    return Figure(
        "rivals",
        "Return a year over rules that nobody has to tune",
        "Same dates, same costs, paired stationary bootstrap. Where the whole line lies right of zero, the portfolio "
        "is shown to be worth its tuning.",
        [dots],
        layout(
            hovermode="closest",
            xaxis=axis("active return a year, portfolio less rule", tickformat="+.0%"),
            yaxis=axis(automargin=True, type="category", range=[-0.6, len(measured) - 0.4]),
            shapes=[zero],
            showlegend=False,
        ),
        height=120 + 44 * len(measured),
    )


def benchmarks_table(name: str, part: SliceComparison) -> Table:
    """One row a figure, one column a benchmark; bounds below each figure."""
    heads = [Column("Against", number=False), *(Column(b.benchmark) for b in part.benchmarks)]
    rows: list[list[Cell]] = [
        [text(label, detail=hint), *(estimate(getattr(b, field), write) for b in part.benchmarks)]
        for label, hint, field, write in (
            ("Return over it", "Annualised beyond 252 sessions.", "market_outperformance", points),
            ("Active return a year", "Mean daily difference.", "active_return", points),
            ("Alpha a year", "", "alpha", points),
            ("Beta", "", "beta", numbers.ratio),
            ("Up capture", "Mean return when it rose, over its own.", "up_capture", percent),
            ("Down capture", "When it fell: below 100 % is protection.", "down_capture", percent),
            ("Hit rate against it", "Recommendations that beat it.", "hit_rate", percent),
        )
    ]
    for label, field, write in (
        ("Base rate against it", "base_rate", percent),
        ("Its own return", "benchmark_return", percent),
        ("Its own Sharpe ratio", "benchmark_sharpe_ratio", numbers.ratio),
        ("Its own drawdown", "benchmark_max_drawdown", percent),
    ):
        rows.append([text(label), *(number(getattr(b, field), write) for b in part.benchmarks)])
    return Table(
        f"With bounds: {name}",
        heads,
        rows,
        note=f"{part.first_session} to {part.last_session}, {numbers.sessions(part.n_sessions)}. Alpha on all "
        f"benchmarks together: {known(part.joint_alpha.value, points)} a year{_bounds(part.joint_alpha, points)}. Each "
        "bound is one-sided.",
        folded=name == "holdout",
    )


def estimate(found: Estimate, write: Write) -> Cell:
    """Return a cell with the bounds below the number."""
    detail = ""
    if found.value is not None and found.lower is not None and found.upper is not None:
        detail = f"{write(found.lower)} to {write(found.upper)}"
    return number(found.value, write, detail=detail)


def _bounds(found: Estimate, write: Write) -> str:
    if found.lower is None or found.upper is None:
        return ""
    return f", between {write(found.lower)} and {write(found.upper)}"


def attribution_figure(found: Attribution) -> Figure:
    """Parts of the return over SPY, which add up to it."""
    parts = (
        ("universe", found.universe),
        ("sectors", found.allocation),
        ("selection", found.selection),
        ("costs", found.costs),
        ("all", found.outperformance),
    )
    values = [value for _, value in parts]
    bars = {
        "type": "bar",
        "x": [name for name, _ in parts],
        "y": rounded(values),
        "marker": {"color": [*(GOOD if value >= 0 else BAD for value in values[:-1]), MUTED]},
        "text": [points(value) for value in values],
        "textposition": "outside",
        "cliponaxis": False,
        "hovertemplate": "%{y:+.1%}<extra></extra>",
    }
    return Figure(
        "attribution",
        "Where the return over SPY came from",
        "Total return over SPY's in parts that add up (Brinson & Fachler 1985, linked after Carino 1999). Universe: "
        "all eligible symbols in equal parts, which no model chose. Selection: symbols within their sectors.",
        [bars],
        layout(
            hovermode="closest",
            xaxis=axis(type="category"),
            yaxis=axis("of total return", tickformat="+.0%", zeroline=True),
            showlegend=False,
            margin={"l": 56, "r": 14, "t": 28, "b": 40},
        ),
    )


def sector_attribution_table(found: Attribution) -> Table:
    """Return what each sector added, by its weight and by what was held in it."""
    rows = [
        [text(s.sector), number(s.allocation, points), number(s.selection, points)]
        for s in sorted(found.by_sector, key=lambda s: -(s.allocation + s.selection))
    ]
    return Table(
        "Return over SPY by sector",
        [
            Column("Sector", number=False),
            Column("By its weight", hint="Allocation"),
            Column("By what was held in it", hint="Selection, interaction included"),
        ],
        rows,
        folded=True,
    )


def standing_table(sectors: Sequence[SectorStanding]) -> Table:
    """Compare what was held in each sector with all symbols of the sector."""
    rows = [
        [
            text(s.sector),
            number(s.mean_return, percent),
            number(s.percentile, numbers.percentile),
            number(s.n_recommendations, numbers.count),
        ]
        for s in sectors
    ]
    heads = (
        Column("Sector", number=False),
        Column("Mean return", hint="Gross, of a matured recommendation over the horizon"),
        Column("Percentile in the sector", hint="Among its symbols, 100th is best"),
        Column("Matured"),
    )
    return Table("Standing within each sector", heads, rows, folded=True)


def regime_table(found: MarketRegime) -> Table:
    """Show what the market did over the holdout, beside the walk-forward."""
    rows = [
        [text(name), number(now, write), number(before, write)]
        for name, now, before, write in (
            ("Sessions with a high VIX", found.vix_high_share, found.history_vix_high_share, percent),
            ("Sessions with a low VIX", found.vix_low_share, found.history_vix_low_share, percent),
            ("SPY above its 200-day mean", found.above_trend_share, found.history_above_trend_share, percent),
            ("SPY return", found.market_return, None, percent),
        )
    ]
    rows.append(
        [
            text("Percentile of that return", detail="Among all earlier spans of that length."),
            number(found.market_return_percentile, numbers.percentile),
            number(None, percent),
        ]
    )
    return Table(
        "What kind of market the holdout was",
        [Column("", number=False), Column("Holdout"), Column("Walk-forward")],
        rows,
        folded=True,
        sortable=False,
    )
