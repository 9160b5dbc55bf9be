"""The ensemble of a fold: skill where there is some, none where there is none, and no look at the future."""

# ruff: noqa: N803

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from lambdas.core.backtest.metrics import rank_ic_by_date
from lambdas.core.errors import InvalidDatasetError, InvalidRequestError, TrainingFailedError
from lambdas.core.models import out_of_fold as out_of_fold_module
from lambdas.core.models.ensemble import EnsembleModel, FoldPredictions, fit_and_predict_fold, fit_candidate
from lambdas.core.models.hyperparameters import Hyperparameters
from lambdas.core.models.learners import LEARNERS, LearnerFactory, SharedRows
from lambdas.core.models.lightgbm_learner import LightGBMLearner
from lambdas.core.models.market_view import MarketView
from lambdas.core.models.network_learner import NetworkLearner
from lambdas.core.models.out_of_fold import inner_splits, predict_folds
from lambdas.core.models.training_data import training_data
from lambdas.core.models.xgboost_learner import XGBoostLearner
from lambdas.core.settings import ModelSettings
from lambdas.core.splits import WalkForwardPlan

DEFAULTS = Hyperparameters()


def out_of_sample_rank_ic(market: MarketView, predictions: pd.DataFrame) -> float:
    wide = np.full(market.eligible.shape, np.nan)
    rows = market.features.sessions.get_indexer(pd.DatetimeIndex(predictions["date"]))
    columns = [market.features.symbols.index(symbol) for symbol in predictions["symbol"]]
    wide[rows, columns] = predictions["probability"]
    return float(np.nanmean(rank_ic_by_date(wide, market.outcomes.gross, np.isfinite(wide))))


def shuffled(market: MarketView, seed: int) -> MarketView:
    """Outcomes of each date handed to other symbols: nothing is left to learn, dates keep their base rate."""
    order = np.random.default_rng(seed).permuted(
        np.tile(np.arange(market.eligible.shape[1]), (len(market.eligible), 1)), axis=1
    )
    mixed = {
        name: np.take_along_axis(getattr(market.outcomes, name), order, axis=1)
        for name in ("gross", "net", "absolute_hit", "relative_hit")
    }
    return replace(market, outcomes=replace(market.outcomes, **mixed))


def test_it_finds_a_planted_signal(
    market: MarketView, fold_predictions: FoldPredictions, plan: WalkForwardPlan
) -> None:
    frame = fold_predictions.predictions
    assert out_of_sample_rank_ic(market, frame) > 0.1
    assert fold_predictions.left_out == ()
    fold = plan.folds[0]
    sessions = market.features.sessions
    decided = (sessions >= pd.Timestamp(fold.first_decision)) & (sessions <= pd.Timestamp(fold.last_decision))
    assert len(frame) == int(market.eligible[decided].sum())
    assert frame.columns.tolist() == ["date", "symbol", "probability", "fold"]
    assert frame[["date", "symbol"]].equals(
        frame.sort_values(["date", "symbol"], ignore_index=True)[["date", "symbol"]]
    )
    assert frame["probability"].between(0, 1, inclusive="neither").all()
    assert (frame["fold"] == 0).all()


def test_the_level_of_the_probability_is_the_base_rate_of_hits(market: MarketView, model: EnsembleModel) -> None:
    """Trained on beating the market, the model still says how likely an absolute hit is."""
    assert (model.target, model.hit_definition) == ("blend", "absolute")
    sessions = market.features.sessions
    train = sessions[(sessions >= pd.Timestamp(model.train_first)) & (sessions <= pd.Timestamp(model.train_last))]
    frame = model.predict(market.features, train[-300:], market.eligible)
    rows = sessions.get_indexer(train[-300:])
    base_rate = np.nanmean(market.outcomes.absolute_hit[rows][market.eligible[rows]])
    assert abs(frame["probability"].mean() - base_rate) < 0.05


