"""The feature set: every available feature of every symbol on every session."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from lambdas.core.errors import InvalidInputError
from lambdas.core.features.cross_section import TRANSFORMS, Transform, ranks, zscores
from lambdas.core.features.feature import RANK_SUFFIX, Feature, Market
from lambdas.core.features.registry import FEATURES, available_features
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
        In memory the values of one feature lie together (see `feature_major`).
    """

    sessions: pd.DatetimeIndex
    symbols: tuple[str, ...]
    names: tuple[str, ...]
    families: dict[str, str]
    values: npt.NDArray[np.float32]

    def of(self, name: str) -> npt.NDArray[np.float32]:
        """Values of one feature, shape (n_sessions, n_symbols)."""
        return self.values[:, :, self.names.index(name)]


def feature_major(n_sessions: int, n_symbols: int, n_features: int) -> npt.NDArray[np.float32]:
    """Room for values of shape (n_sessions, n_symbols, n_features) in which each feature is one block of memory.

    Features are computed, ranked, stored and read one after the other; with the features innermost each of these
    steps would touch all of the memory. To collect the rows of a fit takes the same time either way.
    """
    return np.empty((n_features, n_sessions, n_symbols), dtype=np.float32).transpose(1, 2, 0)


def build_features(dataset: MarketDataset, features: Sequence[Feature] = FEATURES) -> FeatureSet:
    """Compute the features whose data `dataset` has; the others are absent, which is no error.

    Parameters
    ----------
    dataset : MarketDataset
    features : sequence of Feature
        Which ones; by default all of the registry.

    Notes
    -----
    Ranks are made in a second thread, beside the next feature; the result does not depend on it.
    """
    available = available_features(dataset, tuple(features))
    columns = [name for feature in available for name in feature.columns]
    market = Market(dataset)
    unpriced = np.isnan(dataset.prices.close)
    values = feature_major(*dataset.prices.shape, len(columns))
    pending: list[Future[None]] = []
    with ThreadPoolExecutor(max_workers=1) as beside:
        number = 0
        for feature in available:
            with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
                _fill(values[:, :, number], feature.compute(market), unpriced)
            if feature.ranked:
                pending.append(beside.submit(_rank, values[:, :, number], values[:, :, number + 1]))
            number += len(feature.columns)
    for ranked in pending:
        ranked.result()
    return FeatureSet(
        sessions=dataset.sessions,
        symbols=dataset.prices.symbols,
        names=tuple(columns),
        families={name: feature.family for feature in available for name in feature.columns},
        values=values,
    )


def transformed(features: FeatureSet, transform: Transform) -> FeatureSet:
    """Feature set as values, as ranks or as z-scores across the symbols of each date.

    Parameters
    ----------
    features : FeatureSet
    transform : {"raw", "rank", "zscore"}
        ``raw`` returns it as it is. The other two give one column a feature: ranks from -0.5 to 0.5, or z-scores of
        values winsorised at 1 % and 99 % of the date. Columns that hold ranks already are left out, and features that
        are the same for all symbols keep their values.

    Raises
    ------
    InvalidInputError
        If there is no such transform.
    """
    if transform not in TRANSFORMS:
        raise InvalidInputError(f"transform {transform}: not one of {', '.join(TRANSFORMS)}")
    if transform == "raw":
        return features
    ranked = {f"{name}{RANK_SUFFIX}" for name in features.names}
    kept = [number for number, name in enumerate(features.names) if name not in ranked]
    market_wide = {feature.name for feature in FEATURES if feature.market_wide}
    values = feature_major(len(features.sessions), len(features.symbols), len(kept))
    for place, number in enumerate(kept):
        column = np.ascontiguousarray(features.values[:, :, number])
        if features.names[number] not in market_wide:
            column = ranks(column) if transform == "rank" else zscores(column)
        values[:, :, place] = column
    names = tuple(features.names[number] for number in kept)
    families = {name: features.families[name] for name in names}
    return FeatureSet(features.sessions, features.symbols, names, families, values)


def _fill(column: npt.NDArray[np.float32], computed: npt.NDArray[np.float64], unpriced: npt.NDArray[np.bool_]) -> None:
    """Write one feature, without infinities and without values where there is no price."""
    np.copyto(column, computed, casting="same_kind")
    absent = np.isinf(column)
    absent |= unpriced
    np.copyto(column, np.nan, where=absent)


def _rank(values: npt.NDArray[np.float32], result: npt.NDArray[np.float32]) -> None:
    np.copyto(result, ranks(values))
