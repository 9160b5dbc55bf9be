"""The portfolio against the market: equity, drawdowns, metrics by slice, months."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate

from lambdas.core.values import DailySeries, Evaluation, MonthlyReturn, PortfolioMetrics
from lambdas.report import numbers
from lambdas.report.content import Absent, Block, Cell, Column, Figure, Note, Section, Table, number, text
from lambdas.report.facts import RunReport
from lambdas.report.figure import (
    BENCHMARK_LINES,
    MUTED,
    OTHER_LINE,
    PERCENT_AXIS,
    PORTFOLIO,
    axis,
    band,
    days,
    layout,
    line,
    log_ticks,
    shaded,
)
from lambdas.report.numbers import Write, known, percent, points

MARKET_NAME = "SPY"
LOG_RANGE = 3.0
"""Curves that spread further are drawn on a logarithmic axis, so that a fall of 10 % looks the same everywhere."""
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
FULL_SHADE = 0.10
"""A monthly return of this size has the deepest colour."""


def performance(report: RunReport) -> Section:
    """Equity and drawdowns beside the benchmarks and the lot, and the metrics of each slice."""
    evaluation = report.evaluation
    if evaluation is None:
        return Section("performance", "The portfolio against the market", [not_backtested(report)])
    pooled = evaluation.pooled
    market = pooled.benchmark_return.get(MARKET_NAME)
    lead = (
        f"Out of sample from {pooled.first_session} to {pooled.last_session}, after costs, the portfolio returned "
        f"{known(pooled.total_return, percent)}"
        + ("." if market is None else f"; {MARKET_NAME} returned {percent(market)} over the same sessions.")
    )
    blocks: list[Block] = [equity_figure(evaluation, report), *_band_note(report), slices_table(evaluation)]
    blocks += [Note(sentence, "muted") for sentence in evaluation.notes]
    return Section("performance", "The portfolio against the market", blocks, lead)


def _holdout_of(report: RunReport) -> str:
    return "is the end of the file" if report.kind == "tear_sheet" else "was predicted by the frozen candidate"


def not_backtested(report: RunReport) -> Absent:
    """Say that there are no predictions to measure."""
    stopped = next((gate.gate for gate in report.gates if gate.verdict != "PASS"), None)
    why = f"the run stopped at the {stopped.replace('_', ' ')} gate" if stopped else "the run did not get that far"
    return Absent("Backtest", f"{why}, before there were predictions to test.")


def equity_figure(evaluation: Evaluation, report: RunReport) -> Figure:
    """Equity of the portfolio, the benchmarks and the band of portfolios by lot, with the drawdowns below."""
    series, holdout = evaluation.series, evaluation.holdout
    x = days(series.sessions)
    found = report.exhibits.random_band if report.exhibits else None
    data = []
    if found is not None and len(found.median) == len(x):
        name = f"{numbers.count(found.n_portfolios)} portfolios by lot, 5 to 95 %"
        data += band(name, x, found.lower, found.upper)
        data.append(line("Median by lot", x, found.median, {"color": MUTED, "width": 1, "dash": "dot"}))
    for symbol, curve in series.benchmarks.items():
        data.append(line(symbol, x, curve, BENCHMARK_LINES.get(symbol, OTHER_LINE)))
    data.append(line("Portfolio", x, series.equity, {"color": PORTFOLIO, "width": 2.4}))
    for symbol, curve in ((MARKET_NAME, series.benchmarks.get(MARKET_NAME, ())), ("Portfolio", series.equity)):
        if not curve:
            continue
        own = symbol == "Portfolio"
        style = {"color": PORTFOLIO, "width": 1.4} if own else BENCHMARK_LINES[MARKET_NAME]
        fill = {"fill": "tozeroy", "fillcolor": "@portfolio-area"} if own else {}
        falls = line(f"{symbol}, drawdown", x, drawdowns(curve), style, yaxis="y2", showlegend=False, **fill)
        data.append(falls)
    curves = [series.equity, *series.benchmarks.values()]
    low, high = min(map(min, curves)), max(map(max, curves))
    kind = {"type": "log", **log_ticks(low, high)} if high / low > LOG_RANGE else {}
    marked = shaded(holdout.first_session, holdout.last_session, "holdout", 0.305) if holdout else {}
    return Figure(
        "equity",
        "Growth of 1, and falls from the peak",
        "Closes after costs. Benchmarks are bought at the same open and held, without cost."
        + (f" The shaded holdout {_holdout_of(report)}." if holdout else ""),
        data,
        layout(
            xaxis=axis(anchor="y2", type="date"),
            yaxis=axis("growth of 1" + (", log scale" if kind else ""), domain=[0.34, 1], **kind),
            yaxis2=axis("drawdown", domain=[0, 0.27], **PERCENT_AXIS),
            **marked,
        ),
        height=460,
    )


def drawdowns(curve: Sequence[float]) -> list[float]:
    """Return the fall of each close from the highest before it, as a negative fraction.

    Examples
    --------
    >>> drawdowns([1.0, 2.0, 1.5, 3.0])
    [0.0, 0.0, -0.25, 0.0]
    """
    peaks = accumulate(curve, max, initial=1.0)
    next(peaks)
    return [value / peak - 1.0 for value, peak in zip(curve, peaks, strict=True)]


def _band_note(report: RunReport) -> list[Block]:
    if report.exhibits is not None and report.exhibits.random_band is not None:
        return []
    return [Absent("Band of portfolios that pick by lot", "the figure is without it.")]


Read = Callable[[PortfolioMetrics], float | None]
SLICE_ROWS: tuple[tuple[str, str, Write, Read], ...] = (
    ("Total return", "Not annualised.", percent, lambda m: m.total_return),
    ("Return a year", "CAGR, 252 sessions.", percent, lambda m: m.cagr),
    ("Volatility a year", "", percent, lambda m: m.volatility),
    ("Sharpe ratio", "Over cash, a year.", numbers.ratio, lambda m: m.sharpe_ratio),
    (
        "Sharpe ratio, Lo",
        "With Lo's (2002) factor for autocorrelation.",
        numbers.ratio,
        lambda m: m.sharpe_ratio_lo,
    ),
    ("Largest drawdown", "", percent, lambda m: m.max_drawdown),
    ("Hit rate", "", percent, lambda m: m.hit_rate),
    ("Base rate", "Hit rate of recommending every eligible symbol.", percent, lambda m: m.base_rate),
    ("Skill", "Hit rate less base rate.", points, lambda m: m.skill),
    ("Matched skill", "Against symbols of like volatility.", points, lambda m: m.matched_skill),
    ("Hit rate against SPY", "Recommendations that beat SPY.", percent, lambda m: m.relative_hit_rate),
    ("Base rate against SPY", "", percent, lambda m: m.relative_base_rate),
    ("Rank IC", "Correlation of probability and return across symbols.", numbers.correlation, lambda m: m.rank_ic),
    ("Exposure", "Share of the equity that is invested.", percent, lambda m: m.exposure),
    ("Turnover a year", "Half of buys and sells over equity.", percent, lambda m: m.turnover),
    ("Recommendations", "", numbers.count, lambda m: m.n_recommendations),
    ("Matured", "Whose outcome is known.", numbers.count, lambda m: m.n_matured),
    ("Worth independent", "They overlap and share their dates.", numbers.count, lambda m: m.effective_n),
    ("Held beyond their last price", "", numbers.count, lambda m: m.delisted_held),
)


def slices_table(evaluation: Evaluation) -> Table:
    """All metrics, by slice of the one simulation."""
    slices = [("All out of sample", evaluation.pooled), (_trailing_name(evaluation.trailing), evaluation.trailing)]
    if evaluation.holdout is not None:
        slices.append(("Holdout", evaluation.holdout))
    rows: list[list[Cell]] = [
        [text(name, detail=hint), *(number(read(metrics), write) for _, metrics in slices)]
        for name, hint, write, read in SLICE_ROWS
    ]
    for benchmark in evaluation.pooled.benchmark_return:
        for name, hint, write, part in (
            (f"{benchmark} return", "Same sessions.", percent, "benchmark_return"),
            (f"Return over {benchmark}", "Annualised beyond 252 sessions.", points, "market_outperformance"),
            (f"Alpha to {benchmark}, a year", "OLS of excess returns.", points, "alpha"),
            (f"Beta to {benchmark}", "", numbers.ratio, "beta"),
        ):
            rows.append([text(name, detail=hint), *(number(getattr(m, part).get(benchmark), write) for _, m in slices)])
    spans = [
        Column(name, hint=f"{metrics.first_session} to {metrics.last_session}, {numbers.sessions(metrics.n_sessions)}")
        for name, metrics in slices
    ]
    return Table("Metrics by slice", [Column("Metric", number=False), *spans], rows, folded=True)


def _trailing_name(trailing: PortfolioMetrics) -> str:
    return f"Last {trailing.n_sessions} sessions"


def months(report: RunReport) -> Section:
    """Lay out the calendar of monthly returns."""
    evaluation = report.evaluation
    if evaluation is None or not evaluation.monthly:
        absent = not_backtested(report) if evaluation is None else Absent("Months", "the series is shorter than one.")
        return Section("months", "Calendar of monthly returns", [absent])
    better = sum(month.portfolio > month.benchmark for month in evaluation.monthly)
    lead = (
        f"Better than SPY in {better} of {len(evaluation.monthly)} months. The first and the last month are partial; "
        "below each return stands what it was over SPY's."
    )
    return Section("months", "Calendar of monthly returns", [calendar(evaluation.monthly, evaluation.series)], lead)


def calendar(monthly: Sequence[MonthlyReturn], series: DailySeries) -> Table:
    """One row a year, one column a month, coloured by sign and size; the sign is written, too."""
    by_month = {month.month: month for month in monthly}
    years = sorted({month.month[:4] for month in monthly})
    rows = []
    for year in years:
        cells = [text(year, tone="strong")]
        own = market = 1.0
        for place in range(1, 13):
            month = by_month.get(f"{year}-{place:02d}")
            if month is None:
                cells.append(Cell("", number=True))
                continue
            own *= 1.0 + month.portfolio
            market *= 1.0 + month.benchmark
            cells.append(_return_cell(month.portfolio, month.portfolio - month.benchmark))
        cells.append(_return_cell(own - 1.0, own - market, full=2.5 * FULL_SHADE))
        rows.append(cells)
    heads = [Column("Year", number=False), *(Column(name) for name in MONTHS), Column("Year")]
    return Table("Return by month, and points over SPY", heads, rows, sortable=False)


def _return_cell(own: float, ahead: float, full: float = FULL_SHADE) -> Cell:
    shade = max(-1.0, min(1.0, own / full))
    return Cell(percent(own), sort=own, number=True, detail=points(ahead), shade=shade)
