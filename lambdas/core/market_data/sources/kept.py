"""Yahoo, EDGAR and FRED behind the raw store: what is there and current is not asked for again.

===================  ==========================================  ===================================================
kept as              is                                          asked for again
===================  ==========================================  ===================================================
yahoo                bars, dividends, splits                     for new sessions, from ten rows before them; whole
                                                                 where those rows differ, and every four weeks
yahoo-sector         sector and industry                         after 30 days
yahoo-statements     statements without filing dates             after 7 days
yahoo-earnings       dates of earnings, estimates                after 7 days; when a planned date has come
edgar                companyfacts, the body                      always, on the condition that it has changed
edgar-companies      the list of companies, the body             after 7 days, or for a symbol it does not have
fred                 values by day                               as Yahoo's bars
===================  ==========================================  ===================================================

An answer that has less than what is stored is not stored: it is reported, and the stored one used.
"""

from __future__ import annotations

import datetime as dt
import gzip
import io
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from lambdas.core.market_data.sources.edgar import Document, Edgar, NoFilingsError, ciks_of
from lambdas.core.market_data.sources.fred import SERIES, Fred, first_day, on_sessions
from lambdas.core.market_data.sources.increments import Growing, NoDataError
from lambdas.core.market_data.sources.live_requests import UnansweredError
from lambdas.core.market_data.sources.raw_store import Kept, RawStore
from lambdas.core.market_data.sources.yahoo import MAX_ANNOUNCEMENTS, History, Yahoo, history_of

SECTOR_AGE = dt.timedelta(days=30)
STATEMENTS_AGE = dt.timedelta(days=7)
EARNINGS_AGE = dt.timedelta(days=7)
EARNINGS_DUE_AGE = dt.timedelta(hours=12)
COMPANIES_AGE = dt.timedelta(days=7)
COMPANIES_SHARE = 0.9
"""A list of companies with fewer than this share of the stored one's is a partial answer."""

COMPANIES = "list"


@dataclass(frozen=True)
class KeptHistory:
    """Bars of a symbol, and why they are only the stored ones; `unanswered` where asking again may help."""

    history: History
    trouble: str = ""
    unanswered: bool = False


@dataclass(frozen=True)
class KeptYahoo:
    """Yahoo Finance, with a memory."""

    yahoo: Yahoo
    store: RawStore

    def history(self, symbol: str, first: dt.date, needed: dt.date, closed: dt.date) -> KeptHistory:
        """Bars from `first` at least to `needed`, and every split since; see `Growing.upto`.

        Raises
        ------
        NoDataError, UnansweredError
            If there are none, here or there.
        """
        bars = Growing(self.store, "yahoo", (NoDataError, UnansweredError))
        series = bars.upto(symbol, first, needed, closed, lambda since: self.yahoo.bars(symbol, since))
        if series.rows.empty:
            raise NoDataError(f"Yahoo has no price since {first}")
        history = history_of(series.rows, series.facts.get("name", ""))
        return KeptHistory(history, series.trouble, isinstance(series.error, UnansweredError))

    def sector(self, symbol: str) -> tuple[str | None, str | None, str]:
        """Sector and industry in Yahoo's words, and why they are missing; one that is known is not forgotten."""

        def ask(_kept: Kept | None) -> bytes:
            return json.dumps(self.yahoo.sector(symbol)).encode()

        def is_whole(fresh: bytes, stored: bytes) -> bool:
            return json.loads(fresh)[0] is not None or json.loads(stored)[0] is None

        try:
            content, _ = _current(self.store, "yahoo-sector", symbol, "json", lambda _: SECTOR_AGE, ask, is_whole)
        except UnansweredError as error:
            return None, None, str(error)
        sector, industry = json.loads(content)
        return sector, industry, "" if sector else "Yahoo names none"

    def statements(self, symbol: str) -> pd.DataFrame:
        """Quarterly statements without dates of filing; see `Yahoo.statements`."""

        def ask(_kept: Kept | None) -> bytes:
            return _parquet(self.yahoo.statements(symbol))

        def is_whole(fresh: bytes, stored: bytes) -> bool:
            new, old = _frame(fresh), _frame(stored)
            return len(new) >= len(old) and new["period_end"].max() >= old["period_end"].max()

        age = STATEMENTS_AGE
        return _frame(_current(self.store, "yahoo-statements", symbol, "parquet", lambda _: age, ask, is_whole)[0])

    def announcements(self, symbol: str, today: dt.date) -> tuple[pd.DataFrame, str]:
        """Dates of earnings, and why they are not as new as they could be; see `Yahoo.announcements`.

        Raises
        ------
        UnansweredError
            If there are none here, and no answer from there.
        """

        def ask(kept: Kept | None) -> bytes:
            try:
                return _parquet(self.yahoo.announcements(symbol))
            except NoDataError:
                if kept is not None and len(_frame(kept.content)):
                    raise
                return _parquet(_NO_ANNOUNCEMENTS)

        def max_age(stored: bytes) -> dt.timedelta:
            table = _frame(stored)
            planned = table[table["eps_reported"].isna() & (table["announced"] <= pd.Timestamp(today))]
            # What is still open a month after its day will not be reported any more.
            recent = planned["announced"] > pd.Timestamp(today) - pd.Timedelta(days=30)
            return EARNINGS_DUE_AGE if recent.any() else EARNINGS_AGE

        def is_whole(fresh: bytes, stored: bytes) -> bool:
            new, old = _frame(fresh)["eps_reported"].count(), _frame(stored)["eps_reported"].count()
            return bool(new >= min(old, MAX_ANNOUNCEMENTS - 8))

        content, trouble = _current(self.store, "yahoo-earnings", symbol, "parquet", max_age, ask, is_whole)
        return _frame(content), trouble


