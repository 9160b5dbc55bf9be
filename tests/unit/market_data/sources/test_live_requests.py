"""Pace, patience and the circuit breaker; EDGAR's manners."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from replay_bodies import as_json
from replay_server import always, at_first
from replay_sources import FIRST, LAST, live_source, quick

from lambdas.core.errors import InvalidRequestError, TransientMarketDataError
from lambdas.core.market_data.sources.edgar import Edgar, NoFilingsError
from lambdas.core.market_data.sources.edgar_facts import quarterly_reports
from lambdas.core.market_data.sources.live_requests import Manners, Pace, PassingFaultError, UnansweredError, patience
from lambdas.fundamental_data_enrichment import breaker

CONTACT = "Example Corp tests@example.org"


@pytest.fixture(autouse=True)
def closed_circuits(monkeypatch):
    from aws_lambda_powertools.utilities.circuit_breaker import base

    base._LOCAL_FAILURES.clear()
    monkeypatch.setattr(breaker, "_MEMORY", breaker.ProcessMemory())


def test_requests_are_spaced_across_threads():
    pace, moments = Pace(50.0), []

    def go(_number: int) -> None:
        pace.wait()
        moments.append(time.monotonic())

    begun = time.monotonic()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(go, range(20)))
    assert time.monotonic() - begun >= 19 / 50
    for moment in moments:
        assert sum(moment <= other < moment + 0.2 for other in moments) <= 12


def test_edgar_is_asked_no_faster_than_allowed_and_knows_whom_to_write_to(serve):
    server = serve(lambda request: as_json({"facts": {}}))
    edgar = Edgar(CONTACT, quick("edgar", server, per_second=10.0))
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(edgar.company_facts, range(1, 13)))
    first, last = server.requests[0].at, server.requests[-1].at
    assert last - first >= 11 / 10 - 0.05
    assert {request.headers["user-agent"] for request in server.requests} == {f"amts {CONTACT}"}


@pytest.mark.parametrize("contact", ["", "nobody"])
def test_edgar_is_not_asked_without_a_contact(contact):
    with pytest.raises(InvalidRequestError, match="set edgar_contact"):
        Edgar(contact)


def test_a_refused_contact_is_said_so_and_not_tried_again(serve):
    server = serve(lambda request: as_json({}, 403))
    with pytest.raises(InvalidRequestError, match="EDGAR refused"):
        Edgar(CONTACT, quick("edgar", server)).tickers()
    assert len(server.requests) == 1


def test_a_company_without_filings_is_not_asked_for_again(serve):
    server = serve(lambda request: None)
    with pytest.raises(NoFilingsError, match="no facts of company 0000000007"):
        Edgar(CONTACT, quick("edgar", server)).company_facts(7)
    assert len(server.requests) == 1


def test_facts_without_dates_or_numbers_are_left_out_and_counted():
    good = {"start": "2019-01-01", "end": "2019-03-31", "val": 5, "filed": "2019-05-01", "form": "10-Q", "accn": "a"}
    rows = [
        good,
        {**good, "end": None},
        {name: value for name, value in good.items() if name != "filed"},
        {**good, "val": "n/a"},
        {**good, "val": 99, "form": "S-1", "filed": "2019-04-02"},
    ]
    facts = {"facts": {"us-gaap": {"NetIncomeLoss": {"units": {"USD": rows}}}}}
    import pandas as pd

    reported = quarterly_reports("X", facts, pd.Series(dtype=float))
    assert reported.quarters["net_income"].tolist() == [5.0]
    assert reported.unusable_facts == 3


def test_a_year_of_uneven_quarters_adds_up():
    """Twelve, twelve, twelve and sixteen weeks, the cash flow told for the year so far as 10-Qs do."""
    import pandas as pd

    ends = pd.to_datetime(["2018-03-24", "2018-06-16", "2018-09-08", "2018-12-29"])
    filed = ends + pd.Timedelta(days=30)
    rows = [
        {"start": "2017-12-31", "end": f"{end:%Y-%m-%d}", "val": value, "filed": f"{day:%Y-%m-%d}", "form": "10-K"}
        for end, value, day in zip(ends, [10.0, 25.0, 45.0, 80.0], filed, strict=True)
    ]
    tags = {name: {"units": {"USD": rows}} for name in ("NetIncomeLoss", "NetCashProvidedByUsedInOperatingActivities")}
    quarters = quarterly_reports("X", {"facts": {"us-gaap": tags}}, pd.Series(dtype=float)).quarters
    assert quarters["period_end"].tolist() == list(ends)
    assert quarters["filed"].tolist() == list(filed)
    assert quarters["net_income"].tolist() == quarters["operating_cf"].tolist() == [10.0, 15.0, 20.0, 35.0]
    assert quarters["source"].tolist() == ["edgar"] + ["edgar, year less three quarters"] * 3


# --- the circuit breaker


def failing():
    raise PassingFaultError("status 500")


def test_patience_grows_and_ends():
    left, pauses = patience(), []
    for _ in range(7):
        left = left.increment(error=PassingFaultError("x"))
        pauses.append(left.get_backoff_time())
    assert pauses[0] == 0.0
    assert all(later >= 2.0 ** (number - 1) for number, later in enumerate(pauses[1:-1], 1))
    assert max(pauses) <= 30.0


def test_the_circuit_opens_after_failures_in_a_row_and_closes_again(monkeypatch):
    clock = [1_000_000]
    from aws_lambda_powertools.utilities.circuit_breaker.base import CircuitBreakerHandler

    monkeypatch.setattr(CircuitBreakerHandler, "_now", staticmethod(lambda: clock[0]))
    for _ in range(breaker.FAILURES_IN_A_ROW):
        with pytest.raises(PassingFaultError):
            breaker.guarded("yahoo", failing)
    with pytest.raises(TransientMarketDataError, match="yahoo failed 40 times in a row"):
        breaker.guarded("yahoo", lambda: "never called")
    assert breaker.guarded("edgar", lambda: "another circuit") == "another circuit"
    clock[0] += breaker.RECOVERY_SECONDS + 1
    assert breaker.guarded("yahoo", lambda: "probe") == "probe"
    assert breaker.guarded("yahoo", lambda: "closed") == "closed"


def test_a_success_in_between_keeps_it_closed():
    for _ in range(3):
        for _ in range(breaker.FAILURES_IN_A_ROW - 1):
            with pytest.raises(PassingFaultError):
                breaker.guarded("fred", failing)
        assert breaker.guarded("fred", lambda: 1) == 1


def test_a_clear_answer_is_no_failure():
    def unknown() -> None:
        raise KeyError("no such symbol")

    for _ in range(breaker.FAILURES_IN_A_ROW + 5):
        with pytest.raises(KeyError):
            breaker.guarded("yahoo", unknown)
    assert breaker.guarded("yahoo", lambda: 1) == 1


def test_an_open_circuit_ends_the_batch_as_a_passing_fault(market, serve, tmp_path, monkeypatch):
    monkeypatch.setattr(breaker, "FAILURES_IN_A_ROW", 5)
    bad = always("500", "/v8/finance/chart/S")
    server = serve(market, lambda request: None if "SPY" in request.path else bad(request))
    source = live_source(server, tmp_path, guard=breaker.guarded)
    with pytest.raises(TransientMarketDataError, match="left alone"):
        source.load(market.symbols, as_of=LAST, first=FIRST)
    asked = [request for request in server.asked("/v8/finance/chart/S") if "SPY" not in request.path]
    assert 5 <= len(asked) <= 5 + 4  # and not eight attempts for each of six symbols


@pytest.mark.parametrize("part", ["/calendar/earnings", "/v1/finance/search"])
def test_what_a_run_can_do_without_has_a_circuit_of_its_own(market, serve, tmp_path, monkeypatch, part):
    monkeypatch.setattr(breaker, "FAILURES_IN_A_ROW", 5)
    server = serve(market, always("500", part))
    source = live_source(server, tmp_path, guard=breaker.guarded)
    collected = source.load(market.symbols, as_of=LAST, first=FIRST)
    assert collected.problems == {}
    assert collected.dataset.prices.symbols == market.symbols
    kind = "no_earnings_dates" if "earnings" in part else "no_sector"
    assert set(collected.findings[kind]) == set(market.symbols)
    assert len(server.asked(part)) <= 5 + 4  # and not eight attempts for each of six symbols
    assert all("left alone" in reason or "status 500" in reason for reason in collected.findings[kind].values())
    assert set(collected.findings) == {kind}  # the other one had its answers


def test_an_attempt_that_is_refused_is_not_repeated():
    calls = []

    def guard(_name, _call):
        calls.append(1)
        raise TransientMarketDataError("open")

    with pytest.raises(TransientMarketDataError):
        Manners("x", Pace(1e6), guard=guard).ask("anything", lambda: 1)
    assert len(calls) == 1


def test_what_is_never_answered_says_how_often_it_was_asked(serve):
    server = serve(lambda request: as_json({"a": 1}), at_first("500", times=99))
    with pytest.raises(UnansweredError, match=r"edgar: .*: status 500, the server failed \(4 attempts\)"):
        Edgar(CONTACT, quick("edgar", server, attempts=4)).company_facts(1)
    assert len(server.requests) == 4
