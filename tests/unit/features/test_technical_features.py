from __future__ import annotations

import datetime as dt
from types import SimpleNamespace

import numpy as np
import oracles
import pytest

from lambdas.core.features import FEATURES, build_features
from lambdas.core.features.feature import Feature, Market
from lambdas.core.market_data.calendar import sessions_in
from lambdas.core.market_data.panel import MarketDataset, PricePanel

FIRST = dt.date(2016, 1, 4)


def dataset_of(price: np.ndarray, **fields) -> MarketDataset:
    sessions = sessions_in(FIRST, FIRST + dt.timedelta(days=3000))[: len(price)]
    nothing = np.full(price.shape, np.nan)
    panel = PricePanel(
        sessions,
        tuple(f"S{number}" for number in range(price.shape[1])),
        **(
            {"open": nothing, "high": nothing, "low": nothing, "close": price, "adj_close": price, "volume": nothing}
            | fields
        ),
    )
    spy = 100 * np.exp(np.random.default_rng(9).normal(0.0004, 0.01, (len(price), 1)).cumsum(axis=0))
    none = np.full(spy.shape, np.nan)
    return MarketDataset(panel, PricePanel(sessions, ("SPY",), none, none, none, spy, spy, none))


@pytest.fixture(scope="module")
def market() -> MarketDataset:
    random = np.random.default_rng(1)
    price = 50 * np.exp(random.normal(0.0003, 0.02, (330, 4)).cumsum(axis=0))
    close = price * np.linspace(1.05, 1.0, 330)[:, np.newaxis]
    opened = close * np.exp(random.normal(0, 0.005, close.shape))
    high = np.maximum(close, opened) * np.exp(random.exponential(0.004, close.shape))
    low = np.minimum(close, opened) * np.exp(-random.exponential(0.004, close.shape))
    volume = random.lognormal(10, 1, close.shape).round()
    return dataset_of(price, close=close, open=opened, high=high, low=low, volume=volume)


@pytest.mark.parametrize("name", oracles.TECHNICAL)
def test_equals_the_slow_version(name, market):
    computed = build_features(market).of(name)
    spy = market.benchmarks.adj_close[:, 0]
    for row in (260, 299, 329):
        for column in range(4):
            fields = {name: getattr(market.prices, name) for name in ("open", "high", "low", "close", "volume")}
            bar = SimpleNamespace(
                price=list(market.prices.adj_close[: row + 1, column]),
                spy=list(spy[: row + 1]),
                **{name: list(values[: row + 1, column]) for name, values in fields.items()},
            )
            assert computed[row, column] == pytest.approx(oracles.TECHNICAL[name](bar), rel=2e-5, abs=1e-6), (
                row,
                column,
            )


def test_every_technical_feature_has_a_slow_version():
    assert set(oracles.TECHNICAL) == {feature.name for feature in FEATURES if feature.family == "technical"}


def test_rsi_of_the_worked_example_of_chartschool():
    """StockCharts, ChartSchool, "Relative Strength Index": 33 closes of QQQQ and the RSI from the 15th on."""
    price = [44.3389, 44.0902, 44.1497, 43.6124, 44.3278, 44.8264, 45.0955, 45.4245, 45.8433, 46.0826, 45.8931, 46.0328,
             45.6140, 46.2820, 46.2820, 46.0028, 46.0328, 46.4116, 46.2222, 45.6439, 46.2122, 46.2521, 45.7137, 46.4515,
             45.7835, 45.3548, 44.0288, 44.1783, 44.2181, 44.5672, 43.4205, 42.6628, 43.1314]  # fmt: skip
    expected = [70.53, 66.32, 66.55, 69.41, 66.36, 57.97, 62.93, 63.26, 56.06, 62.38, 54.71, 50.42, 39.99, 41.46, 41.87,
                45.46, 37.30, 33.08, 37.77]  # fmt: skip
    computed = build_features(dataset_of(np.array(price)[:, np.newaxis])).of("rsi_14")[:, 0]
    assert np.isnan(computed[:14]).all()
    np.testing.assert_allclose(computed[14:], expected, atol=0.006)