@dataclass(frozen=True)
class KeptEdgar:
    """EDGAR, with a memory."""

    edgar: Edgar
    store: RawStore

    def ciks(self, symbols: Iterable[str]) -> dict[str, int]:
        """Return the number of each of `symbols` that EDGAR's list has.

        Raises
        ------
        UnansweredError
            If no attempt brought a readable answer, and no list is stored.
        """
        wanted = set(symbols)
        kept = self.store.find("edgar-companies", COMPANIES)
        known = ciks_of(gzip.decompress(kept.content)) if kept is not None else {}
        if kept is None or self.store.age(kept.index.checked) > COMPANIES_AGE or not wanted <= set(known):
            try:
                document = self.edgar.tickers(kept.index.facts if kept is not None else None)
            except UnansweredError:
                if kept is None:
                    raise
                document = None
            if document is not None:
                fresh = ciks_of(document.body)
                if len(fresh) >= COMPANIES_SHARE * len(known):
                    known = fresh
                    self._keep("edgar-companies", COMPANIES, document, kept, rows=len(fresh))
            elif kept is not None and self.store.age(kept.index.checked) > COMPANIES_AGE:
                self.store.confirm("edgar-companies", COMPANIES, kept)
        return {symbol: known[symbol] for symbol in wanted if symbol in known}

    def company_facts(self, symbol: str, cik: int) -> tuple[dict[str, Any], str]:
        """Return the companyfacts of a company, and why they are only the stored ones (empty: they are current).

        Raises
        ------
        NoFilingsError, UnansweredError
            If EDGAR has none or does not answer, and there are none stored.
        """
        kept = self.store.find("edgar", symbol)
        if kept is not None and kept.index.facts.get("cik") != str(cik):
            # The symbol belongs to another company now: what is stored is not an earlier state of its facts.
            kept, previous = None, kept
        else:
            previous = kept
        stored = json.loads(gzip.decompress(kept.content)) if kept is not None else None
        try:
            document = self.edgar.company_facts(cik, kept.index.facts if kept is not None else None)
        except (NoFilingsError, UnansweredError) as error:
            if stored is None:
                raise
            return stored, f"{error}; the facts stored on {kept.index.fetched:%Y-%m-%d} are used" if kept else ""
        if document is None and stored is not None:
            return stored, ""
        body = document.body if document is not None else b"{}"
        fresh: dict[str, Any] = json.loads(body)
        filings = accessions(fresh)
        if stored is not None:
            if fresh == stored:
                return stored, ""
            if missing := accessions(stored) - filings:
                return stored, (
                    f"an answer lacks {len(missing)} filings that are stored, for example {min(missing)}; what was "
                    "stored is used"
                )
        if document is not None:
            self._keep("edgar", symbol, document, previous, rows=len(filings), cik=str(cik))
        return fresh, ""

    def _keep(
        self, source: str, symbol: str, document: Document, previous: Kept | None, *, rows: int, **facts: str
    ) -> None:
        content = gzip.compress(document.body, mtime=0)
        self.store.keep(source, symbol, content, "json.gz", previous, rows=rows, facts={**document.validators, **facts})


