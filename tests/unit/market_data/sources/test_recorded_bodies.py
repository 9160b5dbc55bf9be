"""The loading code on bodies that Yahoo and the SEC really sent; skipped where they are not on this machine.

Differences between AAPL's companyfacts and `fundamentals.parquet` beside the project, all of them (the table for
people is in docs/data_sources.md):

- EPS of the quarter to 2016-09-24: 1.67 here, as the 10-K of 2016-10-26 tags it for the quarter; 1.71 there, the year
  less three quarters (its PROVENANCE names this row). Every other EPS and every revenue is equal, filing date included.
- Operating cash flow of the quarter to 2016-12-31: 27.056e9 here, as first filed on 2017-02-01; 27.234e9 there, as
  restated a year later under ASU 2016-18.
- Every net income, total assets, equity, cash and capital expenditure is equal, filing date included.
"""

from __future__ import annotations

import datetime as dt
import json

import numpy as np
import pandas as pd
import pytest
from replay_bodies import as_json, recorded
from replay_server import Reply
from replay_sources import quick

from lambdas.core.market_data.calendar import sessions_in
from lambdas.core.market_data.point_in_time import information_times
from lambdas.core.market_data.sources.edgar import Edgar
from lambdas.core.market_data.sources.edgar_facts import quarterly_reports
from lambdas.core.market_data.sources.increments import NoDataError
from lambdas.core.market_data.sources.yahoo import Yahoo, history_of, split_factor

NO_SPLITS = pd.Series(dtype=float)
APPLE_SPLITS = pd.Series([7.0, 4.0], index=pd.to_datetime(["2014-06-09", "2020-08-31"]))
ON_2019 = APPLE_SPLITS[:1]
"""The data beside the project is on the share count of 2019."""


@pytest.fixture
def fixtures(shared_data):
    return shared_data / "yahoo_fixtures"


def yahoo_of(serve, tmp_path, answer):
    def router(request):
        if request.host == "fc.yahoo.com":
            return Reply(b"", 404)
        return Reply(b"crumb") if "getcrumb" in request.path else answer(request)

    return Yahoo(quick("yahoo", serve(router), timeout_seconds=10.0), tmp_path)


def chart_of(yahoo, first):
    answer = yahoo.bars("AAPL", first)
    return history_of(answer.rows, answer.facts["name"])


def facts_of(shared_data, serve, cik):
    """Company facts through the real client."""

    def router(request):
        return as_json(recorded(shared_data / "companyfacts", request.path.rsplit("/", 1)[1].removesuffix(".json")))

    return json.loads(
        Edgar("amts tests@example.org", quick("edgar", serve(router), timeout_seconds=10.0)).company_facts(cik).body
    )


# --- Yahoo


def test_a_recorded_chart_becomes_bars(fixtures, serve, tmp_path):
    body = recorded(fixtures, "chart__aapl_1d_1y")
    history = chart_of(yahoo_of(serve, tmp_path, lambda _: as_json(body)), dt.date(2024, 11, 25))
    result = body["chart"]["result"][0]
    days = pd.to_datetime(result["timestamp"], unit="s", utc=True).tz_convert("America/New_York").strftime("%Y-%m-%d")
    bars = history.bars
    assert bars.index.strftime("%Y-%m-%d").tolist() == list(days)
    assert bars.index.equals(sessions_in(bars.index[0].date(), bars.index[-1].date()))
    quote = result["indicators"]["quote"][0]
    for name in ("open", "high", "low", "close", "volume"):
        np.testing.assert_allclose(bars[name], quote[name])
    np.testing.assert_allclose(bars["adj_close"], result["indicators"]["adjclose"][0]["adjclose"])
    assert (bars["adj_close"] < bars["close"]).any()  # dividends are in it, so closes were left as they are
    assert history.name == "Apple Inc."
    assert history.dropped_days == 0


def test_a_recorded_split_is_found(fixtures, serve, tmp_path):
    body = recorded(fixtures, "yf2__chart-AAPL-2020-08-31-to-2020-11-07")
    history = chart_of(yahoo_of(serve, tmp_path, lambda _: as_json(body)), dt.date(2020, 8, 31))
    assert history.splits.to_dict() == {pd.Timestamp("2020-08-31"): 4.0}
    assert split_factor(history.splits, pd.Timestamp("2020-08-30")) == 4.0
    assert split_factor(history.splits, pd.Timestamp("2020-08-31")) == 1.0


