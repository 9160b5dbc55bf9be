"""What is compared is the same, and a target that is missed is called missed."""

from __future__ import annotations

import copy
import datetime as dt

import numpy as np
import pytest

from benchmarks.speed import feature_build
from benchmarks.speed.feature_build_process import tiled
from lambdas.core.features import build_features
from lambdas.core.market_data.sources.simulated import SimulatedSource


@pytest.fixture(scope="module")
def market():
    return SimulatedSource(n_symbols=8, first=dt.date(2017, 1, 3)).market().dataset


def test_the_loop_has_our_values(market):
    assert feature_build.beside_the_loop(market, 1)["distance"] < 1e-5


def test_a_loop_with_other_values_is_not_timed(market, monkeypatch):
    right = feature_build.indicators_of
    monkeypatch.setattr(feature_build, "indicators_of", lambda symbol: right(symbol).shift(1))
    with pytest.raises(ValueError, match="values differ, the first"):
        feature_build.beside_the_loop(market, 1)


def test_alphas_of_a_price_are_our_features(market):
    features = build_features(market)
    close = market.prices.adj_close
    windows = np.lib.stride_tricks.sliding_window_view(close, 20, axis=0)
    middle, deviation = windows.mean(axis=-1), windows.std(axis=-1, ddof=1)
    expected = feature_build.alphas_as_ours(close[14:-5] / close[19:], middle / close[19:], deviation / close[19:])
    for name, values in expected.items():
        ours = features.of(name)[19:]
        both = np.isfinite(ours) & np.isfinite(values)  # ours bridges a gap, a plain mean does not
        assert both.mean() > 0.7
        np.testing.assert_allclose(ours[both], values[both], rtol=1e-4, atol=1e-5)


def test_a_wider_market_is_the_market_several_times(market):
    wide = tiled(market, 3)
    here, there = build_features(market), build_features(wide)
    assert there.symbols == tuple(sorted(f"{symbol}.{number}" for symbol in here.symbols for number in range(3)))
    for name in ("beta_252", "earnings_yield", "symbol_against_sector_63"):
        for column, symbol in enumerate(here.symbols):
            for number in range(3):
                values = there.of(name)[:, there.symbols.index(f"{symbol}.{number}")]
                np.testing.assert_allclose(values, here.of(name)[:, column], rtol=1e-4, atol=1e-5)


RESULT = {
    "market": "495 symbols, 2516 sessions",
    "loop": {"theirs": {"cpu": 1.0, "wall": 1.0}, "ours": {"cpu": 0.2, "wall": 0.2}, "ratio": 5.0, "distance": 0.0},
    "build": {"cpu": 2.0, "wall": 1.5, "n_features": 103, "n_values": 10},
    "qlib": {"version": "1", "cpu": 30.0, "wall": 30.0, "ratio": 10.0, "values_a_second": {"ours": 2e7, "theirs": 2e6}},
    "whole": {
        **{name: {"cpu": 1.0, "wall": 1.0} for name in ("read", "build", "write", "read_back")},
        "peak_memory": int(1.5 * 2**30),
        "read_back_peak_memory": 2**30,
        "file_bytes": 2**28,
    },
    "wide": [
        {
            "n_symbols": 500 * width,
            "n_cells": 10**6 * width,
            "build": {"cpu": 1.2 * width, "wall": 1.0},
            "peak_memory": 2**30,
        }
        for width in feature_build.WIDTHS
    ],
}


def verdicts(result) -> list[str]:
    return [line.split("|")[4].strip() for line in feature_build.section(result).splitlines()[4:10]]


def test_targets_that_are_met_hold():
    assert verdicts(RESULT) == ["yes"] * 6


@pytest.mark.parametrize(
    ("number", "place", "value"),
    [
        (0, ("loop", "ratio"), 4.99),
        (1, ("qlib", "ratio"), 9.99),
        (2, ("whole", "peak_memory"), int(1.51 * 2**30)),
        (3, ("whole", "build"), {"cpu": 1.0, "wall": 8.0}),
        (4, ("wide", -1, "peak_memory"), 11 * 2**30),
        (5, ("wide", -1, "build"), {"cpu": 13.3, "wall": 1.0}),
    ],
)
def test_a_target_that_is_missed_is_called_missed(number, place, value):
    result = copy.deepcopy(RESULT)
    holder = result
    for key in place[:-1]:
        holder = holder[key]
    holder[place[-1]] = value
    assert verdicts(result)[number] == "**no**"
