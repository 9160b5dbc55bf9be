"""Collecting live data by the real handler, from a server of its own: batches, problems, and what is built."""

from __future__ import annotations

import dataclasses
import datetime as dt
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from in_memory_account import Account, call

sys.path.append(str(Path(__file__).resolve().parents[1] / "replay"))

from replay_bodies import Market
from replay_server import ReplayServer, always
from replay_sources import forget_yfinance

from lambdas.core.errors import InvalidRequestError, TransientMarketDataError
from lambdas.core.market_data.sources import SimulatedSource
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
    assert call(handler, event) == first
    assert account.contents() == before


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
