"""Permutation importance: what is known in advance about a model whose use of its features is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from lambdas.core.backtest.metrics import rank_ic_by_date
from lambdas.core.errors import InvalidDatasetError
from lambdas.core.features import FeatureSet
from lambdas.core.models import versions
from lambdas.core.models.importance import (
    groups_by_family,
    groups_by_feature,
    rank_ic_drops,
    summarise,
)
from lambdas.core.settings import EvidenceSettings

N_SESSIONS, N_SYMBOLS = 60, 40
NAMES = ("signal", "signal_rank", "copy", "noise", "level")
FAMILIES = {"signal": "technical", "signal_rank": "technical", "copy": "sector", "noise": "sector", "level": "macro"}


class Linear:
    """A model whose score is a weighted sum of features, and that counts how often it was asked."""

    def __init__(self, **weights: float) -> None:
        self.weights = weights
        self.calls = 0

    def predict(self, features: FeatureSet, sessions: pd.DatetimeIndex, eligible: np.ndarray) -> pd.DataFrame:
        self.calls += 1
        rows, columns = np.nonzero(eligible[features.sessions.get_indexer(sessions)])
        score = sum(weight * features.of(name).astype(float) for name, weight in self.weights.items())
        probability = 1 / (1 + np.exp(-score[rows, columns]))
        symbols = np.array(features.symbols)[columns]
        return pd.DataFrame({"date": sessions[rows], "symbol": symbols, "probability": probability})


@pytest.fixture
def features() -> FeatureSet:
    random = np.random.default_rng(3)
    signal = random.normal(size=(N_SESSIONS, N_SYMBOLS))
    ranked = signal.argsort(axis=1).argsort(axis=1) / N_SYMBOLS
    noise = random.normal(size=signal.shape)
    level = np.broadcast_to(random.normal(size=(N_SESSIONS, 1)), signal.shape)
    values = np.stack([signal, ranked, signal, noise, level], axis=2).astype(np.float32)
    sessions = pd.bdate_range("2016-01-04", periods=N_SESSIONS)
    symbols = tuple(f"S{number:02d}" for number in range(N_SYMBOLS))
    return FeatureSet(sessions, symbols, NAMES, FAMILIES, values)


@pytest.fixture
def gross(features: FeatureSet) -> np.ndarray:
    return 0.01 * (0.4 * features.of("signal") + np.random.default_rng(4).normal(size=(N_SESSIONS, N_SYMBOLS)))


@pytest.fixture
def everybody() -> np.ndarray:
    return np.ones((N_SESSIONS, N_SYMBOLS), dtype=bool)


def test_shuffling_the_only_feature_costs_the_whole_rank_ic(features, gross, everybody):
    drops = rank_ic_drops(
        Linear(signal=1.0), features, features.sessions, gross, everybody, {"signal": ["signal"]}, repeats=40
    )
    whole = rank_ic_by_date(features.of("signal").astype(float), gross, everybody)
    assert whole.mean() > 0.3
    assert drops["signal"].mean() == pytest.approx(whole.mean(), abs=0.01)


def test_what_the_model_does_not_use_costs_nothing(features, gross, everybody):
    groups = {name: [name] for name in NAMES}
    drops = rank_ic_drops(Linear(signal=1.0), features, features.sessions, gross, everybody, groups)
    for name in ("signal_rank", "copy", "noise", "level"):
        assert np.all(drops[name] == 0.0)


def test_columns_of_a_group_move_together(features, gross, everybody):
    # signal - copy is zero for every symbol as long as both are taken from the same one.
    model = Linear(signal=5.0, copy=-5.0, noise=1.0)
    groups = {"both": ["signal", "copy"], "one": ["signal"]}
    drops = rank_ic_drops(model, features, features.sessions, features.of("noise"), everybody, groups)
    assert np.all(drops["both"] == 0.0)
    assert drops["one"].mean() > 0.5


def test_a_level_that_all_symbols_share_is_not_even_tried(features, gross, everybody):
    model = Linear(signal=1.0, level=5.0)
    drops = rank_ic_drops(model, features, features.sessions, gross, everybody, {"level": ["level"]}, repeats=3)
    assert np.all(drops["level"] == 0.0)
    assert model.calls == 1


def test_who_is_not_eligible_gives_no_values(features, gross, everybody):
    eligible = everybody.copy()
    eligible[:, ::2] = False
    poisoned = features.values.copy()
    poisoned[:, ::2] = np.float32(1e6)
    model, groups = Linear(signal=1e-7), {"signal": ["signal"]}
    clean = rank_ic_drops(model, features, features.sessions, gross, eligible, groups)
    dirty = rank_ic_drops(model, replace(features, values=poisoned), features.sessions, gross, eligible, groups)
    np.testing.assert_array_equal(clean["signal"], dirty["signal"])


def test_the_feature_set_is_left_as_it_was_and_the_seed_decides(features, gross, everybody):
    before = features.values.copy()

    def drops(seed):
        groups = groups_by_feature(features)
        return rank_ic_drops(
            Linear(signal=1.0, noise=0.5), features, features.sessions[5:20], gross, everybody, groups, seed=seed
        )["signal"]

    first = drops(1)
    np.testing.assert_array_equal(features.values, before)
    np.testing.assert_array_equal(first, drops(1))
    assert first.shape == (15,)
    assert not np.array_equal(first, drops(2))


@pytest.mark.parametrize("rows", [1, 1300])
def test_how_many_versions_are_predicted_together_changes_nothing(features, gross, everybody, monkeypatch, rows):
    def drops():
        model, groups = Linear(signal=1.0, noise=0.5), groups_by_feature(features)
        return rank_ic_drops(model, features, features.sessions[5:20], gross, everybody, groups, repeats=2)

    together = drops()
    monkeypatch.setattr(versions, "BATCH_ROWS", rows)
    for name, alone in drops().items():
        np.testing.assert_array_equal(alone, together[name])


def test_dates_without_a_known_outcome_have_no_drop(features, gross, everybody):
    gross = gross.copy()
    gross[-7:] = np.nan
    drops = rank_ic_drops(
        Linear(signal=1.0), features, features.sessions, gross, everybody, {"signal": ["signal"], "level": ["level"]}
    )
    for values in drops.values():
        np.testing.assert_array_equal(np.isnan(values), np.arange(N_SESSIONS) >= N_SESSIONS - 7)


def test_groups_hold_every_column_once(features):
    by_feature = groups_by_feature(features)
    assert by_feature["signal"] == ("signal", "signal_rank")
    assert set(by_feature) == {"signal", "copy", "noise", "level"}
    for groups in (by_feature, groups_by_family(features)):
        assert sorted(name for columns in groups.values() for name in columns) == sorted(NAMES)
    assert groups_by_family(features)["sector"] == ("copy", "noise")


def test_a_ranked_column_without_its_feature_stands_for_itself(features):
    alone = replace(features, names=("signal_rank",), values=features.values[:, :, 1:2])
    assert groups_by_feature(alone) == {"signal_rank": ("signal_rank",)}


def test_bounds_hold_the_mean_and_the_largest_comes_first():
    random = np.random.default_rng(0)
    drops = {"small": random.normal(0.0, 0.1, 400), "large": random.normal(0.05, 0.1, 400)}
    drops["small"][:10] = np.nan
    found = summarise(drops, mean_block=5, settings=EvidenceSettings(bootstrap_draws=2000))
    assert [importance.name for importance in found] == ["large", "small"]
    assert [importance.n_dates for importance in found] == [400, 390]
    large = found[0]
    assert large.drop == pytest.approx(drops["large"].mean())
    # Independent dates: 1.645 standard errors either way, widened by less than a tenth.
    reach = 1.645 * drops["large"].std() / np.sqrt(400)
    assert large.lower == pytest.approx(large.drop - reach, abs=0.3 * reach)
    assert large.upper == pytest.approx(large.drop + reach, abs=0.3 * reach)
    assert found[1].lower < 0 < found[1].upper


def test_too_few_dates_have_no_bounds():
    (found,) = summarise({"few": np.full(9, 0.1)}, mean_block=5, settings=EvidenceSettings())
    assert found.drop == pytest.approx(0.1)
    assert (found.lower, found.upper) == (None, None)


def test_a_session_or_column_that_is_not_there_is_named(features, gross, everybody):
    model = Linear(signal=1.0)
    with pytest.raises(InvalidDatasetError, match="no session 2030-01-01"):
        rank_ic_drops(model, features, pd.DatetimeIndex(["2030-01-01"]), gross, everybody, {})
    with pytest.raises(InvalidDatasetError, match="momentum"):
        rank_ic_drops(model, features, features.sessions, gross, everybody, {"x": ["momentum"]})


def test_a_fitted_ensemble_loses_its_ranking_when_everything_is_shuffled(market, plan, model):
    fold = plan.folds[0]
    sessions = market.features.sessions
    decided = sessions[(sessions >= pd.Timestamp(fold.first_decision)) & (sessions <= pd.Timestamp(fold.last_decision))]
    everything = {"all": market.features.names}
    drops = rank_ic_drops(
        model, market.features, decided, market.outcomes.gross, market.eligible, everything, repeats=20
    )["all"]
    frame = model.predict(market.features, decided, market.eligible)
    wide = frame.pivot(index="date", columns="symbol", values="probability")
    numbers = sessions.get_indexer(decided)
    grid = wide.reindex(index=decided, columns=list(market.features.symbols)).to_numpy()
    whole = rank_ic_by_date(grid, market.outcomes.gross[numbers], market.eligible[numbers])
    assert np.nanmean(whole) > 0.1
    assert np.nanmean(drops) == pytest.approx(np.nanmean(whole), abs=0.03)
