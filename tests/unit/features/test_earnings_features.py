"""Features over many quarters, recomputed from their definitions on quarters drawn at random."""

from __future__ import annotations

import numpy as np
import pytest
from test_fundamental_features import NEWEST, SESSIONS, YEAR_BEFORE, features_of, quarter

ENDS = (
    ("03-31", "04-20", "05-01"),
    ("06-30", "07-20", "08-01"),
    ("09-30", "10-20", "11-01"),
    ("12-31", "01-20", "02-01"),
)
SEASON = (1.0, 1.3, 0.8, 1.6)


def quarters(count: int, first_year: int = 2014, **columns: np.ndarray) -> list[dict]:
    """Quarters from the first one of a year on, announced three weeks and filed a month after their end."""
    rows = []
    for number in range(count):
        year, (end, announced, filed) = first_year + number // 4, ENDS[number % 4]
        later = year + (number % 4 == 3)
        values = {name: float(values[number]) for name, values in columns.items()}
        eps = values.pop("eps", None)
        rows.append(quarter(f"{year}-{end}", f"{later}-{announced}", f"{later}-{filed}", eps, **values))
    return rows


@pytest.fixture(scope="module")
def revenue() -> np.ndarray:
    growth = np.random.default_rng(0).normal(0.03, 0.02, 16).cumsum()
    return 100.0 * np.exp(growth) * np.tile(SEASON, 4)


def test_a_trend_is_the_slope_of_a_regression_on_time_and_seasons(revenue):
    """Ordinary least squares on the last eight quarters, a dummy for each season; by the year, not by the quarter."""
    at = features_of(quarters(16, revenue=revenue))
    last = np.log(revenue[8:16])
    time = np.arange(8.0)[:, np.newaxis]
    seasons = np.tile(np.eye(4), (2, 1))
    slope = np.linalg.lstsq(np.hstack([time, seasons]), last, rcond=None)[0][0]
    assert at("revenue_trend", "2018-02-02") == pytest.approx(4.0 * slope, rel=1e-5)
    assert at("revenue_trend", "2018-02-01") == pytest.approx(np.mean(np.log(revenue[11:15] / revenue[7:11])), rel=1e-5)


def test_a_trend_does_without_one_quarter_and_not_without_two(revenue):
    rows = quarters(16, revenue=revenue)
    at = features_of([row for number, row in enumerate(rows) if number != 13])
    expected = np.mean([np.log(revenue[k] / revenue[k - 4]) for k in (12, 14, 15)])
    assert at("revenue_trend", "2018-02-02") == pytest.approx(expected, rel=1e-5)
    at = features_of([row for number, row in enumerate(rows) if number not in (13, 14)])
    of_the_first_quarter = np.mean([np.log(revenue[k] / revenue[k - 4]) for k in (9, 10, 11, 12)])
    assert at("revenue_trend", "2017-12-01") == pytest.approx(of_the_first_quarter, rel=1e-5)
    assert np.isnan(at("revenue_trend", "2018-02-02"))  # Too old by then.


def test_a_quarter_that_comes_late_changes_nothing_before(revenue):
    """With the second quarter filed after the fourth, the trend of the fourth is made of the other three for good."""
    rows = quarters(16, revenue=revenue)
    rows[13] |= {"announced": "2018-03-01", "filed": "2018-03-01"}
    at = features_of(rows)
    three = np.mean([np.log(revenue[k] / revenue[k - 4]) for k in (12, 14, 15)])
    assert at("revenue_trend", "2018-02-02") == pytest.approx(three, rel=1e-5)
    assert at("revenue_trend", "2018-03-05") == pytest.approx(three, rel=1e-5)


def eps_with_noise() -> np.ndarray:
    return np.random.default_rng(1).normal(1.0, 0.2, 16) * np.tile(SEASON, 4)


def test_sue_is_the_seasonal_change_in_deviations_of_the_eight_before():
    eps = eps_with_noise()
    at = features_of(quarters(16, eps=eps))
    change = eps[4:] - eps[:-4]
    expected = change[11] / np.std(change[3:11], ddof=1)
    assert at("sue", "2018-01-23") == pytest.approx(expected, rel=1e-5)  # released on Saturday the 20th
    assert at("sue", "2018-01-19") == pytest.approx(change[10] / np.std(change[2:10], ddof=1), rel=1e-5)


def test_sue_needs_six_changes_before_it():
    eps = eps_with_noise()
    change = eps[4:11] - eps[:7]
    at = features_of(quarters(11, 2015, eps=eps))
    assert np.isnan(at("sue", "2017-10-19"))
    assert at("sue", "2017-10-23") == pytest.approx(change[6] / np.std(change[:6], ddof=1), rel=1e-5)


