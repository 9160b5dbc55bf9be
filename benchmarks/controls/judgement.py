"""One verdict of the real gates on scores whose skill is known."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from lambdas.core.backtest.evaluation import evaluate_predictions
from lambdas.core.gates import backtesting_gate
from lambdas.core.market_data.panel import FloatArray, MarketDataset
from lambdas.core.settings import EvidenceSettings, ModelSettings, WalkForwardSettings
from lambdas.core.validation.candidate import validate_candidate
from lambdas.core.values import Verdict

BOOTSTRAP_DRAWS = 1000
"""A fifth of the default: the bound moves by less than a fiftieth of its distance to the estimate, in a fifth of the
time. Every other number that shapes a verdict is the default of `ModelSettings`."""


@dataclass(frozen=True)
class Judgement:
    """What the gates said, and the numbers a reader wants beside it."""

    backtesting: Verdict
    market: Verdict
    risk: Verdict
    deployment: Verdict
    hit_rate: float | None
    base_rate: float | None
    matched_skill_lower: float | None
    active_return_lower: float | None
    deflated_sharpe: float | None
    sharpe_ratio: float | None
    rank_ic: float | None

    def as_record(self) -> dict[str, Any]:
        """Return the fields as JSON takes them, numbers to six digits."""
        return {name: round(value, 6) if isinstance(value, float) else value for name, value in asdict(self).items()}


def control_settings(lookback_days: int = 1095) -> ModelSettings:
    """Return the defaults, with fewer draws and without the random portfolios that no gate reads."""
    return ModelSettings(
        walk_forward=WalkForwardSettings(lookback_days=lookback_days),
        evidence=EvidenceSettings(bootstrap_draws=BOOTSTRAP_DRAWS, random_portfolios=10),
    )


def decision_span(dataset: MarketDataset, settings: ModelSettings) -> tuple[int, int]:
    """First session of the walk-forward and of the holdout, of a run on the last session of the data.

    Returns
    -------
    first, holdout : int
        The sessions first, ..., holdout - 1 are walk-forward decisions; the rest, to the end, are the holdout's.
    """
    plan, end = settings.walk_forward, dataset.sessions[-1]
    holdout_start = end - pd.Timedelta(days=plan.benchmark_period_days)
    first_start = holdout_start - pd.Timedelta(days=plan.lookback_days)
    return int(dataset.sessions.searchsorted(first_start)), int(dataset.sessions.searchsorted(holdout_start))


def as_probabilities(score: FloatArray) -> FloatArray:
    """Rank of each score among those of its session, in (0, 1]; NaN stays.

    The best tenth is therefore above `min_probability` on every session: calibration, which may recommend fewer,
    is not on trial here.
    """
    ranks: FloatArray = pd.DataFrame(score).rank(axis=1, pct=True).to_numpy()
    return ranks


def judge_scores(dataset: MarketDataset, probability: FloatArray, settings: ModelSettings, n_trials: int) -> Judgement:
    """Pass scores through the backtesting, market, risk and deployment gates as a run without a champion does.

    The data quality gate is left out: a simulated market always passes it.

    Parameters
    ----------
    dataset : MarketDataset
    probability : ndarray of shape (n_sessions, n_symbols)
        NaN where there is none.
    settings : ModelSettings
    n_trials : int
        What the trial ledger would say.
    """
    first, holdout = decision_span(dataset, settings)
    return judge_frames(
        dataset,
        predictions_frame(dataset, probability, first, holdout, fold=0),
        predictions_frame(dataset, probability, holdout, len(dataset.sessions), fold=1),
        settings,
        n_trials,
    )


def judge_frames(
    dataset: MarketDataset, walk_forward: pd.DataFrame, holdout: pd.DataFrame, settings: ModelSettings, n_trials: int
) -> Judgement:
    """Pass predictions of the walk-forward and of the holdout through the gates."""
    evaluation = evaluate_predictions(dataset, walk_forward, settings, n_trials=n_trials)
    backtesting = backtesting_gate(evaluation.pooled, evaluation.evidence, settings.gates)
    validation = validate_candidate(
        dataset, walk_forward, holdout, settings, n_trials=n_trials, earlier_gates=[backtesting]
    )
    pooled, evidence = evaluation.pooled, validation.evaluation.evidence
    return Judgement(
        backtesting=backtesting.verdict,
        market=validation.market_gate.verdict,
        risk=validation.risk_gate.verdict,
        deployment=validation.deployment_gate.verdict,
        hit_rate=pooled.hit_rate,
        base_rate=pooled.base_rate,
        matched_skill_lower=evaluation.evidence.matched_skill_lower,
        active_return_lower=evidence.active_return_lower,
        deflated_sharpe=evidence.deflated_sharpe,
        sharpe_ratio=validation.evaluation.pooled.sharpe_ratio,
        rank_ic=pooled.rank_ic,
    )


def predictions_frame(dataset: MarketDataset, probability: FloatArray, first: int, end: int, fold: int) -> pd.DataFrame:
    """Return the sessions first, ..., end - 1 in the schema of a predictions file."""
    rows, columns = np.nonzero(np.isfinite(probability[first:end]))
    return pd.DataFrame(
        {
            "date": dataset.sessions[first + rows],
            "symbol": np.array(dataset.prices.symbols, dtype=object)[columns],
            "probability": probability[first + rows, columns],
            "fold": fold,
        }
    )
