"""Sector and macro features recomputed from their definitions, with least squares where they are slopes."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from lambdas.core.features import build_features
from lambdas.core.market_data.sources import SimulatedSource

ROW = 700


@pytest.fixture(scope="module")
def dataset():
    return SimulatedSource(n_symbols=18, first=dt.date(2017, 1, 3)).market().dataset


@pytest.fixture(scope="module")
def features(dataset):
    return build_features(dataset)


@pytest.fixture(scope="module")
def price(dataset):
    return pd.DataFrame(dataset.prices.adj_close, dataset.sessions, list(dataset.prices.symbols))


@pytest.fixture(scope="module")
def spy(dataset):
    return pd.Series(dataset.benchmarks.adj_close[:, dataset.benchmarks.symbols.index("SPY")], dataset.sessions)


@pytest.fixture(scope="module")
def macro(dataset):
    return dataset.macro.set_index("date").ffill()


@pytest.fixture(scope="module")
def sector(dataset, price):
    return dataset.securities.set_index("symbol")["sector"].reindex(price.columns)


def sector_return(price, sector, name, row, window=63) -> float:
    peers = price[list(sector.index[sector == name])]
    daily = [np.nanmean(peers.iloc[day] / peers.iloc[day - 1] - 1) for day in range(row - window + 1, row + 1)]
    return float(np.prod(1 + np.array(daily)) - 1)


def strength(price, spy, sector, name, row) -> float:
    return sector_return(price, sector, name, row) - (spy.iloc[row] / spy.iloc[row - 63] - 1)


def test_sector_features(features, price, spy, sector):
    column = int(np.flatnonzero(price.iloc[ROW].notna())[0])
    symbol = price.columns[column]
    name = sector[symbol]
    assert features.of("sector_strength_63")[ROW, column] == pytest.approx(
        strength(price, spy, sector, name, ROW), rel=1e-4
    )
    own = price[symbol].iloc[ROW] / price[symbol].iloc[ROW - 63] - 1
    assert features.of("symbol_against_sector_63")[ROW, column] == pytest.approx(
        own - sector_return(price, sector, name, ROW), rel=1e-4
    )
    own = price[symbol].iloc[ROW] / price[symbol].iloc[ROW - 21] - 1
    assert features.of("symbol_against_sector_21")[ROW, column] == pytest.approx(
        own - sector_return(price, sector, name, ROW, 21), rel=1e-4
    )
    names = sorted(set(sector))

    def rank(row: int) -> float:
        places = pd.Series({one: strength(price, spy, sector, one, row) for one in names}).rank()
        return (places[name] - 0.5) / len(names) - 0.5

    assert features.of("sector_rotation_21")[ROW, column] == pytest.approx(rank(ROW) - rank(ROW - 21), abs=1e-6)


@pytest.mark.parametrize(
    ("neutral", "raw"),
    [
        ("sector_neutral_momentum", "momentum_12_1"),
        ("sector_neutral_earnings_yield", "earnings_yield"),
        ("sector_neutral_book_to_market", "book_to_market"),
    ],
)
def test_a_sector_neutral_feature_is_the_feature_less_its_sector(features, sector, neutral, raw):
    values = pd.Series(features.of(raw)[ROW].astype(float), sector.index)
    assert values.notna().sum() > 9
    expected = values - values.groupby(sector).transform("mean")
    np.testing.assert_allclose(features.of(neutral)[ROW], expected, atol=1e-6)


def test_the_state_of_the_market(features, price, macro):
    column = int(np.flatnonzero(price.iloc[ROW].notna())[0])

    def of(name: str) -> float:
        return float(features.of(name)[ROW, column])

    vix, long = macro["vix"], macro["ust10y"]
    assert of("vix_level") == pytest.approx(vix.iloc[ROW], rel=1e-6)
    assert of("vix_change_21") == pytest.approx(np.log(vix.iloc[ROW] / vix.iloc[ROW - 21]), rel=1e-4)
    last_year = vix.iloc[ROW - 251 : ROW + 1]
    assert of("vix_percentile_252") == pytest.approx((last_year <= last_year.iloc[-1]).mean(), rel=1e-5)
    # Yields and the dollar of the session before.
    for name, short in (("curve_10y_3m", "ust3m"), ("curve_10y_2y", "ust2y")):
        slope = long - macro[short]
        assert of(name) == pytest.approx(slope.iloc[ROW - 1], abs=1e-5)
        assert of(f"{name}_change_63") == pytest.approx(slope.iloc[ROW - 1] - slope.iloc[ROW - 64], abs=1e-5)
    dollar = macro["dxy"]
    assert of("dollar_change_63") == pytest.approx(dollar.iloc[ROW - 1] / dollar.iloc[ROW - 64] - 1, rel=1e-4)


@pytest.mark.parametrize("name", ["vix_beta_252", "curve_beta_252", "dollar_beta_252"])
def test_a_beta_is_the_slope_beside_spy(features, price, spy, macro, name):
    # A return stands beside the change of its own session; that of yields and the dollar is known a session later.
    series, late = {
        "vix_beta_252": (np.log(macro["vix"]).diff(), 0),
        "curve_beta_252": ((macro["ust10y"] - macro["ust3m"]).diff(), 1),
        "dollar_beta_252": (macro["dxy"].pct_change(), 1),
    }[name]
    returns, market = price.pct_change(fill_method=None), spy.pct_change()
    checked = 0
    for row in (300, ROW):
        span = slice(row - 251 - late, row + 1 - late)
        for column, symbol in enumerate(price.columns):
            window = pd.DataFrame({"y": returns[symbol], "spy": market, "x": series}).iloc[span].dropna()
            value = features.of(name)[row, column]
            if np.isnan(price[symbol].iloc[row]) or len(window) < 0.9 * 252:
                assert np.isnan(value)
                continue
            design = np.column_stack([np.ones(len(window)), window["spy"], window["x"]])
            slope = np.linalg.lstsq(design, window["y"].to_numpy(), rcond=None)[0][2]
            assert value == pytest.approx(slope, rel=1e-3, abs=1e-5), (row, symbol)
            checked += 1
    assert checked > 20


def test_a_series_that_is_spy_itself_has_no_slope_of_its_own(dataset):
    from lambdas.core.features.exposures import beta_beside_market
    from lambdas.core.features.feature import Market

    market = Market(dataset)
    with np.errstate(invalid="ignore", divide="ignore"):
        assert np.isnan(beta_beside_market(market, 2.0 * market.market_returns)).all()
