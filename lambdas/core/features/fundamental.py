"""Features of company reports, joined point in time: a session sees what was released by its close and nothing else.

Earnings per share are street figures where the data set has them, on the share count of its last day, as split-adjusted
closes are; a yield of the two is therefore free of splits. Values are those first released: later restatements of a
period change nothing.
"""

from __future__ import annotations

import weakref
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lambdas.core.features.feature import Feature, Market
from lambdas.core.market_data.panel import BoolArray, FloatArray, IntArray
from lambdas.core.market_data.point_in_time import ANNOUNCED_COLUMNS, annual_rows, information_times

DayNumbers = npt.NDArray[np.int64]

MAX_AGE_DAYS = 270
"""A figure older than three quarters is no statement about the company today; reports of years last twice as long."""

SURPRISE_FADE_DAYS = 60.0
_QUARTER_DAYS = 365.25 / 4
_TOLERANCE_DAYS = 25
_NEVER = np.iinfo(np.int64).max // 2
_GROWTH_LIMIT = 5.0


@dataclass(frozen=True)
class Figure:
    """One figure for each report: its value, and the day number of the session at whose close it is known."""

    value: FloatArray
    known: DayNumbers


class Reports:
    """Reports of a data set, one row a symbol and period, ascending by both."""

    def __init__(self, market: Market) -> None:
        dataset = market.dataset
        assert dataset.fundamentals is not None, "features of fundamentals are not computed without them"  # noqa: S101
        column_of = {symbol: column for column, symbol in enumerate(dataset.prices.symbols)}
        frame = dataset.fundamentals[dataset.fundamentals["symbol"].isin(list(column_of))]
        frame = frame.sort_values(["symbol", "period_end"], kind="stable", ignore_index=True)
        self._frame = frame
        times = information_times(frame)
        self._announced, self._filed = _numbers(times.announced), _numbers(times.filed)
        column: IntArray = np.asarray(frame["symbol"].map(column_of), dtype=np.int64)
        period = _numbers(frame["period_end"].to_numpy().astype("datetime64[D]"))
        key = column * 1_000_000 + period
        self._key, first = np.unique(key, return_index=True)
        self._row: IntArray = self._key.searchsorted(key).astype(np.int64)
        self.column: IntArray = column[first]
        self.period: DayNumbers = period[first]
        self.annual: BoolArray = annual_rows(frame)[first]
        self.session_days = _numbers(dataset.sessions.to_numpy().astype("datetime64[D]"))
        self.n_symbols = len(dataset.prices.symbols)

    def figure(self, name: str) -> Figure:
        """Figure `name` as first released: of several rows for a period, the first that has a value."""
        known = self._announced if name in ANNOUNCED_COLUMNS else self._filed
        return self._first(self._frame[name].to_numpy(dtype=np.float64), known)

    def announcement(self) -> Figure:
        """Day number of the session that knew the earnings, of reports with a date of announcement.

        A date of filing stands in for it where figures are concerned, but on that day nothing was announced.
        """
        announced = (self._frame["announced"] > self._frame["period_end"]).to_numpy()
        return self._first(np.where(announced, self._announced, np.nan).astype(np.float64), self._announced)

    def lagged(self, figure: Figure, quarters: int) -> Figure:
        """Take the same figure of the period that ended `quarters` quarters earlier, give or take 25 days."""
        wanted = self._key - round(quarters * _QUARTER_DAYS)
        after = np.clip(np.searchsorted(self._key, wanted), 0, len(self._key) - 1)
        before = np.maximum(after - 1, 0)
        nearer = np.where(np.abs(self._key[before] - wanted) < np.abs(self._key[after] - wanted), before, after)
        found = np.abs(self._key[nearer] - wanted) <= _TOLERANCE_DAYS
        return Figure(np.where(found, figure.value[nearer], np.nan), np.where(found, figure.known[nearer], _NEVER))

    def trailing_year(self, figure: Figure) -> Figure:
        """Sum over four quarters, known with the last of them; the figure itself for reports of a year."""
        quarters = [figure, *(self.lagged(figure, lag) for lag in (1, 2, 3))]
        total = np.sum([quarter.value for quarter in quarters], axis=0)
        known = np.max([quarter.known for quarter in quarters], axis=0)
        return Figure(np.where(self.annual, figure.value, total), np.where(self.annual, figure.known, known))

    def by_session(self, figure: Figure) -> tuple[FloatArray, FloatArray]:
        """Newest known value on each session, and its age in days, both of shape (n_sessions, n_symbols).

        Newest means of the latest period: a report that comes after that of a later period changes nothing.
        """
        n_sessions = len(self.session_days)
        usable = np.flatnonzero(np.isfinite(figure.value) & (figure.known <= self.session_days[-1]))
        order = usable[np.lexsort((self.period[usable], figure.known[usable], self.column[usable]))]
        latest = np.maximum.accumulate(self.column[order] * 1_000_000 + self.period[order])
        order = order[self.column[order] * 1_000_000 + self.period[order] >= latest]
        # Numbers of events ascend along time in each column, so a running maximum carries the newest one forward.
        newest = np.full((n_sessions, self.n_symbols), -1)
        rows = self.session_days.searchsorted(figure.known[order])
        np.maximum.at(newest, (rows, self.column[order]), np.arange(len(order)))
        newest = np.maximum.accumulate(newest, axis=0)
        value, known, limit = (
            np.append(array[order].astype(np.float64), np.nan)[newest]
            for array in (figure.value, figure.known, np.where(self.annual, 2 * MAX_AGE_DAYS, MAX_AGE_DAYS))
        )
        age = self.session_days[:, np.newaxis] - known
        return np.where(age <= limit, value, np.nan), np.where(age <= limit, age, np.nan)

    def at_release(self, values: FloatArray, known: DayNumbers, *, sessions_before: int) -> FloatArray:
        """Value of a panel a few sessions before each report's information time; NaN where there is none."""
        row = self.session_days.searchsorted(known) - sessions_before
        inside = (known >= self.session_days[0]) & (known <= self.session_days[-1]) & (row >= 0)
        row = np.where(inside, row, 0)
        return np.where(inside, values[row, self.column], np.nan)

    def _first(self, values: FloatArray, known: DayNumbers) -> Figure:
        order = np.lexsort((known, self._row))
        order = order[np.isfinite(values[order])]
        rows, first = np.unique(self._row[order], return_index=True)
        result = Figure(np.full(len(self._key), np.nan), np.full(len(self._key), _NEVER))
        result.value[rows] = values[order[first]]
        result.known[rows] = known[order[first]]
        return result


