"""Values of the domain that cross the border of a step: light to import, strict about what they hold."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

FiniteOrNone = Annotated[float | None, Field(allow_inf_nan=False)]
"""A number a gate may read: None where it could not be measured, never NaN or infinite."""

Verdict = Literal["PASS", "FAIL", "INSUFFICIENT_EVIDENCE"]
GateName = Literal["data_quality", "backtesting", "market", "risk", "deployment", "live"]


class Value(BaseModel):
    """Base of all values: immutable, unknown fields refused, no NaN and no infinity."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class FoldPlan(Value):
    """One test window and the training decisions that are allowed for it. All dates are sessions, inclusive."""

    number: int = Field(ge=0)
    first_decision: dt.date
    last_decision: dt.date
    train_first: dt.date
    train_last: dt.date = Field(description="Its outcome is known at `first_decision`.")
    tuning_point: int = Field(ge=0, description="Whose hyper-parameters the fold uses.")


class TuningPoint(Value):
    """A moment at which hyper-parameters are searched, on earlier data only."""

    number: int = Field(ge=0)
    train_first: dt.date
    train_last: dt.date


class PortfolioMetrics(Value):
    """Metrics of one series of predictions (definitions, sections 2 and 5). None: could not be measured."""

    first_session: dt.date
    last_session: dt.date
    n_sessions: int
    hit_rate: FiniteOrNone = Field(description="Of the hit definition that the gate reads.")
    base_rate: FiniteOrNone
    skill: FiniteOrNone
    matched_base_rate: FiniteOrNone
    matched_skill: FiniteOrNone
    absolute_hit_rate: FiniteOrNone
    absolute_base_rate: FiniteOrNone
    relative_hit_rate: FiniteOrNone
    relative_base_rate: FiniteOrNone
    n_recommendations: int
    n_matured: int
    effective_n: FiniteOrNone
    total_return: FiniteOrNone
    cagr: FiniteOrNone
    volatility: FiniteOrNone
    sharpe_ratio: FiniteOrNone
    sharpe_ratio_lo: FiniteOrNone
    sortino_ratio: FiniteOrNone = None
    max_drawdown: FiniteOrNone
    market_outperformance: dict[str, float | None] = Field(description="By benchmark symbol.")
    benchmark_return: dict[str, float | None] = Field(description="By benchmark symbol, over the same sessions.")
    alpha: dict[str, float | None] = Field(description="Annualised; by benchmark symbol, and `joint`.")
    beta: dict[str, float | None] = Field(description="By benchmark symbol, each on its own.")
    joint_beta: dict[str, float | None] = Field(default={}, description="By benchmark symbol, in one regression.")
    alpha_standard_error: dict[str, float | None] = Field(default={}, description="Newey-West, keys of `alpha`.")
    turnover: FiniteOrNone = Field(description="Annualised: value traded (buys and sells) over mean equity, halved.")
    exposure: FiniteOrNone = Field(description="Mean share of the equity that is invested.")
    rank_ic: FiniteOrNone
    icir: FiniteOrNone
    delisted_held: int


class TrialEvidence(Value):
    """What the configurations that a run's searches scored say together (definitions, section 7)."""

    n_searches: int = Field(ge=0)
    n_trials: int = Field(ge=0, description="Configurations scored, failed ones too.")
    n_measured: int = Field(ge=0, description="Those with a series of returns.")
    correlation: FiniteOrNone = Field(description="Mean correlation of the returns of two trials of one search.")
    sharpe_variance: FiniteOrNone = Field(description="Across trials, within searches, per session.")
    pbo: FiniteOrNone = Field(description="Probability of backtest overfitting: mean over the searches.")
    spa_p_value: FiniteOrNone = Field(description="Hansen's SPA, smallest of the searches, corrected by Bonferroni.")


