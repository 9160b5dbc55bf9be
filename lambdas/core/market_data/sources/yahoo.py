"""Yahoo Finance through yfinance: bars with splits and dividends, sectors, statements, dates of earnings.

yfinance is imported when the first symbol is asked for: it takes longer than everything else a function loads.
Yahoo's prices are on the share count of today, whenever they are asked for, so splits are collected up to today too.
"""

from __future__ import annotations

import datetime as dt
import logging
import math
import tempfile
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from lambdas.core.errors import TransientMarketDataError
from lambdas.core.market_data.calendar import sessions_in
from lambdas.core.market_data.panel import FIELDS
from lambdas.core.market_data.sources.increments import EVENTS, Answer, NoDataError
from lambdas.core.market_data.sources.live_requests import Manners, Pace, UnansweredError

if TYPE_CHECKING:
    from curl_cffi.requests import Response

MACRO_SYMBOLS = {"vix": "^VIX", "ust3m": "^IRX", "ust10y": "^TNX", "dxy": "DX-Y.NYB"}
"""^IRX is the discount rate of the 13-week bill, a few basis points below the yield of the same bill."""

BENCHMARK_SYMBOLS = ("SPY", "QQQ", "IWM")
REQUESTS_PER_SECOND = 8.0
"""Yahoo states no limit; a few hundred requests a minute from one address have been answered."""

EARNINGS_PAGE = "/calendar/earnings"
SEARCH = "/v1/finance/search"
EXTRAS = {EARNINGS_PAGE: "yahoo-earnings", SEARCH: "yahoo-search"}
"""What a run goes on without, and says so; and the name of its circuit."""

NEEDS_AN_ANSWER = ("/v8/finance/chart/", "/ws/fundamentals-timeseries/", *EXTRAS)
"""Everything else is about cookies: charts, statements and the search answer without one."""

MAX_ANNOUNCEMENTS = 100
"""Rows of the page of earnings dates, newest first: some 25 years of quarters."""

_STATEMENTS = {
    "eps": ("income", ("DilutedEPS", "BasicEPS")),
    "revenue": ("income", ("TotalRevenue", "OperatingRevenue")),
    "net_income": ("income", ("NetIncome", "NetIncomeCommonStockholders")),
    "gross_profit": ("income", ("GrossProfit",)),
    "operating_income": ("income", ("OperatingIncome",)),
    "total_assets": ("balance", ("TotalAssets",)),
    "equity": ("balance", ("StockholdersEquity", "CommonStockEquity")),
    "shares": ("balance", ("OrdinarySharesNumber", "ShareIssued")),
    "cash": ("balance", ("CashAndCashEquivalents",)),
    "operating_cf": ("cash", ("OperatingCashFlow",)),
    "free_cash_flow": ("cash", ("FreeCashFlow",)),
}


REFUSED = (401, 403)


@dataclass(frozen=True)
class History:
    """What Yahoo's chart of one symbol says.

    Attributes
    ----------
    bars : DataFrame
        Index: sessions of XNYS, ascending; columns open, high, low, close, adj_close, volume.
    splits : Series
        New shares for an old one, by the first day at the new count; up to the newest bar.
    name : str
        Of the company or fund; empty if unknown.
    dropped_days : int
        Bars on days that are no session: there are none of US stocks, and a few of indices and currencies.
    """

    bars: pd.DataFrame
    splits: pd.Series
    name: str
    dropped_days: int


def default_manners() -> Manners:
    """Return how Yahoo is asked where nobody says otherwise."""
    return Manners("yahoo", Pace(REQUESTS_PER_SECOND))


def complaint(url: str, response: Response) -> str | None:
    """Complain about an answer of Yahoo's that has to be read and cannot be, or says nothing."""
    from lambdas.core.market_data.sources.live_session import body_of, unreadable

    if _dispensable(url):
        return None
    if EARNINGS_PAGE in url:
        # A page that was cut has no end; one without a table is Yahoo's way to say that there are no dates.
        return None if b"</html>" in response.content.lower() else "the page has no end"
    if (reason := unreadable(response)) is not None:
        return reason
    body = body_of(response)
    if not isinstance(body, dict) or not body:
        return "the answer is empty"
    if "/v8/finance/chart/" in url:
        chart = body.get("chart") or body.get("finance") or {}
        if not chart.get("result") and not chart.get("error"):
            return "the chart is empty"
    return None


def _dispensable(url: str) -> bool:
    return not any(path in url for path in NEEDS_AN_ANSWER)


