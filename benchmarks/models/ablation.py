"""What fundamentals, sector and macro add over technical indicators: same folds, fits and seeds, fewer columns."""

from __future__ import annotations

from lambdas.core.features import FeatureSet
from lambdas.core.models.importance import groups_by_feature

SEVEN_INDICATORS = (
    "rsi_14",
    "macd_histogram",
    "bollinger_percent_b",
    "price_to_average_50",
    "price_to_average_200",
    "volatility_21",
    "volume_ratio",
)
"""The indicators that a price chart has: RSI, MACD, Bollinger bands, two moving averages, volatility and volume."""

SEVEN, TECHNICAL, ALL = "seven indicators", "technical", "all features"


def ablation_sets(features: FeatureSet) -> dict[str, tuple[str, ...]]:
    """Columns of each set, with everything that is made of a feature beside it (its rank); in the order of tables.

    A family of which the data set has nothing makes no set, nor do the seven where one is missing.
    """
    made_of = groups_by_feature(features)
    by_family = {
        family: tuple(name for name in features.names if features.families[name] == family)
        for family in dict.fromkeys(features.families.values())
    }
    technical = by_family.pop("technical", ())
    sets = {}
    if all(name in made_of for name in SEVEN_INDICATORS):
        sets[SEVEN] = tuple(column for name in SEVEN_INDICATORS for column in made_of[name])
    sets[TECHNICAL] = technical
    for family in ("fundamental", "sector", "macro"):
        if by_family.get(family):
            sets[f"technical + {family}"] = (*technical, *by_family[family])
    sets[ALL] = tuple(features.names)
    return sets
