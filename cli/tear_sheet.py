"""The evidence of a file of predictions, as a report is made of it. Nothing is stored and nothing is deployed."""

from __future__ import annotations

import importlib.metadata
from typing import TYPE_CHECKING

import pandas as pd

from lambdas.core.backtest.evaluation import evaluation_of
from lambdas.core.backtest.run import run_backtest
from lambdas.core.exhibits.measure import measure_exhibits
from lambdas.core.exhibits.quality import shortened_quality
from lambdas.core.gates import MARKET, assess_target, backtesting_gate, data_quality_gate, market_gate, risk_gate
from lambdas.core.market_data.dataset import dataset_hash
from lambdas.core.market_data.quality import quality_report
from lambdas.core.settings import settings_hash
from lambdas.core.validation.competitive import competitive_score
from lambdas.core.validation.study import study_market
from lambdas.report.facts import RunReport

if TYPE_CHECKING:
    from lambdas.core.market_data.panel import MarketDataset
    from lambdas.core.settings import ModelSettings


def tear_sheet_of(
    dataset: MarketDataset, predictions: pd.DataFrame, settings: ModelSettings, *, n_trials: int | None, name: str
) -> RunReport:
    """Judge predictions as those of a candidate are judged, but for a champion, which a file does not have.

    Parameters
    ----------
    dataset : MarketDataset
    predictions : DataFrame
        See `align_predictions`.
    settings : ModelSettings
        `walk_forward.benchmark_period_days` is the length of the holdout at the end of the predictions; where they
        are shorter, all of them are the holdout.
    n_trials : int or None
        Configurations that were tried; None leaves the deflated Sharpe ratio unknown.
    name : str
        What the predictions are called on the page.
    """
    backtest = run_backtest(dataset, predictions, settings)
    sessions, first, last = backtest.dataset.sessions, backtest.first, backtest.last
    begin = sessions[last] - pd.Timedelta(days=settings.walk_forward.benchmark_period_days)
    holdout = max(int(sessions.searchsorted(begin, side="right")), first)
    evaluation = evaluation_of(backtest, n_trials=n_trials, holdout_first=backtest.day(holdout))
    quality = quality_report(dataset, None, {}, None)
    gates = settings.gates
    frozen = evaluation.holdout or evaluation.pooled
    return RunReport(
        run={
            "predictions": name,
            "settings": settings.model_dump(mode="json"),
            "settings_hash": settings_hash(settings),
            "dataset_hash": dataset_hash(dataset),
            "core_version": f"amts {importlib.metadata.version('amts')}",
        },
        kind="tear_sheet",
        gates=(
            data_quality_gate(quality, gates),
            backtesting_gate(evaluation.pooled, evaluation.evidence, gates),
            market_gate(frozen, evaluation.evidence, gates),
            risk_gate(evaluation.trailing, evaluation.evidence, gates),
        ),
        evaluation=evaluation,
        exhibits=measure_exhibits(backtest),
        competitive_score=competitive_score(backtest),
        target=assess_target(evaluation.pooled.hit_rate, frozen.market_outperformance.get(MARKET), gates),
        study=study_market(backtest, holdout),
        quality=shortened_quality(quality),
    )
