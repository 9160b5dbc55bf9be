"""The three learners behind one interface."""

# ruff: noqa: N806

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import cross_val_predict

from lambdas.core.errors import TrainingFailedError
from lambdas.core.models.learner import FitRows, Learner, area_under_curve, stopping_split
from lambdas.core.models.learners import LEARNERS, logits
from lambdas.core.models.lightgbm_learner import LightGBMLearner
from lambdas.core.models.network_learner import ADAPTERS, NetworkLearner, _Network
from lambdas.core.models.network_weights import NetworkWeights, Preprocessing
from lambdas.core.models.xgboost_learner import XGBoostLearner

pytestmark = pytest.mark.filterwarnings("ignore:.*set_num_threads")
ALL = pytest.mark.parametrize("make", list(LEARNERS.values()), ids=list(LEARNERS))
Make = Callable[..., Learner]


def rows(seed: int, n_dates: int = 120, n_symbols: int = 10, strength: float = 1.0) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(seed)
    n = n_dates * n_symbols
    X = rng.normal(size=(n, 6)).astype(np.float32)
    odds = strength * (X[:, 0] - 0.7 * X[:, 1])
    y = (rng.random(n) < 1 / (1 + np.exp(-odds))).astype(float)
    X[rng.random(X.shape) < 0.05] = np.nan
    return X, y, np.repeat(np.arange(n_dates) * 3, n_symbols)


@ALL
def test_it_learns_and_takes_missing_values(make: Make) -> None:
    X, y, decisions = rows(0)
    X_new, y_new, _ = rows(1)
    learner = make(seed=1, horizon=5, n_threads=1).fit(X, y, decisions=decisions)
    probability = learner.predict_proba(X_new)
    assert probability.shape == (len(X_new), 2)
    np.testing.assert_allclose(probability.sum(axis=1), 1.0)
    assert roc_auc_score(y_new, probability[:, 1]) > 0.72  # knowing the odds would reach 0.76
    assert learner.predict_proba(np.full((2, 6), np.nan, np.float32)).shape == (2, 2)
    assert learner.predict_proba(X_new[:0]).shape == (0, 2)
    np.testing.assert_array_equal(learner.predict(X_new), (probability[:, 1] >= 0.5).astype(int))


@ALL
def test_the_same_seed_gives_the_same_bytes_with_one_thread_and_with_two(make: Make, tmp_path: Path) -> None:
    X, y, decisions = rows(0, n_dates=200, n_symbols=20)
    saved, predicted = [], []
    for run, n_threads in enumerate((1, 1, 2)):
        learner = make(seed=3, horizon=5, n_threads=n_threads).fit(X, y, decisions=decisions)
        folder = tmp_path / str(run)
        folder.mkdir()
        learner.save(folder)
        saved.append((folder / learner.file_name).read_bytes())
        predicted.append(learner.predict_proba(X))
    assert saved[0] == saved[1] == saved[2]
    np.testing.assert_array_equal(predicted[0], predicted[1])
    np.testing.assert_array_equal(predicted[0], predicted[2])
    other = make(seed=4, horizon=5, n_threads=1).fit(X, y, decisions=decisions)
    assert not np.array_equal(other.predict_proba(X), predicted[0]), "the seed is not used"


@ALL
def test_saved_and_restored_predicts_the_same_bits(make: Make, tmp_path: Path) -> None:
    X, y, decisions = rows(0)
    X[:, 3] = 1.0
    learner = make(seed=1, horizon=5, n_threads=1).fit(X, y, decisions=decisions)
    learner.save(tmp_path)
    again = type(learner).restore(tmp_path, learner.state(), n_threads=1)
    np.testing.assert_array_equal(again.predict_proba(X), learner.predict_proba(X))


@ALL
def test_constant_and_missing_features_change_nothing(make: Make) -> None:
    X, y, decisions = rows(0)
    useless = np.full((len(X), 2), np.nan, np.float32)
    useless[:, 1] = 7.0
    useless[::5, 1] = np.nan
    wide = np.hstack([useless, X])
    plain = make(seed=1, horizon=5, n_threads=1).fit(X, y, decisions=decisions)
    padded = make(seed=1, horizon=5, n_threads=1).fit(wide, y, decisions=decisions)
    assert padded.columns_.tolist() == [2, 3, 4, 5, 6, 7]
    np.testing.assert_array_equal(plain.predict_proba(X), padded.predict_proba(wide))