# Beside the market and not in it: the market knows nothing of the families that read it.
_REPORTS: weakref.WeakKeyDictionary[Market, Reports] = weakref.WeakKeyDictionary()


def reports_of(market: Market) -> Reports:
    """Prepare the reports of a market, once."""
    if market not in _REPORTS:
        _REPORTS[market] = Reports(market)
    return _REPORTS[market]


def combined(value: FloatArray, *figures: Figure) -> Figure:
    """Figure made of others: known with the last of them."""
    return Figure(value, np.max([figure.known for figure in figures], axis=0))


def earnings_yield(market: Market) -> FloatArray:
    """Earnings per share of the last four quarters over the close."""
    reports = reports_of(market)
    return reports.by_session(reports.trailing_year(reports.figure("eps")))[0] / market.close


def price_to_earnings(market: Market) -> FloatArray:
    """Close over the earnings per share of the last four quarters, where those are positive."""
    yielded = earnings_yield(market)
    return 1.0 / np.where(yielded > 0.0, yielded, np.nan)


def eps_growth(market: Market) -> FloatArray:
    """Quarterly earnings per share against the same quarter a year before, over the size of the latter."""
    reports = reports_of(market)
    now = reports.figure("eps")
    before = reports.lagged(now, 4)
    base = np.abs(before.value)
    growth = (now.value - before.value) / np.where(base > 0.0, base, np.nan)
    return reports.by_session(combined(np.clip(growth, -_GROWTH_LIMIT, _GROWTH_LIMIT), now, before))[0]


