"""A run a day: what it asks for and writes, that it equals a full rebuild, and that no answer spoils what is stored."""

from __future__ import annotations

import datetime as dt
import hashlib
import json

import numpy as np
import pandas as pd
import pytest
from replay_bodies import Market, as_json, chart
from replay_server import Reply, always, sometimes
from replay_sources import live_source

from lambdas.core.errors import TransientMarketDataError
from lambdas.core.features import build_features, write_features
from lambdas.core.market_data.calendar import add_sessions, sessions_in
from lambdas.core.market_data.dataset import select_symbols, write_dataset
from lambdas.core.market_data.sources import SimulatedSource
from lambdas.core.market_data.sources.raw_store import FolderObjects, MemoryObjects, RawStore

FIRST, LAST = dt.date(2017, 1, 3), dt.date(2018, 6, 29)
DAY = dt.date(2018, 4, 24)
SPLIT = pd.Timestamp("2018-04-27")


class Recorded(MemoryObjects):
    """Objects in memory that remember the keys that were written."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[str] = []

    def write_once(self, key, content):
        if key not in self.contents:
            self.written.append(key)
        super().write_once(key, content)

    def replace(self, key, content, version):
        done = super().replace(key, content, version)
        if done:
            self.written.append(key)
        return done


@pytest.fixture(scope="module")
def dataset():
    """Six companies that are listed all the time."""
    whole = SimulatedSource(n_symbols=8, first=FIRST, last=LAST).load(None, as_of=None).dataset
    always_listed = np.isfinite(whole.prices.close).all(axis=0)
    return select_symbols(whole, np.array(whole.prices.symbols)[always_listed].tolist())


@pytest.fixture
def market(dataset):
    """One company gives four shares for one."""
    return Market(dataset, {dataset.prices.symbols[2]: {SPLIT: 4}})


def collect(market, serve, folder, raw, day, symbols=None, fault=None, first=FIRST, attempts=8):
    market.today = pd.Timestamp(day)
    server = serve(market, fault) if fault else serve(market)
    source = live_source(server, folder, raw=raw, today=day, attempts=attempts)
    return server, source.load(symbols or market.symbols, as_of=None, first=first)


def files(collected, folder):
    """Hashes of all files of the data set and of its feature set."""
    write_dataset(collected.dataset, folder)
    hashes = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}
    features = folder.with_name(f"{folder.name}.features")
    write_features(build_features(collected.dataset), features)
    return {**hashes, "features": hashlib.sha256(features.read_bytes()).hexdigest()}


def day_of(request):
    return dt.datetime.fromtimestamp(int(request.query["period1"]), dt.UTC).date()


# --- one session more


def test_a_new_session_costs_one_short_request_a_series_and_writes_only_what_changed(market, serve, tmp_path):
    raw = Recorded()
    collect(market, serve, tmp_path, raw, DAY)
    raw.written.clear()
    next_day = add_sessions(DAY, 1)
    server, collected = collect(market, serve, tmp_path, raw, next_day)
    assert collected.dataset.sessions[-1].date() == next_day

    overlap = sessions_in(FIRST, DAY)[-10].date()
    charts = server.asked("/v8/finance/chart/")
    assert len(charts) == len({request.path for request in charts}) == len(market.symbols) + 3 + 4
    stocks = [request for request in charts if request.path.rsplit("/", 1)[1] in market.symbols]
    assert {day_of(request) for request in stocks} == {overlap}
    assert [request.query["cosd"] for request in server.asked("fredgraph")] == [overlap.isoformat()]
    assert not server.asked("company_tickers")
    assert not server.asked("/v1/finance/search")
    facts = server.asked("companyfacts")
    assert len(facts) == len(market.symbols)
    assert all("if-none-match" in request.headers for request in facts)

    changed = {key.rsplit("/", 1)[0] for key in raw.written}
    series = [*market.symbols, "SPY", "QQQ", "IWM", "_VIX", "_IRX", "_TNX", "DX-Y.NYB"]
    reports = market.dataset.fundamentals
    new_filings = reports.loc[reports["filed"] == pd.Timestamp(next_day), "symbol"]
    allowed = {*(f"yahoo/{name}" for name in series), "fred/DGS2", *(f"edgar/{name}" for name in new_filings)}
    assert {f"yahoo/{name}" for name in series} | {"fred/DGS2"} <= changed
    assert {key for key in changed - allowed if not key.startswith("yahoo-earnings/")} == set()
    for place in changed:
        assert sum(key.startswith(f"{place}/") for key in raw.written) == 2  # an object, then the index
        assert [key for key in raw.written if key.startswith(f"{place}/")][-1].endswith("index.json")


def test_the_same_day_again_asks_for_no_bar_and_writes_nothing(market, serve, tmp_path):
    raw = Recorded()
    _, first = collect(market, serve, tmp_path, raw, DAY)
    raw.written.clear()
    server, second = collect(market, serve, tmp_path, raw, DAY)
    assert not server.asked("/v8/finance/chart/")
    assert raw.written == []
    assert files(first, tmp_path / "first") == files(second, tmp_path / "second")


def test_a_week_and_a_half_of_increments_equal_a_full_rebuild_byte_for_byte(market, serve, tmp_path):
    """Over dividends, filings, announcements and a split: after each session the same files as from nothing."""
    raw = MemoryObjects()
    collect(market, serve, tmp_path, raw, DAY)
    whole = 0
    for number in range(1, 9):
        day = add_sessions(DAY, number)
        server, grown = collect(market, serve, tmp_path, raw, day)
        whole += sum(day_of(request) == FIRST for request in server.asked("/v8/finance/chart/SIM"))
        _, rebuilt = collect(market, serve, tmp_path, MemoryObjects(), day)
        assert grown.findings == rebuilt.findings
        assert files(grown, tmp_path / f"grown-{day}") == files(rebuilt, tmp_path / f"rebuilt-{day}"), day
    known = grown.dataset.fundamentals
    assert whole < 10  # dividends and the split, and not every day
    assert whole >= 2
    assert known["announced"].notna().any()
    assert (known["filed"] > pd.Timestamp(DAY)).any()


def test_the_split_is_noticed_and_every_figure_is_on_the_new_count(market, serve, tmp_path):
    raw, symbol = MemoryObjects(), market.symbols[2]
    before = collect(market, serve, tmp_path, raw, (SPLIT - pd.Timedelta(days=1)).date(), [symbol])[1].dataset
    server, after = collect(market, serve, tmp_path, raw, SPLIT.date(), [symbol])
    assert {day_of(request) for request in server.asked(f"chart/{symbol}")} > {FIRST}
    np.testing.assert_allclose(before.prices.close[:, 0] / after.dataset.prices.close[:-1, 0], 4.0)
    joined = before.fundamentals.merge(after.dataset.fundamentals, on=["period_end", "filed"])
    np.testing.assert_allclose(joined["eps_x"] / joined["eps_y"], 4.0)
    np.testing.assert_allclose(joined["shares_y"] / joined["shares_x"], 4.0)


@pytest.mark.parametrize("row", [1, -3, -9])
def test_a_corrected_bar_in_the_overlap_fetches_the_symbol_again(market, serve, tmp_path, row, monkeypatch):
    raw, symbol = MemoryObjects(), market.symbols[0]
    collect(market, serve, tmp_path, raw, DAY, [symbol])
    bars = market.charts[symbol].copy()
    changed = bars.index[bars.index <= pd.Timestamp(DAY)][row]
    bars.loc[changed, "close"] *= 1.01
    bars.loc[changed, "high"] *= 1.02
    monkeypatch.setitem(market.charts, symbol, bars)
    next_day = add_sessions(DAY, 1)
    server, collected = collect(market, serve, tmp_path, raw, next_day, [symbol])
    asked = [day_of(request) for request in server.asked(f"chart/{symbol}")]
    in_overlap = row < 0
    assert (FIRST in asked) == in_overlap
    _, rebuilt = collect(market, serve, tmp_path, MemoryObjects(), next_day, [symbol])
    same = np.array_equal(collected.dataset.prices.close, rebuilt.dataset.prices.close)
    assert same == in_overlap  # what is repaired further back waits for the complete fetch
    if not in_overlap:
        later = DAY + dt.timedelta(days=30)
        _, healed = collect(market, serve, tmp_path, raw, later, [symbol])
        _, rebuilt = collect(market, serve, tmp_path, MemoryObjects(), later, [symbol])
        assert np.array_equal(healed.dataset.prices.close, rebuilt.dataset.prices.close)


def test_a_longer_history_is_fetched_and_a_shorter_one_is_at_hand(market, serve, tmp_path):
    raw, symbol = MemoryObjects(), market.symbols[0]
    short, long = dt.date(2017, 9, 1), FIRST
    collect(market, serve, tmp_path, raw, DAY, [symbol], first=short)
    server, collected = collect(market, serve, tmp_path, raw, DAY, [symbol], first=long)
    assert [day_of(request) for request in server.asked(f"chart/{symbol}")] == [long]
    assert collected.dataset.sessions[0].date() == long
    server, collected = collect(market, serve, tmp_path, raw, DAY, [symbol], first=short)
    assert not server.asked(f"chart/{symbol}")
    assert collected.dataset.sessions[0].date() == short


def test_a_bar_that_is_still_trading_is_not_stored(market, serve, tmp_path):
    raw, symbol = MemoryObjects(), market.symbols[0]
    market.today = pd.Timestamp(add_sessions(DAY, 1))  # the server has it already
    source = live_source(serve(market), tmp_path, raw=raw, today=DAY)
    collected = source.load([symbol], as_of=None, first=FIRST)
    assert collected.dataset.sessions[-1].date() == DAY
    kept = RawStore(raw).find("yahoo", symbol)
    assert kept.index.last == DAY


def test_a_restatement_is_a_new_document_and_the_first_value_stays(market, serve, tmp_path, monkeypatch):
    raw, symbol = Recorded(), market.symbols[0]
    _, before = collect(market, serve, tmp_path, raw, DAY, [symbol])
    frame = market.dataset.fundamentals
    filed = market.filed

    def restated(name):
        own = filed(name)
        again = own.tail(1).assign(revenue=1.0, filed=pd.Timestamp(DAY))
        return pd.concat([own, again], ignore_index=True)

    monkeypatch.setattr(market, "filed", restated)
    raw.written.clear()
    _, after = collect(market, serve, tmp_path, raw, DAY, [symbol])
    assert sum(key.startswith(f"edgar/{symbol}/") for key in raw.written) == 2
    assert len(frame) > 0
    key = ["symbol", "period_end"]
    pd.testing.assert_series_equal(
        before.dataset.fundamentals.set_index(key)["revenue"], after.dataset.fundamentals.set_index(key)["revenue"]
    )


# --- answers that are worse than what is stored


def partial(market, symbol, change):
    """The market, whose chart of `symbol` went through `change`."""

    def router(request):
        if not request.path.endswith(f"/chart/{symbol}"):
            return market(request)
        bars = market.bars_today(symbol)
        first = pd.Timestamp(int(request.query["period1"]), unit="s").normalize()
        return as_json(chart(symbol, change(bars[bars.index >= first])))

    return router


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("a hole", lambda bars: bars.drop(bars.index[-4])),
        ("a shorter history", lambda bars: bars.iloc[len(bars) // 2 :]),
        ("half of the rows", lambda bars: bars.iloc[::2]),
        ("a missing tail", lambda bars: bars.iloc[:-3]),
    ],
)
def test_a_partial_answer_never_replaces_good_data(market, serve, tmp_path, name, change):
    raw, symbol = MemoryObjects(), market.symbols[0]
    _, good = collect(market, serve, tmp_path, raw, DAY, [symbol])
    before = dict(raw.contents)
    next_day = add_sessions(DAY, 1)
    market.today = pd.Timestamp(next_day)
    source = live_source(serve(partial(market, symbol, change)), tmp_path, raw=raw, today=next_day)
    collected = source.load([symbol], as_of=None, first=FIRST)
    assert collected.problems == {}
    assert "what was stored up to 2018-04-24 is used" in collected.findings["prices_not_renewed"][symbol]
    np.testing.assert_array_equal(
        collected.dataset.prices.close[: len(good.dataset.sessions)], good.dataset.prices.close
    )
    stored = {key: value for key, value in raw.contents.items() if key.startswith(f"yahoo/{symbol}/")}
    assert stored == {key: value for key, value in before.items() if key.startswith(f"yahoo/{symbol}/")}
    _, healed = collect(market, serve, tmp_path, raw, next_day, [symbol])
    assert healed.findings.get("prices_not_renewed") is None
    assert healed.dataset.sessions[-1].date() == next_day


def test_a_symbol_that_yahoo_forgot_ends_with_what_was_stored(market, serve, tmp_path, monkeypatch):
    raw, symbol = MemoryObjects(), market.symbols[0]
    collect(market, serve, tmp_path, raw, DAY)
    monkeypatch.delitem(market.charts, symbol)
    next_day = add_sessions(DAY, 1)
    _, collected = collect(market, serve, tmp_path, raw, next_day)
    assert collected.problems == {}
    prices = collected.dataset.prices
    ended = prices.close[:, prices.symbols.index(symbol)]
    assert np.isnan(ended[-1])
    assert np.isfinite(ended[-2])
    assert "delisted" in collected.findings["prices_not_renewed"][symbol]


@pytest.mark.parametrize("kind", ["429", "broken", "empty"])
def test_a_symbol_that_is_not_answered_for_today_keeps_its_history(market, serve, tmp_path, kind):
    raw, symbol = MemoryObjects(), market.symbols[0]
    collect(market, serve, tmp_path, raw, DAY)
    fault = always(kind, f"/v8/finance/chart/{symbol}")
    _, collected = collect(market, serve, tmp_path, raw, add_sessions(DAY, 1), fault=fault, attempts=2)
    assert symbol in collected.dataset.prices.symbols
    assert "(2 attempts); what was stored" in collected.findings["prices_not_renewed"][symbol]


def test_an_outage_is_waited_for_though_there_is_something_stored(market, serve, tmp_path):
    raw = MemoryObjects()
    collect(market, serve, tmp_path, raw, DAY)
    for part in ("chart/SPY", "chart/SIM"):
        with pytest.raises(TransientMarketDataError, match="Yahoo did not answer"):
            collect(market, serve, tmp_path, raw, add_sessions(DAY, 1), fault=always("500", part), attempts=2)


def test_half_of_a_companys_facts_do_not_replace_all_of_them(market, serve, tmp_path):
    raw, symbol = MemoryObjects(), market.symbols[0]
    _, good = collect(market, serve, tmp_path, raw, DAY, [symbol])

    def router(request):
        reply = market(request)
        if "companyfacts" not in request.path:
            return reply
        request.headers.pop("if-none-match", None)
        body = json.loads(market(request).body)
        tag = body["facts"]["us-gaap"]
        for name in tag:
            for unit in tag[name]["units"].values():
                del unit[len(unit) // 2 :]
        return Reply(json.dumps(body).encode(), 200, {"Content-Type": "application/json"})

    collected = live_source(serve(router), tmp_path, raw=raw, today=DAY).load([symbol], as_of=None, first=FIRST)
    pd.testing.assert_frame_equal(collected.dataset.fundamentals, good.dataset.fundamentals)
    assert "filings that are stored" in collected.findings["facts_not_renewed"][symbol]


def test_earnings_dates_that_shrank_and_a_sector_that_went_are_kept(market, serve, tmp_path):
    raw, symbol = MemoryObjects(), market.symbols[0]
    _, good = collect(market, serve, tmp_path, raw, DAY, [symbol])
    later = DAY + dt.timedelta(days=45)

    def router(request):
        if request.path == "/v1/finance/search":
            return as_json({"quotes": [], "news": []})
        if request.path == "/calendar/earnings":
            return Reply(b"<html><body><p>Nothing</p></body></html>", 200, {"Content-Type": "text/html"})
        return market(request)

    market.today = pd.Timestamp(later)
    collected = live_source(serve(router), tmp_path, raw=raw, today=later).load([symbol], as_of=None, first=FIRST)
    assert collected.dataset.securities["sector"].tolist() == good.dataset.securities["sector"].tolist()
    assert (
        collected.dataset.fundamentals["announced"].notna().sum()
        >= good.dataset.fundamentals["announced"].notna().sum()
    )
    assert "what was stored on 2018-04-24" in collected.findings["no_earnings_dates"][symbol]


def test_a_flaky_server_leaves_the_same_store_and_the_same_features(market, serve, tmp_path):
    healthy, flaky = MemoryObjects(), MemoryObjects()
    for number, day in enumerate((DAY, add_sessions(DAY, 1))):
        _, expected = collect(market, serve, tmp_path, healthy, day)
        server, collected = collect(
            market, serve, tmp_path, flaky, day, fault=sometimes(0.3, seed=7 + number), attempts=15
        )
        assert server.faults > 5
        assert collected.findings == expected.findings
        assert files(collected, tmp_path / f"flaky-{day}") == files(expected, tmp_path / f"healthy-{day}")
    assert flaky.contents == healthy.contents


# --- the store itself


def test_what_was_altered_or_lost_is_fetched_again(market, serve, tmp_path):
    symbol = market.symbols[0]
    for harm in (lambda raw, key: raw.contents.pop(key), lambda raw, key: raw.contents.update({key: b"cut"})):
        raw = MemoryObjects()
        _, good = collect(market, serve, tmp_path, raw, DAY, [symbol])
        key = next(key for key in raw.contents if key.startswith(f"yahoo/{symbol}/") and key.endswith(".parquet"))
        harm(raw, key)
        raw.contents.pop(key, None)  # an immutable object that was altered has to be removed by hand
        server, again = collect(market, serve, tmp_path, raw, DAY, [symbol])
        assert [day_of(request) for request in server.asked(f"chart/{symbol}")] == [FIRST]
        assert files(good, tmp_path / "good") == files(again, tmp_path / "again")
        assert RawStore(raw).find("yahoo", symbol) is not None


@pytest.mark.parametrize("place", ["memory", "folder"])
def test_a_crash_before_the_index_leaves_the_old_state(tmp_path, place):
    objects = MemoryObjects() if place == "memory" else FolderObjects(tmp_path)
    store = RawStore(objects)
    store.keep("yahoo", "AAA", b"old", "parquet", None, rows=1)
    old = store.find("yahoo", "AAA")

    class Dying:
        find, write_once = objects.find, objects.write_once

        def replace(self, *_args):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        RawStore(Dying()).keep("yahoo", "AAA", b"new", "parquet", old, rows=2)
    assert store.find("yahoo", "AAA") == old
    store.keep("yahoo", "AAA", b"new", "parquet", old, rows=2)
    assert store.find("yahoo", "AAA").content == b"new"


@pytest.mark.parametrize("place", ["memory", "folder"])
def test_who_loses_a_race_leaves_the_winners_index(tmp_path, place):
    store = RawStore(MemoryObjects() if place == "memory" else FolderObjects(tmp_path))
    store.keep("yahoo", "AAA", b"old", "parquet", None)
    seen = store.find("yahoo", "AAA")
    store.keep("yahoo", "AAA", b"winner", "parquet", seen)
    store.keep("yahoo", "AAA", b"loser", "parquet", seen)
    assert store.find("yahoo", "AAA").content == b"winner"
