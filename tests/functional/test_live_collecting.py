"""Collecting live data by the real handler, from a server of its own: batches, problems, and what is built."""

from __future__ import annotations

import dataclasses
import datetime as dt
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from in_memory_account import Account, call

sys.path.append(str(Path(__file__).resolve().parents[1] / "replay"))

from replay_bodies import Market
from replay_server import ReplayServer, always
from replay_sources import forget_yfinance

from lambdas.advanced_model_tuning_service.handler import handler as service_handler
from lambdas.core.errors import InvalidRequestError, TransientMarketDataError
from lambdas.core.market_data.dataset import read_dataset
from lambdas.core.market_data.sources import SimulatedSource
from lambdas.core.market_data.sources.raw_store import RawStore
from lambdas.core.settings import ModelSettings
from lambdas.fundamental_data_enrichment import collecting
from lambdas.fundamental_data_enrichment.batch import BatchRecord
from lambdas.fundamental_data_enrichment.handler import handler

FIRST, LAST = dt.date(2015, 1, 2), dt.date(2018, 12, 31)
SETTINGS = ModelSettings.model_validate({"walk_forward": {"train_years": 1.0}})
COLLECT = {
    "action": "collect",
    "run_id": "run-1",
    "data": "yahoo",
    "as_of": "2018-12-28",
    "lookback_days": 200,
    "benchmark_period_days": 90,
}


@pytest.fixture(scope="module")
def market() -> Market:
    return Market(SimulatedSource(n_symbols=12, first=FIRST, last=LAST).load(None, as_of=None).dataset)


@pytest.fixture
def server(market: Market, account: Account, monkeypatch: pytest.MonkeyPatch) -> Iterator[ReplayServer]:
    forget_yfinance()
    account.configure(SETTINGS, data_source="yahoo", edgar_contact="Example Corp data@example.org")
    real = collecting.live_access
    with ReplayServer(market).running() as server:
        monkeypatch.setattr(
            collecting, "live_access", lambda stores: dataclasses.replace(real(stores), gateway=server.address)
        )
        yield server


def test_batches_of_live_data_become_a_feature_set(server: ReplayServer, account: Account, market: Market) -> None:
    batches = [[*market.symbols[:6], "GONE"], [*market.symbols[6:]]]
    collected = [call(handler, {**COLLECT, "symbols": batch}) for batch in batches]
    assert [(one["n_symbols"], one["n_problems"]) for one in collected] == [(6, 1), (6, 0)]
    assert collected[0]["problems"] == [{"symbol": "GONE", "reason": "Yahoo: No data found, symbol may be delisted"}]
    record = BatchRecord.read(account.stores.datasets.folder(collected[0]["raw_uri"]))
    assert set(record.requested) == set(batches[0])

    uris = [one["raw_uri"] for one in collected]
    built = call(handler, {"action": "build", "run_id": "run-1", "raw_uris": uris, "as_of": "2018-12-28"})
    assert built["n_symbols"] == 12
    assert built["as_of"] == "2018-12-28"
    assert built["absent_families"] == []
    assert built["symbol_coverage"] == pytest.approx(12 / 13)
    assert built["gate"]["verdict"] == "PASS"
    # Warm-up, a year of training, walk-forward and holdout: not a day more was asked for.
    first = dt.date(2018, 12, 28) - dt.timedelta(days=365 + 200 + 90 + 800)
    asked = {int(request.query["period1"]) for request in server.asked("/v8/finance/chart/")}
    assert {dt.datetime.fromtimestamp(period, dt.UTC).date() for period in asked} == {first}
    assert {request.headers["user-agent"] for request in server.asked("companyfacts")} == {
        "amts Example Corp data@example.org"
    }


def test_collecting_the_same_again_writes_nothing_new(server: ReplayServer, account: Account, market: Market) -> None:
    event = {**COLLECT, "symbols": list(market.symbols[:3])}
    first = call(handler, event)
    before = account.contents()
    asked = len(server.asked("/v8/finance/chart/"))
    again = call(handler, event)
    # The same but for what came over the network: that is what the second invocation cost, and it is nothing.
    assert again == {**first, "received_bytes": 0}
    assert first["received_bytes"] > 0
    assert account.contents() == before
    assert len(server.asked("/v8/finance/chart/")) == asked  # the bars are in the raw store


