"""The whole live source against servers of its own: what it collects, what it costs, what survives which fault."""

from __future__ import annotations

import datetime as dt
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from replay_server import always, at_first, sometimes
from replay_sources import FIRST, LAST, live_source

from lambdas.core.errors import InvalidRequestError, TransientMarketDataError
from lambdas.core.market_data.dataset import dataset_hash, read_dataset, write_dataset
from lambdas.core.market_data.panel import FIELDS
from lambdas.core.market_data.sources import LiveAccess, first_needed, fred, open_source


@pytest.fixture(scope="module")
def expected(market, tmp_path_factory):
    """What a healthy server delivers."""
    from replay_server import ReplayServer

    with ReplayServer(market).running() as server:
        source = live_source(server, tmp_path_factory.mktemp("cache"))
        return source.load(market.symbols, as_of=LAST, first=FIRST)


def test_prices_are_those_of_the_market(market, expected):
    dataset = expected.dataset
    assert dataset.prices.symbols == market.symbols
    assert expected.problems == {}
    for panel, truth in ((dataset.prices, market.dataset.prices), (dataset.benchmarks, market.dataset.benchmarks)):
        for field in FIELDS:
            np.testing.assert_allclose(getattr(panel, field), getattr(truth, field), rtol=1e-12)


def test_market_series_come_from_yahoo_and_the_two_year_yield_from_fred(market, expected):
    macro, truth = expected.dataset.macro, market.dataset.macro
    for column in ("vix", "ust3m", "ust2y", "ust10y", "dxy"):
        np.testing.assert_allclose(macro[column], truth[column], rtol=1e-12)


def test_fundamentals_are_edgars_with_their_filing_dates(market, expected):
    reports = expected.dataset.fundamentals
    truth = market.dataset.fundamentals
    truth = truth[truth["filed"] >= str(FIRST)].sort_values(["symbol", "period_end"])
    assert len(reports) == len(truth) > 20
    for column in ("symbol", "period_end", "filed", "eps", "revenue", "net_income", "total_assets", "equity", "shares"):
        assert reports[column].tolist() == truth[column].tolist(), column
    assert set(reports["source"]) == {"edgar"}


def test_sectors_and_names_are_known(market, expected):
    securities = expected.dataset.securities
    truth = market.dataset.securities
    assert securities["sector"].tolist() == truth["sector"].tolist()
    assert securities["name"].tolist() == [f"{symbol} Inc." for symbol in market.symbols]


def test_the_folder_it_writes_is_a_sound_data_set(expected, tmp_path):
    write_dataset(expected.dataset, tmp_path / "batch")
    again = read_dataset(tmp_path / "batch")
    assert dataset_hash(again) == dataset_hash(expected.dataset)
    assert again.notes == expected.notes


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_server_that_fails_three_requests_of_ten_delivers_the_same(market, expected, serve, tmp_path, seed):
    server = serve(market, sometimes(0.3, seed))
    collected = live_source(server, tmp_path, attempts=15).load(market.symbols, as_of=LAST, first=FIRST)
    assert server.faults > 5
    assert collected.problems == {}
    assert (collected.notes, collected.findings) == (expected.notes, expected.findings)
    assert dataset_hash(collected.dataset) == dataset_hash(expected.dataset)


def test_each_chart_and_each_company_is_asked_for_once(market, serve, tmp_path):
    server = serve(market)
    live_source(server, tmp_path).load(market.symbols, as_of=LAST, first=FIRST)
    charts = [request.path for request in server.asked("/v8/finance/chart/")]
    assert len(charts) == len(set(charts)) == len(market.symbols) + 3 + 4
    assert len(server.asked("companyfacts")) == len(market.symbols)
    assert len(server.asked("company_tickers")) == 1
    assert [request.query["id"] for request in server.asked("fredgraph")] == ["DGS2"]


def test_nothing_before_the_first_day_is_fetched(market, serve, tmp_path):
    server = serve(market)
    first = dt.date(2019, 1, 2)
    collected = live_source(server, tmp_path).load(market.symbols[:2], as_of=LAST, first=first)
    assert collected.dataset.sessions[0].date() == first
    periods = {int(request.query["period1"]) for request in server.asked("/v8/finance/chart/")}
    assert {dt.datetime.fromtimestamp(period, dt.UTC).date() for period in periods} == {first}


def test_as_of_cuts_prices_and_reports(market, serve, tmp_path):
    as_of = dt.date(2019, 3, 15)
    collected = live_source(serve(market), tmp_path).load(market.symbols, as_of=as_of, first=FIRST)
    assert collected.dataset.sessions[-1].date() == as_of
    assert collected.dataset.fundamentals["filed"].max().date() < as_of


# --- faults that cost a symbol


