"""No feature looks ahead, and the test that says so catches those that do."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest

from lambdas.core.errors import InvalidInputError, LookAheadError
from lambdas.core.features import FEATURES, assert_no_look_ahead, build_features, check_truncation, fundamental
from lambdas.core.features.feature import Feature, Market
from lambdas.core.market_data.dataset import read_dataset
from lambdas.core.market_data.sources import SimulatedSource


@pytest.fixture(scope="module")
def market():
    return SimulatedSource(n_symbols=14, first=dt.date(2017, 1, 3)).market().dataset


def dates_of(dataset, *rows) -> list[dt.date]:
    return [dataset.sessions[row].date() for row in rows]


def planted(name: str, compute, *needs: str) -> Feature:
    return Feature(name, "technical", "a planted leak", "1", 0, "nobody 2026", compute, needs=needs)


def test_no_feature_of_a_simulated_market_looks_ahead(market):
    assert_no_look_ahead(market, dates_of(market, 0, 30, 300, 301, 555, 600, 752, 753))


def test_no_feature_of_real_data_looks_ahead(shared_data):
    names = ["AAPL", "ABBV", "ALXN", "BRK-B", "FB", "GOOG", "GOOGL", "JPM", "TMUS", "TWTR", "WBA", "XOM"]
    dataset = read_dataset(shared_data, symbols=names)
    assert_no_look_ahead(dataset, dates_of(dataset, 200, 301, 960, 1400, 1401, 1500, 2100, 2514))


def test_without_macro_reports_and_sectors_nothing_looks_ahead_either(market):
    from lambdas.core.market_data.panel import MarketDataset

    assert check_truncation(MarketDataset(market.prices, market.benchmarks), dates_of(market, 400, 700)) == []


def tomorrows_return(market: Market):
    returns = market.returns
    return np.vstack([returns[1:], np.full((1, returns.shape[1]), np.nan)])


def centred_average(market: Market):
    price = market.price
    return np.vstack([price[:1], (price[:-2] + price[1:-1] + price[2:]) / 3, price[-1:]])


def scaled_by_the_whole_sample(market: Market):
    volatility = np.nanstd(market.returns, axis=0)
    return market.returns / volatility


def rank_in_all_of_time(market: Market):
    from scipy.stats import rankdata

    return rankdata(np.nan_to_num(market.price), axis=0)


def price_of_the_end(market: Market):
    return market.price / market.price[-1]


def joined_on_the_period(market: Market):
    reports = fundamental.Reports(market)
    figure = reports.figure("eps")
    return reports.by_session(fundamental.Figure(figure.value, reports.period))[0]


def filed_figures_at_the_announcement(market: Market):
    reports = fundamental.Reports(market)
    revenue, eps = reports.figure("revenue"), reports.figure("eps")
    return reports.by_session(fundamental.Figure(revenue.value, eps.known))[0]


def yield_of_the_same_evening(market: Market):
    assert market.dataset.macro is not None
    return market.dataset.macro["ust10y"].ffill(limit=5).to_numpy()[:, np.newaxis] + 0 * market.price


LEAKS = {
    "tomorrows_return": planted("tomorrows_return", tomorrows_return),
    "centred_average": planted("centred_average", centred_average),
    "scaled_by_the_whole_sample": planted("scaled_by_the_whole_sample", scaled_by_the_whole_sample),
    "rank_in_all_of_time": planted("rank_in_all_of_time", rank_in_all_of_time),
    "price_of_the_end": planted("price_of_the_end", price_of_the_end),
    "joined_on_the_period": planted("joined_on_the_period", joined_on_the_period, "fundamentals.eps"),
    "filed_at_announcement": planted(
        "filed_at_announcement", filed_figures_at_the_announcement, "fundamentals.revenue"
    ),
    "yield_of_the_same_evening": planted("yield_of_the_same_evening", yield_of_the_same_evening, "macro.ust10y"),
}


@pytest.mark.parametrize("name", LEAKS)
def test_a_planted_leak_is_caught_and_named(name, market):
    days = dates_of(market, *range(500, 512), 560, 600)
    with pytest.raises(LookAheadError) as caught:
        assert_no_look_ahead(market, days, [*FEATURES[:1], LEAKS[name]])
    message = str(caught.value)
    assert f"of {name};" in message  # This one, and not the sound one beside it.
    assert any(f"on {day} is" in message for day in days)
    assert "SIM" in message


def test_a_difference_names_both_values(market):
    day = dates_of(market, 500)
    difference = check_truncation(market, day, [LEAKS["price_of_the_end"]])[0]
    column = market.prices.symbols.index(difference.symbol)
    price = market.prices.adj_close[:, column]
    assert difference.full == pytest.approx(price[500] / price[-1], rel=1e-6, nan_ok=True)
    assert difference.truncated == 1.0
    assert str(day[0]) in str(difference)


def test_a_day_without_a_session_is_refused(market):
    with pytest.raises(InvalidInputError, match="2018-12-25 is not a session"):
        check_truncation(market, [dt.date(2018, 12, 25)])


def test_shuffling_the_future_changes_nothing(market):
    """The same from another side: whatever happens later, the past keeps its features."""
    from dataclasses import replace

    row = 520
    rng = np.random.default_rng(0)
    prices = market.prices
    fields = {}
    for name in ("open", "high", "low", "close", "adj_close", "volume"):
        values = getattr(prices, name).copy()
        values[row + 1 :] *= rng.lognormal(0, 0.2, values[row + 1 :].shape)
        fields[name] = values
    changed = replace(market, prices=replace(prices, **fields))
    here, there = build_features(market), build_features(changed)
    np.testing.assert_array_equal(here.values[: row + 1], there.values[: row + 1])
    assert not np.array_equal(here.values[row + 1 :], there.values[row + 1 :], equal_nan=True)