def _log_revenue_growth(reports: Reports) -> Figure:
    now = reports.figure("revenue")
    now = Figure(np.where(now.value > 0.0, now.value, np.nan), now.known)
    before = reports.lagged(now, 4)
    return combined(np.log(now.value / before.value), now, before)


def revenue_growth(market: Market) -> FloatArray:
    """Quarterly revenue over that of the same quarter a year before, less one."""
    reports = reports_of(market)
    growth = _log_revenue_growth(reports)
    return reports.by_session(Figure(np.clip(np.expm1(growth.value), -1.0, _GROWTH_LIMIT), growth.known))[0]


def revenue_trend(market: Market) -> FloatArray:
    """Mean logarithmic growth over a year of the last four quarters; at least three must be known.

    Growth of quarters on their own quarter a year before is free of the season, which a slope through quarters is not.
    """
    reports = reports_of(market)
    growth = _log_revenue_growth(reports)
    quarters = [growth, *(reports.lagged(growth, lag) for lag in (1, 2, 3))]
    values = np.array([quarter.value for quarter in quarters])
    have = np.isfinite(values)
    mean = np.where(have, values, 0.0).sum(axis=0) / np.maximum(have.sum(axis=0), 1)
    known = np.where(have, [quarter.known for quarter in quarters], 0).max(axis=0)
    enough = (have.sum(axis=0) >= 3) & have[0]
    return reports.by_session(Figure(np.where(enough, mean, np.nan), known))[0]


def _surprise(market: Market) -> tuple[FloatArray, FloatArray]:
    """Surprise by session, and its age in days."""
    reports = reports_of(market)
    eps, estimate = reports.figure("eps"), reports.figure("eps_est")
    known = combined(eps.value, eps, estimate).known
    price = reports.at_release(market.close, known, sessions_before=1)
    return reports.by_session(Figure((eps.value - estimate.value) / price, known))


def earnings_surprise(market: Market) -> FloatArray:
    """Earnings per share less their estimate, over the close before they were known."""
    return _surprise(market)[0]


def fading_surprise(market: Market) -> FloatArray:
    """Earnings surprise times exp(-days since it was known / 60)."""
    surprise, age = _surprise(market)
    return surprise * np.exp(-age / SURPRISE_FADE_DAYS)


def announcement_return(market: Market) -> FloatArray:
    """Return on the session at whose close the last earnings were known, less that of SPY."""
    reports = reports_of(market)
    announced = reports.announcement()
    excess = reports.at_release(market.returns - market.market_returns, announced.known, sessions_before=0)
    return reports.by_session(Figure(excess, announced.known))[0]


def days_since_announcement(market: Market) -> FloatArray:
    """Calendar days since the session at whose close the last earnings were known."""
    reports = reports_of(market)
    return reports.by_session(reports.announcement())[1]


def return_on_equity(market: Market) -> FloatArray:
    """Net income of the last four quarters over the equity at their end, where that is positive."""
    reports = reports_of(market)
    income, equity = reports.trailing_year(reports.figure("net_income")), reports.figure("equity")
    base = np.where(equity.value > 0.0, equity.value, np.nan)
    return reports.by_session(combined(np.clip(income.value / base, -_GROWTH_LIMIT, _GROWTH_LIMIT), income, equity))[0]


def net_margin(market: Market) -> FloatArray:
    """Net income over revenue of the last four quarters, where there was revenue."""
    reports = reports_of(market)
    income = reports.trailing_year(reports.figure("net_income"))
    revenue = reports.trailing_year(reports.figure("revenue"))
    base = np.where(revenue.value > 0.0, revenue.value, np.nan)
    margin = np.clip(income.value / base, -_GROWTH_LIMIT, _GROWTH_LIMIT)
    return reports.by_session(combined(margin, income, revenue))[0]


