"""The network as arrays: preprocessing, layers and inference by matrix products. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from scipy.special import expit

from lambdas.core.market_data.panel import FloatArray
from lambdas.core.models.training_data import Matrix

CLIP_QUANTILES = (0.005, 0.995)
SMOOTH_CLIP = 3.0
"""Scaled values approach this without reaching it (Holzmueller, Grinsztajn & Steinwart 2024, RealMLP)."""
_CHUNK_ROWS = 16_384  # activations of one chunk stay below 20 MB


@dataclass(frozen=True)
class Preprocessing:
    """How features become inputs: imputed, clipped, scaled, and followed by missing-value indicators.

    Fitted on the rows of the fit alone. All arrays are float32 of shape (n_features,), but `indicated`, which holds
    the columns (int64) that had missing values.
    """

    low: Matrix
    high: Matrix
    center: Matrix
    scale: Matrix
    indicated: np.ndarray[tuple[int], np.dtype[np.int64]]

    @classmethod
    def fit(cls, X: Matrix) -> Preprocessing:
        """Take quantiles, medians and robust scales of each column; every column must have some value."""
        levels = (CLIP_QUANTILES[0], 0.25, 0.5, 0.75, CLIP_QUANTILES[1])
        quantiles = np.empty((len(levels), X.shape[1]))
        gaps = np.zeros(X.shape[1], dtype=np.bool_)
        for number, column in enumerate(X.T):  # one at a time: a quantile of the whole matrix copies it three times
            known = column[~np.isnan(column)]
            gaps[number] = len(known) < len(column)
            quantiles[:, number] = np.quantile(known, levels)
        low, q25, center, q75, high = quantiles
        # 1.349: the interquartile range of a standard normal. A column whose middle half is one value has none.
        spread = (q75 - q25) / 1.349
        scale = np.where(spread > 0, spread, np.where(high > low, (high - low) / 4, 1.0))
        return cls(
            low=low.astype(np.float32),
            high=high.astype(np.float32),
            center=center.astype(np.float32),
            scale=scale.astype(np.float32),
            indicated=np.flatnonzero(gaps).astype(np.int64),
        )

    def transform(self, X: Matrix) -> Matrix:
        """Return the inputs of the network, shape (n_rows, n_features + n_indicated)."""
        inputs = np.empty((len(X), X.shape[1] + len(self.indicated)), dtype=np.float32)
        for begin in range(0, len(X), _CHUNK_ROWS):
            rows, out = X[begin : begin + _CHUNK_ROWS], inputs[begin : begin + _CHUNK_ROWS]
            missing = np.isnan(rows)
            scaled = (np.clip(np.where(missing, self.center, rows), self.low, self.high) - self.center) / self.scale
            # A heavy tail inside the clipping quantiles would still drown the rest.
            out[:, : X.shape[1]] = scaled / np.sqrt(1.0 + (scaled / SMOOTH_CLIP) ** 2)
            out[:, X.shape[1] :] = missing[:, self.indicated]
        return inputs


@dataclass(frozen=True)
class NetworkWeights:
    """Several networks of one shape, packed: member m is the m-th slice of every array.

    Attributes
    ----------
    preprocessing : Preprocessing
    layers : tuple of (weight, bias)
        Float32 of shapes (n_members, n_in, n_out) and (n_members, 1, n_out); SiLU between them, none after the last.
    """

    preprocessing: Preprocessing
    layers: tuple[tuple[Matrix, Matrix], ...]

    def probability(self, X: Matrix) -> FloatArray:
        """Return the mean of the members' probabilities of a hit, shape (n_rows,)."""
        return self.probability_of_inputs(self.preprocessing.transform(X))

    def probability_of_inputs(self, inputs: Matrix) -> FloatArray:
        """Return the same for rows that `preprocessing` has transformed."""
        # One BLAS thread: how a product is split among threads can change its last bit.
        with _thread_pools().limit(limits=1, user_api="blas"):
            chunks = range(0, len(inputs), _CHUNK_ROWS)
            return np.concatenate([self._probability(inputs[begin : begin + _CHUNK_ROWS]) for begin in chunks])

    def _probability(self, inputs: Matrix) -> FloatArray:
        total = np.zeros(len(inputs))
        for member in range(len(self.layers[0][0])):
            hidden = inputs
            for depth, (weight, bias) in enumerate(self.layers):
                hidden = hidden @ weight[member] + bias[member]
                if depth < len(self.layers) - 1:
                    hidden = hidden * expit(hidden)
            total += expit(hidden[:, 0].astype(np.float64))
        return total / len(self.layers[0][0])

    def arrays(self) -> dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float32 | np.int64]]]:
        """Return every array by the name it has in an artefact."""
        named = {f"preprocessing.{key}": getattr(self.preprocessing, key) for key in _PREPROCESSING}
        for depth, (weight, bias) in enumerate(self.layers):
            named |= {f"layers.{depth}.weight": weight, f"layers.{depth}.bias": bias}
        return named

    @classmethod
    def from_arrays(cls, arrays: dict[str, Matrix]) -> NetworkWeights:
        """Rebuild from `arrays`."""
        depths = sorted(int(key.split(".")[1]) for key in arrays if key.endswith(".weight"))
        return cls(
            preprocessing=Preprocessing(**{key: arrays[f"preprocessing.{key}"] for key in _PREPROCESSING}),  # type: ignore[arg-type]
            layers=tuple((arrays[f"layers.{d}.weight"], arrays[f"layers.{d}.bias"]) for d in depths),
        )


@cache
def _thread_pools() -> Any:
    """Return the pools of the libraries that are loaded; looking for them takes longer than a small prediction."""
    from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

    return ThreadpoolController()


_PREPROCESSING = ("low", "high", "center", "scale", "indicated")
