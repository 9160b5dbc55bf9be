"""Which features a fitted model lives on: what its ranking loses out of sample when they are shuffled."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lambdas.core.backtest.bootstrap import lower_bound, resampled_sums, upper_bound, widening
from lambdas.core.backtest.evidence import BOOTSTRAP_SEED, MIN_BLOCKS
from lambdas.core.backtest.metrics import rank_ic_by_date
from lambdas.core.errors import InvalidDatasetError
from lambdas.core.features import FeatureSet
from lambdas.core.market_data.panel import BoolArray, FloatArray, IntArray
from lambdas.core.models.seeds import derive_seed
from lambdas.core.models.versions import Predictor, Values, predict_versions
from lambdas.core.settings import EvidenceSettings

Groups = Mapping[str, Sequence[str]]
"""By name of the group: the columns that are shuffled together."""

VARIANTS = ("_rank", "_zscore", "_z", "_missing")
"""Endings of the columns that are made of another one: shuffled alone, the other would tell what it said."""


@dataclass(frozen=True)
class Importance:
    """How much mean daily rank IC a group of features is worth to a model.

    Attributes
    ----------
    name : str
    drop : float
        Mean over dates of the rank IC as it is, less the rank IC with the group shuffled. Negative: the model ranks
        better without what it says.
    lower, upper : float or None
        One-sided bounds over dates. They tell how far other dates would differ, not another fit of the model.
    n_dates : int
    """

    name: str
    drop: float
    lower: float | None
    upper: float | None
    n_dates: int


def groups_by_feature(features: FeatureSet) -> dict[str, tuple[str, ...]]:
    """Each feature with the columns that are made of it.

    Examples
    --------
    >>> groups_by_feature(features)["momentum_21"]  # doctest: +SKIP
    ('momentum_21', 'momentum_21_rank')
    """
    groups: dict[str, tuple[str, ...]] = {}
    for name in features.names:
        bases = [name.removesuffix(ending) for ending in VARIANTS if name.endswith(ending)]
        base = next((base for base in bases if base in features.names), name)
        groups[base] = (*groups.get(base, ()), name)
    return groups


def groups_by_family(features: FeatureSet) -> dict[str, tuple[str, ...]]:
    """All columns of each family."""
    groups: dict[str, tuple[str, ...]] = {}
    for name in features.names:
        family = features.families[name]
        groups[family] = (*groups.get(family, ()), name)
    return groups


def rank_ic_drops(
    model: Predictor,
    features: FeatureSet,
    sessions: pd.DatetimeIndex,
    gross: FloatArray,
    eligible: BoolArray,
    groups: Groups,
    *,
    repeats: int = 5,
    seed: int = 0,
) -> dict[str, FloatArray]:
    """Loss of rank IC on each date when a group of columns is shuffled across the symbols of that date.

    Permutation importance (Breiman 2001; Fisher, Rudin & Dominici 2019) for a model that ranks: only within a date,
    because that is where it is used and because a date's level must stay the date's. The columns of a group move
    together, so what they say of one symbol stays consistent; the same permutations serve every group. What is the same
    for all symbols of a date (the level of a macro series) cannot be shuffled there and has a drop of exactly 0,
    whatever the model makes of it elsewhere.

    Two features that say the same share their importance: shuffled alone, neither seems to matter. Families are the
    cure.

    Parameters
    ----------
    model : Predictor
        Fitted on decisions whose outcomes were known before the first of `sessions`: the caller answers for that.
    features : FeatureSet
    sessions : DatetimeIndex of length n_dates
        Decisions to predict, all of them sessions of `features`.
    gross : ndarray of shape (n_sessions, n_symbols)
        Outcome of every session of `features`; NaN where it is not known.
    eligible : ndarray of bool, shape (n_sessions, n_symbols)
    groups : dict of str to sequence of str
        See `groups_by_feature` and `groups_by_family`.
    repeats : int
        Permutations of each date, averaged.
    seed : int

    Returns
    -------
    dict of str to ndarray of shape (n_dates,)
        NaN on dates without a rank IC.

    Raises
    ------
    InvalidDatasetError
        If a session or a column is not in `features`.
    """
    numbers = features.sessions.get_indexer(sessions)
    if (numbers < 0).any():
        raise InvalidDatasetError(
            f"features: no session {sessions[int(np.argmax(numbers < 0))].date()}; importance is measured on sessions "
            f"of the feature set"
        )
    unknown = sorted({name for columns in groups.values() for name in columns} - set(features.names))
    if unknown:
        raise InvalidDatasetError(f"features: {', '.join(unknown[:5])} of {len(unknown)} groups' columns are not there")
    allowed, outcome = eligible[numbers], gross[numbers]
    original = features.values[numbers]
    orders = [_orders(allowed, derive_seed(seed, "importance", repeat)) for repeat in range(repeats)]
    columns = {group: np.array([features.names.index(name) for name in names]) for group, names in groups.items()}
    moving = [group for group, of_group in columns.items() if not _same_for_all(original[:, :, of_group], allowed)]

    def versions() -> Iterator[Values]:
        yield original
        for group in moving:
            for order in orders:
                yield _shuffled(original, columns[group], order)

    predicted = predict_versions(model, features, versions(), allowed)
    unshuffled = rank_ic_by_date(next(predicted), outcome, allowed)
    drops = {group: np.where(np.isnan(unshuffled), np.nan, 0.0) for group in groups}
    for group in moving:
        losses = [unshuffled - rank_ic_by_date(next(predicted), outcome, allowed) for _ in orders]
        drops[group] = np.sum(losses, axis=0) / repeats
    return drops


def summarise(drops: Mapping[str, FloatArray], mean_block: int, settings: EvidenceSettings) -> list[Importance]:
    """Mean drops with their bounds, the largest first.

    Parameters
    ----------
    drops : dict of str to ndarray of shape (n_dates,)
        Of `rank_ic_drops`; of several folds, joined in time.
    mean_block : int
        Dates whose outcomes overlap: the horizon, or the horizon over the stride of the dates.
    settings : EvidenceSettings
        Confidence and draws.
    """
    result = []
    known_dates = {name: np.flatnonzero(np.isfinite(values)) for name, values in drops.items()}
    together: dict[bytes, list[str]] = {}
    for name, dates in known_dates.items():
        together.setdefault(dates.tobytes(), []).append(name)
    for names in together.values():  # the same dates have the same resamples, which take far longer than the sums
        dates = known_dates[names[0]]
        columns = np.column_stack([drops[name][dates] for name in names])
        means = np.empty((0, len(names)))
        if len(dates) >= MIN_BLOCKS * mean_block:
            sums = resampled_sums(columns, mean_block, settings.bootstrap_draws, BOOTSTRAP_SEED)
            means, widen = sums / len(dates), widening(len(dates), mean_block, mean_block, settings.confidence)
        for name, values, drawn in zip(names, columns.T, means.T, strict=True):
            drop = float(values.mean()) if len(values) else 0.0
            lower = upper = None
            if len(drawn):
                lower = lower_bound(drawn, settings.confidence, drop, widen)
                upper = upper_bound(drawn, settings.confidence, drop, widen)
            result.append(Importance(name, drop, lower, upper, len(dates)))
    return sorted(result, key=lambda importance: -importance.drop)


def _shuffled(values: Values, columns: IntArray, order: IntArray) -> Values:
    shuffled = values.copy()
    shuffled[:, :, columns] = np.take_along_axis(values[:, :, columns], order[:, :, np.newaxis], axis=1)
    return shuffled


def _orders(eligible: BoolArray, seed: int) -> IntArray:
    """For each date and symbol, whose values it is given: another eligible symbol's, or its own if not eligible."""
    generator = np.random.default_rng(seed)
    order = np.tile(np.arange(eligible.shape[1]), (len(eligible), 1))
    for row, allowed in zip(order, eligible, strict=True):
        chosen = np.flatnonzero(allowed)
        row[chosen] = generator.permutation(chosen)
    return order


def _same_for_all(values: Values, eligible: BoolArray) -> bool:
    """Whether on every date all eligible symbols have the same values in every column."""
    for of_date, allowed in zip(values, eligible, strict=True):
        rows = of_date[allowed]
        if len(rows) and not np.array_equal(rows, np.broadcast_to(rows[0], rows.shape), equal_nan=True):
            return False
    return True