def test_recorded_statements_become_quarters_without_filing_dates(fixtures, serve, tmp_path):
    body = recorded(fixtures, "yf2__fundamentalsTimeSeries-AAPL-financials-quarterly")
    frame = yahoo_of(serve, tmp_path, lambda _: as_json(body)).statements("AAPL")
    assert frame["period_end"].dt.strftime("%Y-%m-%d").tolist() == [
        "2024-03-31", "2024-06-30", "2024-09-30", "2024-12-31",
    ]  # fmt: skip
    assert frame["eps"].tolist() == [1.53, 1.40, 0.97, 2.40]
    assert frame["revenue"].tolist() == [90753e6, 85777e6, 94930e6, 124300e6]
    assert frame["net_income"].tolist() == [23636e6, 21448e6, 14736e6, 36330e6]
    times = information_times(frame)
    assert times.assumed.all()
    assert (times.filed - frame["period_end"].to_numpy().astype("datetime64[D]") >= np.timedelta64(60, "D")).all()


def test_annual_statements_are_not_taken_for_quarters(fixtures, serve, tmp_path):
    body = recorded(fixtures, "timeseries__income_statement_aapl")

    def answer(request):
        wanted = request.query["type"].split(",")
        rows = [row for row in body["timeseries"]["result"] if set(wanted) & set(row)]
        return as_json({"timeseries": {"result": rows, "error": None}})

    with pytest.raises(NoDataError):
        yahoo_of(serve, tmp_path, answer).statements("AAPL")


def test_a_recorded_search_tells_the_sector(fixtures, serve, tmp_path):
    body = recorded(fixtures, "search__aapl")
    yahoo = yahoo_of(serve, tmp_path, lambda _: as_json(body))
    assert yahoo.sector("AAPL") == ("Technology", "Consumer Electronics")
    assert yahoo.sector("AAP") == (None, None)  # others in the answer are not taken for it


# --- EDGAR


def test_apples_margins_are_those_of_its_annual_report(shared_data, serve):
    """10-K of 2018, consolidated statements of operations: the quarters add up to the year."""
    reports = quarterly_reports("AAPL", facts_of(shared_data, serve, 320193), ON_2019).quarters
    year = reports[reports["period_end"].between("2017-12-01", "2018-09-30")].drop_duplicates("period_end")
    assert len(year) == 4
    assert year[["gross_profit", "operating_income"]].sum().tolist() == [101_839e6, 70_898e6]


@pytest.mark.parametrize(
    ("theirs", "ours", "n_quarters", "explained"),
    [
        ("eps_gaap", "eps", 7, {"2016-09-24": (1.71, 1.67)}),
        ("revenue", "revenue", 7, {}),
        ("net_income", "net_income", 42, {}),
        ("total_assets", "total_assets", 42, {}),
        ("equity", "equity", 42, {}),
        ("cash", "cash", 7, {}),
        ("operating_cf", "operating_cf", 17, {"2016-12-31": (27.234e9, 27.056e9)}),
        ("capex", "capex", 12, {}),
    ],
)
def test_apples_figures_and_filing_dates_are_those_of_an_independent_data_set(
    shared_data, serve, theirs, ours, n_quarters, explained
):
    reports = quarterly_reports("AAPL", facts_of(shared_data, serve, 320193), ON_2019).quarters
    told = pd.read_parquet(shared_data / "fundamentals.parquet")
    told = told[(told["symbol"] == "AAPL") & told[theirs].notna()]
    assert len(told) == n_quarters
    differences = {}
    for row in told.itertuples():
        mine = reports[(reports["period_end"] == row.period_end) & reports[ours].notna()]
        assert mine["filed"].tolist() == [row.filed]
        value = mine[ours].iloc[0]
        if value != pytest.approx(getattr(row, theirs), rel=1e-9):
            differences[f"{row.period_end:%Y-%m-%d}"] = (getattr(row, theirs), value)
    assert differences == explained


