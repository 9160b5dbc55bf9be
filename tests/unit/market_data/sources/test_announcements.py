"""Dates of earnings: what yfinance reads of Yahoo's page, and which quarter of EDGAR each of them belongs to.

No page of Yahoo's is at hand. `earnings_page` is built to what yfinance 1.7 parses, and yfinance parses it here.
"""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest
from replay_bodies import earnings_page
from replay_server import Reply, always
from replay_sources import FIRST, LAST, live_source, quick

from lambdas.core.market_data.dataset import cut_dataset
from lambdas.core.market_data.point_in_time import information_times
from lambdas.core.market_data.sources.announcements import ANNOUNCED, release_times, with_announcements
from lambdas.core.market_data.sources.increments import NoDataError
from lambdas.core.market_data.sources.live_requests import UnansweredError
from lambdas.core.market_data.sources.yahoo import Yahoo

TODAY = pd.Timestamp("2019-12-31")


def table(*rows):
    frame = pd.DataFrame(rows, columns=["announced", "hour", "eps_est", "eps_reported"])
    return frame.assign(announced=pd.to_datetime(frame["announced"]).astype("datetime64[ns]"))


def reports(*rows):
    frame = pd.DataFrame(rows, columns=["period_end", "filed", "eps"]).assign(symbol="AAA", source="edgar", revenue=5.0)
    for name in ("period_end", "filed"):
        frame[name] = pd.to_datetime(frame[name]).astype("datetime64[ns]")
    return frame


def yahoo_with(serve, tmp_path, page, fault=None, attempts=8):
    def router(request):
        return Reply(page.encode()) if request.path == "/calendar/earnings" else Reply(b"", 404)

    server = serve(router, fault) if fault else serve(router)
    return server, Yahoo(quick("yahoo", server, attempts=attempts), tmp_path)


# --- the page


def test_a_page_of_dates_becomes_days_hours_and_figures(serve, tmp_path):
    told = table(
        ("2018-11-01", 16.0, 2.79, 2.91), ("2019-01-29", 7.0, 4.17, 4.18), ("2019-07-30", 0.0, 2.1, np.nan)
    )  # fmt: skip
    server, yahoo = yahoo_with(serve, tmp_path, earnings_page("AAPL", told))
    pd.testing.assert_frame_equal(yahoo.announcements("AAPL"), told)
    assert server.asked("/calendar/earnings")[0].query == {"symbol": "AAPL", "offset": "0", "size": "100"}


def test_a_page_without_a_table_or_in_another_form_has_no_dates(serve, tmp_path):
    odd = earnings_page("AAPL", table(("2018-11-01", 16.0, 2.79, 2.91))).replace("at 4 PM EDT", "in the evening")
    for page in (earnings_page("AAPL", table()), odd, "<html><body>Please accept our cookies</body></html>"):
        with pytest.raises(NoDataError, match="dates of earnings"):
            yahoo_with(serve, tmp_path, page)[1].announcements("AAPL")


