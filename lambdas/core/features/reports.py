"""Reports of companies on sessions: a session sees what was released by its close, and nothing else.

Earnings per share are street figures where the data set has them, on the share count of its last day, as split-adjusted
closes are; a yield of the two is therefore free of splits. Values are those first released: later restatements of a
period change nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lambdas.core.features.feature import Market
from lambdas.core.market_data.panel import BoolArray, FloatArray, IntArray
from lambdas.core.market_data.point_in_time import ANNOUNCED_COLUMNS, annual_rows, information_times

DayNumbers = npt.NDArray[np.int64]

MAX_AGE_DAYS = 270
"""A figure older than three quarters is no statement about the company today; reports of years last twice as long."""

_QUARTER_DAYS = 365.25 / 4
_TOLERANCE_DAYS = 25
_SYMBOL_DAYS = 1_000_000
"""More days than there are between two periods: symbol and period make one ascending number."""
_NEVER = np.iinfo(np.int64).max // 2


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
        key = column * _SYMBOL_DAYS + period
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

    def first_release(self) -> Figure:
        """1 for every report, known from whatever of it came first."""
        return self._first(np.ones(len(self._frame)), np.minimum(self._announced, self._filed))

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

    def earlier(self, figure: Figure, quarters: Iterable[int]) -> FloatArray:
        """Values of earlier periods that were known when each report came, shape (n_quarters, n_reports).

        What is missing is NaN, and so is what came later than the report itself: to wait for it would let a report
        that comes late take away what was known before.
        """
        lags = [self.lagged(figure, quarter) for quarter in quarters]
        return np.array([np.where(lag.known <= figure.known, lag.value, np.nan) for lag in lags])

    def by_session(self, figure: Figure) -> tuple[FloatArray, FloatArray]:
        """Newest known value on each session, and its age in days, both of shape (n_sessions, n_symbols).

        Newest means of the latest period: a report that comes after that of a later period changes nothing. NaN where
        there is none, or where it is older than `MAX_AGE_DAYS`, twice that for reports of years.
        """
        order, starts, ends = self._spells(figure)
        value = self._spread(figure.value[order], starts, ends)
        known = self._spread(figure.known[order].astype(np.float64), starts, ends)
        return value, self.session_days[:, np.newaxis] - known

    def value_by_session(self, figure: Figure) -> FloatArray:
        """Newest known value on each session, as in `by_session`."""
        order, starts, ends = self._spells(figure)
        return self._spread(figure.value[order], starts, ends)

    def since_first(self, figure: Figure, panel: FloatArray) -> FloatArray:
        """Blank the sessions of a panel before anybody's first value of a figure: what is missing there is the data."""
        first = figure.known[np.isfinite(figure.value)].min(initial=_NEVER)
        return np.where(self.session_days[:, np.newaxis] >= first, panel, np.nan)

    def _spells(self, figure: Figure) -> tuple[IntArray, IntArray, IntArray]:
        """Find the reports that count, and from which session to before which one each is the newest.

        Sessions are numbered through all symbols, those of the first symbol first.
        """
        n_sessions = len(self.session_days)
        usable = np.flatnonzero(np.isfinite(figure.value) & (figure.known <= self.session_days[-1]))
        order = usable[np.lexsort((self.period[usable], figure.known[usable], self.column[usable]))]
        period = self.column[order] * _SYMBOL_DAYS + self.period[order]
        order = order[period >= np.maximum.accumulate(period)]
        first = self.column[order] * n_sessions
        limit = np.where(self.annual[order], 2 * MAX_AGE_DAYS, MAX_AGE_DAYS)
        starts = first + self.session_days.searchsorted(figure.known[order])
        expiry = first + self.session_days.searchsorted(figure.known[order] + limit, side="right")
        following = np.append(starts[1:], self.n_symbols * n_sessions)
        return order, starts, np.minimum(expiry, following)

    def _spread(self, values: FloatArray, starts: IntArray, ends: IntArray) -> FloatArray:
        """Repeat each value over its spell, NaN between them; the panel of it, shape (n_sessions, n_symbols)."""
        n_sessions = len(self.session_days)
        borders = np.column_stack([starts, ends]).ravel()
        spells = np.column_stack([np.full(len(values), np.nan), values]).ravel()
        lengths = np.diff(borders, prepend=0, append=self.n_symbols * n_sessions)
        panel = np.repeat(np.append(spells, np.nan), lengths)
        return np.ascontiguousarray(panel.reshape(self.n_symbols, n_sessions).T)

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


def reports_of(market: Market) -> Reports:
    """Prepare the reports of a market, once."""
    return market.shared("reports", Reports)


def combined(value: FloatArray, *figures: Figure) -> Figure:
    """Figure made of others: known with the last of them."""
    return Figure(value, np.max([figure.known for figure in figures], axis=0))


def _numbers(days: npt.NDArray[np.datetime64]) -> DayNumbers:
    """Days since 1970; a day that never comes for NaT."""
    return np.where(np.isnat(days), _NEVER, days.astype("datetime64[D]").astype(np.int64))