@dataclass(frozen=True)
class Yahoo:
    """Yahoo Finance, asked one symbol at a time; safe to use from several threads.

    Attributes
    ----------
    manners : Manners
        Pace, retries, guard and address.
    cache_folder : Path, optional
        Where yfinance keeps cookies and time zones; by default a folder of its own among the temporary files.
    """

    manners: Manners = field(default_factory=default_manners)
    cache_folder: Path | None = None

    @cached_property
    def _yfinance(self) -> Any:
        import yfinance

        folder = self.cache_folder or Path(tempfile.mkdtemp(prefix="yfinance-"))
        folder.mkdir(parents=True, exist_ok=True)
        yfinance.set_tz_cache_location(str(folder))
        yfinance.config.debug.hide_exceptions = False  # The reason for a missing symbol is in the exception.
        logging.getLogger("yfinance").setLevel(logging.CRITICAL)
        return yfinance

    @cached_property
    def _session(self) -> Any:
        from lambdas.core.market_data.sources.live_session import PatientSession

        # As a browser: Yahoo turns other clients away. Through a gateway the handshake is not Yahoo's business.
        options = {} if self.manners.gateway else {"impersonate": "chrome"}
        return PatientSession(self.manners, complaint, _dispensable, self._manners_for, **options)

    def _manners_for(self, url: str) -> Manners:
        """Give what a run can do without a circuit of its own: Yahoo's pages may fail while its prices do not."""
        extra = next((name for path, name in EXTRAS.items() if path in url), None)
        return self.manners if extra is None else replace(self.manners, name=extra)

    def prepare(self) -> None:
        """Load yfinance and open the session, before several threads would do it at once.

        Its memory of answers is emptied: a warm function may have yesterday's.
        """
        self._ticker("SPY")._data.cache_get.cache_clear()

    def bars(self, symbol: str, first: dt.date) -> Answer:
        """Bars from `first` to now, with dividends and splits: columns of `FIELDS` and `EVENTS`; the name as a fact.

        Days are those of the exchange; the newest may still be trading.

        Raises
        ------
        NoDataError
            If Yahoo does not know the symbol, or has no price of it.
        UnansweredError
            If no attempt brought a readable answer.
        TransientMarketDataError
            If the circuit is open.
        """
        yfinance = self._yfinance
        # Saves one request of two: yfinance would ask for the time zone of `first` before it asks for the bars.
        yfinance.cache.get_tz_cache().store(symbol, "America/New_York")
        ticker = self._ticker(symbol)
        try:
            frame = ticker.history(start=first.isoformat(), auto_adjust=False, actions=True)
        except yfinance.exceptions.YFTickerMissingError as error:
            # yfinance reports a refused cookie, after it has tried another, as a symbol that is missing.
            if (status := self._session.last_status) in REFUSED:
                raise UnansweredError(f"yahoo: {symbol}: status {status}, the request was refused") from error
            raise NoDataError(f"Yahoo: {error.rationale}") from error
        except (KeyError, TypeError, IndexError, ValueError, AttributeError) as error:
            raise NoDataError(f"Yahoo's chart could not be read ({type(error).__name__}: {error})") from error
        except yfinance.exceptions.YFException as error:
            raise UnansweredError(f"yahoo: {symbol}: {error}") from error
        rows = _rows(frame)
        if rows.empty:
            raise NoDataError(f"Yahoo has no price since {first}")
        return Answer(rows, {"name": str((ticker.history_metadata or {}).get("longName") or "")})

    def sector(self, symbol: str) -> tuple[str | None, str | None]:
        """Sector and industry in Yahoo's words, as of today; None where Yahoo has none.

        Raises
        ------
        UnansweredError
            If no attempt brought an answer, or the circuit is open: a run can do without.
        """
        try:
            self._ticker(symbol)
            search = self._yfinance.Search(symbol, max_results=5, news_count=0, lists_count=0, session=self._session)
            quotes = search.quotes
        except TransientMarketDataError as error:
            raise UnansweredError(str(error)) from error
        except (self._yfinance.exceptions.YFException, KeyError, TypeError, ValueError, AttributeError):
            return None, None
        found: dict[str, Any] = next((quote for quote in quotes if quote.get("symbol") == symbol), {})
        return found.get("sector"), found.get("industry")

    def statements(self, symbol: str) -> pd.DataFrame:
        """Quarterly statements, the last five or so: the columns of `fundamentals.parquet` without release dates.

        Yahoo does not say when they were filed, so they are known the lag of definitions, section 1, after the period.
        Per-share figures are on today's share count already.

        Raises
        ------
        NoDataError
            If Yahoo has no statement of the symbol.
        UnansweredError
            If no attempt brought a readable answer.
        """
        ticker = self._ticker(symbol)
        try:
            tables = {
                "income": ticker.get_income_stmt(freq="quarterly"),
                "balance": ticker.get_balance_sheet(freq="quarterly"),
                "cash": ticker.get_cash_flow(freq="quarterly"),
            }
        except UnansweredError:
            raise
        except (self._yfinance.exceptions.YFException, KeyError, TypeError, ValueError, AttributeError) as error:
            raise NoDataError(f"Yahoo has no statements ({error})") from error
        columns = {}
        for name, (table, keys) in _STATEMENTS.items():
            rows = [tables[table].loc[key] for key in keys if key in tables[table].index]
            if rows:
                series = rows[0]
                for other in rows[1:]:
                    series = series.combine_first(other)
                columns[name] = series.astype(float)
        frame = pd.DataFrame(columns)
        frame = frame[frame.reindex(columns=["eps", "revenue", "net_income"]).notna().any(axis=1)]
        if frame.empty:
            raise NoDataError("Yahoo's statements hold no quarter")
        frame = frame.sort_index().rename_axis("period_end").reset_index()
        frame["period_end"] = pd.to_datetime(frame["period_end"]).astype("datetime64[ns]")
        frame.insert(0, "symbol", symbol)
        return frame.assign(filed=pd.Series(pd.NaT, frame.index, dtype="datetime64[ns]"), source="yahoo")

    def announcements(self, symbol: str) -> pd.DataFrame:
        """Dates of earnings, past and planned: announced, hour, eps_est, eps_reported, ascending.

        `announced` is the day in New York, `hour` the hour there; figures are NaN where Yahoo has none. They are street
        figures on today's share count, as Yahoo shows them today: nothing says what the estimate was on an earlier day
        than that of the announcement.

        Raises
        ------
        NoDataError
            If Yahoo has no dates of the symbol, or they cannot be read.
        UnansweredError
            If no attempt brought an answer, or the circuit is open: a run can do without.
        """
        try:
            table = self._ticker(symbol).get_earnings_dates(limit=MAX_ANNOUNCEMENTS)
        except UnansweredError:
            raise
        except TransientMarketDataError as error:
            raise UnansweredError(str(error)) from error
        except (self._yfinance.exceptions.YFException, KeyError, TypeError, ValueError, AttributeError) as error:
            raise NoDataError(f"Yahoo's dates of earnings could not be read ({error})") from error
        if table is None or table.empty:
            raise NoDataError("Yahoo has no dates of earnings")
        moments = [moment.tz_convert("America/New_York") for moment in table.index]
        frame = pd.DataFrame(
            {
                "announced": pd.DatetimeIndex([moment.tz_localize(None).normalize() for moment in moments]),
                "hour": [float(moment.hour + moment.minute / 60.0) for moment in moments],
                "eps_est": pd.to_numeric(table["EPS Estimate"], errors="coerce").to_numpy(dtype=float),
                "eps_reported": pd.to_numeric(table["Reported EPS"], errors="coerce").to_numpy(dtype=float),
            }
        )
        frame["announced"] = frame["announced"].astype("datetime64[ns]")
        return frame.drop_duplicates("announced").sort_values("announced", ignore_index=True)

    def _ticker(self, symbol: str) -> Any:
        return self._yfinance.Ticker(symbol, session=self._session)