def test_apples_earnings_of_the_calendar_are_those_it_filed_to_the_cent(shared_data, serve):
    """Apple reports no adjusted earnings. Before the split of 2014 the calendar has sevenths, rounded to cents."""
    reports = quarterly_reports("AAPL", facts_of(shared_data, serve, 320193), ON_2019).quarters
    told = pd.read_parquet(shared_data / "fundamentals.parquet").query("symbol == 'AAPL' and eps == eps")
    mine = reports.dropna(subset=["eps"]).set_index("period_end").loc[told["period_end"]]
    assert len(told) == 28
    assert mine["filed"].tolist() == told["filed"].tolist()
    assert mine["eps"].round(2).tolist() == told["eps"].tolist()
    after = (mine["filed"] > ON_2019.index[0]).to_numpy()
    assert after.sum() == 21
    assert mine.loc[after, "eps"].tolist() == told.loc[after, "eps"].tolist()


def test_the_first_filing_counts_and_not_the_restatement(shared_data, serve):
    """In January 2010 Apple restated earnings for new rules: 2009's third quarter went from 1.35 to 2.01 a share."""
    reports = quarterly_reports("AAPL", facts_of(shared_data, serve, 320193), NO_SPLITS).quarters
    row = reports[(reports["period_end"] == "2009-06-27") & reports["eps"].notna()].iloc[0]
    assert (row["eps"], row["filed"]) == (1.35, pd.Timestamp("2009-07-22"))


def test_per_share_figures_of_all_years_are_on_one_share_count(shared_data, serve):
    reports = quarterly_reports("AAPL", facts_of(shared_data, serve, 320193), APPLE_SPLITS).quarters
    known = reports.dropna(subset=["eps", "shares", "net_income"])
    implied = known["net_income"] / known["eps"]
    assert len(known) > 60
    # Diluted means over the quarter against the count at its end; a split that was missed would be a factor of 4 or 7.
    assert (implied / known["shares"]).between(0.93, 1.1).all()


def test_a_share_count_in_thousands_is_not_believed(shared_data, serve):
    reports = quarterly_reports("AAPL", facts_of(shared_data, serve, 320193), ON_2019).quarters
    shares = reports.set_index("period_end").loc[pd.Timestamp("2014-03-29"), "shares"]
    assert 5.9e9 < shares < 6.4e9  # tagged as 861,745 in the 10-Q of 2014-04-24, before 7 for 1


def test_alphabets_split_changes_only_what_was_filed_before_it(shared_data, serve):
    splits = pd.Series([20.0], index=pd.to_datetime(["2022-07-18"]))
    reports = quarterly_reports("GOOGL", facts_of(shared_data, serve, 1652044), splits).quarters
    eps = reports.dropna(subset=["eps"]).set_index("period_end")["eps"]
    assert eps[pd.Timestamp("2022-03-31")] == pytest.approx(24.62 / 20)  # 10-Q of 2022-04-27
    assert eps[pd.Timestamp("2022-06-30")] == 1.21  # 10-Q of 2022-07-27, on the new count
    assert reports["shares"].dropna().between(1.1e10, 1.5e10).all()


@pytest.mark.parametrize("cik", [320193, 1652044, 1640147])
def test_no_figure_is_known_before_its_period_ends_and_none_twice(shared_data, serve, cik):
    reports = quarterly_reports("X", facts_of(shared_data, serve, cik), NO_SPLITS).quarters
    assert (reports["filed"] > reports["period_end"]).all()
    assert not reports.duplicated(["period_end", "filed"]).any()
    for name in ("eps", "revenue", "net_income", "total_assets", "equity", "shares"):
        assert not reports.dropna(subset=[name])["period_end"].duplicated().any(), name


def test_cutting_the_file_at_a_day_gives_what_was_known_on_that_day(shared_data, serve):
    """What is filed later changes no row: the file of 2026, cut, equals the rows up to that day."""
    facts = facts_of(shared_data, serve, 320193)
    whole = quarterly_reports("AAPL", facts, ON_2019).quarters
    for day in ("2012-01-01", "2016-06-30", "2019-12-31"):
        cut = {
            "facts": {
                family: {
                    tag: {"units": {u: [r for r in rows if r["filed"] <= day] for u, rows in body["units"].items()}}
                    for tag, body in tags.items()
                }
                for family, tags in facts["facts"].items()
            }
        }
        known = whole[whole["filed"] <= day].reset_index(drop=True)
        pd.testing.assert_frame_equal(quarterly_reports("AAPL", cut, ON_2019).quarters, known)