def test_what_was_answered_lies_by_source_symbol_and_content(
    server: ReplayServer, account: Account, market: Market
) -> None:
    call(handler, {**COLLECT, "symbols": list(market.symbols[:2])})
    keys = {uri.partition("/raw/")[2] for uri in account.contents()["objects"] if "/raw/" in uri}
    symbol = market.symbols[0]
    assert {key.split("/")[0] for key in keys} == {
        "yahoo", "yahoo-sector", "yahoo-earnings", "edgar", "edgar-companies", "fred",
    }  # fmt: skip
    index = RawStore(account.stores.datasets.raw).find("yahoo", symbol).index
    assert (index.last, index.object in {key.split("/")[-1] for key in keys}) == (LAST, True)
    assert re.fullmatch(r"[0-9a-f]{32}\.parquet", index.object)


def test_the_next_session_is_an_increment_and_a_lost_race_changes_nothing(
    server: ReplayServer, account: Account, market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    def evening(day: dt.date) -> None:
        market.today = pd.Timestamp(day)
        moment = dt.datetime.combine(day, dt.time(23), dt.UTC)
        monkeypatch.setattr(collecting, "now", lambda: moment)
        monkeypatch.setattr("lambdas.core.market_data.sources.live_access.now", lambda: moment)

    event = {**COLLECT, "symbols": list(market.symbols[:3]), "as_of": None}
    try:
        evening(dt.date(2018, 12, 27))
        call(handler, event)
        before = account.contents()["objects"]
        begun = len(server.requests)
        evening(dt.date(2018, 12, 28))
        grown = call(handler, event)
        asked = [r for r in server.requests[begun:] if "/v8/finance/chart/S" in r.path]
        starts = {dt.datetime.fromtimestamp(int(request.query["period1"]), dt.UTC).date() for request in asked}
        assert starts == {dt.date(2018, 12, 13)}  # ten sessions, the 5th was a day of mourning
        written = {uri for uri, content in account.contents()["objects"].items() if before.get(uri) != content}
        symbols = {uri.split("/raw/yahoo/")[1].split("/")[0] for uri in written if "/raw/yahoo/" in uri}
        assert symbols >= {*market.symbols[:3], "SPY", "QQQ", "IWM"}
        assert not any("/raw/yahoo-sector/" in uri for uri in written)
        folder = account.stores.datasets.folder(grown["raw_uri"])
        assert read_dataset(folder).sessions[-1].date() == dt.date(2018, 12, 28)
        raw = RawStore(account.stores.datasets.raw)
        stale = raw.find("yahoo", "SPY")
        raw.keep("yahoo", "SPY", b"newer", "parquet", stale)
        raw.keep("yahoo", "SPY", b"too late", "parquet", stale)
        assert raw.find("yahoo", "SPY").content == b"newer"
    finally:
        market.today = None


def test_an_outage_has_the_name_that_is_retried_and_stores_nothing(
    server: ReplayServer, account: Account, market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lambdas.core.market_data.sources.live_requests.time.sleep", lambda _seconds: None)
    server.fault = always("500", "/v8/finance/chart/")
    before = account.contents()
    with pytest.raises(TransientMarketDataError, match="The step is retried"):
        call(handler, {**COLLECT, "symbols": list(market.symbols[:3])})
    assert account.contents() == before


def test_without_a_contact_nothing_is_asked(server: ReplayServer, account: Account, market: Market) -> None:
    account.configure(SETTINGS, data_source="yahoo", edgar_contact="")
    with pytest.raises(InvalidRequestError, match="AMTS_EDGAR_CONTACT"):
        call(handler, {**COLLECT, "symbols": list(market.symbols[:3])})
    assert server.requests == []


def test_a_dry_run_says_that_the_contact_is_missing(account: Account) -> None:
    account.configure(SETTINGS, data_source="yahoo", edgar_contact="")
    event = {
        "action": "plan",
        "workflow": "advanced-model-tuning",
        "run_id": "dry",
        "execution_arn": "arn:aws:states:us-east-1:123456789012:execution:tuning:dry",
        "started_at": "2026-11-22T02:00:00.123Z",
        "request": {"dry_run": True, "data": "yahoo", "symbols": ["AAPL", "MSFT"]},
    }
    with pytest.raises(InvalidRequestError, match="edgar_contact is not set"):
        call(service_handler, event)
