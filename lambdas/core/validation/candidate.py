"""The last judgement before a deployment: walk-forward and holdout as one simulation, and the gates that read it."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from lambdas.core.backtest.evaluation import evaluation_of, slice_metrics
from lambdas.core.backtest.run import run_backtest
from lambdas.core.errors import InvalidPredictionsError
from lambdas.core.exhibits.measure import measure_exhibits
from lambdas.core.gates import assess_target, deployment_gate, market_gate, recommended_deployment, risk_gate
from lambdas.core.labels import MARKET
from lambdas.core.market_data.panel import MarketDataset
from lambdas.core.settings import ModelSettings
from lambdas.core.validation.champion import compare_with_champion
from lambdas.core.validation.competitive import competitive_score
from lambdas.core.validation.study import study_market
from lambdas.core.validation.values import Validation
from lambdas.core.values import GateRecord, TrialEvidence


def validate_candidate(
    dataset: MarketDataset,
    walk_forward: pd.DataFrame,
    holdout: pd.DataFrame,
    settings: ModelSettings,
    *,
    n_trials: int | None,
    earlier_gates: Sequence[GateRecord],
    champion: str | None = None,
    champion_holdout: pd.DataFrame | None = None,
    champion_not_scorable: str | None = None,
    trials: TrialEvidence | None = None,
) -> Validation:
    """Judge a candidate by its predictions alone.

    Parameters
    ----------
    dataset : MarketDataset
    walk_forward, holdout : DataFrame
        Out-of-sample predictions: date, symbol, probability, `fold`. The holdout comes after the last window; it is
        the last fold, whatever it is called.
    settings : ModelSettings
    n_trials : int or None
        From the trial ledger.
    earlier_gates : sequence of GateRecord
        Of the run so far (data quality, backtesting). Deployment needs every one of them to say PASS.
    champion, champion_holdout
        Version of the incumbent and its predictions of the same holdout; both or neither.
    champion_not_scorable : str, optional
        Why an incumbent cannot be scored on this data, for the reader: it is no rival then, since it could not
        recommend anything either, and the other gates decide alone.
    trials : TrialEvidence, optional
        See `evaluate_predictions`.

    Returns
    -------
    Validation

    Raises
    ------
    InvalidPredictionsError
        If the holdout does not follow the walk-forward, a champion comes without predictions, or a file breaks its
        schema.
    """
    if (champion is None) != (champion_holdout is None):
        raise InvalidPredictionsError(
            "a champion is compared by its version and its predictions; one of them is missing"
        )
    pooled = _pool(walk_forward, holdout)
    holdout_first = pd.to_datetime(holdout["date"]).min().date()
    backtest = run_backtest(dataset, pooled, settings)
    evaluation = evaluation_of(backtest, n_trials=n_trials, trials=trials, holdout_first=holdout_first)
    holdout_session = backtest.session_of(holdout_first)
    frozen = slice_metrics(backtest, holdout_session, backtest.last)
    comparison = (
        compare_with_champion(dataset, holdout, champion_holdout, champion, settings)
        if champion is not None and champion_holdout is not None
        else None
    )
    gates = settings.gates
    market = market_gate(frozen, evaluation.evidence, gates)
    risk = risk_gate(evaluation.trailing, evaluation.evidence, gates)
    target = assess_target(evaluation.pooled.hit_rate, frozen.market_outperformance.get(MARKET), gates)
    records = (*earlier_gates, market, risk)
    deployment = deployment_gate(
        records, comparison, target.target_met, gates, champion_not_scorable=champion_not_scorable
    )
    return Validation(
        evaluation=evaluation,
        competitive_score=competitive_score(backtest),
        champion=comparison,
        market_gate=market,
        risk_gate=risk,
        deployment_gate=deployment,
        target=target,
        recommended_deployment=recommended_deployment((*records, deployment), evaluation.pooled.hit_rate, gates),
        study=study_market(backtest, holdout_session),
        exhibits=measure_exhibits(backtest),
    )


def _pool(walk_forward: pd.DataFrame, holdout: pd.DataFrame) -> pd.DataFrame:
    """One frame in which the holdout is the last fold."""
    if walk_forward.empty or holdout.empty:
        raise InvalidPredictionsError(
            "a candidate needs predictions of the walk-forward and of the holdout; one is empty"
        )
    if pd.to_datetime(holdout["date"]).min() <= pd.to_datetime(walk_forward["date"]).max():
        raise InvalidPredictionsError("the holdout must begin after the last session of the walk-forward")
    if "fold" not in walk_forward.columns:
        return pd.concat([walk_forward, holdout.drop(columns="fold", errors="ignore")], ignore_index=True)
    return pd.concat([walk_forward, holdout.assign(fold=walk_forward["fold"].max() + 1)], ignore_index=True)
