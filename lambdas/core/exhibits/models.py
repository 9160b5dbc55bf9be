"""What fitted models live on, and which features spoke for a recommendation. Imports no learner library."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from lambdas.core.exhibits.values import Explanation, FeatureImportance, FoldDrops, ImportanceExhibit, Voice
from lambdas.core.market_data.panel import FloatArray
from lambdas.core.models.importance import (
    Importance,
    groups_by_family,
    groups_by_feature,
    rank_ic_drops,
    summarise,
)
from lambdas.core.models.market_view import MarketView
from lambdas.core.models.versions import Predictor, Values, predict_versions
from lambdas.core.settings import ModelSettings
from lambdas.core.values import FoldPlan

STRIDE = 5
"""Every n-th decision of a fold is shuffled: outcomes of the dates between overlap with theirs."""
MAX_EXPLAINED = 50
MAX_VOICES = 3
QUIET, QUIET_BESIDE = 0.001, 0.1
"""A feature that moves a probability by less than the first, and by less than this share of what the loudest one moves
it, did not speak."""
SMALLEST = 0.5e-5
"""Less is stored as nothing."""


def measure_drops(model: Predictor, market: MarketView, fold: FoldPlan, seed: int) -> FoldDrops:
    """Shuffle each feature and each family on some dates of a fold's test window, once each.

    Parameters
    ----------
    model : Predictor
        Fitted on the training part of the fold.
    market : MarketView
    fold : FoldPlan
    seed : int
        Of the permutations.
    """
    features = market.features
    sessions = features.sessions
    decided = sessions[(sessions >= pd.Timestamp(fold.first_decision)) & (sessions <= pd.Timestamp(fold.last_decision))]
    groups = groups_by_feature(features)
    by_feature, by_family = (
        rank_ic_drops(
            model, features, decided[::STRIDE], market.outcomes.gross, market.eligible, part, repeats=1, seed=seed
        )
        for part in (groups, groups_by_family(features))
    )
    return FoldDrops(
        families={name: features.families[columns[0]] for name, columns in groups.items()},
        by_feature={name: _stored(drops) for name, drops in by_feature.items()},
        by_family={name: _stored(drops) for name, drops in by_family.items()},
    )


def pool_drops(folds: Sequence[FoldDrops], settings: ModelSettings) -> ImportanceExhibit | None:
    """Join the drops of all folds in time; None without folds.

    Parameters
    ----------
    folds : sequence of FoldDrops
        In the order of time.
    settings : ModelSettings
    """
    if not folds:
        return None
    block = max(round(settings.portfolio.horizon / STRIDE), 1)
    families = {name: family for fold in folds for name, family in fold.families.items()}
    by_feature = summarise(_joined([fold.by_feature for fold in folds]), block, settings.evidence)
    by_family = summarise(_joined([fold.by_family for fold in folds]), block, settings.evidence)
    return ImportanceExhibit(
        n_dates=max((found.n_dates for found in by_feature), default=0),
        by_feature=tuple(_exhibit(found, families[found.name]) for found in by_feature if found.n_dates),
        by_family=tuple(_exhibit(found, found.name) for found in by_family if found.n_dates),
    )


def explain(model: Predictor, market: MarketView, day: pd.Timestamp) -> tuple[Explanation, ...]:
    """Name the features that moved the highest probabilities of a date most.

    Each feature in turn is put to its median among the eligible symbols, with everything that is made of it, for all
    symbols at once: what is left is what the model would say if nobody stood out in it. Effects of features that say
    the same do not add up.

    Parameters
    ----------
    model : Predictor
    market : MarketView
    day : Timestamp
        A session of the features.
    """
    features = market.features
    row = int(features.sessions.get_indexer(pd.DatetimeIndex([day]))[0])
    values, allowed = features.values[row : row + 1], market.eligible[row : row + 1]
    groups = groups_by_feature(features)

    def versions() -> Iterator[Values]:
        yield values
        for names in groups.values():
            columns = [features.names.index(column) for column in names]
            changed = values.copy()
            changed[:, :, columns] = _medians(values[0][np.ix_(allowed[0], columns)])
            yield changed

    predicted = [
        pd.Series(grid[0], index=features.symbols) for grid in predict_versions(model, features, versions(), allowed)
    ]
    said = predicted[0].dropna()
    top = said.nlargest(MAX_EXPLAINED).index
    table = pd.DataFrame({name: said[top] - without[top] for name, without in zip(groups, predicted[1:], strict=True)})
    return tuple(_loudest(str(symbol), row_of) for symbol, row_of in table.iterrows())


def _medians(values: Values) -> Values:
    """Median of each column; NaN where nothing is known."""
    known = np.isfinite(values).any(axis=0)
    median = np.full(values.shape[1], np.nan, dtype=values.dtype)
    median[known] = np.nanmedian(values[:, known], axis=0)
    return median


def _loudest(symbol: str, effects: pd.Series[float]) -> Explanation:
    order = effects.abs().sort_values(ascending=False, kind="stable").index[:MAX_VOICES]
    voices = [(str(name), float(effects[name])) for name in order]
    # Near 0 and 1 a probability hardly moves, whatever speaks: there the loudest is the measure.
    least = min(QUIET, QUIET_BESIDE * max((abs(effect) for _, effect in voices), default=0.0))
    return Explanation(
        symbol=symbol,
        voices=tuple(
            Voice(feature=name, effect=round(effect, 5))
            for name, effect in voices
            if abs(effect) >= max(least, SMALLEST)
        ),
    )


def _stored(drops: FloatArray) -> tuple[float | None, ...]:
    return tuple(round(float(drop), 6) if np.isfinite(drop) else None for drop in drops)


def _joined(folds: Sequence[dict[str, tuple[float | None, ...]]]) -> dict[str, FloatArray]:
    names = list(dict.fromkeys(name for fold in folds for name in fold))
    return {
        name: np.array([np.nan if drop is None else drop for fold in folds for drop in fold.get(name, ())])
        for name in names
    }


def _exhibit(found: Importance, family: str) -> FeatureImportance:
    return FeatureImportance(name=found.name, family=family, drop=found.drop, lower=found.lower, upper=found.upper)