class Evidence(Value):
    """How sure the point estimates are (definitions, section 7). Bounds are one-sided."""

    confidence: float
    n_trials: int | None = Field(description="From the trial ledger.")
    hit_rate_lower: FiniteOrNone = None
    skill_lower: FiniteOrNone = None
    matched_skill_lower: FiniteOrNone = None
    active_return: FiniteOrNone = Field(default=None, description="Annualised, against SPY, pooled series.")
    active_return_lower: FiniteOrNone = None
    sharpe_ratio_lower: FiniteOrNone = None
    trailing_sharpe_ratio_lower: FiniteOrNone = Field(default=None, description="Of the last 252 sessions alone.")
    trailing_max_drawdown_upper: FiniteOrNone = Field(
        default=None, description="Of the last 252 sessions: what few of their resampled courses exceed."
    )
    holdout_outperformance_lower: FiniteOrNone = Field(
        default=None, description="Of `market_outperformance` against SPY in the holdout."
    )
    probabilistic_sharpe: FiniteOrNone = Field(default=None, description="PSR against a Sharpe ratio of 0.")
    deflated_sharpe: FiniteOrNone = None
    effective_trials: FiniteOrNone = Field(default=None, description="Independent trials that `n_trials` are worth.")
    expected_best_sharpe: FiniteOrNone = Field(
        default=None, description="Per session: what the best of the trials shows without skill."
    )
    trial_sharpe_variance: FiniteOrNone = Field(default=None, description="Per session; what the deflation assumed.")
    trial_correlation: FiniteOrNone = Field(default=None, description="Mean correlation between trials of a search.")
    minimum_track_record: FiniteOrNone = Field(default=None, description="Sessions that a PSR of `confidence` takes.")
    pbo: FiniteOrNone = Field(default=None, description="Probability of backtest overfitting among the run's trials.")
    spa_p_value: FiniteOrNone = Field(default=None, description="Hansen's SPA: the best trial against the market.")


class SpanMetrics(Value):
    """A run of sessions of a simulation, close to close."""

    first_session: dt.date
    last_session: dt.date
    n_sessions: int
    n_recommendations: int
    n_matured: int
    hit_rate: FiniteOrNone
    base_rate: FiniteOrNone
    skill: FiniteOrNone
    matched_skill: FiniteOrNone
    total_return: FiniteOrNone
    benchmark_return: FiniteOrNone = Field(description="SPY, over the same sessions.")
    market_outperformance: FiniteOrNone
    sharpe_ratio: FiniteOrNone
    max_drawdown: FiniteOrNone
    rank_ic: FiniteOrNone


class FoldMetrics(SpanMetrics):
    """One fold of a pooled simulation, from the close of its first decision to that of the next fold's."""

    fold: int


class YearMetrics(SpanMetrics):
    """One calendar year, from the last close of the year before."""

    year: int


class SectorMetrics(Value):
    """Recommendations in one sector, against the eligible symbols of that sector."""

    sector: str
    n_recommendations: int
    n_matured: int
    share: FiniteOrNone = Field(description="Of all recommendations.")
    hit_rate: FiniteOrNone
    base_rate: FiniteOrNone
    skill: FiniteOrNone
    mean_net_return: FiniteOrNone = Field(description="Of a matured recommendation, over the horizon.")
    rank_ic: FiniteOrNone


class RegimeMetrics(Value):
    """Decisions at which the VIX lay in one tercile of its known history, and the sessions after them."""

    regime: Literal["low", "middle", "high"]
    n_decisions: int
    n_matured: int
    hit_rate: FiniteOrNone
    base_rate: FiniteOrNone
    skill: FiniteOrNone
    matched_skill: FiniteOrNone
    sharpe_ratio: FiniteOrNone
    active_return: FiniteOrNone = Field(description="Annualised, against SPY.")
    rank_ic: FiniteOrNone


class MonthlyReturn(Value):
    """One calendar month, close to close."""

    month: str = Field(description="Year and month: 2019-03.")
    portfolio: float
    benchmark: float = Field(description="SPY.")


class QuantileReturns(Value):
    """Gross return over the horizon by quintile of probability, means over decision dates."""

    n_dates: int
    mean_returns: tuple[FiniteOrNone, ...] = Field(description="From the lowest probabilities to the highest.")
    spread: FiniteOrNone = Field(description="Top quintile less bottom quintile.")
    spread_ratio: FiniteOrNone = Field(description="Mean over standard deviation of the spread across dates.")
    positive_dates: FiniteOrNone = Field(description="Share of dates with a positive spread.")


class ReliabilityBin(Value):
    """Rows of similar probability."""

    n_rows: int
    probability: float = Field(description="Mean of the bin.")
    hit_rate: float


