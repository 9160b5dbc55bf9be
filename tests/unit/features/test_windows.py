"""Rolling statistics against sums over each window, against pandas, and against themselves on shorter data."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from lambdas.core.features.windows import Rolling, smoothed, window_sum

WINDOWS = (1, 2, 20, 21, 63, 252)


def panel(kind: str) -> np.ndarray:
    random = np.random.default_rng(3)
    shape = (700, 5)
    values = {
        "returns": random.normal(0.0005, 0.02, shape),
        # A share that falls from 100,000 to a few cents, and volumes over eight orders of magnitude: a running sum
        # from the first row on would have lost all digits of the last windows.
        "falling prices": 1e5 * np.exp(np.linspace(0, -14, 700)[:, np.newaxis] + random.normal(0, 0.01, shape)),
        "volumes": np.exp(random.normal(12, 3, shape)) * np.where(np.arange(700) < 350, 1e4, 1.0)[:, np.newaxis],
    }[kind]
    values[random.random(shape) < 0.03] = np.nan
    values[:130, 1] = np.nan
    values[400:, 2] = np.nan
    return values


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("kind", ["returns", "falling prices", "volumes"])
def test_equals_a_sum_over_each_window(kind, window):
    """Not pandas, whose running sums lose the digits of the volumes after the break."""
    values, rolling = panel(kind), Rolling(panel(kind))
    windows = [values[: row + 1][-window:] for row in range(len(values))]
    count = np.array([np.isfinite(part).sum(axis=0) for part in windows])
    enough = np.where(count >= 0.9 * window, 1.0, np.nan)
    total = enough * [np.nansum(part, axis=0) for part in windows]
    largest = [np.max(part, axis=0, initial=-np.inf, where=np.isfinite(part)) for part in windows]
    np.testing.assert_array_equal(rolling.count(window), count)
    np.testing.assert_allclose(rolling.sum(window), total, rtol=1e-11, atol=1e-14)
    np.testing.assert_allclose(rolling.mean(window), total / np.maximum(count, 1), rtol=1e-11, atol=1e-14)
    np.testing.assert_array_equal(rolling.maximum(window), enough * largest)
    if window > 2:
        mean, deviation = rolling.mean_and_deviation(window, ddof=1)
        squares = [
            np.nansum((part - np.nansum(part, axis=0) / np.maximum(known, 1)) ** 2, axis=0)
            for part, known in zip(windows, count, strict=True)
        ]
        np.testing.assert_allclose(mean, total / np.maximum(count, 1), rtol=1e-11, atol=1e-14)
        np.testing.assert_allclose(deviation, enough * np.sqrt(squares / np.maximum(count - 1, 1)), rtol=1e-7)


@pytest.mark.parametrize("window", [21, 63, 252])
def test_skewness_equals_that_of_pandas(window):
    values = panel("returns")
    expected = pd.DataFrame(values).rolling(window, min_periods=int(np.ceil(0.9 * window))).skew()
    np.testing.assert_allclose(Rolling(values).skewness(window), expected, rtol=1e-7, atol=1e-10)


def test_what_does_not_move_has_no_skewness_and_no_deviation():
    still = Rolling(np.full((80, 1), 0.01))
    assert np.isnan(still.skewness(21)).all()
    np.testing.assert_allclose(still.mean_and_deviation(21, ddof=1)[1][30:], 0.0, atol=1e-8)


@pytest.mark.parametrize("n_rows", [0, 1, 2, 20, 41, 42, 43])
def test_later_rows_change_not_one_bit(n_rows):
    values = panel("volumes")
    whole, cut = Rolling(values), Rolling(values[:n_rows])
    for window in (2, 21, 252):
        for one, other in (
            (whole.sum(window), cut.sum(window)),
            (whole.maximum(window), cut.maximum(window)),
            (whole.mean_and_deviation(window, ddof=0)[1], cut.mean_and_deviation(window, ddof=0)[1]),
        ):
            np.testing.assert_array_equal(one[:n_rows], other)


def test_sums_of_short_panels_are_those_of_what_there_is():
    np.testing.assert_array_equal(window_sum(np.arange(4.0)[:, np.newaxis], 10).ravel(), [0, 1, 3, 6])
    np.testing.assert_array_equal(Rolling(np.ones((5, 1))).sum(4, required=0.5).ravel(), [np.nan, 2, 3, 4, 4])


def test_smoothing_equals_pandas():
    values = panel("returns")
    expected = pd.DataFrame(values).ewm(span=12, adjust=False, ignore_na=True).mean().to_numpy()
    known = ~np.isnan(values)
    computed = smoothed(values, np.array([[1.0], [2 / 13]]))
    np.testing.assert_allclose(computed[known], expected[known], rtol=1e-9)
    assert (computed[:130, 1] == 0).all()  # before the first value
    np.testing.assert_array_equal(computed[400:, 2], computed[399, 2])  # after the last one


def test_each_column_may_have_weights_of_its_own():
    values = panel("returns")[:, [0, 0]]
    weights = np.array([[1.0, 1.0], [0.5, 0.1]])
    both = smoothed(values, weights)
    for column in (0, 1):
        np.testing.assert_array_equal(both[:, [column]], smoothed(values[:, [column]], weights[:, [column]]))
