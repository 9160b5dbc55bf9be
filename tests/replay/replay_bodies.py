"""Bodies as Yahoo, EDGAR and FRED write them: recorded ones, and ones rendered from a data set in their format."""

from __future__ import annotations

import gzip
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from replay_server import Reply, Request

from lambdas.core.market_data.panel import MarketDataset, PricePanel
from lambdas.core.market_data.sources.fred import SERIES
from lambdas.core.market_data.sources.yahoo import MACRO_SYMBOLS

NOT_FOUND = {
    "chart": {"result": None, "error": {"code": "Not Found", "description": "No data found, symbol may be delisted"}}
}
OPENS_AT_UTC = pd.Timedelta(hours=14, minutes=30)


def recorded(folder: Path, name: str) -> Any:
    """A body of ../shared/data/yahoo_fixtures or companyfacts."""
    body = json.loads(gzip.decompress((folder / f"{name}.json.gz").read_bytes()))
    return body["response"]["bodyJson"] if name.startswith("yf2__") else body


def as_json(body: Any, status: int = 200) -> Reply:
    return Reply(json.dumps(body).encode(), status, {"Content-Type": "application/json"})


def chart(symbol: str, bars: pd.DataFrame, splits: dict[pd.Timestamp, int] | None = None) -> dict[str, Any]:
    """A chart as Yahoo writes it, of bars indexed by day; the newest split is `n` for one."""
    stamps = [int((day + OPENS_AT_UTC).timestamp()) for day in bars.index]
    values = {name: [None if pd.isna(v) else float(v) for v in bars[name]] for name in bars}
    events = {
        "splits": {
            str(int((day + OPENS_AT_UTC).timestamp())): {
                "date": int((day + OPENS_AT_UTC).timestamp()),
                "numerator": ratio,
                "denominator": 1,
                "splitRatio": f"{ratio}:1",
            }
            for day, ratio in (splits or {}).items()
        }
    }
    meta = {
        "currency": "USD",
        "symbol": symbol,
        "exchangeName": "NYQ",
        "instrumentType": "EQUITY",
        "exchangeTimezoneName": "America/New_York",
        "timezone": "EST",
        "gmtoffset": -18000,
        "longName": f"{symbol} Inc.",
        "regularMarketTime": stamps[-1] if stamps else 0,
        "priceHint": 2,
        "dataGranularity": "1d",
        "range": "",
        "validRanges": ["1d", "max"],
    }
    quote = {name: values[name] for name in ("open", "high", "low", "close", "volume")}
    result = {
        "meta": meta,
        "timestamp": stamps,
        "events": events if splits else {},
        "indicators": {"quote": [quote], "adjclose": [{"adjclose": values["adj_close"]}]},
    }
    return {"chart": {"result": [result], "error": None}}


def bars_of(panel: PricePanel, symbol: str) -> pd.DataFrame:
    column = panel.symbols.index(symbol)
    fields = ("open", "high", "low", "close", "adj_close", "volume")
    return pd.DataFrame({name: getattr(panel, name)[:, column] for name in fields}, index=panel.sessions).dropna(
        subset=["close"]
    )


def company_facts(name: str, reports: pd.DataFrame) -> dict[str, Any]:
    """Company facts of rows of `fundamentals.parquet`: every figure tagged for its quarter."""
    tags = {
        "eps": ("EarningsPerShareDiluted", "USD/shares", True),
        "revenue": ("Revenues", "USD", True),
        "net_income": ("NetIncomeLoss", "USD", True),
        "total_assets": ("Assets", "USD", False),
        "equity": ("StockholdersEquity", "USD", False),
        "shares": ("CommonStockSharesOutstanding", "shares", False),
    }
    facts: dict[str, Any] = {}
    for column, (tag, unit, flow) in tags.items():
        rows = []
        for number, row in enumerate(reports.itertuples()):
            entry = {
                "end": f"{row.period_end:%Y-%m-%d}",
                "val": getattr(row, column),
                "accn": f"0000000000-00-{number:06d}",
                "form": "10-Q",
                "filed": f"{row.filed:%Y-%m-%d}",
            }
            if flow:
                entry["start"] = f"{row.period_end - pd.Timedelta(days=90):%Y-%m-%d}"
            rows.append(entry)
        facts[tag] = {"label": tag, "units": {unit: rows}}
    return {"cik": 1, "entityName": name, "facts": {"dei": {}, "us-gaap": facts}}


