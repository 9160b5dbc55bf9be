"""The live source, `yahoo`: prices and market series of Yahoo, fundamentals of EDGAR, and FRED where Yahoo has none."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pandas as pd

from lambdas.core.errors import InvalidDatasetError, InvalidRequestError
from lambdas.core.market_data.calendar import latest_closed_session
from lambdas.core.market_data.dataset import cut_dataset
from lambdas.core.market_data.panel import MarketDataset, PricePanel, empty_panel, panel_of
from lambdas.core.market_data.sources import edgar as edgar_module
from lambdas.core.market_data.sources import fred as fred_module
from lambdas.core.market_data.sources import yahoo as yahoo_module
from lambdas.core.market_data.sources.edgar import Edgar, NoFilingsError
from lambdas.core.market_data.sources.edgar_facts import quarterly_reports
from lambdas.core.market_data.sources.fred import Fred
from lambdas.core.market_data.sources.live_requests import (
    Guard,
    Manners,
    Pace,
    UnansweredError,
    is_outage,
    transient,
    unguarded,
)
from lambdas.core.market_data.sources.protocol import Collected
from lambdas.core.market_data.sources.yahoo import BENCHMARK_SYMBOLS, MACRO_SYMBOLS, History, NoDataError, Yahoo

NAME = "yahoo"
WORKERS = 4
DEFAULT_HISTORY_DAYS = 3653
WARM_UP_DAYS = 800
"""Calendar days before the first training decision: growth over eight quarters needs two years, momentum one."""

MACRO_COLUMNS = ("vix", "ust3m", "ust2y", "ust10y", "dxy")
Asked = TypeVar("Asked")
Answered = TypeVar("Answered")


@dataclass(frozen=True)
class LiveAccess:
    """What the live source needs to know of the deployment.

    Attributes
    ----------
    edgar_contact : str
        E-mail address, alone or behind a name, that the SEC can write to. Required.
    edgar_requests_per_second : float
        Share of the ten that one user may make which belongs to this process.
    guard : Guard
        Makes each request; a circuit breaker, where there is one.
    cache_folder : Path, optional
        Writable folder for the caches of yfinance.
    gateway : str, optional
        Address in place of every host, see `Manners`.
    """

    edgar_contact: str
    edgar_requests_per_second: float = edgar_module.MAX_REQUESTS_PER_SECOND / 2
    guard: Guard = unguarded
    cache_folder: Path | None = None
    gateway: str | None = None

    def source(self) -> LiveSource:
        """Open the live source.

        Raises
        ------
        InvalidRequestError
            If the contact for EDGAR is missing.
        """

        def manners(name: str, per_second: float) -> Manners:
            return Manners(name, Pace(per_second), guard=self.guard, gateway=self.gateway)

        edgar_pace = min(self.edgar_requests_per_second, edgar_module.MAX_REQUESTS_PER_SECOND)
        return LiveSource(
            Yahoo(manners("yahoo", yahoo_module.REQUESTS_PER_SECOND), self.cache_folder),
            Edgar(self.edgar_contact, manners("edgar", edgar_pace)),
            Fred(manners("fred", fred_module.REQUESTS_PER_SECOND)),
        )


def first_needed(as_of: dt.date, *, train_years: float, lookback_days: int, benchmark_period_days: int) -> dt.date:
    """First day of history that a run needs: warm-up, training, walk-forward and holdout, back from `as_of`.

    Examples
    --------
    >>> first_needed(dt.date(2019, 12, 31), train_years=5.0, lookback_days=1095, benchmark_period_days=90)
    datetime.date(2009, 7, 20)
    """
    days = round(train_years * 365.25) + lookback_days + benchmark_period_days + WARM_UP_DAYS
    return as_of - dt.timedelta(days=days)


@dataclass(frozen=True)
class LiveSource:
    """Yahoo, EDGAR and FRED as one source; see `LiveAccess` for how it is opened."""

    yahoo: Yahoo
    edgar: Edgar
    fred: Fred
    name: str = NAME

    def load(self, symbols: Sequence[str] | None, *, as_of: dt.date | None, first: dt.date | None = None) -> Collected:
        """Collect `symbols` from `first` (default: ten years) to `as_of` (default: the session that closed last).

        A symbol that Yahoo does not know or that is not answered for becomes a problem with its reason. Fundamentals
        come from EDGAR; of a company that has none there, from Yahoo's statements, without dates of filing.

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
        day = as_of or latest_closed_session(dt.datetime.now(dt.UTC))
        since = first or day - dt.timedelta(days=DEFAULT_HISTORY_DAYS)
        notes = [
            "yahoo: the symbols are those listed today; Yahoo has no history of delisted companies",
            "yahoo: ust3m is the discount rate of the 13-week bill (^IRX)",
        ]
        self.yahoo.prepare()
        benchmarks, benchmark_problems = self._histories(BENCHMARK_SYMBOLS, since)
        if "SPY" not in benchmarks:
            reason = benchmark_problems["SPY"]
            if isinstance(reason, UnansweredError):
                raise transient("Yahoo", {"SPY": str(reason)})
            raise InvalidDatasetError(
                f"Yahoo has no prices of SPY since {since} ({reason}); every verdict is against it"
            )
        notes += [f"benchmark {symbol}: {reason}" for symbol, reason in benchmark_problems.items()]
        histories, failures = self._histories(sorted(set(symbols)), since)
        unanswered = {symbol: str(error) for symbol, error in failures.items() if isinstance(error, UnansweredError)}
        if is_outage(len(unanswered), len(set(symbols))):
            raise transient("Yahoo", unanswered)
        problems = {symbol: str(error) for symbol, error in failures.items()}
        notes += [
            f"yahoo: {history.dropped_days} bars of {symbol} are on days without a session and were left out"
            for symbol, history in histories.items()
            if history.dropped_days
        ]
        dataset = MarketDataset(*_panels(histories, benchmarks))
        fundamentals = self._fundamentals(histories, notes)
        macro = self._macro(dataset.sessions, since, notes)
        securities = self._securities(histories, notes)
        dataset = MarketDataset(
            dataset.prices, dataset.benchmarks, macro, fundamentals, securities, notes=tuple(sorted(set(notes)))
        )
        dataset = cut_dataset(dataset, day)
        priced = set(dataset.prices.symbols)
        problems |= {symbol: f"no price up to {day}" for symbol in histories if symbol not in priced}
        return Collected(dataset, problems, dataset.notes)

    def _histories(
        self, symbols: Sequence[str], since: dt.date
    ) -> tuple[dict[str, History], dict[str, NoDataError | UnansweredError]]:
        def ask(symbol: str) -> History | NoDataError | UnansweredError:
            try:
                return self.yahoo.history(symbol, since)
            except (NoDataError, UnansweredError) as error:
                return error

        answers = dict(zip(symbols, _at_once(ask, symbols), strict=True))
        return (
            {symbol: answer for symbol, answer in answers.items() if isinstance(answer, History)},
            {symbol: answer for symbol, answer in answers.items() if not isinstance(answer, History)},
        )

    def _fundamentals(self, histories: dict[str, History], notes: list[str]) -> pd.DataFrame | None:
        """Take reports of EDGAR, and Yahoo's statements for companies that EDGAR does not have."""
        if not histories:
            return None
        symbols = sorted(histories)
        try:
            ciks = self.edgar.ciks
        except UnansweredError as error:
            raise transient("EDGAR", dict.fromkeys(symbols, str(error))) from error

        def ask(symbol: str) -> pd.DataFrame | NoFilingsError | UnansweredError:
            try:
                if symbol not in ciks:
                    raise NoFilingsError("not in EDGAR's list of companies")
                facts = self.edgar.company_facts(ciks[symbol])
                reported = quarterly_reports(symbol, facts, histories[symbol].splits)
                if reported.quarters.empty:
                    raise NoFilingsError("no quarterly figures in US dollars")
            except (NoFilingsError, UnansweredError) as error:
                return error
            return reported.quarters

        answers = dict(zip(symbols, _at_once(ask, symbols), strict=True))
        unanswered = {s: str(answer) for s, answer in answers.items() if isinstance(answer, UnansweredError)}
        if is_outage(len(unanswered), len(symbols)):
            # Five quarters of Yahoo's in place of ten years would be another data set: rather wait.
            raise transient("EDGAR", unanswered)
        tables = [answer for answer in answers.values() if isinstance(answer, pd.DataFrame)]
        missing = {symbol: str(answer) for symbol, answer in answers.items() if not isinstance(answer, pd.DataFrame)}
        for symbol, statements in zip(missing, _at_once(self._statements, list(missing)), strict=True):
            if statements is None:
                notes.append(f"fundamentals of {symbol}: none (EDGAR: {missing[symbol]}; Yahoo has no statements)")
            else:
                notes.append(
                    f"fundamentals of {symbol}: {len(statements)} of Yahoo's statements, which have no filing date and "
                    f"are used 60 days after their period (EDGAR: {missing[symbol]})"
                )
                tables.append(statements)
        if not tables:
            return None
        frame = pd.concat(tables, ignore_index=True).sort_values(["symbol", "period_end", "filed"], ignore_index=True)
        earliest = {symbol: history.bars.index[0] for symbol, history in histories.items()}
        # A report that was filed before the first bar may stand on a share count whose split is not in the chart.
        return frame[frame["filed"].isna() | (frame["filed"] >= frame["symbol"].map(earliest))].reset_index(drop=True)

    def _statements(self, symbol: str) -> pd.DataFrame | None:
        try:
            return self.yahoo.statements(symbol)
        except (NoDataError, UnansweredError):
            return None

    def _macro(self, sessions: pd.DatetimeIndex, since: dt.date, notes: list[str]) -> pd.DataFrame:
        """Market series of Yahoo, of FRED where Yahoo has none; one series is never joined of both."""
        histories, failures = self._histories(list(MACRO_SYMBOLS.values()), since)
        frame = pd.DataFrame(index=sessions)
        for column in MACRO_COLUMNS:
            history = histories.get(MACRO_SYMBOLS.get(column, ""))
            if history is not None:
                frame[column] = history.bars["close"].reindex(sessions)
                continue
            try:
                frame[column] = self.fred.series(column, sessions)
            except UnansweredError as error:
                notes.append(f"macro series {column} is missing: {error}")
                continue
            if column in MACRO_SYMBOLS:
                reason = failures[MACRO_SYMBOLS[column]]
                notes.append(f"macro series {column} is FRED's {fred_module.SERIES[column]}: {reason}")
        if "dxy" in frame:
            # Joining batches fills gaps of one batch from another, which may have FRED's index on another level.
            frame["dxy"] = frame["dxy"].ffill(limit=5)
        return frame.rename_axis("date").reset_index()

    def _securities(self, histories: dict[str, History], notes: list[str]) -> pd.DataFrame | None:
        if not histories:
            return None

        def ask(symbol: str) -> tuple[str | None, str | None]:
            try:
                return self.yahoo.sector(symbol)
            except UnansweredError:
                return None, None

        symbols = sorted(histories)
        sectors = _at_once(ask, symbols)
        unknown = [symbol for symbol, (sector, _) in zip(symbols, sectors, strict=True) if sector is None]
        if unknown:
            notes.append(f"there is no sector of {', '.join(unknown)}")
        return pd.DataFrame(
            [(symbol, histories[symbol].name, *sector) for symbol, sector in zip(symbols, sectors, strict=True)],
            columns=["symbol", "name", "sector", "industry"],
            dtype=object,
        )


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
