"""Every feature there is, in the order of the columns, and what a data set must have for it."""

from __future__ import annotations

import numpy as np
import pandas as pd

from lambdas.core.features import earnings, fundamental, macro, sector, technical
from lambdas.core.features.feature import FAMILIES, Feature
from lambdas.core.market_data.panel import MarketDataset

FEATURES: tuple[Feature, ...] = (
    technical.FEATURES + macro.FEATURES + sector.FEATURES + fundamental.FEATURES + earnings.FEATURES
)


def is_available(feature: Feature, dataset: MarketDataset) -> bool:
    """Whether `dataset` has a value in every column that the feature needs."""
    return all(_has(dataset, need) for need in feature.needs)


def available_features(dataset: MarketDataset, features: tuple[Feature, ...] = FEATURES) -> tuple[Feature, ...]:
    """Features that can be computed from `dataset`; each column is looked at once."""
    needs = {need for feature in features for need in feature.needs}
    present = {need for need in needs if _has(dataset, need)}
    return tuple(feature for feature in features if present.issuperset(feature.needs))


def absent_families(dataset: MarketDataset) -> tuple[str, ...]:
    """Families of which not one feature can be computed from `dataset`."""
    present = {feature.family for feature in available_features(dataset)}
    return tuple(family for family in FAMILIES if family not in present)


def absent_features(dataset: MarketDataset) -> tuple[str, ...]:
    """Features that cannot be computed from `dataset`, those of absent families included."""
    present = {feature.name for feature in available_features(dataset)}
    return tuple(feature.name for feature in FEATURES if feature.name not in present)


def absence_reasons(dataset: MarketDataset) -> dict[str, str]:
    """Why features are absent, a sentence for each family that misses some; the families that have all are left out.

    Examples
    --------
    ``{"fundamental": "all 22 features are absent: there is no fundamentals.parquet"}``
    """
    present = set(available_features(dataset))
    reasons: dict[str, str] = {}
    for family in FAMILIES:
        members = [feature for feature in FEATURES if feature.family == family]
        absent = [feature for feature in members if feature not in present]
        if not absent:
            continue
        lacking = dict.fromkeys(
            _lack(dataset, need) for feature in absent for need in feature.needs if not _has(dataset, need)
        )
        count = f"all {len(members)} features are" if absent == members else f"{len(absent)} of {len(members)} are"
        names = "" if absent == members else f" ({', '.join(feature.name for feature in absent)})"
        reasons[family] = f"{count} absent{names}: {'; '.join(lacking)}"
    return reasons


def _has(dataset: MarketDataset, need: str) -> bool:
    """Whether there is a value in ``table.column``."""
    table, column = need.split(".")
    if table == "prices":
        return not bool(np.isnan(getattr(dataset.prices, column)).all())
    frame: pd.DataFrame | None = getattr(dataset, table)
    return frame is not None and column in frame and not bool(frame[column].isna().all())


def _lack(dataset: MarketDataset, need: str) -> str:
    table, column = need.split(".")
    if table != "prices" and getattr(dataset, table) is None:
        return f"there is no {table}.parquet"
    return f"{table}.parquet has no values in {column}"