def earnings_page(symbol: str, announcements: pd.DataFrame) -> str:
    """The page of earnings dates, built to what yfinance 1.7 reads of it: no body of Yahoo's is at hand.

    One table, newest first; the hour in words, a hyphen where there is no figure.
    """

    def figure(value: float) -> str:
        return "-" if pd.isna(value) else repr(float(value))

    heads = ("Symbol", "Company", "Earnings Date", "EPS Estimate", "Reported EPS", "Surprise (%)")
    rows = []
    for row in announcements.sort_values("announced", ascending=False).itertuples():
        moment = row.announced + pd.Timedelta(hours=row.hour)
        zone = moment.tz_localize("America/New_York").tzname()
        surprise = 100 * (row.eps_reported - row.eps_est) / abs(row.eps_est)
        cells = [
            symbol,
            f"{symbol} Inc.",
            f"{moment:%B} {moment.day}, {moment.year} at {moment:%-I} {moment:%p} {zone}",
        ]
        cells += [figure(row.eps_est), figure(row.eps_reported), "-" if pd.isna(surprise) else f"{surprise:+.2f}"]
        rows.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    head = "".join(f"<th>{name}</th>" for name in heads)
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
    return f"<!DOCTYPE html><html><body><main>{table if rows else ''}</main></body></html>"


