"""Beta and volatility of scores: what of a ranking they explain, and taking it out. Imports no learner library."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from lambdas.core.features import FeatureSet
from lambdas.core.market_data.panel import FloatArray, IntArray

EXPOSURES = ("beta_252", "idiosyncratic_volatility_252")
"""Features that scores may be neutralised to: with the market's, these two are the total volatility."""
MIN_SYMBOLS = 10
"""A date with fewer rows is left as it is: a regression of so few would take the scores themselves out."""
CLIP = 3.0
"""Standardised exposures are clipped here, so that one meme stock does not turn the regression of a date."""


def exposures_of(features: FeatureSet, decisions: IntArray, columns: IntArray) -> FloatArray | None:
    """Exposures of single decisions and symbols, shape (n_rows, 2), NaN where missing; None if a feature is absent."""
    if not set(EXPOSURES) <= set(features.names):
        return None
    return np.column_stack([features.of(name)[decisions, columns] for name in EXPOSURES]).astype(np.float64)


def neutralise(score: FloatArray, exposures: FloatArray, decisions: IntArray) -> FloatArray:
    """Residuals of a regression of the scores of each date on its exposures, plus the mean score of the date.

    The regression is of Barra's kind (Grinold & Kahn 2000): by date, across symbols, with a constant. Exposures are
    standardised and clipped within the date, a missing one is its mean. What is left is uncorrelated with both
    exposures on every date; the level of the date, which says nothing about selection, is kept.

    Parameters
    ----------
    score : ndarray of shape (n_rows,)
    exposures : ndarray of shape (n_rows, n_exposures)
        NaN where missing.
    decisions : ndarray of int, shape (n_rows,)
        Date of each row, ascending.

    Returns
    -------
    ndarray of shape (n_rows,)
        The score itself on dates with fewer than `MIN_SYMBOLS` rows.
    """
    result = np.array(score, dtype=np.float64)
    edges = [0, *(np.flatnonzero(np.diff(decisions)) + 1), len(decisions)]
    for begin, end in pairwise(edges):
        if end - begin < MIN_SYMBOLS:
            continue
        rest = result[begin:end]
        mean = rest.mean()
        rest = rest - mean
        # Gram-Schmidt with plain sums: no BLAS, whose last bits depend on the number of threads.
        basis: list[FloatArray] = []
        for column in exposures[begin:end].T:
            direction = _standardised(column)
            for earlier in basis:
                direction = direction - (direction * earlier).sum() * earlier
            length = float(np.sqrt((direction * direction).sum()))
            if length > 1e-6:
                basis.append(direction / length)
        for direction in basis:
            rest = rest - (rest * direction).sum() * direction
        result[begin:end] = mean + rest
    return result


def _standardised(column: FloatArray) -> FloatArray:
    known = np.isfinite(column)
    if not known.any():
        return np.zeros(len(column))
    values = np.where(known, column, column[known].mean())
    deviation = float(values.std())
    if deviation < 1e-12:
        return np.zeros(len(column))
    clipped = np.clip((values - values.mean()) / deviation, -CLIP, CLIP)
    centred: FloatArray = clipped - clipped.mean()
    return centred