@ALL
def test_what_cannot_be_learned_is_a_named_error(make: Make) -> None:
    X, y, _ = rows(0, n_dates=20)
    with pytest.raises(TrainingFailedError, match="must hold both 0 and 1"):
        make().fit(X, np.ones_like(y))
    with pytest.raises(TrainingFailedError, match="all 6 features are constant or missing"):
        make().fit(np.ones_like(X), y)
    X[3, 2] = np.inf
    with pytest.raises(TrainingFailedError, match="feature column 2 holds an infinite value"):
        make().fit(X, y)
    with pytest.raises(TrainingFailedError, match="rows"):
        make().fit(X[:5, :2], y)


@ALL
def test_it_is_a_scikit_learn_classifier(make: Make) -> None:
    X, y, _ = rows(0, n_dates=40)
    learner = make(seed=9, n_threads=1)
    copy = clone(learner)
    assert copy.get_params() == learner.get_params()
    assert copy.set_params(seed=2).seed == 2
    out = cross_val_predict(learner, X, y.astype(int), cv=3, method="predict_proba")
    assert roc_auc_score(y, out[:, 1]) > 0.65


@ALL
def test_weights_count(make: Make) -> None:
    X, y, _ = rows(0, n_dates=60, strength=0.2)
    heavy = make(seed=1, n_threads=1).fit(X, y, sample_weight=np.where(y > 0, 5.0, 1.0))
    plain = make(seed=1, n_threads=1).fit(X, y)
    # Half of the rows are hits; counted five times they are 83 %, which trees with an L2 penalty stay short of.
    assert plain.predict_proba(X)[:, 1].mean() == pytest.approx(y.mean(), abs=0.02)
    assert 0.74 < heavy.predict_proba(X)[:, 1].mean() < 0.84


