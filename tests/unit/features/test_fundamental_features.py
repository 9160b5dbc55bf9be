"""Point-in-time joins of company reports, worked by hand."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from lambdas.core.features import build_features
from lambdas.core.market_data.calendar import sessions_in
from lambdas.core.market_data.panel import MarketDataset, PricePanel

SESSIONS = sessions_in(dt.date(2017, 1, 3), dt.date(2019, 12, 31))


def quarter(end, announced, filed, eps, *, hour="post", estimate=None, **figures) -> dict:
    dates = {"period_end": end, "announced": announced, "filed": filed, "release_time": hour}
    return {"symbol": "AAA"} | dates | {"eps": eps, "eps_est": estimate} | figures


YEAR_BEFORE = [
    quarter("2016-12-31", "2017-01-25", "2017-02-03", 0.5, revenue=80.0, net_income=8.0, total_assets=900.0),
    quarter("2017-03-31", "2017-04-25", "2017-05-03", 1.0, revenue=100.0, net_income=10.0, total_assets=1000.0),
    quarter("2017-06-30", "2017-07-25", "2017-08-03", 1.1, revenue=110.0, net_income=11.0),
    quarter("2017-09-30", "2017-10-24", "2017-11-03", 1.2, revenue=120.0, net_income=12.0),
    quarter(
        "2017-12-31", "2018-01-23", "2018-02-02", 1.3, revenue=130.0, net_income=13.0, total_assets=1200.0, equity=500.0
    ),
]
NEWEST = quarter(
    "2018-03-31",
    "2018-04-24",
    "2018-05-03",
    1.5,
    estimate=1.4,
    revenue=150.0,
    net_income=15.0,
    total_assets=1300.0,
    equity=520.0,
)


def features_of(rows: list[dict], close: np.ndarray | None = None):
    frame = pd.DataFrame(rows)
    for name in ("period_end", "announced", "filed"):
        frame[name] = pd.to_datetime(frame[name])
    price = np.full((len(SESSIONS), 1), 50.0) if close is None else close
    none = np.full(price.shape, np.nan)
    panel = PricePanel(SESSIONS, ("AAA",), none, none, none, price, price, none)
    spy = np.full(price.shape, 100.0)
    benchmarks = PricePanel(SESSIONS, ("SPY",), none, none, none, spy, spy, none)
    features = build_features(MarketDataset(panel, benchmarks, fundamentals=frame))
    return lambda name, day: float(features.of(name)[SESSIONS.get_loc(day), 0])


@pytest.fixture(scope="module")
def at():
    return features_of([*YEAR_BEFORE, NEWEST])


def test_earnings_are_known_the_session_after_an_evening_release(at):
    before, after = (1.0 + 1.1 + 1.2 + 1.3) / 50, (1.1 + 1.2 + 1.3 + 1.5) / 50
    assert at("earnings_yield", "2018-04-24") == pytest.approx(before)
    assert at("earnings_yield", "2018-04-25") == pytest.approx(after)
    assert at("price_to_earnings", "2018-04-25") == pytest.approx(1 / after)
    assert at("eps_growth", "2018-04-25") == pytest.approx(0.5)
    assert at("eps_growth", "2018-04-24") == pytest.approx((1.3 - 0.5) / 0.5)


def test_a_morning_release_is_known_that_session():
    at = features_of([*YEAR_BEFORE, NEWEST | {"release_time": "pre"}])
    assert at("earnings_yield", "2018-04-23") == pytest.approx(4.6 / 50)
    assert at("earnings_yield", "2018-04-24") == pytest.approx(5.1 / 50)


def test_other_figures_wait_for_the_filing(at):
    assert at("revenue_growth", "2018-05-03") == pytest.approx(130 / 80 - 1)
    assert at("revenue_growth", "2018-05-04") == pytest.approx(150 / 100 - 1)
    assert at("net_margin", "2018-05-04") == pytest.approx((11 + 12 + 13 + 15) / (110 + 120 + 130 + 150))
    assert at("return_on_equity", "2018-05-03") == pytest.approx((10 + 11 + 12 + 13) / 500)
    assert at("return_on_equity", "2018-05-04") == pytest.approx((11 + 12 + 13 + 15) / 520)
    assert at("asset_growth", "2018-05-03") == pytest.approx(1200 / 900 - 1)
    assert at("asset_growth", "2018-05-04") == pytest.approx(1300 / 1000 - 1)


def test_the_surprise_is_over_the_price_before_the_release():
    price = np.full((len(SESSIONS), 1), 50.0)
    price[SESSIONS.get_loc("2018-04-25") :] = 60.0
    at = features_of([*YEAR_BEFORE, NEWEST], price)
    assert np.isnan(at("earnings_surprise", "2018-04-24"))
    assert at("earnings_surprise", "2018-04-25") == pytest.approx(0.1 / 50, rel=1e-5)
    assert at("fading_surprise", "2018-05-25") == pytest.approx(0.1 / 50 * np.exp(-30 / 60), rel=1e-5)
    assert at("announcement_return", "2018-04-25") == pytest.approx(0.2)
    assert at("announcement_return", "2018-06-01") == pytest.approx(0.2)
    assert at("announcement_return", "2018-04-24") == 0.0
    assert at("days_since_announcement", "2018-04-24") == 90  # Since 2018-01-24.
    assert at("days_since_announcement", "2018-04-25") == 0
    assert at("days_since_announcement", "2018-05-25") == 30


def test_a_restatement_changes_nothing():
    restated = quarter(
        "2017-12-31", "2018-03-10", "2018-03-10", 0.1, revenue=1.0, net_income=-50.0, total_assets=1.0, equity=1.0
    )
    expected, at = features_of([*YEAR_BEFORE, NEWEST]), features_of([*YEAR_BEFORE, restated, NEWEST])
    for name in ("earnings_yield", "eps_growth", "revenue_growth", "net_margin", "return_on_equity", "asset_growth"):
        for day in ("2018-03-09", "2018-03-12", "2018-04-25", "2018-06-01"):
            assert at(name, day) == expected(name, day)


def test_a_figure_first_given_in_a_later_row_counts_from_then():
    late = quarter("2018-03-31", None, "2018-06-05", None, revenue=160.0)
    at = features_of([*YEAR_BEFORE, NEWEST | {"revenue": None}, late])
    assert at("revenue_growth", "2018-06-05") == pytest.approx(130 / 80 - 1)
    assert at("revenue_growth", "2018-06-06") == pytest.approx(160 / 100 - 1)
    assert at("return_on_equity", "2018-05-04") == pytest.approx((11 + 12 + 13 + 15) / 520)


def test_an_older_report_that_comes_late_does_not_replace_a_newer_one():
    late = YEAR_BEFORE[4] | {"announced": "2018-06-01", "filed": "2018-06-01"}
    at = features_of([*YEAR_BEFORE[:4], late, NEWEST])
    assert at("eps_growth", "2018-06-05") == pytest.approx(0.5)
    # The sum of four quarters had a hole until then.
    assert at("earnings_yield", "2018-05-31") == pytest.approx((0.5 + 1.0 + 1.1 + 1.2) / 50)
    assert at("earnings_yield", "2018-06-04") == pytest.approx((1.1 + 1.2 + 1.3 + 1.5) / 50)


def test_a_missing_quarter_is_no_reason_to_take_another():
    at = features_of([*YEAR_BEFORE[:1], *YEAR_BEFORE[2:], NEWEST])
    assert at("earnings_yield", "2018-04-25") == pytest.approx(5.1 / 50)
    assert np.isnan(at("earnings_yield", "2018-04-24"))
    assert at("eps_growth", "2018-04-25") == pytest.approx((1.3 - 0.5) / 0.5)  # The newest one that has a year before.


def test_a_company_that_stopped_reporting_has_no_figures():
    at = features_of([*YEAR_BEFORE, NEWEST])
    assert at("earnings_yield", "2019-01-18") == pytest.approx(5.1 / 50)
    assert np.isnan(at("earnings_yield", "2019-01-22"))


def test_without_release_dates_sixty_days_after_the_period():
    undated = [row | {"announced": None, "filed": None, "release_time": None} for row in [*YEAR_BEFORE, NEWEST]]
    at = features_of(undated)
    assert at("eps_growth", "2018-05-29") == pytest.approx((1.3 - 0.5) / 0.5)
    assert at("eps_growth", "2018-05-30") == pytest.approx(0.5)
    assert at("revenue_growth", "2018-05-30") == pytest.approx(0.5)


def test_reports_of_years_are_not_added_up():
    rows = [
        quarter(f"{year}-12-31", f"{year + 1}-02-01", f"{year + 1}-02-20", eps, net_income=eps * 10, revenue=100.0)
        for year, eps in ((2015, 3.0), (2016, 4.0), (2017, 5.0))
    ]
    at = features_of(rows)
    assert at("earnings_yield", "2018-02-01") == pytest.approx(4.0 / 50)
    assert at("earnings_yield", "2018-02-02") == pytest.approx(5.0 / 50)
    assert at("eps_growth", "2018-02-02") == pytest.approx(0.25)
    assert at("net_margin", "2018-03-01") == pytest.approx(0.5)
    assert at("earnings_yield", "2019-01-31") == pytest.approx(5.0 / 50)


def test_losses_have_a_yield_and_no_price_to_earnings():
    at = features_of([row | {"eps": -row["eps"]} for row in [*YEAR_BEFORE, NEWEST]])
    assert at("earnings_yield", "2018-05-01") == pytest.approx(-5.1 / 50)
    assert np.isnan(at("price_to_earnings", "2018-05-01"))
    assert at("eps_growth", "2018-05-01") == pytest.approx(-0.5)


def test_real_earnings_of_apple(shared_data):
    """First quarter of fiscal 2019, announced on 2019-01-29 after the close: 4.18 a share before the split of 2020."""
    from lambdas.core.market_data.dataset import read_dataset

    dataset = read_dataset(shared_data, symbols=["AAPL"])
    features = build_features(dataset)
    close = dataset.prices.close[:, 0]
    row = dataset.sessions.get_loc("2019-01-30")
    known = dataset.fundamentals.query("period_end <= '2018-12-31'")["eps"].dropna()
    assert known.iloc[-1] == pytest.approx(4.18)
    assert features.of("earnings_yield")[row, 0] == pytest.approx(known.iloc[-4:].sum() / close[row], rel=1e-5)
    assert features.of("earnings_yield")[row - 1, 0] == pytest.approx(
        known.iloc[-5:-1].sum() / close[row - 1], rel=1e-5
    )
    assert features.of("days_since_announcement")[row, 0] == 0
