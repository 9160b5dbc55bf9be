"""Rolling statistics on the wide panel: a few passes over whole rows, without a loop over symbols.

A row depends on itself and on rows before it, and not on how many rows follow: every sum begins anew within two
windows of its row. Running sums from the first session would be faster, and would lose digits where values shrink;
these agree with a direct sum to the last few bits.
"""

from __future__ import annotations

import itertools
from functools import cached_property

import numpy as np
import numpy.typing as npt

from lambdas.core.market_data.panel import BoolArray, FloatArray

KNOWN_SHARE = 0.9
"""A window with fewer known values than this share has no statistic."""


class Rolling:
    """Statistics over windows of rows of one panel.

    Parameters
    ----------
    values : ndarray of shape (n_sessions, n_columns)
        NaN where missing. Missing values count for nothing; a statistic over `window` rows is NaN where fewer than
        nine tenths of them are known.
    """

    def __init__(self, values: FloatArray) -> None:
        self.known: BoolArray = ~np.isnan(values)
        self.filled: FloatArray = values if self.whole else np.where(self.known, values, 0.0)
        self._counts: dict[int, npt.NDArray[np.int16]] = {}

    @cached_property
    def whole(self) -> bool:
        """Whether no value is missing."""
        return bool(self.known.all())

    def count(self, window: int) -> npt.NDArray[np.int16]:
        """Known values of each window."""
        if window not in self._counts:
            self._counts[window] = _window_count(self.known, window)
        return self._counts[window]

    def divisor(self, window: int, *, required: float = KNOWN_SHARE) -> FloatArray:
        """Known values of each window, NaN where they are fewer than `required` of it."""
        count = self.count(window)
        divisor = count.astype(np.float64)
        np.copyto(divisor, np.nan, where=count < required * window)
        return divisor

    def sum(self, window: int, *, required: float = KNOWN_SHARE) -> FloatArray:
        """Sum of each window; `required` is the share of its values that must be known."""
        total = window_sum(self.filled, window)
        np.copyto(total, np.nan, where=self.count(window) < required * window)
        return total

    def mean(self, window: int) -> FloatArray:
        """Mean of each window."""
        total = window_sum(self.filled, window)
        total /= self.divisor(window)
        return total

    def mean_and_deviation(self, window: int, *, ddof: int) -> tuple[FloatArray, FloatArray]:
        """Mean and standard deviation of each window, the latter with the divisor `n - ddof`."""
        count = self.divisor(window)
        mean = window_sum(self.filled, window)
        mean /= count
        variance = window_sum(np.square(self.filled), window)
        variance /= count
        variance -= np.square(mean)
        if ddof:
            variance *= count
            count -= ddof
            variance /= count
        np.maximum(variance, 0.0, out=variance)
        return mean, np.sqrt(variance, out=variance)

    def skewness(self, window: int) -> FloatArray:
        """Skewness of each window, corrected for the size of the sample as in Joanes & Gill (1998), G1.

        For values whose mean is small beside their deviation, such as returns: moments are about zero first.
        """
        count = self.divisor(window)
        powers = np.square(self.filled)
        mean = window_sum(self.filled, window)
        mean /= count
        variance = window_sum(powers, window)
        variance /= count
        powers *= self.filled
        third = window_sum(powers, window)
        third /= count
        square = np.square(mean)
        variance -= square  # The third moment is E x^3 - 3 mean variance - mean^3.
        third -= mean * (3.0 * variance + square)
        np.copyto(variance, np.nan, where=variance <= _NO_VARIANCE)
        third /= variance * np.sqrt(variance)
        third *= np.sqrt(count * (count - 1.0)) / (count - 2.0)
        return third

    def maximum(self, window: int) -> FloatArray:
        """Largest value of each window."""
        filled = self.filled if self.whole else np.where(self.known, self.filled, -np.inf)
        largest = _over_windows(filled, window, np.maximum, -np.inf)
        np.copyto(largest, np.nan, where=self.count(window) < KNOWN_SHARE * window)
        return largest


_NO_VARIANCE = 1e-14


