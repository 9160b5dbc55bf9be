"""The feature set: every available feature of every symbol on every session."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import rankdata

from lambdas.core.features.feature import Feature, Market
from lambdas.core.features.registry import FEATURES, is_available
from lambdas.core.market_data.panel import MarketDataset


@dataclass(frozen=True)
class FeatureSet:
    """Features as one array.

    Attributes
    ----------
    sessions : DatetimeIndex of length n_sessions
    symbols : tuple of str of length n_symbols
    names : tuple of str of length n_features
    families : dict of str to str
        Family of each feature.
    values : float32 ndarray of shape (n_sessions, n_symbols, n_features)
        As known at the close of each session. NaN where it cannot be computed, and where the symbol has no close.
    """

    sessions: pd.DatetimeIndex
    symbols: tuple[str, ...]
    names: tuple[str, ...]
    families: dict[str, str]
    values: npt.NDArray[np.float32]

    def of(self, name: str) -> npt.NDArray[np.float32]:
        """Values of one feature, shape (n_sessions, n_symbols)."""
        return self.values[:, :, self.names.index(name)]


def build_features(dataset: MarketDataset, features: Sequence[Feature] = FEATURES) -> FeatureSet:
    """Compute the features whose data `dataset` has; the others are absent, which is no error.

    Parameters
    ----------
    dataset : MarketDataset
    features : sequence of Feature
        Which ones; by default all of the registry.
    """
    available = [feature for feature in features if is_available(feature, dataset)]
    columns = [name for feature in available for name in _names(feature)]
    market = Market(dataset)
    priced = ~np.isnan(dataset.prices.close)
    values = np.full((*dataset.prices.shape, len(columns)), np.nan, dtype=np.float32)
    number = 0
    for feature in available:
        with np.errstate(invalid="ignore", divide="ignore"):
            computed = np.where(priced, feature.compute(market), np.nan).astype(np.float32)
        computed[np.isinf(computed)] = np.nan
        values[:, :, number] = computed
        number += 1
        if feature.ranked:
            values[:, :, number] = ranks(computed)
            number += 1
    return FeatureSet(
        sessions=dataset.sessions,
        symbols=dataset.prices.symbols,
        names=tuple(columns),
        families={name: feature.family for feature in available for name in _names(feature)},
        values=values,
    )


def ranks(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Rank of each value in its row, from -0.5 to 0.5; equal values share one, missing ones have none.

    With n values the lowest gets 0.5 / n - 0.5 and the highest 0.5 - 0.5 / n, so that the size of the universe does
    not move the middle.
    """
    missing = np.isnan(values)
    count = (~missing).sum(axis=1, keepdims=True)
    ranked = rankdata(np.where(missing, np.float32(np.inf), values), axis=1)
    return np.where(missing, np.nan, (ranked - 0.5) / np.maximum(count, 1) - 0.5).astype(np.float32)


def _names(feature: Feature) -> tuple[str, ...]:
    return (feature.name, f"{feature.name}_rank") if feature.ranked else (feature.name,)
