"""What the judgement of a candidate says: light to import, strict about what it holds."""

from __future__ import annotations

import datetime as dt

from pydantic import Field

from lambdas.core.exhibits.values import Exhibits
from lambdas.core.values import (
    ChampionComparison,
    CompetitiveScore,
    Evaluation,
    FiniteOrNone,
    GateRecord,
    Target,
    Value,
)


class Estimate(Value):
    """A number and its two one-sided bounds, at the confidence of the settings; None where it cannot be measured."""

    value: FiniteOrNone
    lower: FiniteOrNone = None
    upper: FiniteOrNone = None


class BenchmarkComparison(Value):
    """The portfolio against one benchmark, over the same sessions."""

    benchmark: str
    benchmark_return: FiniteOrNone
    benchmark_sharpe_ratio: FiniteOrNone
    benchmark_max_drawdown: FiniteOrNone
    market_outperformance: Estimate = Field(description="Annualised on both sides beyond 252 sessions.")
    active_return: Estimate = Field(description="Annualised mean of daily differences.")
    alpha: Estimate = Field(description="Annualised, of excess returns on those of this benchmark alone.")
    beta: Estimate
    up_capture: Estimate = Field(description="Mean return on sessions on which the benchmark rose, over its own.")
    down_capture: Estimate = Field(description="The same on sessions on which it fell: below 1 is protection.")
    hit_rate: Estimate = Field(description="Matured recommendations whose net return beat this benchmark's.")
    base_rate: FiniteOrNone


class SectorAttribution(Value):
    """What the weight of one sector, and what was held in it, added to the return over SPY's."""

    sector: str
    allocation: float
    selection: float


class Attribution(Value):
    """Total return over SPY's, in parts that add up to it (Brinson & Fachler 1985, linked after Carino 1999)."""

    outperformance: float
    universe: float = Field(description="Equally weighted eligible symbols less SPY: what no model chose.")
    allocation: float
    selection: float = Field(description="Within sectors, interaction included.")
    costs: float
    by_sector: tuple[SectorAttribution, ...]


class SliceComparison(Value):
    """A run of sessions of the simulation against every benchmark."""

    first_session: dt.date
    last_session: dt.date
    n_sessions: int
    total_return: Estimate
    sharpe_ratio: Estimate
    max_drawdown: Estimate = Field(description="With an upper bound only.")
    hit_rate: Estimate
    base_rate: FiniteOrNone
    benchmarks: tuple[BenchmarkComparison, ...]
    joint_alpha: Estimate = Field(description="Annualised, one regression on all benchmarks; Newey-West bounds.")
    joint_beta: dict[str, Estimate]
    attribution: Attribution | None = Field(description="None without sectors.")


class SectorStanding(Value):
    """What was held in one sector, among the eligible symbols of that sector."""

    sector: str
    mean_return: float = Field(description="Gross, of its matured recommendations, over the horizon.")
    n_recommendations: int
    percentile: FiniteOrNone = Field(description="Among the symbols of the sector, 0 to 100.")


class SymbolStanding(Value):
    """A symbol that is recommended on the last session, within its sector and its industry; percentiles 0 to 100."""

    symbol: str
    sector: str | None
    industry: str | None
    probability: FiniteOrNone
    probability_in_sector: FiniteOrNone
    probability_in_industry: FiniteOrNone
    year_return: FiniteOrNone = Field(description="Total return over the 252 sessions up to the last.")
    return_in_sector: FiniteOrNone
    return_in_industry: FiniteOrNone


class PairedDifference(Value):
    """Candidate less another rule on the same dates, by the paired stationary bootstrap."""

    rival: str
    n_sessions: int
    active_return: Estimate = Field(description="Annualised mean of the daily difference.")
    hit_rate: Estimate = Field(description="Difference of the hit rates.")
    better: bool = Field(description="The lower bound of the daily difference is above zero.")
    not_worse: bool = Field(description="The upper bound is not below zero. False if there are too few sessions.")


class MarketRegime(Value):
    """What the market did over the holdout, beside all of the history before it."""

    vix_high_share: FiniteOrNone = Field(description="Share of the holdout's sessions in the VIX's upper tercile.")
    vix_low_share: FiniteOrNone
    history_vix_high_share: FiniteOrNone = Field(description="The same, over the walk-forward.")
    history_vix_low_share: FiniteOrNone
    above_trend_share: FiniteOrNone = Field(description="Share of sessions on which SPY closed above its 200 days.")
    history_above_trend_share: FiniteOrNone
    market_return: FiniteOrNone = Field(description="SPY over the holdout.")
    market_return_percentile: FiniteOrNone = Field(description="Among all spans of that length before, 0 to 100.")
    sentence: str = Field(description="What a reader should make of it.")


class MarketStudy(Value):
    """The candidate in its market: what the gates do not read, and a person should."""

    walk_forward_and_holdout: SliceComparison
    holdout: SliceComparison
    sectors: tuple[SectorStanding, ...]
    recommended: tuple[SymbolStanding, ...]
    rivals: tuple[PairedDifference, ...]
    regime: MarketRegime
    sentences: tuple[str, ...] = Field(description="What a reader is told: rivals it does not beat, a lucky quarter.")


class Validation(Value):
    """The candidate against the market, its risk limits and the champion."""

    evaluation: Evaluation = Field(description="Walk-forward and holdout as one simulation.")
    competitive_score: CompetitiveScore
    champion: ChampionComparison | None
    market_gate: GateRecord
    risk_gate: GateRecord
    deployment_gate: GateRecord
    target: Target
    recommended_deployment: bool = Field(description="Every gate PASS and the hit-rate target met.")
    study: MarketStudy
    exhibits: Exhibits = Field(description="For the figures of the report; no gate reads them.")