@dataclass(frozen=True)
class KeptFred:
    """FRED, with a memory."""

    fred: Fred
    store: RawStore

    def series(self, column: str, sessions: pd.DatetimeIndex, closed: dt.date) -> tuple[pd.Series, str]:
        """One macro series on `sessions`, and why it is only the stored one; see `fred.on_sessions`.

        Raises
        ------
        NoDataError, UnansweredError
            If there is none, here or there.
        """
        growing = Growing(self.store, "fred", (NoDataError, UnansweredError))
        needed = min(sessions[-1].date(), closed)
        series = growing.upto(
            SERIES[column], first_day(sessions), needed, closed, lambda since: self.fred.rows(column, since)
        )
        return on_sessions(series.rows, column, sessions), series.trouble


def accessions(company_facts: Mapping[str, Any]) -> set[str]:
    """Return the numbers of all filings that facts come from."""
    return {
        str(row.get("accn"))
        for tags in company_facts.get("facts", {}).values()
        for tag in tags.values()
        for rows in tag.get("units", {}).values()
        for row in rows
    }


def _current(
    store: RawStore,
    source: str,
    symbol: str,
    suffix: str,
    max_age: Callable[[bytes], dt.timedelta],
    ask: Callable[[Kept | None], bytes],
    is_whole: Callable[[bytes, bytes], bool],
) -> tuple[bytes, str]:
    """Return a document that is asked for again when it has aged, and why it is older than that."""
    kept = store.find(source, symbol)
    if kept is not None and store.age(kept.index.checked) <= max_age(kept.content):
        return kept.content, ""
    try:
        fresh = ask(kept)
    except (NoDataError, UnansweredError) as error:
        if kept is None:
            raise
        return kept.content, f"{error}; what was stored on {kept.index.checked:%Y-%m-%d} is used"
    if kept is not None and fresh == kept.content:
        store.confirm(source, symbol, kept)
        return fresh, ""
    if kept is not None and not is_whole(fresh, kept.content):
        return kept.content, f"an answer has less than what was stored on {kept.index.checked:%Y-%m-%d}, which is used"
    store.keep(source, symbol, fresh, suffix, kept)
    return fresh, ""


_NO_ANNOUNCEMENTS = pd.DataFrame(
    {
        "announced": pd.DatetimeIndex([], dtype="datetime64[ns]"),
        "hour": pd.Series(dtype=float),
        "eps_est": pd.Series(dtype=float),
        "eps_reported": pd.Series(dtype=float),
    }
)


def _parquet(frame: pd.DataFrame) -> bytes:
    sink = io.BytesIO()
    frame.to_parquet(sink, index=False)
    return sink.getvalue()


def _frame(content: bytes) -> pd.DataFrame:
    frame = pd.read_parquet(io.BytesIO(content))
    for name, column in frame.items():
        if pd.api.types.is_datetime64_any_dtype(column):
            frame[name] = column.astype("datetime64[ns]")
        elif not pd.api.types.is_numeric_dtype(column):
            frame[name] = column.astype(object)
    return frame
