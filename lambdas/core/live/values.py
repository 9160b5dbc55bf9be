"""What is known of a deployed model, as it is stored and shown."""

from __future__ import annotations

import datetime as dt

from pydantic import Field

from lambdas.core.values import FiniteOrNone, Value


class LiveWindow(Value):
    """The last days of a live record. Hits are those of outcomes that became known in the window."""

    days: int | None = Field(description="Calendar days up to `last_session`; None: since the first recommendation.")
    first_session: dt.date = Field(description="Close that the returns begin at.")
    last_session: dt.date
    n_sessions: int
    n_matured: int
    hit_rate: FiniteOrNone
    hit_rate_lower: FiniteOrNone = Field(description="One-sided bounds, as those of a backtest.")
    hit_rate_upper: FiniteOrNone
    base_rate: FiniteOrNone
    skill: FiniteOrNone
    skill_lower: FiniteOrNone
    skill_upper: FiniteOrNone
    matched_skill: FiniteOrNone
    total_return: FiniteOrNone
    benchmark_return: FiniteOrNone = Field(description="SPY, over the same sessions.")
    market_outperformance: FiniteOrNone
    sharpe_ratio: FiniteOrNone
    max_drawdown: FiniteOrNone
    mean_probability: FiniteOrNone = Field(description="Of matured recommendations: calibrated, it is the hit rate.")
    brier_score: FiniteOrNone
    expected_calibration_error: FiniteOrNone


class LivePerformance(Value):
    """A live record as of its newest session, measured like a backtest of the same recommendations."""

    n_recommendations: int
    not_in_data: tuple[str, ...] = Field(description="Recommended symbols that the data set does not have (any more).")
    windows: tuple[LiveWindow, ...] = Field(description="The whole record first; none before the third session.")


class FeatureDrift(Value):
    """How far one input has moved since the model was fitted."""

    feature: str
    psi: float


class Drift(Value):
    """How unlike its training data the inputs and scores of a model have become."""

    n_features: int = Field(description="Inputs that differ between symbols; market-wide ones are listed apart.")
    drifted_share: FiniteOrNone = Field(description="Share of them whose PSI is above the limit.")
    median_psi: FiniteOrNone
    most_drifted: tuple[FeatureDrift, ...]
    market_wide: tuple[FeatureDrift, ...] = Field(description="One value a date: never stationary, never gated.")
    score_psi: FiniteOrNone = Field(description="Of the probabilities, against those of the holdout.")
    outside_share: FiniteOrNone = Field(description="Inputs of the newest session outside the range of the training.")
