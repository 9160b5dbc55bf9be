"""Ranks and z-scores against scipy and numpy, one row at a time."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.stats import rankdata

from lambdas.core.errors import InvalidInputError
from lambdas.core.features import FEATURES, build_features, transformed
from lambdas.core.features.cross_section import ranks, zscores


@pytest.fixture(scope="module")
def features(market):
    return build_features(market)


def slow_rank(row: np.ndarray) -> np.ndarray:
    known = ~np.isnan(row)
    result = np.full(row.shape, np.nan)
    result[known] = (rankdata(row[known]) - 0.5) / max(known.sum(), 1) - 0.5
    return result


finite = st.floats(-(2.0**100), 2.0**100, width=32)
FEW = st.sampled_from([0.0, -0.0, 1.0, -1.0, 2.5, np.float32(1e-45), np.float32(-1e-45), np.nan])


@given(arrays.arrays(np.float32, arrays.array_shapes(min_dims=2, max_dims=2, max_side=9), elements=finite | FEW))
def test_ranks_equal_those_of_scipy(values):
    expected = np.array([slow_rank(row) for row in values])
    np.testing.assert_allclose(ranks(values), expected, atol=1e-6)


def test_ranks_of_many_rows_and_symbols_equal_those_of_scipy():
    random = np.random.default_rng(0)
    values = random.normal(size=(150, 300)).astype(np.float32).round(1)
    values[random.random(values.shape) < 0.2] = np.nan
    values[70] = np.nan
    np.testing.assert_allclose(ranks(values), np.array([slow_rank(row) for row in values]), atol=1e-6)


def test_ties_share_a_rank_and_the_missing_have_none():
    values = np.array([[3.0, 1.0, np.nan, 3.0], [np.nan, np.nan, np.nan, 7.0], [np.nan] * 4], dtype=np.float32)
    expected = [[1 / 6, -1 / 3, np.nan, 1 / 6], [np.nan, np.nan, np.nan, 0.0], [np.nan] * 4]
    np.testing.assert_allclose(ranks(values), expected, atol=1e-7)


def test_rank_columns_are_the_ranks_of_the_symbols_of_the_day(features):
    ranked = [name.removesuffix("_rank") for name in features.names if name.endswith("_rank")]
    assert len(ranked) > 30
    for name in ranked:
        for row in (100, 400, 600):
            values = pd.Series(features.of(name)[row])
            expected = (values.rank() - 0.5) / values.count() - 0.5
            np.testing.assert_allclose(features.of(f"{name}_rank")[row], expected, atol=1e-6)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.1, 0.3])
def test_z_scores_are_those_of_winsorised_values(share):
    random = np.random.default_rng(5)
    values = random.standard_t(2, size=(40, 60)).astype(np.float32)
    values[random.random(values.shape) < 0.1] = np.nan
    values[3] = np.nan
    values[4, 1:] = np.nan
    computed = zscores(values, share)
    for row in (*range(3), *range(5, 40)):
        low, high = np.nanquantile(values[row].astype(float), [share, 1 - share])
        drawn_in = np.clip(values[row], low, high)
        expected = (drawn_in - np.nanmean(drawn_in)) / np.nanstd(drawn_in)
        np.testing.assert_allclose(computed[row], expected, atol=1e-5)
    assert np.isnan(computed[3]).all()
    assert computed[4, 0] == 0.0 or np.isnan(values[4, 0])


def test_an_outlier_is_drawn_in_and_equal_values_are_zero():
    values = np.append(np.linspace(-1, 1, 200), 1e6).astype(np.float32)[np.newaxis]
    assert zscores(values).max() < 3.0
    assert zscores(values, 0.0).max() > 14.0
    np.testing.assert_array_equal(zscores(np.array([[2.0, 2.0, np.nan]], dtype=np.float32)), [[0.0, 0.0, np.nan]])


@pytest.mark.parametrize("share", [-0.1, 0.5, np.nan])
def test_a_share_that_leaves_nothing_is_refused(share):
    with pytest.raises(InvalidInputError, match="must be at least 0"):
        zscores(np.ones((1, 2), dtype=np.float32), share)


@pytest.mark.parametrize(("transform", "function"), [("rank", ranks), ("zscore", zscores)])
def test_a_transformed_set_has_one_column_a_feature(features, transform, function):
    changed = transformed(features, transform)
    assert changed.names == tuple(name for name in features.names if not name.endswith("_rank"))
    assert set(changed.families) == set(changed.names)
    market_wide = {feature.name for feature in FEATURES if feature.market_wide}
    for name in changed.names:
        expected = features.of(name) if name in market_wide else function(np.ascontiguousarray(features.of(name)))
        np.testing.assert_array_equal(changed.of(name), expected)
    np.testing.assert_array_equal(changed.of("vix_level"), features.of("vix_level"))


def test_raw_is_what_was_built(features):
    assert transformed(features, "raw") is features
    with pytest.raises(InvalidInputError, match="not one of raw, rank, zscore"):
        transformed(features, "log")


def test_market_wide_features_are_those_that_are_the_same_for_all(features):
    for feature in FEATURES:
        if feature.name not in features.names or feature.unit == "0 or 1":
            continue  # nobody makes losses in the simulated market
        values = features.of(feature.name).astype(float)
        known = ~np.isnan(values)
        spread = np.where(known, values, -np.inf).max(axis=1) > np.where(known, values, np.inf).min(axis=1)
        assert feature.market_wide is not bool(spread.any()), feature.name