def test_half_a_page_is_asked_for_again(serve, tmp_path):
    page = earnings_page("AAPL", table(("2018-11-01", 16.0, 2.79, 2.91)))
    server, yahoo = yahoo_with(serve, tmp_path, page[: len(page) // 2], attempts=3)
    with pytest.raises(UnansweredError, match="the page has no end"):
        yahoo.announcements("AAPL")
    assert len(server.asked("/calendar/earnings")) == 3


# --- quarters


def test_each_quarter_has_its_announcement_and_the_streets_surprise():
    filed = reports(("2019-03-31", "2019-05-01", 2.00), ("2019-06-30", "2019-08-01", 2.18))
    told = table(
        ("2019-02-01", 7.0, 1.0, 1.1),  # of a quarter that is not there
        ("2019-04-24", 16.0, 2.30, 2.46),
        ("2019-05-14", 7.0, 9.9, 9.9),  # after the filing: no result
        ("2019-07-30", 7.0, 2.10, 2.18),
        ("2019-10-30", 16.0, 2.84, np.nan),
    )
    joined = with_announcements(filed, told, pd.Timestamp("2019-08-31"))
    assert joined["announced"].tolist() == [pd.Timestamp("2019-04-24"), pd.Timestamp("2019-07-30")]
    assert joined["release_time"].tolist() == ["post", "pre"]
    assert joined["eps"].tolist() == [2.00, 2.18]  # as filed
    assert joined["eps_est"].tolist() == [1.84, 2.10]  # 2.00 less the street's surprise of 0.16
    assert joined["eps_consensus"].tolist() == [2.30, 2.10]
    assert joined["eps_reported"].tolist() == [2.46, 2.18]


def test_a_later_filing_for_the_period_keeps_its_own_day():
    filed = reports(("2019-03-31", "2019-05-01", np.nan), ("2019-03-31", "2019-06-20", 2.0))
    joined = with_announcements(filed, table(("2019-04-24", 16.0, 2.3, 2.4)), TODAY)
    assert joined["announced"].tolist() == [pd.Timestamp("2019-04-24"), pd.NaT]
    known = information_times(joined)
    assert known.announced[1] == np.datetime64("2019-06-21")  # its earnings were first told there


def test_one_announcement_is_not_that_of_two_quarters():
    filed = reports(("2018-12-31", "2019-04-30", 1.0), ("2019-03-31", "2019-05-20", 2.0))
    joined = with_announcements(filed, table(("2019-04-15", 7.0, 1.0, 1.0)), TODAY)
    assert joined["announced"].notna().tolist() == [True, False]


def test_a_report_without_a_day_of_filing_gets_none():
    joined = with_announcements(reports(("2019-03-31", None, 1.0)), table(("2019-04-15", 7.0, 1.0, 1.0)), TODAY)
    assert joined["announced"].isna().all()
    assert information_times(joined).assumed.all()


def test_a_result_that_is_not_filed_yet_has_a_row_until_it_is():
    filed = reports(("2019-06-30", "2019-08-01", 2.18))
    told = table(("2019-07-30", 16.0, 2.1, 2.18), ("2019-10-30", 16.0, 2.84, 3.03), ("2020-01-28", 16.0, 4.5, np.nan))
    joined = with_announcements(filed, told, pd.Timestamp("2019-10-30"))
    news = joined.iloc[-1]
    assert (news["period_end"], news["announced"]) == (pd.Timestamp("2019-09-30"), pd.Timestamp("2019-10-30"))
    assert (news["eps"], news["eps_est"], news["source"]) == (3.03, 2.84, ANNOUNCED)
    assert pd.isna(news["filed"])
    assert pd.isna(news["revenue"])
    assert information_times(joined).announced[-1] == np.datetime64("2019-10-31")
    assert joined.dtypes["filed"] == filed.dtypes["filed"]
    after = reports(("2019-06-30", "2019-08-01", 2.18), ("2019-09-28", "2019-10-31", 3.03))
    replaced = with_announcements(after, told, pd.Timestamp("2019-11-01"))
    assert replaced["period_end"].tolist() == after["period_end"].tolist()
    before = with_announcements(filed, told, pd.Timestamp("2019-10-29"))
    assert len(before) == 1


def test_hours_say_before_or_after_only_where_they_can():
    hours = np.array([0.0, 3.0, 4.0, 7.5, 12.0, 15.9, 16.0, 20.0, np.nan])
    assert release_times(hours).tolist() == [None, None, "pre", "pre", "pre", "pre", "post", "post", None]


# --- the whole source


def test_live_fundamentals_know_when_results_were_announced(market, serve, tmp_path):
    collected = live_source(serve(market), tmp_path).load(market.symbols, as_of=LAST, first=FIRST)
    key = ["symbol", "period_end"]
    truth = market.dataset.fundamentals.set_index(key)
    got = collected.dataset.fundamentals.set_index(key)
    both = truth.loc[got.index]
    assert (got["announced"] == both["announced"]).mean() > 0.95  # the rest comes after the report was filed
    known = got["announced"].notna()
    assert (got.loc[known, "announced"] == both.loc[known, "announced"]).all()
    est = got.loc[known, "eps_est"].dropna()
    np.testing.assert_allclose(est, both.loc[est.index, "eps_est"], atol=1e-6)
    assert "no_earnings_dates" not in collected.findings


def test_no_announcement_is_known_before_its_day(market, serve, tmp_path):
    """Cutting at a day leaves nothing that was announced later, whether it was filed by then or not."""
    whole = live_source(serve(market), tmp_path).load(market.symbols, as_of=LAST, first=FIRST).dataset
    for day in (dt.date(2018, 11, 1), dt.date(2019, 2, 4)):
        cut = cut_dataset(whole, day).fundamentals
        assert (cut["announced"].dropna() <= pd.Timestamp(day)).all()
        assert not (cut["eps"].notna() & cut["announced"].isna() & cut["filed"].isna()).any()


@pytest.mark.parametrize("kind", ["500", "empty", "cut"])
def test_without_earnings_dates_results_are_known_when_filed_and_it_is_said(market, serve, tmp_path, kind):
    server = serve(market, always(kind, "/calendar/earnings"))
    collected = live_source(server, tmp_path, attempts=2).load(market.symbols, as_of=LAST, first=FIRST)
    assert set(collected.findings["no_earnings_dates"]) == set(market.symbols)
    assert collected.problems == {}
    reported = collected.dataset.fundamentals
    known = information_times(reported)
    np.testing.assert_array_equal(known.announced, known.filed)