@ALL
def test_early_stopping_sees_the_newest_dates_only_after_the_gap(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    X, y, decisions = rows(0)
    X[:, 5] = decisions
    seen: dict[str, np.ndarray] = {}
    original = make._stop_early

    def spy(self: Learner, rows: FitRows, before: slice, after: slice, y: np.ndarray, w: np.ndarray) -> int:
        seen.update(train=rows.X[before, 5], stop=rows.X[after, 5])
        return original(self, rows, before, after, y, w)

    monkeypatch.setattr(make, "_stop_early", spy)
    make(horizon=5, n_threads=1).fit(X, y, decisions=decisions)
    assert seen["train"].max() + 1 + 5 <= seen["stop"].min()
    assert seen["stop"].max() == decisions.max()


@settings(max_examples=80, deadline=None)
@given(n_dates=st.integers(2, 200), n_symbols=st.integers(1, 4), stride=st.integers(1, 7), horizon=st.integers(1, 40))
def test_the_stopping_slice_is_purged(n_dates: int, n_symbols: int, stride: int, horizon: int) -> None:
    decisions = np.repeat(np.arange(n_dates) * stride, n_symbols)
    split = stopping_split(decisions, horizon)
    if split is None:
        return
    before, after = decisions[split[0]], decisions[split[1]]
    assert before.max() + 1 + horizon <= after.min()
    assert before.max() + stride + 1 + horizon > after.min(), "a date is wasted"
    assert set(before).isdisjoint(after)
    assert after.max() == decisions.max()


@ALL
def test_no_early_stopping_with_one_class_in_a_part(make: Make) -> None:
    X, y, decisions = rows(0)
    learner = make(horizon=5, n_threads=1)
    y[decisions >= 250] = 1.0
    assert learner.fit(X, y, decisions=decisions).rounds_ == learner._default_rounds
    y[-3:] = 0.0
    split = FitRows.of(X, decisions, 5)
    assert split.before is not None
    assert split.after is not None


@ALL
def test_prepared_rows_give_the_same_bits_whatever_was_fitted_on_them_before(make: Make) -> None:
    X, y, decisions = rows(0, n_dates=200, n_symbols=20)
    rng = np.random.default_rng(0)
    fresh = make(seed=1, horizon=5, n_threads=1).fit(X, y, decisions=decisions)
    prepared = FitRows.of(X, decisions, 5)
    make(seed=2, horizon=5, learning_rate=0.005).fit_rows(prepared, 0.3 + 0.4 * y, rng.random(len(y)))
    again = make(seed=1, horizon=5, n_threads=1).fit_rows(prepared, y)
    assert again.rounds_ == fresh.rounds_
    np.testing.assert_array_equal(again.predict_proba(X), fresh.predict_proba(X))


@ALL
def test_without_a_refit_the_model_of_early_stopping_is_kept(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    X, y, decisions = rows(0, n_dates=200, n_symbols=20)
    X_new, y_new, _ = rows(1)
    prepared = FitRows.of(X, decisions, 5)
    assert prepared.before is not None
    assert prepared.after is not None
    refitted = make(seed=1, horizon=5).fit_rows(prepared, y)
    seen = []
    monkeypatch.setattr(make, "_fit_rounds", lambda *_: seen.append("a second fit"))
    stopped = clone(refitted).fit_rows(prepared, y, refit=False)
    assert not seen
    assert stopped.rounds_ == refitted.rounds_
    newest = X[prepared.after]
    assert not np.array_equal(stopped.predict_proba(newest), refitted.predict_proba(newest))

    def area(learner: Learner) -> float:
        return area_under_curve(y_new, learner.predict_proba(X_new)[:, 1])

    assert area(stopped) == pytest.approx(area(refitted), abs=0.03)
    assert area(stopped) > 0.7


@ALL
def test_a_soft_label_is_the_weighted_loss_of_two_heads(make: Make) -> None:
    """Fitted on w a + (1 - w) b, or on the rows twice, labelled a with weight w and b with weight 1 - w: as good."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(3000, 3)).astype(np.float32)
    a = (rng.random(3000) < 1 / (1 + np.exp(-2 * X[:, 0]))).astype(float)
    b = (rng.random(3000) < 1 / (1 + np.exp(-2 * X[:, 1]))).astype(float)
    blended = make(seed=1, n_threads=1).fit(X, 0.7 * a + 0.3 * b)
    twice = make(seed=1, n_threads=1).fit(
        np.vstack([X, X]), np.concatenate([a, b]), sample_weight=np.repeat([0.7, 0.3], 3000)
    )
    truth = 0.7 / (1 + np.exp(-2 * X[:, 0])) + 0.3 / (1 + np.exp(-2 * X[:, 1]))
    for learner in (blended, twice):
        assert np.corrcoef(learner.predict_proba(X)[:, 1], truth)[0, 1] > 0.9
    assert blended.predict_proba(X)[:, 1].mean() == pytest.approx((0.7 * a + 0.3 * b).mean(), abs=0.02)


@ALL
def test_one_sided_soft_labels_and_bad_weights_are_named(make: Make) -> None:
    X, y, _ = rows(0, n_dates=20)
    with pytest.raises(TrainingFailedError, match="both 0 and 1, or soft values on both sides"):
        make().fit(X, 0.6 + 0.4 * y)
    with pytest.raises(TrainingFailedError, match="weights must be finite"):
        make().fit(X, y, sample_weight=np.full(len(y), np.nan))
    with pytest.raises(TrainingFailedError, match="10 rows are too few to fit on, 20 are the minimum"):
        make().fit(X[:10], y[:10])


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=4, max_size=40))
def test_area_under_curve_equals_scikit_learn(pairs: list[tuple[bool, int]]) -> None:
    y = np.array([float(a) for a, _ in pairs])
    score = np.array([float(b) for _, b in pairs])
    if 0 < y.sum() < len(y):
        assert area_under_curve(y, score) == pytest.approx(roc_auc_score(y, score))
    soft = 0.2 + 0.5 * y
    expected = roc_auc_score(
        np.repeat([1, 0], len(y)), np.tile(score, 2), sample_weight=np.concatenate([soft, 1 - soft])
    )
    assert area_under_curve(soft, score) == pytest.approx(expected)


# ---- the network ---------------------------------------------------------------------------------------------------


def test_inference_without_torch_equals_torch() -> None:
    X, y, decisions = rows(0)
    learner = NetworkLearner(seed=1, horizon=5, n_members=3).fit(X, y, decisions=decisions)
    inputs = torch.from_numpy(learner.weights_.preprocessing.transform(X))
    members = []
    for member in range(3 * ADAPTERS):
        modules: list[torch.nn.Module] = []
        for weight, bias in learner.weights_.layers:
            linear = torch.nn.Linear(weight.shape[1], weight.shape[2])
            linear.weight.data = torch.from_numpy(weight[member].T.copy())
            linear.bias.data = torch.from_numpy(bias[member, 0].copy())
            modules += [linear, torch.nn.SiLU()]
        members.append(torch.sigmoid(torch.nn.Sequential(*modules[:-1])(inputs)).detach().numpy()[:, 0])
    np.testing.assert_allclose(learner.predict_proba(X)[:, 1], np.mean(members, axis=0), atol=2e-6)
    first = learner.weights_.layers[0][0].reshape(3 * ADAPTERS, -1)
    assert np.abs(np.corrcoef(first)[np.triu_indices(len(first), 1)]).max() < 0.9, "networks began alike"


def test_the_written_networks_are_those_that_were_trained() -> None:
    """Shared layers, signs and own last layers, written out as plain networks: the same logits."""
    generators = [torch.Generator().manual_seed(seed) for seed in (1, 2)]
    network = _Network(5, 8, 0.6, generators)
    for parameter in network.parameters:
        parameter.data += 0.1 * torch.randn(parameter.shape, generator=generators[0])
    inputs = torch.randn(2, 7, 5, generator=generators[0])
    trained = network.forward(inputs, None, [0, 0]).detach().numpy()
    layers = network.layers([parameter.detach() for parameter in network.parameters])
    for member in range(2):
        for adapter in range(ADAPTERS):
            hidden = inputs[member].numpy()
            for depth, (weight, bias) in enumerate(layers):
                hidden = hidden @ weight[member * ADAPTERS + adapter] + bias[member * ADAPTERS + adapter]
                hidden = hidden / (1 + np.exp(-hidden)) if depth < 2 else hidden
            np.testing.assert_allclose(hidden[:, 0], trained[member, :, adapter], atol=2e-6)


def test_preprocessing_of_a_column_by_hand() -> None:
    column = np.arange(1001, dtype=np.float32)
    X = np.column_stack([column, np.where(column % 2 == 0, np.nan, column)]).astype(np.float32)
    fitted = Preprocessing.fit(X)
    assert fitted.indicated.tolist() == [1]
    assert fitted.center.tolist() == [500.0, 500.0]
    assert fitted.scale[0] == pytest.approx(500 / 1.349)
    out = fitted.transform(np.array([[500.0, np.nan], [-1e9, 1e9], [500 + 500 / 1.349, 500.0]], np.float32))
    assert out.shape == (3, 3)
    np.testing.assert_allclose(out[0], [0, 0, 1])
    low = -495 / 500 * 1.349
    np.testing.assert_allclose(out[1], [low / np.sqrt(1 + low**2 / 9), fitted.transform(X)[:, 1].max(), 0], rtol=1e-5)
    np.testing.assert_allclose(out[2], [1 / np.sqrt(1 + 1 / 9), 0, 0], atol=1e-6)


def test_preprocessing_takes_two_valued_and_heavy_tailed_columns() -> None:
    X = np.zeros((1000, 2), np.float32)
    X[:30, 0] = 1.0
    X[:, 1] = np.random.default_rng(0).standard_cauchy(1000)
    out = Preprocessing.fit(X).transform(X)
    assert np.isfinite(out).all()
    assert np.abs(out).max() < 3
    assert out[:, 0].std() > 0.1


def test_a_network_that_diverges_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    X, y, _ = rows(0, n_dates=30)
    original = _Network.__init__

    def exploding(self: _Network, *arguments: object) -> None:
        original(self, *arguments)  # type: ignore[arg-type]
        self.first.data.fill_(float("inf"))

    monkeypatch.setattr(_Network, "__init__", exploding)
    with pytest.raises(TrainingFailedError, match="network: diverged in epoch 1"):
        NetworkLearner().fit(X, y)


def test_probabilities_that_are_not_finite_are_refused() -> None:
    X, y, _ = rows(0, n_dates=30)
    learner = NetworkLearner(n_members=1).fit(X, y)
    broken = [(w.copy(), b.copy()) for w, b in learner.weights_.layers]
    broken[2][1][:] = np.nan
    learner.weights_ = NetworkWeights(learner.weights_.preprocessing, tuple(broken))
    with pytest.raises(TrainingFailedError, match="300 probabilities are not finite"):
        logits(learner, X)


def test_leaves_are_shares_of_the_rows() -> None:
    assert XGBoostLearner(min_leaf_share=0.01)._parameters(np.ones(4000))["min_child_weight"] == pytest.approx(10)
    assert LightGBMLearner(min_leaf_share=0.01)._parameters(4000)["min_data_in_leaf"] == 40
