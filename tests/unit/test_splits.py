"""Walk-forward windows, purging and inner folds."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambdas.core.errors import InsufficientHistoryError
from lambdas.core.settings import WalkForwardSettings
from lambdas.core.splits import ForwardSplit, WalkForwardPlan, inner_folds, plan_walk_forward, purged_training

# Ten years of weekdays with some holidays: what matters here is only that sessions are not calendar days.
SESSIONS = pd.DatetimeIndex([d for d in pd.bdate_range("2010-01-04", "2019-12-31") if (d.month, d.day) != (12, 25)])
AS_OF = dt.date(2019, 12, 31)


def number_of(day: dt.date, sessions: pd.DatetimeIndex = SESSIONS) -> int:
    return int(sessions.get_loc(pd.Timestamp(day)))


def since(first: str) -> pd.DatetimeIndex:
    return SESSIONS[SESSIONS.searchsorted(pd.Timestamp(first)) :]


def leaks(train: np.ndarray, test: np.ndarray, horizon: int) -> bool:
    """The slow and obvious check: some training outcome is not known yet at some test decision."""
    return any(i + 1 + horizon > i0 for i in train.tolist() for i0 in test.tolist())


# ---- purging -------------------------------------------------------------------------------------------------------


@st.composite
def decisions(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, int]:
    horizon = draw(st.integers(1, 30))
    start = draw(st.integers(0, 3000))
    n_train, n_test, stride = draw(st.integers(1, 70)), draw(st.integers(1, 25)), draw(st.integers(1, 7))
    train = start + stride * np.arange(n_train)
    first_test = int(train[-1]) + draw(st.integers(1, 40))
    return train, np.arange(first_test, first_test + n_test), horizon


@settings(max_examples=150, deadline=None)
@given(decisions())
def test_no_training_outcome_reaches_a_test_decision_and_none_is_dropped_needlessly(
    case: tuple[np.ndarray, np.ndarray, int],
) -> None:
    train, test, horizon = case
    kept = purged_training(train, test, horizon)
    assert not leaks(kept, test, horizon)
    dropped = np.setdiff1d(train, kept)
    assert all(leaks(np.array([i]), test, horizon) for i in dropped)


def purge_open_of_next_session(train: np.ndarray, test: np.ndarray, horizon: int) -> np.ndarray:
    """Wrong by one: forgets that the entry is at the open after the decision."""
    return train[train + horizon <= test.min()]


def purge_nothing(train: np.ndarray, test: np.ndarray, horizon: int) -> np.ndarray:
    """Wrong: "train before test" without the outcome interval."""
    return train[train < test.min()]


def purge_only_what_starts_inside_the_test(train: np.ndarray, test: np.ndarray, horizon: int) -> np.ndarray:
    """Wrong: the published mistake, a label is dropped only if it *begins* in the test span, not if it ends there."""
    return train[~((train >= test.min()) & (train <= test.max()))]


@pytest.mark.parametrize("wrong", [purge_open_of_next_session, purge_nothing, purge_only_what_starts_inside_the_test])
def test_the_leak_check_kills_wrong_purgings(
    wrong: Callable[[np.ndarray, np.ndarray, int], np.ndarray],
) -> None:
    train, test, horizon = np.arange(100), np.arange(100, 121), 21
    assert leaks(wrong(train, test, horizon), test, horizon)
    assert not leaks(purged_training(train, test, horizon), test, horizon)


def test_a_candidate_behind_the_test_is_refused() -> None:
    with pytest.raises(ValueError, match="at or after the first test decision"):
        purged_training(np.array([1, 50]), np.arange(10, 20), 3)


# ---- windows -------------------------------------------------------------------------------------------------------


def test_defaults_on_ten_years() -> None:
    plan = plan_walk_forward(SESSIONS, AS_OF, WalkForwardSettings(), horizon=21, cadence_windows=12)
    # 1095 / 30 = 36.5: 36 full windows and one of 15 days.
    assert len(plan.folds) == 37
    assert plan.skipped_windows == 0
    assert plan.holdout.number == 37
    assert plan.holdout.first_decision == dt.date(2019, 10, 2)
    assert plan.holdout.last_decision == AS_OF
    assert plan.folds[0].first_decision == dt.date(2016, 10, 3)  # 2016-10-02 is a Sunday
    assert plan.folds[-1].last_decision == dt.date(2019, 10, 1)
    assert plan.folds[0].train_first == dt.date(2011, 10, 4)  # 5 * 365.25 days
    assert number_of(plan.folds[0].first_decision) - number_of(plan.folds[0].train_last) == 22
    assert [p.number for p in plan.tuning_points] == [0, 1, 2, 3, 4]
    assert [f.tuning_point for f in plan.folds] == [0] * 12 + [1] * 12 + [2] * 12 + [3]
    assert plan.holdout.tuning_point == 4
    assert plan.tuning_points[4].train_last == plan.holdout.train_last


@pytest.mark.parametrize(("cadence", "points"), [(0, [0] * 37), (1, list(range(37))), (20, [0] * 20 + [1] * 17)])
def test_cadence(cadence: int, points: list[int]) -> None:
    plan = plan_walk_forward(SESSIONS, AS_OF, WalkForwardSettings(), horizon=21, cadence_windows=cadence)
    assert [f.tuning_point for f in plan.folds] == points
    assert plan.holdout.tuning_point == points[-1] + 1 == len(plan.tuning_points) - 1


def check_plan(
    plan: WalkForwardPlan, sessions: pd.DatetimeIndex, as_of: dt.date, s: WalkForwardSettings, h: int
) -> None:
    everything = [*plan.folds, plan.holdout]
    decided: list[int] = []
    for fold in everything:
        first, last = number_of(fold.first_decision, sessions), number_of(fold.last_decision, sessions)
        train_first, train_last = number_of(fold.train_first, sessions), number_of(fold.train_last, sessions)
        decided += range(first, last + 1)
        assert train_last + 1 + h <= first < train_last + 3 + h, "a training outcome is unknown, or one is wasted"
        assert train_last - train_first + 1 >= s.min_train_sessions
        assert (fold.first_decision - fold.train_first).days <= s.train_years * 366
        point = plan.tuning_points[fold.tuning_point]
        assert point.train_last <= fold.train_last, "hyper-parameters from later than the fold"
    # Without a gap, without a date twice, up to as_of: the skipped windows are the earliest ones.
    assert decided == list(range(decided[0], decided[-1] + 1))
    assert decided[-1] == int(sessions.searchsorted(pd.Timestamp(as_of), side="right")) - 1
    assert (plan.folds[-1].last_decision - plan.holdout.first_decision).days < 0
    holdout_start = as_of - dt.timedelta(days=s.benchmark_period_days)
    assert all(f.last_decision < holdout_start <= plan.holdout.first_decision for f in plan.folds)
    for earlier, later in pairwise(plan.folds):
        assert (later.last_decision - earlier.last_decision).days <= s.window_days + 6
    assert [f.number for f in everything] == list(range(len(everything)))


@settings(max_examples=25, deadline=None)
@given(
    horizon=st.integers(1, 63),
    window_days=st.integers(7, 120),
    lookback_days=st.integers(30, 1500),
    benchmark_period_days=st.integers(30, 200),
    train_years=st.floats(2.0, 8.0),
    as_of=st.dates(dt.date(2014, 6, 1), dt.date(2019, 12, 31)),
    cadence=st.integers(0, 20),
)
def test_plan_properties(
    horizon: int,
    window_days: int,
    lookback_days: int,
    benchmark_period_days: int,
    train_years: float,
    as_of: dt.date,
    cadence: int,
) -> None:
    s = WalkForwardSettings(
        window_days=window_days,
        lookback_days=lookback_days,
        benchmark_period_days=benchmark_period_days,
        train_years=train_years,
    )
    plan = plan_walk_forward(SESSIONS, as_of, s, horizon, cadence)
    check_plan(plan, SESSIONS, as_of, s, horizon)
    # What comes after as_of changes nothing.
    cut = SESSIONS[: SESSIONS.searchsorted(pd.Timestamp(as_of), side="right")]
    assert plan_walk_forward(cut, as_of, s, horizon, cadence) == plan


def test_windows_with_too_little_history_are_counted() -> None:
    s = WalkForwardSettings()
    short = since("2016-01-01")
    plan = plan_walk_forward(short, AS_OF, s, horizon=21, cadence_windows=12)
    assert len(plan.folds) + plan.skipped_windows == 37
    # 251 sessions make nothing eligible, 252 are trained on, the last outcome takes 22 more.
    assert number_of(plan.folds[0].first_decision, short) >= 251 + 252 + 21
    check_plan(plan, short, AS_OF, s, 21)
    # Windows that lie before the data count as well.
    longer = s.model_copy(update={"lookback_days": 3000})
    assert plan_walk_forward(short, AS_OF, longer, 21, 12).skipped_windows == 100 - len(plan.folds)


def test_as_of_on_a_weekend_ends_with_the_friday() -> None:
    plan = plan_walk_forward(SESSIONS, dt.date(2019, 6, 30), WalkForwardSettings(), 21, 12)
    assert plan.holdout.last_decision == dt.date(2019, 6, 28)


@pytest.mark.parametrize(
    ("first", "as_of", "changes", "message"),
    [
        (
            "2019-01-01",
            AS_OF,
            {},
            r"none of its 37 windows.*252 labelled training sessions are needed, 0 is the most.*"
            r"begins on 2019-01-01.*sessions earlier",
        ),
        ("2010-01-04", dt.date(2021, 6, 1), {}, r"holdout 2021-03-03 to 2021-06-01.*no session.*2010-01-04 to 2019"),
        ("2010-01-04", AS_OF, {"train_years": 0.8}, r"needed, 188 is the most.*raise train_years \(now 0.8\)"),
    ],
)
def test_too_little_history_says_what_to_do(
    first: str, as_of: dt.date, changes: dict[str, float], message: str
) -> None:
    s = WalkForwardSettings.model_validate(changes)
    with pytest.raises(InsufficientHistoryError, match=f"(?s){message}"):
        plan_walk_forward(since(first), as_of, s, 21, 12)


def test_no_sessions_at_all() -> None:
    with pytest.raises(InsufficientHistoryError, match="none at all"):
        plan_walk_forward(SESSIONS[:0], AS_OF, WalkForwardSettings(), 21, 12)


# ---- inner folds ---------------------------------------------------------------------------------------------------


@settings(max_examples=100, deadline=None)
@given(
    start=st.integers(0, 2000),
    n_dates=st.integers(12, 300),
    stride=st.integers(1, 10),
    horizon=st.integers(1, 30),
    n_folds=st.integers(2, 6),
)
def test_inner_folds_are_forward_only_and_purged(
    start: int, n_dates: int, stride: int, horizon: int, n_folds: int
) -> None:
    numbers = start + stride * np.arange(n_dates)
    try:
        folds = inner_folds(numbers, horizon, n_folds)
    except InsufficientHistoryError:
        assert n_dates // (n_folds + 2) == 0 or stride * (n_dates - n_dates // (n_folds + 2)) <= horizon + 1
        return
    tested = np.concatenate([test for _, test in folds])
    assert tested.tolist() == list(range(int(tested[0]), n_dates)), "test blocks tile the end"
    for train, test in folds:
        assert not leaks(numbers[train], numbers[test], horizon)
        assert train[0] == 0
    assert all(len(a[0]) < len(b[0]) for a, b in pairwise(folds)), "expanding"


def test_inner_folds_of_a_year_by_stride() -> None:
    folds = inner_folds(np.arange(0, 1000, 5), horizon=21, n_folds=3)
    assert [(len(train), test[0], test[-1]) for train, test in folds] == [
        (76, 80, 119),
        (116, 120, 159),
        (156, 160, 199),
    ]


def test_too_few_dates_for_inner_folds() -> None:
    with pytest.raises(InsufficientHistoryError, match="raise min_train_sessions"):
        inner_folds(np.arange(4), horizon=21, n_folds=3)


def test_rows_instead_of_dates_are_refused() -> None:
    with pytest.raises(ValueError, match="strictly ascending"):
        inner_folds(np.repeat(np.arange(50), 3), horizon=2, n_folds=3)


def test_scikit_learn_scores_a_learner_forward_only_on_our_folds() -> None:
    """`cross_val_score` fits clones on what was known, and tests them on later dates."""
    from sklearn.model_selection import cross_val_score

    from lambdas.core.models.lightgbm_learner import LightGBMLearner

    rng = np.random.default_rng(0)
    decisions = np.repeat(np.arange(0, 300, 5), 10)
    features = rng.normal(size=(len(decisions), 3))
    hits = (rng.random(len(decisions)) < 1 / (1 + np.exp(-2 * features[:, 0]))).astype(int)
    splitter = ForwardSplit(n_splits=3, horizon=21)

    folds = list(splitter.split(features, hits, decisions))

    expected = inner_folds(np.arange(0, 300, 5), 21, 3)
    assert len(folds) == len(expected) == splitter.get_n_splits(features, hits, decisions) == 3
    for (train, test), (train_dates, test_dates) in zip(folds, expected, strict=True):
        assert set(decisions[train] // 5) == set(train_dates)
        assert set(decisions[test] // 5) == set(test_dates)
        assert decisions[train].max() + 1 + 21 <= decisions[test].min()
    scores = cross_val_score(LightGBMLearner(), features, hits, groups=decisions, cv=splitter, scoring="roc_auc")
    assert (scores > 0.7).all()
    with pytest.raises(ValueError, match="groups"):
        next(splitter.split(features))


def test_rows_may_come_in_any_order() -> None:
    decisions = np.repeat(np.arange(40), 3)
    order = np.random.default_rng(1).permutation(len(decisions))
    sorted_folds = list(ForwardSplit(2, 5).split(None, groups=decisions))
    for (train, test), (again, tested) in zip(
        sorted_folds, ForwardSplit(2, 5).split(None, groups=decisions[order]), strict=True
    ):
        assert set(order[again]) == set(train)
        assert set(order[tested]) == set(test)