class Reliability(Value):
    """Probabilities against hits that were not used to fit or calibrate them."""

    n_rows: int
    mean_probability: FiniteOrNone
    hit_rate: FiniteOrNone
    brier_score: FiniteOrNone = Field(description="Mean squared difference of probability and hit (Brier 1950).")
    brier_score_of_base_rate: FiniteOrNone = Field(
        description="Of always saying one rate: that of the rows of the calibration, or of these rows."
    )
    expected_calibration_error: FiniteOrNone = Field(
        description="Mean over bins, by rows, of |probability - hit rate| (Naeini, Cooper & Hauskrecht 2015)."
    )
    table: tuple[ReliabilityBin, ...] = Field(description="Up to ten bins of equally many rows, lowest first.")


class DailySeries(Value):
    """Closes of the simulation, for charts and for whoever wants to recompute a metric."""

    sessions: tuple[dt.date, ...]
    equity: tuple[float, ...]
    benchmarks: dict[str, tuple[float, ...]] = Field(description="Equity of each benchmark, 1 at the first close.")
    exposure: tuple[float, ...]
    cash_rate: tuple[float, ...] = Field(description="Return of cash over each session.")
    n_recommendations: tuple[int, ...]


class Evaluation(Value):
    """What a file of predictions is worth on a data set."""

    pooled: PortfolioMetrics
    trailing: PortfolioMetrics = Field(description="Slice: the last 252 sessions, or all if there are fewer.")
    holdout: PortfolioMetrics | None = Field(default=None, description="Slice from the first decision of the holdout.")
    evidence: Evidence
    by_fold: tuple[FoldMetrics, ...] = Field(default=(), description="Empty if the predictions name no folds.")
    by_year: tuple[YearMetrics, ...] = ()
    by_sector: tuple[SectorMetrics, ...] = Field(default=(), description="Empty if the data set names no sectors.")
    by_regime: tuple[RegimeMetrics, ...] = Field(default=(), description="Empty if the data set has no VIX.")
    monthly: tuple[MonthlyReturn, ...] = ()
    quantiles: QuantileReturns | None = None
    series: DailySeries
    notes: tuple[str, ...] = Field(default=(), description="What a reader should know about the input, in sentences.")


class GateCheck(Value):
    """One comparison of a gate. `passed` is False whenever `value` is None."""

    metric: str = Field(description="Name as in docs/definitions.md.")
    value: FiniteOrNone
    comparison: Literal[">", ">=", "<", "<="]
    threshold: float
    passed: bool
    kind: Literal["threshold", "evidence"]
    estimate: FiniteOrNone = Field(default=None, description="Point estimate: `value`, or what `value` is a bound of.")
    bound: FiniteOrNone = Field(default=None, description="One-sided bound of the estimate, where there is one.")


class GateRecord(Value):
    """The verdict of one gate with everything it rests on."""

    gate: GateName
    verdict: Verdict
    checks: tuple[GateCheck, ...]
    reason: Annotated[str, Field(max_length=1000)] = Field(description="One sentence a person understands.")
    base_rate: FiniteOrNone = Field(default=None, description="What no skill would have scored, for hit rates.")


class CompetitiveScore(Value):
    """Mean of four percentiles, 0 to 100 (definitions, section 8)."""

    score: FiniteOrNone
    return_among_symbols: FiniteOrNone
    sharpe_among_symbols: FiniteOrNone
    return_among_sectors: FiniteOrNone
    sharpe_among_random: FiniteOrNone
    explanation: str = Field(default="", description="What could not be measured and why; empty if all four were.")


class ChampionComparison(Value):
    """Candidate less champion on the same dates, annualised daily active return; bounds are one-sided."""

    champion: str
    n_sessions: int
    difference: FiniteOrNone
    difference_lower: FiniteOrNone
    difference_upper: FiniteOrNone
    hit_rate_difference: FiniteOrNone = None
    hit_rate_difference_lower: FiniteOrNone = None
    hit_rate_difference_upper: FiniteOrNone = None
    better: bool = Field(default=False, description="Shown to be better: the lower bound is above zero.")
    not_worse: bool = Field(description="Not shown to be worse: the upper bound is not below zero.")


class Target(Value):
    """What a model is aimed at, above the gates (definitions, section 8), and how far from it this one is."""

    hit_rate: FiniteOrNone = Field(description="Pooled out-of-sample, holdout included.")
    hit_rate_distance: FiniteOrNone = Field(description="Value less target: negative is missing.")
    market_outperformance: FiniteOrNone = Field(description="Holdout, against SPY: what the market gate reads.")
    market_outperformance_distance: FiniteOrNone
    target_met: bool
