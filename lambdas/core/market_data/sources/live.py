"""The live source, `yahoo`: prices and market series of Yahoo, fundamentals of EDGAR, and FRED where Yahoo has none."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeVar

import pandas as pd

from lambdas.core.errors import InvalidDatasetError, InvalidRequestError
from lambdas.core.market_data.calendar import latest_closed_session
from lambdas.core.market_data.dataset import cut_dataset
from lambdas.core.market_data.panel import MarketDataset, PricePanel, empty_panel, panel_of
from lambdas.core.market_data.sources.announcements import with_announcements
from lambdas.core.market_data.sources.edgar import Edgar, NoFilingsError
from lambdas.core.market_data.sources.edgar_facts import quarterly_reports
from lambdas.core.market_data.sources.fred import SERIES, Fred
from lambdas.core.market_data.sources.increments import NoDataError
from lambdas.core.market_data.sources.kept import KeptEdgar, KeptFred, KeptHistory, KeptYahoo
from lambdas.core.market_data.sources.live_requests import UnansweredError, is_outage, transient
from lambdas.core.market_data.sources.protocol import Collected, Finding, Findings
from lambdas.core.market_data.sources.raw_store import MemoryObjects, RawStore
from lambdas.core.market_data.sources.yahoo import BENCHMARK_SYMBOLS, MACRO_SYMBOLS, History, Yahoo

NAME = "yahoo"
WORKERS = 4
DEFAULT_HISTORY_DAYS = 3653

MACRO_COLUMNS = ("vix", "ust3m", "ust2y", "ust10y", "dxy")
NOTES = (
    "yahoo: the symbols are those listed today and Yahoo has no history of companies that were delisted before they "
    "were first collected; who chooses from today's list knows who survived, so long-only results are flattered",
    "yahoo: ust3m is the discount rate of the 13-week bill (^IRX)",
)
Asked = TypeVar("Asked")
Answered = TypeVar("Answered")


def _memory() -> RawStore:
    return RawStore(MemoryObjects())


@dataclass(frozen=True)
class LiveSource:
    """Yahoo, EDGAR and FRED as one source; see `LiveAccess` for how it is opened.

    `store` keeps what they answered, so that a later load asks for what is new only.
    """

    yahoo: Yahoo
    edgar: Edgar
    fred: Fred
    store: RawStore = field(default_factory=_memory)
    name: str = NAME

    @cached_property
    def _yahoo(self) -> KeptYahoo:
        return KeptYahoo(self.yahoo, self.store)

    def load(self, symbols: Sequence[str] | None, *, as_of: dt.date | None, first: dt.date | None = None) -> Collected:
        """Collect `symbols` from `first` (default: ten years) to `as_of` (default: the session that closed last).

        A symbol that Yahoo does not know or that is not answered for becomes a problem with its reason; with prices
        that were stored before it ends there, which is a finding. Fundamentals come from EDGAR; of a company that has
        none there, from Yahoo's statements, without dates of filing.

        Raises
        ------
        InvalidRequestError
            If no symbols are named: there is no list of all.
        TransientMarketDataError
            If the benchmark or EDGAR's list is not answered for, or so many symbols are not that it is an outage:
            asking again later may help.
        """
        if not symbols:
            raise InvalidRequestError("the source yahoo has every symbol: name the ones to collect")
        closed = latest_closed_session(self.store.clock())
        day = as_of or closed
        span = _Span(first or day - dt.timedelta(days=DEFAULT_HISTORY_DAYS), min(day, closed), closed)
        findings: dict[str, dict[str, str]] = {}
        self.yahoo.prepare()
        benchmarks = self._benchmarks(span, findings)
        histories, problems = self._stocks(sorted(set(symbols)), span, findings)
        dataset = MarketDataset(*_panels(histories, benchmarks))
        fundamentals = self._fundamentals(histories, span, findings)
        macro = self._macro(dataset.sessions, span, findings)
        securities = self._securities(histories, findings)
        dataset = MarketDataset(dataset.prices, dataset.benchmarks, macro, fundamentals, securities, notes=NOTES)
        dataset = cut_dataset(dataset, day)
        priced = set(dataset.prices.symbols)
        problems |= {symbol: f"no price up to {day}" for symbol in histories if symbol not in priced}
        return Collected(dataset, problems, dataset.notes, findings)

    def _benchmarks(self, span: _Span, findings: Findings) -> dict[str, History]:
        kept, failures = self._histories(BENCHMARK_SYMBOLS, span)
        if (spy := failures.get("SPY")) is not None:
            if isinstance(spy, UnansweredError):
                raise transient("Yahoo", {"SPY": str(spy)})
            raise InvalidDatasetError(f"Yahoo has no prices of SPY since {span.first} ({spy}); every verdict is on it")
        if kept["SPY"].unanswered:
            raise transient("Yahoo", {"SPY": kept["SPY"].trouble})
        _note(findings, Finding.MISSING_BENCHMARK, failures.items())
        _note(findings, Finding.PRICES_KEPT, ((symbol, one.trouble) for symbol, one in kept.items()))
        return {symbol: one.history for symbol, one in kept.items()}

    def _stocks(
        self, symbols: Sequence[str], span: _Span, findings: Findings
    ) -> tuple[dict[str, History], dict[str, str]]:
        kept, failures = self._histories(symbols, span)
        unanswered = {symbol: str(error) for symbol, error in failures.items() if isinstance(error, UnansweredError)}
        unanswered |= {symbol: one.trouble for symbol, one in kept.items() if one.unanswered}
        if is_outage(len(unanswered), len(symbols)):
            raise transient("Yahoo", unanswered)
        _note(findings, Finding.PRICES_KEPT, ((symbol, one.trouble) for symbol, one in kept.items()))
        dropped = {symbol: one.history.dropped_days for symbol, one in kept.items() if one.history.dropped_days}
        words = "{} bars on days without a session were left out"
        _note(findings, Finding.BARS_ON_NO_SESSION, ((symbol, words.format(n)) for symbol, n in dropped.items()))
        return {symbol: one.history for symbol, one in kept.items()}, {s: str(error) for s, error in failures.items()}

    def _histories(
        self, symbols: Sequence[str], span: _Span
    ) -> tuple[dict[str, KeptHistory], dict[str, NoDataError | UnansweredError]]:
        def ask(symbol: str) -> KeptHistory | NoDataError | UnansweredError:
            try:
                return self._yahoo.history(symbol, span.first, span.needed, span.closed)
            except (NoDataError, UnansweredError) as error:
                return error

        answers = dict(zip(symbols, _at_once(ask, symbols), strict=True))
        return (
            {symbol: answer for symbol, answer in answers.items() if isinstance(answer, KeptHistory)},
            {symbol: answer for symbol, answer in answers.items() if not isinstance(answer, KeptHistory)},
        )

    def _fundamentals(self, histories: dict[str, History], span: _Span, findings: Findings) -> pd.DataFrame | None:
        """Take reports of EDGAR, and Yahoo's statements for companies that EDGAR does not have."""
        if not histories:
            return None
        symbols = sorted(histories)
        edgar = KeptEdgar(self.edgar, self.store)
        try:
            ciks = edgar.ciks(symbols)
        except UnansweredError as error:
            raise transient("EDGAR", dict.fromkeys(symbols, str(error))) from error

        def ask(symbol: str) -> tuple[pd.DataFrame, str, int] | NoFilingsError | UnansweredError:
            try:
                if symbol not in ciks:
                    raise NoFilingsError("not in EDGAR's list of companies")
                facts, trouble = edgar.company_facts(symbol, ciks[symbol])
                reported = quarterly_reports(symbol, facts, histories[symbol].splits)
                if reported.quarters.empty:
                    raise NoFilingsError("no quarterly figures in US dollars")
            except (NoFilingsError, UnansweredError) as error:
                return error
            return reported.quarters, trouble, reported.unusable_facts

        answers = dict(zip(symbols, _at_once(ask, symbols), strict=True))
        unanswered = {s: str(answer) for s, answer in answers.items() if isinstance(answer, UnansweredError)}
        if is_outage(len(unanswered), len(symbols)):
            # Five quarters of Yahoo's in place of ten years would be another data set: rather wait.
            raise transient("EDGAR", unanswered)
        of_edgar = {symbol: answer for symbol, answer in answers.items() if isinstance(answer, tuple)}
        _note(findings, Finding.FACTS_KEPT, ((symbol, trouble) for symbol, (_, trouble, _) in of_edgar.items()))
        odd = ((symbol, f"{n} facts without a date or a number" if n else "") for symbol, (*_, n) in of_edgar.items())
        _note(findings, Finding.UNUSABLE_FACTS, odd)
        tables = self._announced({symbol: reports for symbol, (reports, *_) in of_edgar.items()}, span, findings)
        missing = {symbol: str(answer) for symbol, answer in answers.items() if not isinstance(answer, tuple)}
        for symbol, statements in zip(missing, _at_once(self._statements, list(missing)), strict=True):
            if statements is None:
                words = f"none (EDGAR: {missing[symbol]}; Yahoo has no statements)"
                _note(findings, Finding.NO_FUNDAMENTALS, [(symbol, words)])
            else:
                words = (
                    f"{len(statements)} of Yahoo's statements, which have no filing date and are used 60 days after "
                    f"their period (EDGAR: {missing[symbol]})"
                )
                _note(findings, Finding.STATEMENTS_OF_YAHOO, [(symbol, words)])
                tables.append(statements)
        if not tables:
            return None
        frame = pd.concat(tables, ignore_index=True)
        frame = frame.sort_values(["symbol", "period_end", "filed"], kind="stable", ignore_index=True)
        earliest = {symbol: history.bars.index[0] for symbol, history in histories.items()}
        # A report that was filed before the first bar may stand on a share count whose split is not in the chart.
        return frame[frame["filed"].isna() | (frame["filed"] >= frame["symbol"].map(earliest))].reset_index(drop=True)

    def _announced(self, reports: dict[str, pd.DataFrame], span: _Span, findings: Findings) -> list[pd.DataFrame]:
        """Put Yahoo's dates of earnings beside the reports; without them figures are known when they were filed."""

        def ask(symbol: str) -> tuple[pd.DataFrame, str]:
            try:
                announcements, trouble = self._yahoo.announcements(symbol, span.closed)
            except (NoDataError, UnansweredError) as error:
                return reports[symbol], str(error)
            if announcements.empty:
                return reports[symbol], trouble or "Yahoo has no dates of earnings"
            return with_announcements(reports[symbol], announcements, pd.Timestamp(span.closed)), trouble

        symbols = sorted(reports)
        answers = _at_once(ask, symbols)
        _note(findings, Finding.NO_EARNINGS_DATES, zip(symbols, (trouble for _, trouble in answers), strict=True))
        return [table for table, _ in answers]

    def _statements(self, symbol: str) -> pd.DataFrame | None:
        try:
            return self._yahoo.statements(symbol)
        except (NoDataError, UnansweredError):
            return None

    def _macro(self, sessions: pd.DatetimeIndex, span: _Span, findings: Findings) -> pd.DataFrame:
        """Market series of Yahoo, of FRED where Yahoo has none; one series is never joined of both."""
        kept, failures = self._histories(list(MACRO_SYMBOLS.values()), span)
        fred = KeptFred(self.fred, self.store)
        frame = pd.DataFrame(index=sessions)
        for column in MACRO_COLUMNS:
            found = kept.get(MACRO_SYMBOLS.get(column, ""))
            if found is not None and not found.trouble:
                frame[column] = found.history.bars["close"].reindex(sessions)
                continue
            try:
                frame[column], trouble = fred.series(column, sessions, span.closed)
            except (NoDataError, UnansweredError) as error:
                if found is None:
                    _note(findings, Finding.MACRO_MISSING, [(column, str(error))])
                    continue
                frame[column], trouble = found.history.bars["close"].reindex(sessions), found.trouble
            else:
                reason = failures.get(MACRO_SYMBOLS.get(column, ""), found.trouble if found is not None else "")
                words = f"FRED's {SERIES[column]}: {reason}" if reason else ""
                _note(findings, Finding.MACRO_OF_FRED, [(column, words)])
            _note(findings, Finding.MACRO_KEPT, [(column, trouble)])
        if "dxy" in frame:
            # Joining batches fills gaps of one batch from another, which may have FRED's index on another level.
            frame["dxy"] = frame["dxy"].ffill(limit=5)
        return frame.rename_axis("date").reset_index()

    def _securities(self, histories: dict[str, History], findings: Findings) -> pd.DataFrame | None:
        if not histories:
            return None
        symbols = sorted(histories)
        sectors = _at_once(self._yahoo.sector, symbols)
        _note(findings, Finding.NO_SECTOR, zip(symbols, (trouble for *_, trouble in sectors), strict=True))
        return pd.DataFrame(
            [(symbol, histories[symbol].name, *known) for symbol, (*known, _) in zip(symbols, sectors, strict=True)],
            columns=["symbol", "name", "sector", "industry"],
            dtype=object,
        )