def window_sum(values: FloatArray, window: int) -> FloatArray:
    """Sum of the `window` rows that end on each row; of fewer in the first rows. Without missing values.

    Examples
    --------
    >>> window_sum(np.array([[1.0], [2.0], [4.0], [8.0]]), 2).ravel()
    array([ 1.,  3.,  6., 12.])
    """
    return _over_windows(values, window, np.add, 0.0)


_FEW = 1024
"""Of fewer values in a row of all blocks, NumPy's own accumulation is faster than a call for each row; of more, it
misses the cache. The additions are the same."""


def _over_windows(values: FloatArray, window: int, operation: np.ufunc, neutral: float) -> FloatArray:
    """Combine windows of rows by an associative operation (van Herk 1992; Gil & Werman 1993).

    Rows are cut into blocks of `window`. Any window is the end of one block and the beginning of the next, so two
    accumulations within blocks and one combination make all windows, whatever their length.
    """
    n_rows, n_columns = values.shape
    if window == 1 or n_rows == 0:
        return values.copy()
    n_blocks = -(-n_rows // window)
    beginnings = np.empty((n_blocks, window, n_columns))
    rows = beginnings.reshape(-1, n_columns)
    rows[:n_rows] = values
    rows[n_rows:] = neutral
    if n_blocks * n_columns < _FEW:
        ends = np.empty_like(beginnings)
        operation.accumulate(beginnings[:, ::-1], axis=1, out=ends[:, ::-1])
        operation.accumulate(beginnings, axis=1, out=beginnings)
    else:
        ends = beginnings.copy()
        for row in range(1, window):
            operation(beginnings[:, row - 1], beginnings[:, row], out=beginnings[:, row])
            operation(ends[:, window - row], ends[:, window - row - 1], out=ends[:, window - row - 1])
    # The window of row i is the end of a block from i - window + 1 on, and the beginning of the next one up to i;
    # where i closes a block the two are the same block, which must count once.
    ends[:, 0] = neutral
    result = rows[:n_rows]
    if n_rows > window:
        operation(result[window - 1 :], ends.reshape(-1, n_columns)[: n_rows - window + 1], out=result[window - 1 :])
    return result


def _window_count(known: BoolArray, window: int) -> npt.NDArray[np.int16]:
    """Known values of each window. Counts are exact, so here a running sum from the first row on does no harm."""
    total = _running_count(known)
    result = total.astype(np.int16) if len(total) <= window else np.empty(total.shape, dtype=np.int16)
    if len(total) > window:
        result[:window] = total[:window]
        np.subtract(total[window:], total[:-window], out=result[window:], casting="unsafe")
    return result


def _running_count(known: BoolArray) -> npt.NDArray[np.int32]:
    total = known.astype(np.int32)
    for before, row in itertools.pairwise(total):
        np.add(row, before, out=row)
    return total


def smoothed(values: FloatArray, weights: FloatArray) -> FloatArray:
    """Exponential smoothing along rows, each column from its first value on; rows without a value are skipped.

    Parameters
    ----------
    values : ndarray of shape (n_sessions, n_columns)
    weights : ndarray of shape (n_weights, 1) or (n_weights, n_columns)
        Weight of the k-th value that a column has; the last one is that of all further values. The first is 1.

    Returns
    -------
    ndarray of shape (n_sessions, n_columns)
        0 before the first value; on rows without a value the newest smoothed one.
    """
    known = ~np.isnan(values)
    missing = ~known
    gaps: list[bool] = np.any(missing, axis=1).tolist()
    seen = _running_count(known)
    n_weights = len(weights)
    settled: list[bool] = np.all((seen >= n_weights) | missing, axis=1).tolist()
    last = weights[-1] if weights.shape[1] > 1 else float(weights[-1, 0])
    columns = np.arange(weights.shape[1])
    state = np.zeros(values.shape[1])
    result = np.empty(values.shape)
    for row, (value, step) in enumerate(zip(values, result, strict=True)):
        np.subtract(value, state, out=step)
        if gaps[row]:
            step[missing[row]] = 0.0
        if settled[row]:
            step *= last
        else:
            position = np.clip(seen[row] - 1, 0, n_weights - 1)
            step *= weights[position, columns] if len(columns) > 1 else weights[position, 0]
        step += state
        state = step
    return result