def test_an_unknown_symbol_costs_itself_only(market, serve, tmp_path):
    collected = live_source(serve(market), tmp_path).load([*market.symbols, "GONE"], as_of=LAST, first=FIRST)
    assert collected.problems == {"GONE": "Yahoo: No data found, symbol may be delisted"}
    assert collected.dataset.prices.symbols == market.symbols


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("429", "status 429, too many requests (3 attempts)"),
        ("500", "status 500, the server failed (3 attempts)"),
        ("broken", "the answer is no readable JSON (3 attempts)"),
        ("empty", "the answer is empty (3 attempts)"),
        ("timeout", "timed out"),
        ("cut", "attempts)"),
    ],
)
def test_a_symbol_that_is_not_answered_for_is_a_problem_with_its_reason(market, serve, tmp_path, kind, reason):
    bad, good = market.symbols[:2]
    server = serve(market, always(kind, f"/v8/finance/chart/{bad}"))
    collected = live_source(server, tmp_path, attempts=3).load([bad, good], as_of=LAST, first=FIRST)
    assert list(collected.problems) == [bad]
    assert reason in collected.problems[bad]
    assert len(server.asked(f"/v8/finance/chart/{bad}")) == 3
    assert collected.dataset.prices.symbols == (good,)


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_request_is_not_taken_for_a_delisted_symbol(market, serve, tmp_path, status):
    from replay_bodies import as_json

    refusal = {"finance": {"result": None, "error": {"code": "Unauthorized", "description": "Invalid Crumb"}}}
    bad, good = market.symbols[:2]

    def router(request):
        return as_json(refusal, status) if request.path.endswith(f"/chart/{bad}") else market(request)

    collected = live_source(serve(router), tmp_path).load([bad, good], as_of=LAST, first=FIRST)
    assert collected.problems == {bad: f"yahoo: {bad}: status {status}, the request was refused"}


def test_only_unknown_symbols_make_an_empty_batch(market, serve, tmp_path):
    collected = live_source(serve(market), tmp_path).load(["GONE", "LOST"], as_of=LAST, first=FIRST)
    assert set(collected.problems) == {"GONE", "LOST"}
    assert collected.dataset.prices.symbols == ()
    write_dataset(collected.dataset, tmp_path / "batch")
    assert read_dataset(tmp_path / "batch", allow_empty=True).prices.symbols == ()


def test_a_company_that_edgar_does_not_know_has_yahoos_statements_or_none(market, serve, tmp_path):
    odd = market.symbols[0]
    without = dict(market.ciks)

    def router(request):
        return market(request) if request.path != f"/api/xbrl/companyfacts/CIK{without[odd]:010d}.json" else None

    collected = live_source(serve(router), tmp_path).load(market.symbols, as_of=LAST, first=FIRST)
    assert collected.problems == {}
    assert odd not in set(collected.dataset.fundamentals["symbol"])
    assert collected.findings["no_fundamentals"][odd].startswith("none (EDGAR: EDGAR has no facts")


# --- faults that are waited for


@pytest.mark.parametrize(
    ("part", "complaint"),
    [
        ("chart/SPY", "Yahoo did not answer for 1 symbols, for example SPY"),
        ("chart/SIM", "Yahoo did not answer for 6 symbols, for example SIM01"),
        ("company_tickers", "EDGAR did not answer for 6 symbols"),
        ("companyfacts", "EDGAR did not answer for 6 symbols"),
    ],
)
@pytest.mark.parametrize("kind", ["429", "broken"])
def test_a_source_that_answers_nothing_is_transient(market, serve, tmp_path, part, complaint, kind):
    source = live_source(serve(market, always(kind, part)), tmp_path, attempts=2)
    with pytest.raises(TransientMarketDataError, match=complaint):
        source.load(market.symbols, as_of=LAST, first=FIRST)


def test_a_batch_of_one_bad_symbol_is_no_outage(market, serve, tmp_path):
    bad = market.symbols[0]
    collected = live_source(serve(market, always("500", f"chart/{bad}")), tmp_path, attempts=2).load(
        [bad], as_of=LAST, first=FIRST
    )
    assert set(collected.problems) == {bad}
    assert collected.dataset.prices.symbols == ()


def test_companies_that_edgar_does_not_answer_for_have_statements_or_none(market, serve, tmp_path):
    bad = f"companyfacts/CIK{market.ciks[market.symbols[0]]:010d}"
    source = live_source(serve(market, always("500", bad)), tmp_path, attempts=2)
    collected = source.load(market.symbols, as_of=LAST, first=FIRST)
    assert collected.problems == {}
    assert set(collected.dataset.fundamentals["symbol"]) == set(market.symbols[1:])
    assert "status 500" in collected.findings["no_fundamentals"][market.symbols[0]]


def test_retry_after_is_obeyed(market, serve, tmp_path):
    symbol = market.symbols[0]
    part = f"/v8/finance/chart/{symbol}"

    def router(request):
        reply = market(request)
        if part in request.path and request.number == 0:
            from replay_server import Reply

            return Reply(b"", 429, {"Retry-After": "1"})
        return reply

    server = serve(router)
    collected = live_source(server, tmp_path).load([symbol], as_of=LAST, first=FIRST)
    first, second = server.asked(part)
    assert collected.problems == {}
    assert 1.0 <= second.at - first.at < 2.0