def asset_growth(market: Market) -> FloatArray:
    """Total assets over those a year before, less one."""
    reports = reports_of(market)
    now = reports.figure("total_assets")
    before = reports.lagged(now, 4)
    growth = now.value / np.where(before.value > 0.0, before.value, np.nan) - 1.0
    return reports.by_session(combined(np.clip(growth, -1.0, _GROWTH_LIMIT), now, before))[0]


def _numbers(days: npt.NDArray[np.datetime64]) -> DayNumbers:
    """Days since 1970; a day that never comes for NaT."""
    return np.where(np.isnat(days), _NEVER, days.astype("datetime64[D]").astype(np.int64))


FEATURES = (
    Feature(
        "earnings_yield",
        "fundamental",
        "Sum of the last four quarterly EPS / close",
        "fraction",
        635,
        "Basu 1977",
        earnings_yield,
        needs=("fundamentals.eps",),
        ranked=True,
    ),
    Feature(
        "price_to_earnings",
        "fundamental",
        "Close / sum of the last four quarterly EPS, if positive",
        "1",
        635,
        "Basu 1977",
        price_to_earnings,
        needs=("fundamentals.eps",),
    ),
    Feature(
        "eps_growth",
        "fundamental",
        "(EPS - EPS a year before) / |EPS a year before|, within +-5",
        "fraction",
        730,
        "Foster, Olsen & Shevlin 1984",
        eps_growth,
        needs=("fundamentals.eps",),
        ranked=True,
    ),
    Feature(
        "earnings_surprise",
        "fundamental",
        "(EPS - estimate) / close before the release",
        "fraction of the price",
        270,
        "Ball & Brown 1968",
        earnings_surprise,
        needs=("fundamentals.eps", "fundamentals.eps_est"),
        ranked=True,
    ),
    Feature(
        "fading_surprise",
        "fundamental",
        "earnings_surprise * exp(-days since the release / 60)",
        "fraction of the price",
        270,
        "Bernard & Thomas 1989",
        fading_surprise,
        needs=("fundamentals.eps", "fundamentals.eps_est"),
        ranked=True,
    ),
    Feature(
        "announcement_return",
        "fundamental",
        "Return less SPY on the session that learnt the last earnings",
        "fraction",
        270,
        "Chan, Jegadeesh & Lakonishok 1996",
        announcement_return,
        needs=("fundamentals.announced",),
        ranked=True,
    ),
    Feature(
        "days_since_announcement",
        "fundamental",
        "Calendar days since the last earnings were known",
        "days",
        270,
        "Bernard & Thomas 1989",
        days_since_announcement,
        needs=("fundamentals.announced",),
    ),
    Feature(
        "revenue_growth",
        "fundamental",
        "Revenue / revenue of the quarter a year before - 1, within -1 and 5",
        "fraction",
        730,
        "Jegadeesh & Livnat 2006",
        revenue_growth,
        needs=("fundamentals.revenue",),
        ranked=True,
    ),
    Feature(
        "revenue_trend",
        "fundamental",
        "Mean of the last four yearly log growths of quarterly revenue",
        "log a year",
        1095,
        "Jegadeesh & Livnat 2006",
        revenue_trend,
        needs=("fundamentals.revenue",),
        ranked=True,
    ),
    Feature(
        "return_on_equity",
        "fundamental",
        "Net income of four quarters / equity, within +-5",
        "fraction",
        635,
        "Novy-Marx 2013",
        return_on_equity,
        needs=("fundamentals.net_income", "fundamentals.equity"),
        ranked=True,
    ),
    Feature(
        "net_margin",
        "fundamental",
        "Net income / revenue, both of four quarters, within +-5",
        "fraction",
        635,
        "Soliman 2008",
        net_margin,
        needs=("fundamentals.net_income", "fundamentals.revenue"),
        ranked=True,
    ),
    Feature(
        "asset_growth",
        "fundamental",
        "Total assets / total assets a year before - 1, within -1 and 5",
        "fraction",
        730,
        "Cooper, Gulen & Schill 2008",
        asset_growth,
        needs=("fundamentals.total_assets",),
        ranked=True,
    ),
)
