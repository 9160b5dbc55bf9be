"""No feature looks ahead, and the test that says so catches those that do."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest

from benchmarks.controls import planted_leaks
from lambdas.core.errors import InvalidInputError, LookAheadError
from lambdas.core.features import FEATURES, assert_no_look_ahead, build_features, check_truncation
from lambdas.core.features.feature import FAMILIES
from lambdas.core.market_data.dataset import read_dataset


def dates_of(dataset, *rows) -> list[dt.date]:
    return [dataset.sessions[row].date() for row in rows]


LEAKS = {leak.name: leak for leak in planted_leaks.LEAKS}


def test_no_feature_of_a_simulated_market_looks_ahead(market):
    assert_no_look_ahead(market, dates_of(market, 0, 30, 300, 301, 555, 600, 752, 753))


def test_no_feature_of_real_data_looks_ahead(shared_data):
    names = ["AAPL", "ABBV", "ALXN", "BRK-B", "FB", "GOOG", "GOOGL", "JPM", "TMUS", "TWTR", "WBA", "XOM"]
    dataset = read_dataset(shared_data, symbols=names)
    assert_no_look_ahead(dataset, dates_of(dataset, 200, 301, 960, 1400, 1401, 1500, 2100, 2514))


@pytest.mark.slow
def test_no_feature_of_the_whole_real_market_looks_ahead(shared_data):
    dataset = read_dataset(shared_data)
    differences = check_truncation(dataset, dates_of(dataset, 1003, 1777))
    assert differences == []


def test_there_is_a_planted_leak_in_each_family():
    assert {leak.family for leak in planted_leaks.LEAKS} == set(FAMILIES)


def test_without_macro_reports_and_sectors_nothing_looks_ahead_either(market):
    from lambdas.core.market_data.panel import MarketDataset

    assert check_truncation(MarketDataset(market.prices, market.benchmarks), dates_of(market, 400, 700)) == []


@pytest.mark.parametrize("name", LEAKS)
def test_a_planted_leak_is_caught_and_named(name, market):
    days = dates_of(market, *range(500, 508), 560, 600)
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


def test_what_was_built_is_not_built_again(market):
    built = build_features(market, [LEAKS["price_of_the_end"]])
    built.values[500, 0] = 123.0
    days = dates_of(market, 500)
    assert check_truncation(market, days, [LEAKS["price_of_the_end"]], built)[0].full == 123.0


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