def test_shuffled_outcomes_leave_nothing(market: MarketView, plan: WalkForwardPlan, settings: ModelSettings) -> None:
    blind = [
        out_of_sample_rank_ic(
            market,
            fit_and_predict_fold(
                shuffled(market, seed), plan.folds[0], DEFAULTS, settings, seed, n_threads=1
            ).predictions,
        )
        for seed in range(2)
    ]
    # One fold has about four independent months of 20 symbols: a standard error of about 0.1 each.
    assert abs(np.mean(blind)) < 0.15


def test_the_future_changes_no_prediction(
    market: MarketView, plan: WalkForwardPlan, settings: ModelSettings, fold_predictions: FoldPredictions
) -> None:
    """Garbage in every outcome that is unknown at the first decision, and in every later price: the same bits."""
    first = int(market.features.sessions.get_loc(pd.Timestamp(plan.folds[0].first_decision)))  # type: ignore[arg-type]
    horizon = settings.portfolio.horizon
    rng = np.random.default_rng(0)

    def garbage(values: np.ndarray, begin: int) -> np.ndarray:
        out = values.copy()
        out[begin:] = rng.integers(0, 2, out[begin:].shape)
        return out

    unknown = first - horizon  # the first i with i + 1 + horizon > first
    outcomes = replace(
        market.outcomes,
        **{
            name: garbage(getattr(market.outcomes, name), unknown)
            for name in ("gross", "net", "absolute_hit", "relative_hit")
        },
    )
    names = ("open", "close", "adj_close")
    prices = replace(
        market.dataset.prices, **{name: garbage(getattr(market.dataset.prices, name), first + 1) for name in names}
    )
    blinded = replace(market, outcomes=outcomes, dataset=replace(market.dataset, prices=prices))
    again = fit_and_predict_fold(blinded, plan.folds[0], DEFAULTS, settings, seed=1)
    pd.testing.assert_frame_equal(again.predictions, fold_predictions.predictions, check_exact=True)


# ---- plans that do not fit -----------------------------------------------------------------------------------------


def test_a_plan_that_leaks_is_refused(market: MarketView, plan: WalkForwardPlan, settings: ModelSettings) -> None:
    sessions = market.features.sessions
    late = sessions[sessions.get_loc(pd.Timestamp(plan.folds[0].train_last)) + 1].date()  # type: ignore[operator]
    leaking = plan.folds[0].model_copy(update={"train_last": late})
    with pytest.raises(InvalidRequestError, match=f"outcome of training decision {late} is not known"):
        fit_candidate(market, leaking, DEFAULTS, settings, 1)


def test_a_plan_of_another_data_set_is_refused(
    market: MarketView, plan: WalkForwardPlan, settings: ModelSettings
) -> None:
    foreign = plan.folds[0].model_copy(update={"train_first": dt.date(2014, 7, 4)})
    with pytest.raises(InvalidRequestError, match="train_first 2014-07-04 is no session of the data set"):
        fit_candidate(market, foreign, DEFAULTS, settings, 1)


# ---- learners that fail --------------------------------------------------------------------------------------------


def fail(*_: object, **__: object) -> None:
    raise RuntimeError("out of luck\nand a second line")