def test_a_bar_on_a_holiday_is_left_out_and_said_so(market, serve, tmp_path):
    from replay_bodies import as_json, chart

    symbol = market.symbols[0]
    bars = market.charts[symbol]
    holiday = pd.Timestamp("2018-12-25")
    odd = pd.concat([bars, bars.iloc[[0]].set_axis([holiday])]).sort_index()

    def router(request):
        return as_json(chart(symbol, odd)) if request.path.endswith(f"/chart/{symbol}") else market(request)

    collected = live_source(serve(router), tmp_path).load([symbol], as_of=LAST, first=FIRST)
    np.testing.assert_allclose(collected.dataset.prices.close[:, 0], bars["close"])
    assert collected.findings["bars_on_no_session"] == {symbol: "1 bars on days without a session were left out"}


# --- fallbacks


@pytest.mark.parametrize(
    ("body", "complains"),
    [
        ("observation_date,DGS2\n2019-01-02,2.50\n2019-01-03,.\n", False),
        ("observation_date,DGS2\n2019-01-02,2.50\n2019-01-03,2.<html>", True),
        ("observation_date,DGS2\n2019-01-02,2.50\n2019-<html>", True),
        ("<html>sorry</html>", True),
        ("", True),
    ],
)
def test_half_an_answer_of_fred_is_asked_for_again(body, complains):
    answer = SimpleNamespace(status_code=200, text=body, content=body.encode())
    assert (fred.complaint("", answer) is not None) == complains


def test_fred_takes_over_where_yahoo_has_no_series(market, serve, tmp_path):
    server = serve(market, always("500", "%5EVIX"))
    collected = live_source(server, tmp_path, attempts=2).load(market.symbols[:1], as_of=LAST, first=FIRST)
    np.testing.assert_allclose(collected.dataset.macro["vix"], market.dataset.macro["vix"])
    assert collected.findings["macro_of_fred"]["vix"].startswith("FRED's VIXCLS: yahoo:")


def test_the_dollar_index_of_fred_comes_six_sessions_late(market, serve, tmp_path):
    server = serve(market, always("500", "DX-Y.NYB"))
    collected = live_source(server, tmp_path, attempts=2).load(market.symbols[:1], as_of=LAST, first=FIRST)
    got, truth = collected.dataset.macro["dxy"].to_numpy(), market.dataset.macro["dxy"].to_numpy()
    assert np.isnan(got[:6]).all()
    np.testing.assert_allclose(got[6:], truth[:-6])
    later = live_source(server, tmp_path, attempts=2).load(market.symbols[:1], as_of=LAST, first=dt.date(2018, 6, 1))
    np.testing.assert_allclose(later.dataset.macro["dxy"], got[-len(later.dataset.macro) :])


def test_a_gap_of_the_dollar_index_is_not_left_for_another_batch_to_fill(market, serve, tmp_path, monkeypatch):
    bars = market.charts["DX-Y.NYB"]
    monkeypatch.setitem(market.charts, "DX-Y.NYB", bars.drop(bars.index[[100, 101]]))
    collected = live_source(serve(market), tmp_path).load(market.symbols[:1], as_of=LAST, first=FIRST)
    got = collected.dataset.macro["dxy"]
    assert got[100] == got[101] == got[99] == bars["close"].iloc[99]
    assert got[102] == bars["close"].iloc[102]


def test_a_series_that_nobody_has_is_missing_and_said_so(market, serve, tmp_path):
    server = serve(market, always("500", "fredgraph"))
    collected = live_source(server, tmp_path, attempts=2).load(market.symbols[:1], as_of=LAST, first=FIRST)
    assert "ust2y" not in collected.dataset.macro
    assert collected.findings["macro_missing"]["ust2y"].startswith("fred:")


def test_a_missing_crumb_stops_nothing(market, expected, serve, tmp_path):
    server = serve(market, always("429", "getcrumb"))
    collected = live_source(server, tmp_path).load(market.symbols, as_of=LAST, first=FIRST)
    assert dataset_hash(collected.dataset) == dataset_hash(expected.dataset)


def test_a_passing_fault_is_tried_again(market, serve, tmp_path):
    server = serve(market, at_first("503", "/v8/finance/chart/", times=2))
    collected = live_source(server, tmp_path).load(market.symbols[:1], as_of=LAST, first=FIRST)
    assert collected.problems == {}
    assert len(server.asked(f"chart/{market.symbols[0]}")) == 3


# --- opening it


def test_without_a_contact_it_does_not_open():
    with pytest.raises(InvalidRequestError, match="AMTS_EDGAR_CONTACT"):
        open_source("yahoo")
    assert open_source("yahoo", live=LiveAccess("me@example.org")).name == "yahoo"


def test_without_symbols_it_says_what_to_do(market, serve, tmp_path):
    with pytest.raises(InvalidRequestError, match="name the ones to collect"):
        live_source(serve(market), tmp_path).load(None, as_of=LAST)


def test_history_reaches_back_as_far_as_the_run_needs():
    first = first_needed(dt.date(2019, 12, 31), train_years=5, lookback_days=1095, benchmark_period_days=90)
    assert (dt.date(2019, 12, 31) - first).days == 1826 + 1095 + 90 + 800
