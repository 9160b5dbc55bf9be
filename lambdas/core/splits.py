"""Walk-forward windows, the holdout, and the folds inside a training part (definitions, section 6).

Everything here counts sessions: a decision is the number i of its session, its outcome is known once session
i + 1 + horizon has opened. Purging is done by `purgedcv`, whose half-open label interval [i, i + 1 + horizon) keeps a
training decision before a test that begins at i0 exactly if i + 1 + horizon <= i0.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd

from lambdas.core.errors import InsufficientHistoryError
from lambdas.core.market_data.panel import IntArray
from lambdas.core.settings import WalkForwardSettings
from lambdas.core.values import FoldPlan, TuningPoint, Value

DAYS_PER_YEAR = 365.25


class WalkForwardPlan(Value):
    """The folds of one run in time order.

    Attributes
    ----------
    folds : tuple of FoldPlan
        Numbered 0 .. n - 1 in time. A skipped window has no number.
    holdout : FoldPlan
        Number n. Its tuning point is its own, and the last one.
    tuning_points : tuple of TuningPoint
        In time order; `FoldPlan.tuning_point` refers to them by number.
    skipped_windows : int
        Windows that had too little training history.
    """

    folds: tuple[FoldPlan, ...]
    holdout: FoldPlan
    tuning_points: tuple[TuningPoint, ...]
    skipped_windows: int


@dataclass(frozen=True)
class _Window:
    """Session numbers of one test window and of its training part; `train_last < train_first` if that is empty."""

    first: int
    last: int
    train_first: int
    train_last: int

    @property
    def n_train(self) -> int:
        return max(0, self.train_last - self.train_first + 1)


def purged_training(candidates: IntArray, test: IntArray, horizon: int) -> IntArray:
    """Those of the candidate decisions whose outcome is known at the first test decision.

    Parameters
    ----------
    candidates, test : ndarray of int
        Session numbers of decisions. No candidate may lie after the first test decision: the library would keep one
        behind the test, which a forward-only split must not.
    horizon : int
        Sessions a recommendation is held.

    Returns
    -------
    ndarray of int
        The candidates i with ``i + 1 + horizon <= test.min()``, in their order.

    Examples
    --------
    >>> purged_training(np.arange(10), np.array([10, 11]), horizon=3)
    array([0, 1, 2, 3, 4, 5, 6])
    """
    from purgedcv import purge

    if len(candidates) == 0 or len(test) == 0:
        return candidates[:0]
    if candidates.max() >= test.min():
        raise ValueError("a training candidate lies at or after the first test decision")
    offset = int(candidates.min())
    numbers = np.arange(offset, int(test.max()) + 1)
    kept = purge(candidates - offset, test - offset, _clock(numbers), _clock(numbers + 1 + horizon))
    return np.asarray(kept + offset, dtype=np.int64)


def plan_walk_forward(
    sessions: pd.DatetimeIndex,
    as_of: dt.date,
    settings: WalkForwardSettings,
    horizon: int,
    cadence_windows: int,
    *,
    min_history_sessions: int = 252,
) -> WalkForwardPlan:
    """Cut time into test windows, each with the training decisions that are allowed for it, and the holdout.

    Windows of `window_days` calendar days tile ``[as_of - benchmark_period - lookback, as_of - benchmark_period)``
    from its beginning; where the days do not divide evenly the last window is shorter, so that no session of the
    interval is left out and none is predicted twice. Every session in a window is a decision. The holdout is every
    session from ``as_of - benchmark_period`` to `as_of`, both included.

    Parameters
    ----------
    sessions : DatetimeIndex of length n_sessions
        Sessions of the data set, ascending. Those after `as_of` are not used.
    as_of : date
        Last day that may be used; need not be a session.
    settings : WalkForwardSettings
        Lengths of the windows and of the training part.
    horizon : int
        Sessions a recommendation is held. A training decision i is allowed for a window that begins at i0 only if
        ``i + 1 + horizon <= i0``.
    cadence_windows : int
        Hyper-parameters are searched at folds 0, n, 2 n …; 0 searches at fold 0 alone. The holdout always has a
        search of its own.
    min_history_sessions : int
        Closes a symbol needs to be eligible: earlier sessions have no label and do not count as training history.

    Returns
    -------
    WalkForwardPlan
        Windows with fewer than `min_train_sessions` labelled training sessions are left out and counted, those before
        the first session of the data too. A remainder without any session (a weekend) is neither fold nor counted.

    Raises
    ------
    InsufficientHistoryError
        If there is no session in the holdout, no window with enough training history, or too little before the
        holdout. The message names the shortage and what would cure it.
    """
    usable = sessions[sessions <= pd.Timestamp(as_of)]
    holdout_start = pd.Timestamp(as_of) - pd.Timedelta(days=settings.benchmark_period_days)
    start = holdout_start - pd.Timedelta(days=settings.lookback_days)

    holdout = _window(usable, holdout_start, None, settings, horizon, min_history_sessions)
    if holdout is None:
        span = f"{sessions[0].date()} to {sessions[-1].date()}" if len(sessions) else "none at all"
        raise InsufficientHistoryError(
            f"holdout {holdout_start.date()} to {as_of}: the data has no session in it (sessions: {span}); "
            f"choose an as_of inside the data or collect newer prices"
        )
    edges = [*pd.date_range(start, holdout_start, freq=f"{settings.window_days}D", inclusive="left"), holdout_start]
    windows = [
        _window(usable, left, right, settings, horizon, min_history_sessions)
        for left, right in pairwise(edges)
        if right <= usable[0] or usable.searchsorted(right) > usable.searchsorted(left)
    ]
    kept = [window for window in windows if window is not None and window.n_train >= settings.min_train_sessions]
    if not kept:
        raise _too_short(
            f"walk-forward {start.date()} to {holdout_start.date()}: none of its {len(windows)} windows can be used",
            [holdout, *(window for window in windows if window is not None)],
            usable,
            settings,
            horizon,
            min_history_sessions,
        )
    if holdout.n_train < settings.min_train_sessions:
        raise _too_short(
            f"holdout {holdout_start.date()} to {as_of}: the candidate cannot be fitted",
            [holdout],
            usable,
            settings,
            horizon,
            min_history_sessions,
        )

    owners = [0] if cadence_windows == 0 else list(range(0, len(kept), cadence_windows))
    folds = tuple(
        _fold(usable, window, number, int(np.searchsorted(owners, number, side="right")) - 1)
        for number, window in enumerate(kept)
    )
    holdout_fold = _fold(usable, holdout, len(folds), len(owners))
    points = tuple(
        TuningPoint(number=number, train_first=fold.train_first, train_last=fold.train_last)
        for number, fold in enumerate([*(folds[owner] for owner in owners), holdout_fold])
    )
    return WalkForwardPlan(
        folds=folds, holdout=holdout_fold, tuning_points=points, skipped_windows=len(windows) - len(kept)
    )


def latest_training_fold(
    sessions: pd.DatetimeIndex, settings: WalkForwardSettings, horizon: int, min_history_sessions: int = 252
) -> FoldPlan:
    """Plan to fit on everything whose outcome is known at the last session, the only decision of the fold.

    Raises
    ------
    InsufficientHistoryError
        If there are fewer labelled training sessions than `min_train_sessions`.
    """
    window = _window(sessions, sessions[-1], None, settings, horizon, min_history_sessions)
    if window is None or window.n_train < settings.min_train_sessions:
        what = f"training part up to {sessions[-1].date()}"
        raise _too_short(what, [window] if window else [], sessions, settings, horizon, min_history_sessions)
    return _fold(sessions, window, 0, 0)


def inner_folds(decision_index: IntArray, horizon: int, n_folds: int) -> list[tuple[IntArray, IntArray]]:
    """Forward-only folds inside a training part: each one trains on what was known before its first test decision.

    The last ``n_folds / (n_folds + 2)`` of the decision dates are cut into test blocks of equal length (60 % for
    three folds); block by block the training part expands. Early dates are never tested, so they have no
    out-of-fold prediction.

    Parameters
    ----------
    decision_index : ndarray of int, shape (n_dates,)
        Session numbers of the decision dates, strictly ascending; strides are allowed.
    horizon : int
        Sessions a recommendation is held.
    n_folds : int
        Test blocks wanted.

    Returns
    -------
    list of (train, test)
        Positions into `decision_index`. Folds whose training part is empty after purging are left out.

    Raises
    ------
    InsufficientHistoryError
        If no fold is left.
    """
    from purgedcv import WalkForwardSplit

    numbers = np.asarray(decision_index, dtype=np.int64)
    if len(numbers) > 1 and not np.all(np.diff(numbers) > 0):
        raise ValueError("decision_index must be strictly ascending: one entry a date, not one a row")
    test_size = len(numbers) // (n_folds + 2)
    folds: list[tuple[IntArray, IntArray]] = []
    if test_size > 0:
        splitter = WalkForwardSplit(
            n_splits=n_folds,
            test_size=test_size,
            prediction_times=_clock(numbers),
            evaluation_times=_clock(numbers + 1 + horizon),
        )
        folds = [
            (np.asarray(train, dtype=np.int64), np.asarray(test, dtype=np.int64))
            for train, test in splitter.split(numbers)
            if len(train)
        ]
    if not folds:
        raise InsufficientHistoryError(
            f"training part of {len(numbers)} decision dates: too short for {n_folds} inner folds with a gap of "
            f"{horizon + 1} sessions; raise min_train_sessions, or lower inner_folds, training_stride or the horizon"
        )
    return folds


class ForwardSplit:
    """`inner_folds` over rows, as scikit-learn asks for folds: ``cross_val_score(…, groups=decisions, cv=this)``.

    Parameters
    ----------
    n_splits : int
        Test blocks wanted.
    horizon : int
        Sessions a recommendation is held: the gap between training and test.

    Examples
    --------
    >>> decisions = np.repeat(np.arange(20), 2)  # two symbols a session
    >>> for train, test in ForwardSplit(n_splits=2, horizon=3).split(decisions, groups=decisions):
    ...     print(decisions[train].max(), decisions[test].min(), decisions[test].max())
    6 10 14
    11 15 19
    """

    def __init__(self, n_splits: int = 3, horizon: int = 21) -> None:
        self.n_splits = n_splits
        self.horizon = horizon

    def split(  # X is scikit-learn's name
        self,
        X: object,  # noqa: N803
        y: object = None,
        groups: object = None,
    ) -> Iterator[tuple[IntArray, IntArray]]:
        """Yield rows to train on and rows to test.

        Parameters
        ----------
        X, y : ignored
        groups : ndarray of int, shape (n_rows,)
            Session number of the decision of each row, in any order.

        Raises
        ------
        ValueError
            Without `groups`: the time order of the rows is not known then.
        InsufficientHistoryError
            If no fold is left.
        """
        if groups is None:
            raise ValueError("ForwardSplit needs the session number of each row: pass it as groups")
        decisions = np.asarray(groups, dtype=np.int64)
        dates, position = np.unique(decisions, return_inverse=True)
        for train, test in inner_folds(dates, self.horizon, self.n_splits):
            yield np.flatnonzero(np.isin(position, train)), np.flatnonzero(np.isin(position, test))

    def get_n_splits(self, X: object = None, y: object = None, groups: object = None) -> int:  # noqa: N803
        """Return the number of folds: those that `groups` leave, else those that are wanted."""
        return self.n_splits if groups is None else sum(1 for _ in self.split(X, y, groups))


def _clock(numbers: IntArray) -> np.ndarray[tuple[int], np.dtype[np.datetime64]]:
    """Session numbers as the timestamps `purgedcv` asks for: one session is one day of an artificial calendar."""
    return np.asarray(numbers, dtype="datetime64[D]").astype("datetime64[ns]")


def _window(
    sessions: pd.DatetimeIndex,
    left: pd.Timestamp,
    right: pd.Timestamp | None,
    settings: WalkForwardSettings,
    horizon: int,
    min_history_sessions: int,
) -> _Window | None:
    """Find the sessions in [left, right) and their training part; None if there are no sessions."""
    first = int(sessions.searchsorted(left, side="left"))
    last = (len(sessions) if right is None else int(sessions.searchsorted(right, side="left"))) - 1
    if last < first:
        return None
    oldest = sessions[first] - pd.Timedelta(days=round(settings.train_years * DAYS_PER_YEAR))
    train_first = max(int(sessions.searchsorted(oldest, side="left")), min_history_sessions - 1)
    allowed = purged_training(
        np.arange(train_first, first, dtype=np.int64), np.arange(first, last + 1, dtype=np.int64), horizon
    )
    return _Window(first, last, train_first, int(allowed[-1]) if len(allowed) else train_first - 1)


def _fold(sessions: pd.DatetimeIndex, window: _Window, number: int, tuning_point: int) -> FoldPlan:
    return FoldPlan(
        number=number,
        first_decision=sessions[window.first].date(),
        last_decision=sessions[window.last].date(),
        train_first=sessions[window.train_first].date(),
        train_last=sessions[window.train_last].date(),
        tuning_point=tuning_point,
    )


def _too_short(
    what: str,
    windows: Sequence[_Window],
    sessions: pd.DatetimeIndex,
    settings: WalkForwardSettings,
    horizon: int,
    min_history_sessions: int,
) -> InsufficientHistoryError:
    best = max((window.n_train for window in windows), default=0)
    needed = settings.min_train_sessions
    in_years = int(settings.train_years * 252) - horizon - 1
    if in_years < needed:
        remedy = f"raise train_years (now {settings.train_years:g}) or lower min_train_sessions"
    else:
        remedy = (
            f"give data that begins about {needed - best} sessions earlier, a later as_of, or lower min_train_sessions"
        )
    return InsufficientHistoryError(
        f"{what}: {needed} labelled training sessions are needed, {best} is the most there is. The data begins on "
        f"{sessions[0].date()}; its first {min_history_sessions - 1} sessions make no symbol eligible, and the last "
        f"{horizon + 1} before a window are not known yet. Remedy: {remedy}"
    )