def test_a_failing_learner_is_left_out(
    market: MarketView, plan: WalkForwardPlan, settings: ModelSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(NetworkLearner, "fit_rows", fail)
    result = fit_and_predict_fold(market, plan.folds[0], DEFAULTS, settings, 1)
    assert result.left_out == ("network",)
    assert result.model.left_out == {"network": "RuntimeError: out of luck"}
    assert set(result.model.combination.learners) == {"xgboost", "lightgbm"}
    assert out_of_sample_rank_ic(market, result.predictions) > 0.05


def test_a_learner_that_fails_only_in_the_final_fit_is_left_out_too(
    market: MarketView, plan: WalkForwardPlan, settings: ModelSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = LearnerFactory.make
    monkeypatch.setattr(NetworkLearner, "fit_rows", fail)

    def make(self: LearnerFactory, name: str, part: int | str) -> object:
        learner = original(self, name, part)  # type: ignore[arg-type]
        if part == "final":
            monkeypatch.setattr(type(learner), "fit_rows", fail if name == "xgboost" else type(learner).fit_rows)
        return learner

    monkeypatch.setattr(LearnerFactory, "make", make)
    with pytest.raises(TrainingFailedError) as caught:
        fit_candidate(market, plan.folds[0], DEFAULTS, settings, 1)
    assert "fold 0: 1 of 3 learners could be fitted, 2 are needed" in str(caught.value)
    assert "network: RuntimeError: out of luck; xgboost: RuntimeError: out of luck" in str(caught.value)


def test_a_constant_learner_is_left_out(
    market: MarketView, plan: WalkForwardPlan, settings: ModelSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for dull in (NetworkLearner, LightGBMLearner):
        monkeypatch.setattr(dull, "_probability", lambda self, X: np.full(len(X), 0.5))
    with pytest.raises(TrainingFailedError, match=r"lightgbm: every prediction is the same.*network: every prediction"):
        fit_candidate(market, plan.folds[0], DEFAULTS, settings, 1)


def test_no_learner_sees_an_outcome_that_its_test_rows_do_not_know(
    market: MarketView, plan: WalkForwardPlan, settings: ModelSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = training_data(market.features, market.outcomes, market.eligible, 300, 600, 5, "relative")
    horizon = settings.portfolio.horizon
    splits = inner_splits(data, horizon, 3)
    trained: list[np.ndarray] = []

    def spy(learner: object, shared: SharedRows, rows: slice, label: object, *, refit: bool) -> object:
        trained.append(shared.data.decisions[rows])
        return learner

    monkeypatch.setattr(out_of_fold_module, "fit_learner", spy)
    monkeypatch.setattr(out_of_fold_module, "logits", lambda learner, X: np.arange(len(X), dtype=float))
    list(predict_folds("xgboost", LearnerFactory(DEFAULTS, horizon, 1, 0, 1), SharedRows(data, horizon), splits))
    assert len(trained) == 3
    for decisions, split in zip(trained, splits, strict=True):
        assert decisions.max() + 1 + horizon <= data.decisions[split.test].min()


# ---- predicting ----------------------------------------------------------------------------------------------------


def test_features_are_taken_by_name(market: MarketView, model: EnsembleModel) -> None:
    sessions = market.features.sessions[-5:]
    order = list(range(len(market.features.names)))[::-1]
    turned = replace(
        market.features,
        names=(*(market.features.names[k] for k in order), "extra"),
        values=np.concatenate(
            [market.features.values[:, :, order], np.ones((*market.eligible.shape, 1), np.float32)], axis=2
        ),
    )
    pd.testing.assert_frame_equal(
        model.predict(turned, sessions, market.eligible), model.predict(market.features, sessions, market.eligible)
    )
    fewer = replace(market.features, names=market.features.names[1:], values=market.features.values[:, :, 1:])
    with pytest.raises(InvalidDatasetError, match=f"{market.features.names[0]} of 1 missing"):
        model.predict(fewer, sessions, market.eligible)


def test_sessions_that_are_not_there_and_nobody_eligible(market: MarketView, model: EnsembleModel) -> None:
    with pytest.raises(InvalidDatasetError, match="no session 2031-01-02"):
        model.predict(market.features, pd.DatetimeIndex(["2031-01-02"]), market.eligible)
    nobody = model.predict(market.features, market.features.sessions[-2:], np.zeros_like(market.eligible))
    assert len(nobody) == 0
    assert nobody.columns.tolist() == ["date", "symbol", "probability"]


def test_the_registry_names_every_learner() -> None:
    assert {name: make.name for name, make in LEARNERS.items()} == {name: name for name in LEARNERS}
    assert LEARNERS["xgboost"] is XGBoostLearner
