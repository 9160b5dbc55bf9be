"""Reports of runs that ended in every way, from real evaluations of predictions of known skill."""

from __future__ import annotations

import datetime as dt
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from lambdas.contracts.prices import Prices, RunCost
from lambdas.core.backtest.evaluation import evaluation_of
from lambdas.core.backtest.run import run_backtest
from lambdas.core.exhibits.measure import measure_exhibits
from lambdas.core.exhibits.quality import shortened_quality
from lambdas.core.gates import backtesting_gate, data_quality_gate
from lambdas.core.labels import compute_outcomes, eligible
from lambdas.core.market_data.panel import MarketDataset
from lambdas.core.market_data.quality import quality_report
from lambdas.core.market_data.sources import SampleSource, SimulatedSource
from lambdas.core.settings import ModelSettings, settings_hash
from lambdas.core.validation.candidate import validate_candidate
from lambdas.core.values import GateRecord, TrialEvidence
from lambdas.report.facts import RunReport, StepTime, report_of

SETTINGS = ModelSettings.model_validate({"evidence": {"bootstrap_draws": 300, "random_portfolios": 60}})
FOLD_SESSIONS = 21
TRIALS = 36
EVIL = "</script><img src=x onerror=alert(1)>&\"'"
"""What a symbol, a name or a reason could be called by somebody who wants to run code in the reader's browser."""


