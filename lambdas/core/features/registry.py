"""Every feature there is, in the order of the columns, and what a data set must have for it."""

from __future__ import annotations

import pandas as pd

from lambdas.core.features import fundamental, macro, sector, technical
from lambdas.core.features.feature import FAMILIES, Feature
from lambdas.core.market_data.panel import MarketDataset

FEATURES: tuple[Feature, ...] = technical.FEATURES + macro.FEATURES + sector.FEATURES + fundamental.FEATURES


def is_available(feature: Feature, dataset: MarketDataset) -> bool:
    """Whether `dataset` has a value in every column that the feature needs."""
    for need in feature.needs:
        table, column = need.split(".")
        source = getattr(dataset, table)
        values = getattr(source, column, None) if table == "prices" else _column(source, column)
        if values is None or bool(pd.isna(values).all()):
            return False
    return True


def absent_families(dataset: MarketDataset) -> tuple[str, ...]:
    """Families of which not one feature can be computed from `dataset`."""
    present = {feature.family for feature in FEATURES if is_available(feature, dataset)}
    return tuple(family for family in FAMILIES if family not in present)


def absent_features(dataset: MarketDataset) -> tuple[str, ...]:
    """Features that cannot be computed from `dataset`, those of absent families included."""
    return tuple(feature.name for feature in FEATURES if not is_available(feature, dataset))


def _column(frame: pd.DataFrame | None, column: str) -> pd.Series | None:
    return frame[column] if frame is not None and column in frame else None
