"""Every number that shapes a verdict, in one place, with the defaults of docs/definitions.md.

The models are frozen and refuse unknown fields. `settings_hash` of their values is stored with each verdict,
so that two numbers can be told to mean the same thing.
"""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
Target = Literal["absolute", "relative", "residual_rank", "blend"]


class Settings(BaseModel):
    """Base of all settings: immutable, strict about names, finite numbers only."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class RecommendationRule(Settings):
    """Which symbols a probability turns into recommendations (definitions, section 3)."""

    top_fraction: Fraction = Field(default=0.10, description="Share of the eligible symbols that is recommended.")
    min_positions: int = Field(default=5, ge=1, description="Recommended at least, where so many are eligible.")
    min_probability: Fraction = Field(default=0.5, description="No symbol below it is recommended.")


class PortfolioSettings(Settings):
    """How recommendations are held and what trading costs (definitions, sections 1, 2 and 4)."""

    horizon: int = Field(default=21, ge=1, le=252, description="Sessions a recommendation is held.")
    cost_bps: float = Field(default=5.0, ge=0.0, le=1000.0, description="Cost of a trade per side, basis points.")
    min_history_sessions: int = Field(default=252, ge=2, description="Closes a symbol needs to be eligible.")
    slippage: Literal["none", "square_root"] = Field(
        default="none", description="Price impact of the portfolio's own trades, beside cost_bps. Outcomes have none."
    )
    slippage_coefficient: float = Field(
        default=1.0, ge=0.0, le=10.0, description="Daily standard deviations a trade of a day's volume moves the price."
    )
    capital: float = Field(default=1e7, gt=0.0, le=1e13, description="Dollars that slippage assumes, at all times.")


class WalkForwardSettings(Settings):
    """How time is cut into training and test windows (definitions, section 6)."""

    window_days: int = Field(default=30, ge=7, le=366, description="Calendar days of a test window.")
    lookback_days: int = Field(default=1095, ge=30, le=7320, description="Calendar days that the test windows tile.")
    benchmark_period_days: int = Field(
        default=90, ge=30, le=730, description="Calendar days of the holdout, after the windows."
    )
    train_years: float = Field(default=5.0, gt=0.0, le=30.0, description="Longest training part before a window.")
    min_train_sessions: int = Field(
        default=252, ge=50, description="A window with fewer labelled sessions before it is skipped."
    )
    training_stride: int = Field(default=5, ge=1, le=63, description="Fit on every n-th date: outcomes overlap.")


class TuningSettings(Settings):
    """How much is searched, and how often."""

    n_trials: int = Field(default=8, ge=1, le=1000, description="Configurations scored per learner and search.")
    inner_folds: int = Field(default=3, ge=2, le=10, description="Forward-only folds inside a training part.")
    cadence_windows: int = Field(
        default=12,
        ge=0,
        description="Search again every n windows; 0 searches once, before the first. "
        "The candidate always has a search of its own.",
    )
    network_seeds: int = Field(default=3, ge=1, le=20, description="Networks of different seeds that are averaged.")
    seed: int = Field(default=0, ge=0, description="Mixed with the data hash into every seed that is used.")
    target: Target = Field(
        default="blend",
        description="What is learned: an absolute or relative hit, the rank of the residual return among the symbols "
        "of the date, or a blend of relative hit and rank whose weight is searched.",
    )
    neutralise: Literal["never", "chosen", "always"] = Field(
        default="chosen",
        description="Take what beta and volatility explain out of the scores of a date before they are ranked; "
        "'chosen' lets the inner Sharpe ratio decide.",
    )
    prune: bool = Field(default=True, description="Give up configurations that fall behind the median of earlier ones.")


class EvidenceSettings(Settings):
    """How sure a verdict has to be (definitions, section 7)."""

    confidence: Fraction = Field(default=0.95, description="Of every one-sided bound.")
    bootstrap_draws: int = Field(default=5000, ge=100, description="Resamples behind every bound.")
    random_portfolios: int = Field(
        default=1000, ge=10, description="Portfolios by lot that the competitive score compares with."
    )


class GateSettings(Settings):
    """Thresholds of the gates (definitions, section 8). Deploy-time only: no execution input reaches them."""

    symbol_coverage: Fraction = Field(default=0.90, description="Smallest share of the symbols with data.")
    max_staleness_sessions: int = Field(default=3, ge=0, description="Sessions that the newest price may be late.")
    hit_rate: Fraction = Field(default=0.60, description="Pooled out of sample; must be above it.")
    market_outperformance: float = Field(default=0.02, description="Return over SPY in the holdout; must be above it.")
    sharpe_ratio: float = Field(default=1.0, description="Of the last 252 sessions, annualised; must be above it.")
    max_drawdown: Fraction = Field(default=0.15, description="Of the last 252 sessions; must be below it.")
    deflated_sharpe: Fraction = Field(
        default=0.95, description="Probability, given the trials, that the Sharpe ratio is no luck; at least."
    )
    evidence: Literal["required", "advisory"] = Field(
        default="required", description="advisory: report the evidence, gate on the thresholds alone."
    )
    hit_definition: Literal["absolute", "relative"] = Field(
        default="absolute", description="Which hit rate the gate reads: above zero, or above SPY."
    )
    target_hit_rate: Fraction = Field(default=0.65, description="What a model is aimed at, above the gate.")
    target_outperformance: float = Field(default=0.03, description="What a model is aimed at, above the gate.")
    require_target: bool = Field(default=False, description="Make the target part of the deployment gate.")


class LiveSettings(Settings):
    """When a champion that is deployed has to be retuned (definitions, section 11)."""

    max_drawdown: Fraction = Field(default=0.15, description="Of its live record. A champion that falls as far fails.")
    psi_limit: float = Field(default=0.25, gt=0.0, description="A feature with a larger index has drifted.")
    drifted_features: Fraction = Field(default=0.5, description="Share of its features that may have drifted.")
    score_psi: float = Field(default=1.0, gt=0.0, description="Of its probabilities, against those of its holdout.")
    drift_sessions: int = Field(default=21, ge=5, le=252, description="Newest sessions that are compared.")
    publish_after_failure: bool = Field(
        default=True,
        description="Go on publishing while the live gate fails; if not, nothing is published from the next session on "
        "until another model is champion.",
    )
    shadow_max_days: int = Field(
        default=365,
        ge=30,
        le=3650,
        description="A shadow that was neither promoted nor missed a threshold for so long leaves its seat.",
    )


class ModelSettings(Settings):
    """The effective settings of one run: what, with the data and the code, decides every number."""

    recommendation: RecommendationRule = RecommendationRule()
    portfolio: PortfolioSettings = PortfolioSettings()
    walk_forward: WalkForwardSettings = WalkForwardSettings()
    tuning: TuningSettings = TuningSettings()
    evidence: EvidenceSettings = EvidenceSettings()
    gates: GateSettings = GateSettings()
    live: LiveSettings = LiveSettings()


def settings_hash(settings: BaseModel) -> str:
    """First 16 hex digits of the sha-256 of the settings as canonical JSON.

    Examples
    --------
    >>> settings_hash(ModelSettings()) == settings_hash(ModelSettings(gates=GateSettings(hit_rate=0.60)))
    True
    >>> settings_hash(ModelSettings()) == settings_hash(ModelSettings(gates=GateSettings(hit_rate=0.61)))
    False
    """
    canonical = json.dumps(settings.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]