@dataclass(frozen=True)
class _Span:
    """What a load is about: from `first`, at least to `needed`, and nothing after `closed`, the last full session."""

    first: dt.date
    needed: dt.date
    closed: dt.date


def _note(findings: Findings, kind: Finding, details: Iterable[tuple[str, object]]) -> None:
    """Add what there is to say about symbols; an empty text says that there is nothing."""
    said = {symbol: str(detail) for symbol, detail in details if str(detail)}
    if said:
        findings.setdefault(kind.value, {}).update(said)


def _panels(histories: dict[str, History], benchmarks: dict[str, History]) -> tuple[PricePanel, PricePanel]:
    """Prices, and benchmarks on their sessions."""
    market = panel_of(_long(benchmarks))
    if not histories:
        return empty_panel().on(market.sessions), market
    prices = panel_of(_long(histories))
    return prices, market.on(prices.sessions)


def _long(histories: dict[str, History]) -> pd.DataFrame:
    frames = [history.bars.assign(symbol=symbol) for symbol, history in histories.items()]
    return pd.concat(frames).rename_axis("date").reset_index()


def _at_once(ask: Callable[[Asked], Answered], items: Sequence[Asked]) -> list[Answered]:
    """Ask for a few at a time; an error that `ask` lets through ends the rest."""
    with ThreadPoolExecutor(max_workers=WORKERS) as pool:
        futures = [pool.submit(ask, item) for item in items]
        try:
            return [future.result() for future in futures]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