class Market:
    """Answers for every host of the live sources from one data set, as they do in the evening of `today`.

    `splits` are announced in the charts by symbol and day; EDGAR's figures, which a company files on the share count
    of the day, are put on the count before the splits that followed.
    """

    def __init__(self, dataset: MarketDataset, splits: dict[str, dict[pd.Timestamp, int]] | None = None) -> None:
        self.dataset = dataset
        self.today: pd.Timestamp | None = None
        self.splits = splits or {}
        self.symbols = dataset.prices.symbols
        self.charts = {symbol: bars_of(dataset.prices, symbol) for symbol in dataset.prices.symbols}
        self.charts |= {symbol: bars_of(dataset.benchmarks, symbol) for symbol in dataset.benchmarks.symbols}
        macro = dataset.macro.set_index("date") if dataset.macro is not None else pd.DataFrame()
        for column, symbol in MACRO_SYMBOLS.items():
            level = macro[column].dropna()
            bars = pd.DataFrame(dict.fromkeys(("open", "high", "low", "close", "adj_close"), level))
            self.charts[symbol] = bars.assign(volume=0.0)
        self.macro = macro
        self.ciks = {symbol: 1000 + number for number, symbol in enumerate(self.symbols)}

    def __call__(self, request: Request) -> Reply | None:
        match request.host:
            case "fc.yahoo.com":
                return Reply(b"", 404, {"Set-Cookie": "A3=d=test; Domain=.yahoo.com; Path=/"})
            case "query1.finance.yahoo.com" if request.path == "/v1/test/getcrumb":
                return Reply(b"crumb")
            case "query1.finance.yahoo.com" | "query2.finance.yahoo.com":
                return self.yahoo(request)
            case "finance.yahoo.com" if request.path == "/calendar/earnings":
                symbol = request.query["symbol"]
                return Reply(
                    earnings_page(symbol, self.announcements(symbol)).encode(), 200, {"Content-Type": "text/html"}
                )
            case "www.sec.gov" if request.path == "/files/company_tickers.json":
                rows = {
                    str(n): {"cik_str": cik, "ticker": s, "title": s} for n, (s, cik) in enumerate(self.ciks.items())
                }
                return as_json(rows)
            case "data.sec.gov":
                return self.facts(request, int(request.path.removesuffix(".json")[-10:]))
            case "fred.stlouisfed.org":
                return self.fred(request)
        return None

    def yahoo(self, request: Request) -> Reply | None:
        if request.path.startswith("/v8/finance/chart/"):
            symbol = request.path.rsplit("/", 1)[1].replace("%5E", "^")
            if symbol not in self.charts:
                return as_json(NOT_FOUND, 404)
            bars = self.bars_today(symbol)
            first = pd.Timestamp(int(request.query["period1"]), unit="s").normalize()
            splits = {day: n for day, n in self.splits.get(symbol, {}).items() if self.is_past(day) and day >= first}
            return as_json(chart(symbol, bars[bars.index >= first], splits))
        if request.path == "/v1/finance/search":
            symbol = request.query["q"]
            securities = self.dataset.securities
            row = securities[securities["symbol"] == symbol].iloc[0]
            return as_json({"quotes": [{"symbol": symbol, "sector": row["sector"], "industry": "Things"}], "news": []})
        if request.path.startswith("/ws/fundamentals-timeseries/"):
            return as_json({"timeseries": {"result": [], "error": None}})
        return None

    def facts(self, request: Request, cik: int) -> Reply | None:
        symbol = next((s for s, number in self.ciks.items() if number == cik), None)
        if symbol is None:
            return Reply(b"<Error><Code>NoSuchKey</Code></Error>", 404)
        body = json.dumps(company_facts(symbol, self.filed(symbol))).encode()
        tag = f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"'
        if request.headers.get("if-none-match") == tag:
            return Reply(b"", 304, {"ETag": tag})
        return Reply(body, 200, {"Content-Type": "application/json", "ETag": tag})

    def filed(self, symbol: str) -> pd.DataFrame:
        """What the company has filed by today, as it was filed."""
        frame = self.dataset.fundamentals
        frame = frame[(frame["symbol"] == symbol) & frame["filed"].map(self.is_past)].copy()
        for day, ratio in self.splits.get(symbol, {}).items():
            before = frame["filed"] < day
            frame.loc[before, "eps"] *= ratio
            frame.loc[before, "shares"] /= ratio
        return frame

    def announcements(self, symbol: str) -> pd.DataFrame:
        """What Yahoo shows: results that were announced, and one that is planned without a figure."""
        frame = self.dataset.fundamentals
        frame = frame[frame["symbol"] == symbol].sort_values("announced")
        hour = frame["release_time"].map({"pre": 7.0, "post": 16.0}).fillna(0.0)
        table = pd.DataFrame(
            {"announced": frame["announced"], "hour": hour, "eps_est": frame["eps_est"], "eps_reported": frame["eps"]}
        )
        past = table["announced"].map(self.is_past)
        planned = table[~past].head(1).assign(eps_reported=np.nan)
        return pd.concat([table[past], planned], ignore_index=True)

    def is_past(self, day: pd.Timestamp) -> bool:
        return self.today is None or day <= self.today

    def bars_today(self, symbol: str) -> pd.DataFrame:
        """Bars as they stand today: without the splits and dividends that are still to come."""
        bars = self.until_today(self.charts[symbol])
        if self.today is None or bars.empty:
            return bars
        bars = bars.copy()
        for day, ratio in self.splits.get(symbol, {}).items():
            if not self.is_past(day):
                bars[["open", "high", "low", "close", "adj_close"]] *= ratio
                bars["volume"] /= ratio
        newest = bars.iloc[-1]
        bars["adj_close"] = (bars["adj_close"] * (newest["close"] / newest["adj_close"])).round(6)
        return bars

    def until_today(self, values: Any) -> Any:
        return values if self.today is None else values[values.index <= self.today]

    def fred(self, request: Request) -> Reply:
        column = next(name for name, series in SERIES.items() if series == request.query["id"])
        values = self.until_today(self.macro[column])
        values = values[values.index >= pd.Timestamp(request.query["cosd"])]
        lines = [f"{day:%Y-%m-%d},{'.' if np.isnan(value) else value}" for day, value in values.items()]
        return Reply("\n".join([f"observation_date,{request.query['id']}", *lines, ""]).encode())
