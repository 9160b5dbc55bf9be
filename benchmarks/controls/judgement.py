"""One verdict of the real gates on scores whose skill is known."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from lambdas.core.backtest.evaluation import evaluate_predictions, evaluation_of, slice_metrics
from lambdas.core.backtest.portfolio import cash_rates, simulate_arrays
from lambdas.core.backtest.recommendation import recommend
from lambdas.core.backtest.run import run_backtest
from lambdas.core.backtest.trials import correlation_sum, sharpe_ratios
from lambdas.core.gates import MARKET, assess_target, backtesting_gate, deployment_gate, market_gate, risk_gate
from lambdas.core.labels import BASIS_POINT, eligible, execution_prices, mark_prices
from lambdas.core.market_data.panel import FloatArray, MarketDataset
from lambdas.core.settings import EvidenceSettings, ModelSettings, WalkForwardSettings
from lambdas.core.values import TrialEvidence, Verdict

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
    """Return the defaults, with fewer draws."""
    return ModelSettings(
        walk_forward=WalkForwardSettings(lookback_days=lookback_days),
        evidence=EvidenceSettings(bootstrap_draws=BOOTSTRAP_DRAWS),
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
    known = np.isfinite(score)
    place = np.argsort(np.argsort(np.where(known, score, np.inf), axis=1), axis=1)
    ranks: FloatArray = np.where(known, (place + 1.0) / np.maximum(known.sum(axis=1, keepdims=True), 1), np.nan)
    return ranks


def walk_forward_returns(dataset: MarketDataset, trials: list[FloatArray], settings: ModelSettings) -> FloatArray:
    """Daily returns less cash of trials over the walk-forward, shape (n_sessions, n_trials)."""
    first, holdout = decision_span(dataset, settings)
    span = slice(first, holdout)
    portfolio = settings.portfolio
    allowed = eligible(dataset, portfolio.min_history_sessions)[span]
    trade, mark = execution_prices(dataset.prices)[span], mark_prices(dataset.prices)[span]
    cash, cost = cash_rates(dataset)[span], portfolio.cost_bps * BASIS_POINT
    returns = []
    for score in trials:
        chosen = recommend(as_probabilities(score[span]), allowed, settings.recommendation)
        simulated = simulate_arrays(trade, mark, chosen, 0, len(cash) - 1, portfolio.horizon, cost, cash)
        returns.append(simulated.excess_returns)
    return np.column_stack(returns)


def alike(returns: FloatArray, n_trials: int) -> TrialEvidence:
    """How alike trials are, for the deflation; PBO and SPA, which no gate reads, are left out."""
    total, pairs = correlation_sum(returns)
    return TrialEvidence(
        n_searches=1,
        n_trials=n_trials,
        n_measured=returns.shape[1],
        correlation=total / pairs,
        sharpe_variance=float(np.var(sharpe_ratios(returns), ddof=1)),
        pbo=None,
        spa_p_value=None,
    )


def judge_scores(
    dataset: MarketDataset, probability: FloatArray, settings: ModelSettings, trials: TrialEvidence
) -> Judgement:
    """Pass scores through the backtesting, market, risk and deployment gates as a run without a champion does.

    The data quality gate is left out: a simulated market always passes it.

    Parameters
    ----------
    dataset : MarketDataset
    probability : ndarray of shape (n_sessions, n_symbols)
        NaN where there is none.
    settings : ModelSettings
    trials : TrialEvidence
        Their number is what the trial ledger would say.
    """
    first, holdout = decision_span(dataset, settings)
    return judge_frames(
        dataset,
        predictions_frame(dataset, probability, first, holdout, fold=0),
        predictions_frame(dataset, probability, holdout, len(dataset.sessions), fold=1),
        settings,
        trials,
    )


def judge_frames(
    dataset: MarketDataset,
    walk_forward: pd.DataFrame,
    holdout: pd.DataFrame,
    settings: ModelSettings,
    trials: TrialEvidence,
) -> Judgement:
    """Pass predictions of the walk-forward and of the holdout through the gates.

    The steps of `validate_candidate` without its competitive score, which no gate reads and which takes half the time.
    """
    n_trials, gates = trials.n_trials, settings.gates
    evaluation = evaluate_predictions(dataset, walk_forward, settings, n_trials=n_trials, trials=trials)
    backtesting = backtesting_gate(evaluation.pooled, evaluation.evidence, gates)
    backtest = run_backtest(dataset, pd.concat([walk_forward, holdout], ignore_index=True), settings)
    whole = evaluation_of(backtest, n_trials=n_trials, trials=trials)
    frozen = slice_metrics(backtest, backtest.session_of(holdout["date"].min().date()), backtest.last)
    market = market_gate(frozen, whole.evidence, gates)
    risk = risk_gate(whole.trailing, whole.evidence, gates)
    target = assess_target(whole.pooled.hit_rate, frozen.market_outperformance.get(MARKET), gates)
    deployment = deployment_gate([backtesting, market, risk], None, target.target_met, gates)
    pooled, evidence = evaluation.pooled, whole.evidence
    return Judgement(
        backtesting=backtesting.verdict,
        market=market.verdict,
        risk=risk.verdict,
        deployment=deployment.verdict,
        hit_rate=pooled.hit_rate,
        base_rate=pooled.base_rate,
        matched_skill_lower=evaluation.evidence.matched_skill_lower,
        active_return_lower=evidence.active_return_lower,
        deflated_sharpe=evidence.deflated_sharpe,
        sharpe_ratio=whole.pooled.sharpe_ratio,
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