def _rows(frame: pd.DataFrame) -> pd.DataFrame:
    """Make rows by day of a table of yfinance's; a day it has twice, as it does while it trades, keeps its last."""
    rows = frame.rename(columns=lambda column: str(column).lower().replace(" ", "_"))
    rows = rows.reindex(columns=[*FIELDS, *EVENTS]).astype(float)
    rows.index = pd.DatetimeIndex(rows.index).tz_localize(None).normalize().astype("datetime64[ns]").rename(None)
    rows = rows[~rows.index.duplicated(keep="last")].sort_index()
    rows[list(EVENTS)] = rows[list(EVENTS)].fillna(0.0)
    prices = [column for column in FIELDS if column != "volume"]
    rows[prices] = rows[prices].where(rows[prices] > 0.0)  # Yahoo writes 0 where it has no open.
    return rows[_priced(rows) | (rows["stock_splits"] > 0.0)]


def history_of(rows: pd.DataFrame, name: str) -> History:
    """Take bars and splits from the rows of `Yahoo.bars`."""
    splits = rows["stock_splits"]
    bars = rows.loc[_priced(rows), list(FIELDS)]
    on_session = bars.index.isin(sessions_in(rows.index[0].date(), rows.index[-1].date()))
    return History(bars[on_session], splits[(splits > 0.0) & (splits != 1.0)], name, int((~on_session).sum()))


def _priced(rows: pd.DataFrame) -> pd.Series:
    return rows[["close", "adj_close"]].notna().all(axis=1)


def split_factor(splits: pd.Series, day: pd.Timestamp) -> float:
    """Shares of today for one share at the close of `day`: the product of the later splits."""
    return math.prod(float(ratio) for date, ratio in splits.items() if pd.Timestamp(str(date)) > day)
