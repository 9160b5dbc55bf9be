"""Where a symbol stands among the symbols of a date: ranks, and z-scores of winsorised values.

Each row is looked at by itself, so nothing here can look ahead.
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from lambdas.core.errors import InvalidInputError

Float32Array = npt.NDArray[np.float32]

Transform = Literal["raw", "rank", "zscore"]
TRANSFORMS: tuple[Transform, ...] = get_args(Transform)

WINSORISED_SHARE = 0.01
"""Below this quantile of a date and above its mirror image, values are drawn in before z-scores are made."""

_ROWS_AT_ONCE = 64
"""Rows that are ranked together: their temporary arrays fit into a processor's cache."""


def ranks(values: Float32Array) -> Float32Array:
    """Rank of each value in its row, from -0.5 to 0.5; equal values share one, missing ones have none.

    With n values the lowest gets 0.5 / n - 0.5 and the highest 0.5 - 0.5 / n, so that the size of the universe does
    not move the middle.

    Parameters
    ----------
    values : float32 ndarray of shape (n_sessions, n_symbols)
        Finite, or NaN where missing.

    Examples
    --------
    >>> ranks(np.array([[3.0, np.nan, 1.0, 1.0]], dtype=np.float32))
    array([[ 0.33333334,         nan, -0.16666667, -0.16666667]], dtype=float32)
    """
    result = np.empty(values.shape, dtype=np.float32)
    for start in range(0, len(values), _ROWS_AT_ONCE):
        _rank_rows(values[start : start + _ROWS_AT_ONCE], result[start : start + _ROWS_AT_ONCE])
    return result


def zscores(values: Float32Array, share: float = WINSORISED_SHARE) -> Float32Array:
    """Distance from the mean of the row in deviations of the row, both of winsorised values.

    Parameters
    ----------
    values : float32 ndarray of shape (n_sessions, n_symbols)
    share : float
        Values below this quantile of their row count as the quantile, and so do those above `1 - share`; quantiles
        are interpolated linearly. 0 leaves all as they are.

    Returns
    -------
    float32 ndarray of shape (n_sessions, n_symbols)
        NaN where the value is missing; 0 where all of a row are equal.

    Raises
    ------
    InvalidInputError
        If `share` is not at least 0 and below a half.
    """
    if not 0.0 <= share < 0.5:
        raise InvalidInputError(f"share {share} of winsorised values: must be at least 0 and below 0.5")
    ordered = np.sort(values, axis=1)  # Missing values come last.
    count = (~np.isnan(values)).sum(axis=1)
    low, high = (_quantile(ordered, count, place) for place in (share, 1.0 - share))
    clipped = np.clip(values.astype(np.float64), low, high)
    known = np.maximum(count, 1)[:, np.newaxis]
    clipped -= np.nansum(clipped, axis=1, keepdims=True) / known
    deviation = np.sqrt(np.nansum(np.square(clipped), axis=1, keepdims=True) / known)
    clipped /= np.where((high > low) & (deviation > 0.0), deviation, np.inf)
    return clipped.astype(np.float32)


def _quantile(ordered: Float32Array, count: npt.NDArray[np.int64], place: float) -> npt.NDArray[np.float64]:
    """Quantile of the first `count` values of each row, shape (n_rows, 1); NaN where there are none."""
    position = place * np.maximum(count - 1, 0)
    below = np.floor(position).astype(np.int64)
    above = np.minimum(below + 1, np.maximum(count - 1, 0))
    row = np.arange(len(ordered))
    first, second = ordered[row, below].astype(np.float64), ordered[row, above].astype(np.float64)
    return np.asarray(first + (position - below) * (second - first))[:, np.newaxis]


def _rank_rows(values: Float32Array, result: Float32Array) -> None:
    """Write the ranks of `values` into `result`, which is contiguous.

    A sort of numbers is much faster than one of positions, and a float32 leaves 29 bits of a float64 unused: the
    number of the column travels there through the sort.
    """
    n_columns = values.shape[1]
    missing = np.isnan(values)
    keys = values.astype(np.float64)
    keys += 0.0  # Of -0.0 and 0.0, which are equal, makes one.
    np.copyto(keys, _LAST, where=missing)
    bits = keys.view(np.int64)
    bits |= np.arange(n_columns)
    keys.sort(axis=1)
    cell = bits & _COLUMN_BITS
    cell += np.arange(0, values.size, n_columns)[:, np.newaxis]
    bits &= ~_COLUMN_BITS
    count = n_columns - missing.sum(axis=1, keepdims=True)
    tied = keys[:, 1:] == keys[:, :-1]
    tied[np.arange(1, n_columns) >= count] = False
    place = np.arange(0.5, n_columns) / np.maximum(count, 1) - 0.5
    rows = np.flatnonzero(tied.any(axis=1))
    if len(rows):
        place[rows] = _shared_places(tied[rows]) / np.maximum(count[rows], 1) - 0.5
    result.reshape(-1)[cell] = place
    np.copyto(result, np.nan, where=missing)


_LAST = 2.0**1000
"""Sorts after every float32, and its low bits are zero; infinity with a column in them would be no number."""
_COLUMN_BITS = np.int64((1 << 29) - 1)


def _shared_places(tied: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """Places 0.5, 1.5, ... of sorted values, the mean of them where `tied` says that one equals the one before."""
    n_rows, n_columns = tied.shape[0], tied.shape[1] + 1
    first = np.zeros((n_rows, n_columns), dtype=np.int64)
    first[:, 1:] = np.where(tied, 0, np.arange(1, n_columns))
    np.maximum.accumulate(first, axis=1, out=first)
    last = np.full((n_rows, n_columns), n_columns - 1)
    last[:, :-1] = np.where(tied, n_columns - 1, np.arange(n_columns - 1))
    last = np.minimum.accumulate(last[:, ::-1], axis=1)[:, ::-1]
    return np.asarray((first + last + 1) / 2.0)
