"""Which rows the learners get."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from lambdas.core.errors import InsufficientHistoryError, InvalidDatasetError, TrainingFailedError
from lambdas.core.features import FeatureSet
from lambdas.core.labels import Outcomes
from lambdas.core.models.market_view import MarketView, market_view
from lambdas.core.models.training_data import informative_columns, training_data
from lambdas.core.settings import PortfolioSettings

N_SESSIONS, N_SYMBOLS, N_FEATURES = 40, 4, 3


def small_market(seed: int) -> tuple[FeatureSet, Outcomes, np.ndarray]:
    rng = np.random.default_rng(seed)
    shape = (N_SESSIONS, N_SYMBOLS)
    net = rng.normal(size=shape)
    net[rng.random(shape) < 0.1] = np.nan
    net[-6:] = np.nan
    absolute = np.where(np.isnan(net), np.nan, net > 0)
    relative = np.where(np.isnan(net), np.nan, net > 0.3)
    outcomes = Outcomes(net, net, np.zeros(N_SESSIONS), absolute, relative, np.arange(N_SESSIONS) < N_SESSIONS - 6)
    values = rng.normal(size=(*shape, N_FEATURES)).astype(np.float32)
    values[rng.random(values.shape) < 0.1] = np.nan
    features = FeatureSet(
        sessions=pd.bdate_range("2020-01-01", periods=N_SESSIONS),
        symbols=("A", "B", "C", "D"),
        names=("x", "y", "z"),
        families=dict.fromkeys(("x", "y", "z"), "technical"),
        values=values,
    )
    return features, outcomes, rng.random(shape) < 0.8


@pytest.mark.parametrize("target", ["absolute", "relative"])
@pytest.mark.parametrize(("first", "last", "stride"), [(0, 33, 1), (3, 30, 5), (10, 39, 4), (8, 12, 4)])
def test_rows_equal_a_plain_loop(target: str, first: int, last: int, stride: int) -> None:
    features, outcomes, eligible = small_market(1)
    data = training_data(features, outcomes, eligible, first, last, stride, target)  # type: ignore[arg-type]
    hits = outcomes.absolute_hit if target == "absolute" else outcomes.relative_hit
    wanted = [
        (i, j)
        for i in range(first, last + 1)
        if (last - i) % stride == 0
        for j in range(N_SYMBOLS)
        if eligible[i, j] and not np.isnan(hits[i, j])
    ]
    assert list(zip(data.decisions.tolist(), data.columns.tolist(), strict=True)) == wanted
    assert data.X.dtype == np.float32
    for row, (i, j) in enumerate(wanted):
        np.testing.assert_array_equal(data.X[row], features.values[i, j])
        assert data.y[row] == hits[i, j]
        assert data.net_return[row] == outcomes.net[i, j]
    some = data.dates[1:3]
    if len(some):
        assert data.decisions[data.rows_of(some)].tolist() == [i for i in data.decisions if i in some]


def test_an_infinite_feature_is_named() -> None:
    features, outcomes, eligible = small_market(1)
    i, j = np.argwhere(eligible & np.isfinite(outcomes.net))[5]
    features.values[i, j, 1] = -np.inf
    expected = f"feature y of {features.symbols[j]} on {features.sessions[i].date()} is infinite"
    with pytest.raises(InvalidDatasetError, match=expected):
        training_data(features, outcomes, eligible, 0, 33, 1, "relative")


def test_one_class_is_named() -> None:
    features, outcomes, eligible = small_market(1)
    always = replace(outcomes, relative_hit=np.where(np.isnan(outcomes.net), np.nan, 1.0))
    with pytest.raises(TrainingFailedError, match=r"every one of \d+ outcomes is a hit \(relative\)"):
        training_data(features, always, eligible, 0, 33, 1, "relative")


def test_constant_features_are_named() -> None:
    features, outcomes, eligible = small_market(1)
    features.values[:, :, :2] = 3.0
    features.values[:, :, 2] = np.nan
    with pytest.raises(TrainingFailedError, match="all 3 features are constant or missing"):
        training_data(features, outcomes, eligible, 0, 33, 1, "relative")


def test_nobody_eligible_is_named() -> None:
    features, outcomes, eligible = small_market(1)
    with pytest.raises(InsufficientHistoryError, match=r"2020-01-01 to .*no symbol is eligible with a known outcome"):
        training_data(features, outcomes, np.zeros_like(eligible), 0, 33, 1, "relative")


@settings(max_examples=60, deadline=None)
@given(
    arrays.arrays(
        np.float32, st.tuples(st.integers(1, 6), st.integers(1, 4)), elements=st.sampled_from([0.0, 1.0, -2.5, np.nan])
    )
)
def test_informative_columns_hold_two_values(X: np.ndarray) -> None:  # noqa: N803
    assert informative_columns(X).tolist() == [bool(pd.Series(column).nunique() > 1) for column in X.T]


def test_features_of_another_data_set_are_refused(market: MarketView) -> None:
    other = replace(market.features, symbols=("X", *market.features.symbols[1:]))
    with pytest.raises(InvalidDatasetError, match="build the features again"):
        market_view(market.dataset, other, PortfolioSettings())