def predictions_of(dataset: MarketDataset, skill: float, years: float, seed: int = 0) -> pd.DataFrame:
    """Probabilities that know the outcome as well as `skill` says (0: not at all), in folds of a month."""
    random = np.random.default_rng(seed)
    gross = compute_outcomes(dataset, SETTINGS.portfolio).gross
    allowed = eligible(dataset, SETTINGS.portfolio.min_history_sessions)
    last = len(dataset.sessions) - 1
    first = last - int(252 * years)
    frames = []
    for i in range(first, last + 1):
        columns = np.flatnonzero(allowed[i])
        known = pd.Series(gross[i, columns]).rank(pct=True).fillna(0.5).to_numpy() - 0.5
        score = random.normal(size=len(columns)) + 3.5 * skill * known
        frames.append(
            pd.DataFrame(
                {
                    "date": dataset.sessions[i],
                    "symbol": np.array(dataset.prices.symbols)[columns],
                    "probability": 1 / (1 + np.exp(-(0.4 + 0.35 * score))),
                    "fold": (i - first) // FOLD_SESSIONS,
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


@cache
def simulated() -> MarketDataset:
    source = SimulatedSource(
        seed=3, n_symbols=40, signal_rank_ic=0.25, first=dt.date(2013, 1, 2), last=dt.date(2016, 12, 30)
    )
    return source.load(None, as_of=None).dataset


@cache
def sample() -> MarketDataset:
    return SampleSource().load(None, as_of=None).dataset


def searches() -> list[dict[str, Any]]:
    """Two searches as the engine stores them with an evaluation, a pruned and a failed trial among them."""
    random = np.random.default_rng(1)
    learners = ("lightgbm", "network", "xgboost")
    return [
        {
            "point": point,
            "first_session": "2014-01-02",
            "last_session": "2014-12-30",
            "trials": 18,
            "inner_sharpe_ratio": 1.1,
            "deadline_reached": point == 1,
            "log": [
                {
                    "learner": learner,
                    "number": number,
                    "sharpe_ratio": None if number == 4 else round(float(random.normal(0.8, 0.5)), 3),
                    "pruned": number == 2,
                    "failed": number == 4,
                }
                for number in range(6)
                for learner in learners
            ],
            "chosen": {learner: {"learning_rate": 0.0712, "uniqueness": True} for learner in learners},
        }
        for point in range(2)
    ]


def trial_evidence() -> TrialEvidence:
    return TrialEvidence(
        n_searches=2,
        n_trials=TRIALS,
        n_measured=28,
        correlation=0.7,
        sharpe_variance=0.0004,
        pbo=0.31,
        spa_p_value=0.04,
    )


def importance() -> dict[str, Any]:
    """Importance of features and families with bounds, as the engine stores it with an evaluation."""
    families = ("technical", "fundamental", "sector", "macro")
    return {
        "n_dates": 120,
        "by_feature": [
            {
                "name": f"feature_{i}",
                "family": families[i % 4],
                "drop": 0.03 - 0.002 * i,
                "lower": 0.01 - 0.002 * i,
                "upper": 0.05,
            }
            for i in range(24)
        ],
        "by_family": [
            {"name": name, "family": name, "drop": 0.06 - 0.02 * i, "lower": 0.02 - 0.02 * i, "upper": 0.1 - 0.02 * i}
            for i, name in enumerate(families)
        ],
    }


def candidate(symbols: tuple[str, ...]) -> dict[str, Any]:
    """What is told of a candidate, and who spoke for its recommendations: for the last one nobody did."""
    voices = [{"feature": "momentum_252", "effect": 0.031}, {"feature": "net_margin", "effect": -0.012}]
    return {
        "combination": "stacking",
        "left_out": ["network"],
        "explanations": [{"symbol": symbol, "voices": [] if symbol == symbols[-1] else voices} for symbol in symbols],
    }


def run_record(outcome: str, message: str, **more: Any) -> dict[str, Any]:
    return {
        "run_id": f"test-{outcome.lower()}",
        "workflow": "advanced-model-tuning",
        "kind": "tune",
        "data": "simulated",
        "explanation": "Retune against champion (none yet) on all symbols.",
        "started_at": "2026-11-22T02:00:00+00:00",
        "ended_at": "2026-11-22T02:10:00+00:00",
        "execution_arn": "arn:aws:states:us-east-1:123456789012:execution:advanced-model-tuning:test",
        "cost": COST.model_dump(mode="json"),
        "settings": SETTINGS.model_dump(mode="json"),
        "settings_hash": settings_hash(SETTINGS),
        "core_version": "abc123",
        "outcome": outcome,
        "message": message,
        **more,
    }


COST = RunCost.of(
    Prices(),
    lambda_gb_seconds=1840.0,
    invocations=26,
    state_transitions=40,
    stored_bytes=255_000_000,
    nat_bytes=12_000_000,
)
TIMES = (
    StepTime(state="Collect market data", seconds=12.0, invocations=2, busy_seconds=20.0, gigabyte_seconds=40.0),
    StepTime(state="Tune and predict fold", seconds=300.0, invocations=24, busy_seconds=900.0, gigabyte_seconds=1800.0),
)


def validated(dataset: MarketDataset, skill: float, years: float = 2.0) -> RunReport:
    """A run that was judged to its end."""
    whole = predictions_of(dataset, skill, years)
    begin = whole["date"].max() - pd.Timedelta(days=90)
    frozen, walk_forward = whole[whole["date"] > begin], whole[whole["date"] <= begin]
    quality = quality_report(dataset, None, {}, None)
    tested = run_backtest(dataset, walk_forward, SETTINGS)
    evaluation = evaluation_of(tested, n_trials=TRIALS, trials=trial_evidence())
    earlier = [
        data_quality_gate(quality, SETTINGS.gates),
        backtesting_gate(evaluation.pooled, evaluation.evidence, SETTINGS.gates),
    ]
    judged = validate_candidate(
        dataset, walk_forward, frozen, SETTINGS, n_trials=TRIALS, trials=trial_evidence(), earlier_gates=earlier
    )
    gates = [*earlier, judged.market_gate, judged.risk_gate, judged.deployment_gate]
    stopped = next((gate for gate in gates if gate.verdict != "PASS"), None)
    message = "v1 is champion now." if stopped is None else f"Stopped by the {stopped.gate} gate: {stopped.reason}"
    return report_of(
        run_record("PROMOTED" if stopped is None else "REJECTED", message),
        gates,
        evaluated={
            "trials": trial_evidence().model_dump(mode="json"),
            "searches": searches(),
            "importance": importance(),
        },
        validated={
            "validation": judged.model_dump(mode="json"),
            "candidate": candidate(tuple(one.symbol for one in judged.study.recommended)),
        },
        quality=shortened_quality(quality),
        times=TIMES,
    )


def stopped_at_backtesting(dataset: MarketDataset) -> RunReport:
    """A run whose walk-forward showed nothing: there is no candidate."""
    backtest = run_backtest(dataset, predictions_of(dataset, 0.0, 1.5), SETTINGS)
    evaluation = evaluation_of(backtest, n_trials=TRIALS, trials=trial_evidence())
    quality = quality_report(dataset, None, {}, None)
    gates = [
        data_quality_gate(quality, SETTINGS.gates),
        backtesting_gate(evaluation.pooled, evaluation.evidence, SETTINGS.gates),
    ]
    return report_of(
        run_record("REJECTED", f"Stopped by the backtesting gate: {gates[-1].reason}"),
        gates,
        evaluated={
            "trials": trial_evidence().model_dump(mode="json"),
            "searches": searches(),
            "evaluation": evaluation.model_dump(mode="json"),
            "exhibits": measure_exhibits(backtest).model_dump(mode="json"),
        },
        validated=None,
        quality=shortened_quality(quality),
        times=TIMES,
    )


def stopped_at_the_data() -> RunReport:
    """A run that went no further than its data, told by somebody who wants to run code in the reader's browser."""
    dataset = simulated()
    problems = {
        f"BAD{EVIL}": f"no prices {EVIL}",
        **{f"GONE{i}": "delisted before the first session" for i in range(9)},
    }
    quality = quality_report(dataset, None, problems, None)
    gate = data_quality_gate(quality, SETTINGS.gates)
    return report_of(
        run_record("REJECTED", f"The data is not good enough: {EVIL}", data=EVIL, reason=EVIL),
        [GateRecord.model_validate({**gate.model_dump(), "reason": f"{gate.reason} {EVIL}"})],
        evaluated=None,
        validated=None,
        quality=shortened_quality(quality),
    )


def failed() -> RunReport:
    """A run that ended in an error before anything was recorded."""
    return report_of(
        run_record("FAILED", "InvalidDatasetError: prices.parquet has no column close", error="InvalidDatasetError"),
        [],
        evaluated=None,
        validated=None,
        quality=None,
    )
