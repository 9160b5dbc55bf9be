"""How unlike its training data the inputs and the scores of a model have become."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lambdas.core.features import FeatureSet
from lambdas.core.live.values import Drift, FeatureDrift
from lambdas.core.market_data.panel import BoolArray, FloatArray
from lambdas.core.settings import LiveSettings

N_BINS = 10
MIN_VALUES = 100
"""Of fewer values in either sample a population stability index is about the sample, not about the population."""

N_NAMED = 5


@dataclass(frozen=True)
class Reference:
    """A sample that others are compared with, in its own deciles.

    Attributes
    ----------
    edges : ndarray
        Between the bins, ascending; a value on an edge belongs to the bin above.
    shares : ndarray
        Of each bin, all above 0.
    """

    edges: FloatArray
    shares: FloatArray

    @classmethod
    def of(cls, values: FloatArray) -> Reference | None:
        """Return the deciles of a sample; None with fewer than `MIN_VALUES` values, or if they do not vary."""
        values = values[np.isfinite(values)]
        if values.size < MIN_VALUES:
            return None
        edges = np.unique(np.quantile(values, np.linspace(0.0, 1.0, N_BINS + 1)[1:-1]))
        edges = edges[edges > values.min()]  # a value that fills several deciles has one bin, with all below it
        return cls(edges, _shares(values, edges)) if edges.size else None

    def psi(self, current: FloatArray) -> float | None:
        """Return the index of another sample; None with fewer than `MIN_VALUES` values in it."""
        current = current[np.isfinite(current)]
        if current.size < MIN_VALUES:
            return None
        found = _shares(current, self.edges)
        return float(np.sum((found - self.shares) * np.log(found / self.shares)))


def psi(reference: FloatArray, current: FloatArray) -> float | None:
    """Measure the population stability index: the sum over the reference's deciles of (q - p) ln(q / p).

    0.1 is usually called a small shift and 0.25 a large one (Siddiqi 2006; Yurdakul & Naranjo 2020 for its
    distribution). A share of nothing counts as half an observation, so that the index is finite.

    Parameters
    ----------
    reference, current : ndarray
        Values of both samples; those that are not finite are left out.

    Returns
    -------
    float or None
        None with fewer than `MIN_VALUES` values in a sample, or a reference that does not vary.
    """
    deciles = Reference.of(reference)
    return None if deciles is None else deciles.psi(current)


def _shares(values: FloatArray, edges: FloatArray) -> FloatArray:
    counts = np.bincount(np.searchsorted(edges, values, side="right"), minlength=edges.size + 1)
    shares: FloatArray = np.maximum(counts, 0.5) / values.size
    return shares


def measure_drift(
    features: FeatureSet,
    eligible: BoolArray,
    used: Sequence[str],
    training: tuple[pd.Timestamp, pd.Timestamp],
    holdout_scores: FloatArray,
    live_scores: FloatArray,
    settings: LiveSettings,
) -> Drift:
    """Compare the inputs of the last sessions with the training window, and the scores with those of the holdout.

    Parameters
    ----------
    features : FeatureSet
    eligible : ndarray of bool, shape (n_sessions, n_symbols)
        Of all sessions of `features`.
    used : sequence of str
        Features that the model was fitted on; those that are absent are left out.
    training : (first, last)
        Training decisions of the model.
    holdout_scores, live_scores : ndarray
        Probabilities of the holdout, frozen, and those of the last sessions, as they were recorded.
    settings : LiveSettings

    Notes
    -----
    A market-wide input (one value a date: the VIX, a yield) is never distributed in a month as it was in five years.
    Its index is shown and neither counted nor gated.
    """
    rows = np.flatnonzero((features.sessions >= training[0]) & (features.sessions <= training[1]))
    newest = len(features.sessions) - 1
    recent = np.arange(max(newest + 1 - settings.drift_sessions, 0), newest + 1)
    of_symbols: list[FeatureDrift] = []
    market_wide: list[FeatureDrift] = []
    outside = total = 0
    for name in used:
        if name not in features.names:
            continue
        values = features.of(name)
        reference, current = (values[span][eligible[span]].astype(np.float64) for span in (rows, recent))
        index = psi(reference, current)
        today = values[newest][eligible[newest]].astype(np.float64)
        today, trained = today[np.isfinite(today)], reference[np.isfinite(reference)]
        if trained.size:
            outside += int(((today < trained.min()) | (today > trained.max())).sum())
            total += today.size
        if index is not None:
            wide = today.size > 1 and bool(np.all(today == today[0]))
            (market_wide if wide else of_symbols).append(FeatureDrift(feature=name, psi=round(index, 6)))
    indices = np.array([one.psi for one in of_symbols])
    return Drift(
        n_features=len(of_symbols),
        drifted_share=float(np.mean(indices > settings.psi_limit)) if len(indices) else None,
        median_psi=float(np.median(indices)) if len(indices) else None,
        most_drifted=_largest(of_symbols),
        market_wide=_largest(market_wide),
        score_psi=psi(holdout_scores, live_scores),
        outside_share=outside / total if total else None,
    )


def _largest(found: list[FeatureDrift]) -> tuple[FeatureDrift, ...]:
    return tuple(sorted(found, key=lambda one: (-one.psi, one.feature))[:N_NAMED])