@pytest.mark.parametrize(
    "feature", [feature for feature in FEATURES if feature.family == "technical"], ids=lambda f: f.name
)
def test_nothing_before_its_lookback_and_something_after(feature: Feature, market):
    """No value without nine tenths of the window, and one from the declared lookback on."""
    computed = build_features(market, [feature]).of(feature.name)
    assert np.isnan(computed[: int(0.85 * feature.lookback)]).all()
    assert np.isfinite(computed[feature.lookback :]).all()


@pytest.mark.parametrize(
    "feature", [feature for feature in FEATURES if feature.family == "technical"], ids=lambda f: f.name
)
def test_free_of_the_level_of_prices(feature: Feature, market):
    """Later dividends and splits rescale all earlier prices of a symbol by a factor; no feature may see it."""
    prices = market.prices
    factor = np.array([0.1, 1.0, 3.0, 40.0])
    scaled = PricePanel(
        prices.sessions, prices.symbols, prices.open * factor, prices.high * factor, prices.low * factor,
        prices.close * factor, prices.adj_close * factor, prices.volume / factor,
    )  # fmt: skip
    here = build_features(market, [feature]).of(feature.name)
    there = build_features(MarketDataset(scaled, market.benchmarks), [feature]).of(feature.name)
    np.testing.assert_allclose(here, there, rtol=1e-4, atol=1e-6)


def test_a_gap_is_a_gap_and_not_a_price():
    """A halted symbol has no features on that day, and afterwards those of the prices that there were."""
    random = np.random.default_rng(2)
    price = 50 * np.exp(random.normal(0, 0.02, (120, 2)).cumsum(axis=0))
    price[60:63, 0] = np.nan
    features = build_features(dataset_of(price))
    assert np.isnan(features.values[60:63, 0]).all()
    without = price[np.isfinite(price[:, 0]), 0]
    assert features.of("rsi_14")[100, 0] == pytest.approx(oracles.rsi(list(without[:98])), rel=1e-5)
    assert features.of("macd_histogram")[100, 0] == pytest.approx(oracles.macd_histogram(list(without[:98])), rel=1e-4)
    assert features.of("momentum_21")[83, 0] != features.of("momentum_21")[83, 0]  # 21 sessions before there was none.
    assert np.isfinite(features.of("price_to_average_50")[100, 0])  # 47 of 50 are enough.


def test_a_price_that_does_not_move_has_neither_bands_nor_strength():
    features = build_features(dataset_of(np.full((60, 1), 12.34)))
    assert np.isnan(features.of("bollinger_percent_b")).all()
    assert np.isnan(features.of("rsi_14")).all()
    assert features.of("macd_histogram")[50, 0] == pytest.approx(0.0, abs=1e-9)


def test_every_feature_is_declared_once_and_fully():
    names = [feature.name for feature in FEATURES]
    assert len(set(names)) == len(names)
    for feature in FEATURES:
        assert feature.definition
        assert feature.unit
        assert feature.source[-4:].isdigit()
        assert feature.compute.__doc__ or feature.compute.func.__doc__
        assert all(need.split(".")[0] in ("prices", "macro", "fundamentals", "securities") for need in feature.needs)


def test_values_are_finite_or_missing_on_real_data(shared_data):
    from lambdas.core.market_data.dataset import read_dataset

    dataset = read_dataset(shared_data, symbols=["AAPL", "BAC", "GE", "TSLA", "XOM", "MCD"])
    features = build_features(dataset)
    assert not np.isinf(features.values).any()
    assert (np.isnan(features.values).all(axis=(0, 1)) == np.zeros(len(features.names), bool)).all()
    assert isinstance(Market(dataset).market_returns, np.ndarray)
