"""The search: seeded, counted, stopped in time, blind to the future."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from lambdas.core.backtest.metrics import sharpe_ratio
from lambdas.core.errors import InvalidRequestError
from lambdas.core.models.beyond_luck import choose_beyond_luck
from lambdas.core.models.hyperparameters import LEARNER_NAMES, Hyperparameters
from lambdas.core.models.inner_portfolio import InnerPortfolio
from lambdas.core.models.market_view import MarketView
from lambdas.core.models.network_learner import NetworkLearner
from lambdas.core.models.training_data import training_data
from lambdas.core.models.tuning import TuningOutcome, tune_hyperparameters
from lambdas.core.settings import ModelSettings
from lambdas.core.splits import WalkForwardPlan
from lambdas.core.values import TuningPoint


@pytest.fixture(scope="module")
def point(plan: WalkForwardPlan) -> TuningPoint:
    return plan.tuning_points[0]


@pytest.fixture(scope="module")
def outcome(market: MarketView, point: TuningPoint, settings: ModelSettings) -> TuningOutcome:
    return tune_hyperparameters(market, point, settings, seed=3)


def test_every_trial_is_counted_and_the_first_is_the_defaults(outcome: TuningOutcome) -> None:
    assert outcome.trials == len(outcome.trial_log) == 2 * 3
    assert not outcome.deadline_reached
    for name in LEARNER_NAMES:
        trials = [trial for trial in outcome.trial_log if trial.learner == name]
        assert Hyperparameters().replace(name, trials[0].parameters) == Hyperparameters()
        assert trials[1].parameters != trials[0].parameters
        chosen = choose_beyond_luck([np.array(trial.returns) for trial in trials], len(trials) - 1)
        assert outcome.hyperparameters.of(name) == trials[chosen].parameters
        for trial in trials:
            assert trial.log_loss == pytest.approx(np.log(2), abs=0.2)
            assert trial.rank_ic is not None
            assert trial.by_fold[-1] == trial.sharpe_ratio
            assert len(trial.by_fold) == 3


def test_the_score_is_the_sharpe_ratio_of_the_recorded_returns(outcome: TuningOutcome, market: MarketView) -> None:
    sessions = market.features.sessions
    first, last = sessions.get_indexer(pd.DatetimeIndex([outcome.first_session, outcome.last_session]))
    matrix = outcome.search_trials().returns
    assert matrix.shape == (last - first, 6)
    for trial, returns in zip(outcome.trial_log, matrix.T, strict=True):
        assert trial.sharpe_ratio == pytest.approx(sharpe_ratio(returns), rel=1e-4)
    assert TuningOutcome.model_validate_json(outcome.model_dump_json()) == outcome


def test_nothing_after_the_training_part_matters(
    outcome: TuningOutcome, market: MarketView, point: TuningPoint, settings: ModelSettings
) -> None:
    last = int(market.features.sessions.get_loc(pd.Timestamp(point.train_last)))  # type: ignore[arg-type]
    end = last + 2 + settings.portfolio.horizon  # the last outcome is known one session before

    def cut(values: np.ndarray, begin: int) -> np.ndarray:
        out = values.copy()
        out[begin:] = 1.0
        return out

    prices = replace(
        market.dataset.prices,
        **{n: cut(getattr(market.dataset.prices, n), end) for n in ("open", "close", "adj_close")},
    )
    outcomes = replace(
        market.outcomes,
        **{n: cut(getattr(market.outcomes, n), last + 1) for n in ("gross", "net", "absolute_hit", "relative_hit")},
    )
    blinded = replace(market, dataset=replace(market.dataset, prices=prices), outcomes=outcomes)
    assert tune_hyperparameters(blinded, point, settings, seed=3) == outcome


def test_a_deadline_keeps_the_best_so_far(market: MarketView, point: TuningPoint, settings: ModelSettings) -> None:
    calls = []

    def remaining() -> float:
        calls.append(1)
        return 1000.0 if len(calls) <= 2 else 0.0

    stopped = tune_hyperparameters(market, point, settings, seed=3, deadline=remaining)
    assert stopped.deadline_reached
    assert [trial.learner for trial in stopped.trial_log] == ["xgboost", "lightgbm"]
    assert stopped.trials == 2
    assert stopped.hyperparameters == Hyperparameters()
    assert stopped.inner_sharpe_ratio is not None


def test_no_time_at_all_gives_the_defaults(market: MarketView, point: TuningPoint, settings: ModelSettings) -> None:
    stopped = tune_hyperparameters(market, point, settings, seed=3, deadline=lambda: -1.0)
    assert (stopped.trials, stopped.deadline_reached, stopped.inner_sharpe_ratio) == (0, True, None)
    assert stopped.hyperparameters == Hyperparameters()
    assert stopped.search_trials().returns.size == 0


def test_failed_trials_count_and_leave_the_defaults(
    market: MarketView, point: TuningPoint, settings: ModelSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise MemoryError("too wide")

    monkeypatch.setattr(NetworkLearner, "fit_rows", fail)
    one = settings.model_copy(update={"tuning": settings.tuning.model_copy(update={"n_trials": 1})})
    outcome = tune_hyperparameters(market, point, one, seed=3)
    assert outcome.trials == 3
    assert outcome.trial_log[2].failure == "MemoryError: too wide"
    assert outcome.trial_log[2].sharpe_ratio is None
    assert outcome.hyperparameters.network == Hyperparameters().network


def test_a_point_of_another_data_set_is_refused(
    market: MarketView, settings: ModelSettings, point: TuningPoint
) -> None:
    foreign = point.model_copy(update={"train_last": point.train_last.replace(year=2031)})
    with pytest.raises(InvalidRequestError, match="is no session of the data set"):
        tune_hyperparameters(market, foreign, settings, seed=3)


def test_the_inner_portfolio_buys_the_best_and_holds_them(market: MarketView, settings: ModelSettings) -> None:
    """Knowing the outcome earns a fortune, its opposite loses one, and the level of the score does not matter."""
    data = training_data(market.features, market.outcomes, market.eligible, 300, 600, 5, "relative")
    rows = np.arange(len(data.y))
    portfolio = InnerPortfolio.of(market, settings)
    best = portfolio.excess_returns(data, rows, data.net_return)
    assert len(best) == data.decisions[-1] - data.decisions[0]
    worst = portfolio.excess_returns(data, rows, -data.net_return)
    assert (sharpe_ratio(best) or 0) > 3 > -3 > (sharpe_ratio(worst) or 0)
    shifted = portfolio.excess_returns(data, rows, 1e-6 * data.net_return - 5)
    np.testing.assert_array_equal(shifted, best)
    assert len(portfolio.excess_returns(data, rows[:3], data.net_return[:3])) == 0


def test_a_score_is_in_force_from_its_own_date_on(market: MarketView, settings: ModelSettings) -> None:
    data = training_data(market.features, market.outcomes, market.eligible, 300, 400, 5, "relative")
    rows = np.arange(len(data.y))
    portfolio = InnerPortfolio.of(market, settings)
    score = np.sin(rows)
    before = portfolio.excess_returns(data, rows, score)
    for date in data.dates[1:-1]:
        turned = np.where(data.decisions >= date, -score, score)
        after = portfolio.excess_returns(data, rows, turned)
        # Return k belongs to session first + 1 + k; a decision of `date` is traded at the open after it.
        k = int(date - data.decisions[0])
        np.testing.assert_array_equal(after[:k], before[:k])
        assert after[k] != before[k]