def test_sue_of_a_company_whose_earnings_only_grow_evenly_is_undefined_or_bounded():
    steady = features_of(quarters(16, eps=1.0 + 0.1 * np.arange(16)))
    assert np.isnan(steady("sue", "2018-01-23"))
    jump = 1.0 + 0.1 * np.arange(16) + np.random.default_rng(2).normal(0, 1e-4, 16)
    jump[15] += 50.0
    assert features_of(quarters(16, eps=jump))("sue", "2018-01-23") == 10.0


def test_growth_of_a_year_of_earnings():
    eps = eps_with_noise()
    at = features_of(quarters(16, eps=eps))
    expected = eps[12:].sum() / eps[8:12].sum() - 1
    assert at("eps_growth_year", "2018-01-23") == pytest.approx(expected, rel=1e-5)
    losses = eps.copy()
    losses[8:12] = -1.0
    assert features_of(quarters(16, eps=losses))("eps_growth_year", "2018-01-23") == pytest.approx(
        (eps[12:].sum() + 4) / 4, rel=1e-5
    )


def test_market_value_is_shares_times_close():
    shares = np.linspace(9.0, 12.0, 16)
    equity = np.linspace(200.0, 350.0, 16)
    revenue = np.linspace(80.0, 110.0, 16)
    price = np.full((len(SESSIONS), 1), 50.0)
    price[SESSIONS.get_loc("2018-02-05") :] = 40.0
    at = features_of(quarters(16, shares=shares, equity=equity, revenue=revenue), price)
    assert at("book_to_market", "2018-02-02") == pytest.approx(equity[15] / (shares[15] * 50), rel=1e-6)
    assert at("book_to_market", "2018-02-05") == pytest.approx(equity[15] / (shares[15] * 40), rel=1e-6)
    assert at("book_to_market", "2018-02-01") == pytest.approx(equity[14] / (shares[14] * 50), rel=1e-6)
    assert at("sales_yield", "2018-02-05") == pytest.approx(revenue[12:].sum() / (shares[15] * 40), rel=1e-6)


def test_equity_below_zero_has_no_book_to_market():
    at = features_of(quarters(16, shares=np.full(16, 10.0), equity=np.full(16, -5.0)))
    assert np.isnan(at("book_to_market", "2018-02-05"))


def test_accruals_and_margins():
    random = np.random.default_rng(3)
    columns = {
        name: random.uniform(low, high, 16)
        for name, low, high in (
            ("net_income", 5, 15),
            ("operating_cf", 5, 20),
            ("total_assets", 900, 1100),
            ("revenue", 90, 110),
            ("gross_profit", 30, 50),
            ("operating_income", 10, 20),
        )
    }
    at = features_of(quarters(16, **columns))
    year = {name: values[12:].sum() for name, values in columns.items()}
    expected = (year["net_income"] - year["operating_cf"]) / columns["total_assets"][15]
    assert at("accruals", "2018-02-02") == pytest.approx(expected, rel=1e-5)
    for margin, name in (("gross", "gross_profit"), ("operating", "operating_income"), ("net", "net_income")):
        assert at(f"{margin}_margin", "2018-02-02") == pytest.approx(year[name] / year["revenue"], rel=1e-5)


def test_losses_are_marked_where_there_is_no_price_to_earnings():
    eps = np.full(16, 0.5)
    eps[13] = -3.0
    at = features_of(quarters(16, eps=eps))
    assert (at("loss_making", "2017-06-01"), at("loss_making", "2018-01-23")) == (0.0, 1.0)
    assert at("price_to_earnings", "2017-06-01") == pytest.approx(25.0)
    assert np.isnan(at("price_to_earnings", "2018-01-23"))
    assert at("earnings_yield", "2018-01-23") == pytest.approx(-0.03)


def test_a_missing_report_and_a_missing_estimate_are_marked():
    with_estimate = [row | {"eps_est": 1.0} for row in YEAR_BEFORE[2:]]
    at = features_of([*YEAR_BEFORE[:2], *with_estimate, NEWEST | {"eps_est": None}])
    assert np.isnan(at("no_recent_report", "2017-01-25"))  # The data knows of no report before.
    assert at("no_recent_report", "2017-01-26") == 0.0
    assert at("no_recent_report", "2018-11-01") == 0.0
    assert at("no_recent_report", "2019-03-01") == 1.0
    assert np.isnan(at("no_estimate", "2017-05-01"))  # Nor of an estimate.
    assert at("no_estimate", "2017-07-26") == 0.0
    assert at("no_estimate", "2018-04-25") == 1.0
    assert np.isnan(at("no_estimate", "2019-03-01"))
