"""Which symbols a probability turns into recommendations (definitions, section 3)."""

from __future__ import annotations

import numpy as np

from lambdas.core.market_data.panel import BoolArray, FloatArray
from lambdas.core.settings import RecommendationRule


def recommend(probability: FloatArray, eligible: BoolArray, rule: RecommendationRule) -> BoolArray:
    """Recommend the k most probable symbols of each session that reach `min_probability`.

    ``k = min(n_eligible, max(min_positions, floor(top_fraction * n_eligible)))``, where `n_eligible` counts the
    eligible symbols of the data set, with or without a probability; a symbol without one is not recommended.

    Parameters
    ----------
    probability : ndarray of shape (n_sessions, n_symbols)
        Probability of a hit; NaN where there is none.
    eligible : ndarray of bool, shape (n_sessions, n_symbols)
    rule : RecommendationRule

    Returns
    -------
    ndarray of bool, shape (n_sessions, n_symbols)
        Columns are in alphabetical order of the symbols, and of equally probable ones the leftmost is taken.
    """
    n_sessions, n_symbols = probability.shape
    if n_symbols == 0:
        return np.zeros(probability.shape, dtype=np.bool_)
    n_eligible = eligible.sum(axis=1)
    k = np.minimum(n_eligible, np.maximum(rule.min_positions, np.floor(rule.top_fraction * n_eligible).astype(int)))
    candidate = eligible & (probability >= rule.min_probability)  # False for NaN
    score = np.where(candidate, probability, -np.inf)
    ranked = np.sort(score, axis=1)
    threshold = ranked[np.arange(n_sessions), np.maximum(n_symbols - k, 0) - (k == 0)][:, np.newaxis]
    above = candidate & (score > threshold)
    tied = candidate & (score == threshold)
    places_left = (k - above.sum(axis=1))[:, np.newaxis]
    chosen: BoolArray = above | (tied & (np.cumsum(tied, axis=1) <= places_left))
    return chosen
