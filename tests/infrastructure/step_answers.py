"""Made-up results of the steps, each a valid result of its contract, and the contracts of all events."""

from __future__ import annotations

import copy
import datetime as dt
import json
from typing import Any, get_args

from asl_interpreter import StateError

from lambdas.contracts import backtesting, enrichment, ensemble, market_validation, tuning_run
from lambdas.contracts.base import Contract
from lambdas.core.values import FoldPlan, GateName, GateRecord, TuningPoint

REQUESTS: dict[tuple[str, str], type[Contract]] = {
    (function, get_args(request.model_fields["action"].annotation)[0]): request
    for function, requests in {
        "advanced-model-tuning-service": (
            tuning_run.PlanRequest,
            tuning_run.PromoteRequest,
            tuning_run.RejectRequest,
            tuning_run.RollBackRequest,
            tuning_run.RetireRequest,
            tuning_run.AlarmRequest,
            tuning_run.FailRequest,
        ),
        "fundamental-data-enrichment": (enrichment.CollectRequest, enrichment.BuildRequest),
        "backtesting-engine": (
            backtesting.PlanFoldsRequest,
            backtesting.EvaluateRequest,
            backtesting.CalendarRequest,
            backtesting.SettleRequest,
            backtesting.JudgeShadowRequest,
        ),
        "ensemble-model-engine": (
            ensemble.TuneRequest,
            ensemble.FitFoldRequest,
            ensemble.FitCandidateRequest,
            ensemble.RecommendRequest,
        ),
        "market-validation-engine": (market_validation.ValidateRequest,),
    }.items()
    for request in requests
}

CHAMPION = "v20260101-0123456789ab"
CANDIDATE = "v20261122-ba9876543210"
DAY = dt.date(2026, 11, 20)
DATASET = "s3://datasets/datasets/0123456789abcdef"


def record(gate: GateName) -> GateRecord:
    """Return a record that says PASS."""
    return GateRecord(gate=gate, verdict="PASS", checks=(), reason="As the test wants it.")


def fold(number: int, tuning_point: int) -> FoldPlan:
    """Return a fold whose dates do not matter."""
    return FoldPlan(
        number=number,
        first_decision=DAY,
        last_decision=DAY,
        train_first=DAY,
        train_last=DAY,
        tuning_point=tuning_point,
    )


def good_answers() -> dict[str, Any]:
    """Return the results of a run that deploys, by action; `plan` by function and action, for two have it."""
    answers: dict[str, Contract] = {
        "advanced-model-tuning-service.plan": tuning_run.PlanResult(
            kind="tune",
            explanation="Retune on 3 symbols.",
            data="yahoo",
            batches=(("AAPL", "MSFT"), ("KO",)),
            as_of=None,
            lookback_days=1095,
            benchmark_period_days=90,
            champion=CHAMPION,
        ),
        "collect": enrichment.CollectResult(raw_uri="s3://datasets/raw/1", n_symbols=2, n_problems=0, problems=()),
        "build": enrichment.BuildResult(
            dataset_uri=DATASET,
            dataset_hash="0123456789abcdef",
            as_of=DAY,
            n_symbols=3,
            n_sessions=2000,
            symbol_coverage=1.0,
            staleness_sessions=0,
            absent_families=(),
            gate=record("data_quality"),
        ),
        "backtesting-engine.plan": backtesting.PlanFoldsResult(
            folds=(fold(0, 0), fold(1, 0), fold(2, 1)),
            holdout=fold(3, 2),
            tuning_points=tuple(TuningPoint(number=number, train_first=DAY, train_last=DAY) for number in range(3)),
            skipped_windows=0,
        ),
        "evaluate": backtesting.EvaluateResult(
            evaluation_uri="s3://performance/reports/run-1/evaluation.json",
            hit_rate=0.66,
            base_rate=0.58,
            matched_skill=0.05,
            matched_skill_lower=0.01,
            n_recommendations=900,
            n_matured=880,
            ledger_trials=72,
            gate=record("backtesting"),
        ),
        "fit_candidate": ensemble.FitCandidateResult(
            version=CANDIDATE,
            model_uri=f"s3://artefacts/models/{CANDIDATE}",
            predictions_uri="s3://performance/predictions/holdout.parquet",
            champion_predictions_uri=None,
            combination="voting",
        ),
        "validate": market_validation.ValidateResult(
            validation_uri="s3://performance/reports/run-1/validation.json",
            market_outperformance=0.04,
            active_return_lower=0.01,
            sharpe_ratio=1.6,
            max_drawdown=0.08,
            deflated_sharpe=0.97,
            champion_not_worse=True,
            target_met=False,
            recommended_deployment=False,
            market_gate=record("market"),
            risk_gate=record("risk"),
            deployment_gate=record("deployment"),
            competitive_score=70.0,
        ),
        "recommend": ensemble.RecommendResult(
            predictions_uri="s3://performance/predictions/today.parquet", session=DAY, n_predictions=3
        ),
        "judge_shadow": backtesting.JudgeShadowResult(
            verdict="PASS",
            reason="Every gate passed.",
            holdout_predictions_uri="s3://performance/predictions/shadow.parquet",
            hit_rate=0.66,
            matched_skill_lower=0.01,
            market_outperformance=0.04,
            active_return_lower=0.01,
            sharpe_ratio=1.6,
            max_drawdown=0.08,
            deflated_sharpe=0.97,
            champion_not_worse=True,
        ),
        "calendar": backtesting.CalendarResult(open=True, message="2026-11-23 is a day to assess."),
        "alarm": tuning_run.AlarmResult(start_tuning=True, message="The live gate fails."),
        "settle": backtesting.SettleResult(
            n_published=5,
            n_settled=2,
            live_hit_rate=0.6,
            live_base_rate=0.55,
            live_skill_upper=0.2,
            gate=record("live"),
        ),
    }
    for action, outcome in {
        "promote": "PROMOTED",
        "reject": "REJECTED",
        "roll_back": "ROLLED_BACK",
        "fail": "FAILED",
    }.items():
        answers[action] = tuning_run.OutcomeResult.model_validate(
            {"outcome": outcome, "champion": CHAMPION, "message": outcome}
        )
    return {action: answer.model_dump(mode="json") for action, answer in answers.items()}


class Engines:
    """Answers Tasks; checks each event against its contract first, and remembers it.

    `answers` may be changed before the run; `raises` makes the step of that state name fail.
    """

    def __init__(self) -> None:
        self.answers = good_answers()
        self.raises: dict[str, StateError] = {}
        self.events: list[tuple[str, Contract]] = []
        self.started: list[dict[str, Any]] = []

    def __call__(self, name: str, state: dict[str, Any], arguments: dict[str, Any]) -> Any:
        if error := self.raises.get(name):
            raise error
        match state["Resource"].rsplit(":::", 1)[-1]:
            case "lambda:invoke":
                return {"Payload": self._invoke(arguments["FunctionName"], arguments["Payload"]), "StatusCode": 200}
            case "states:startExecution":
                self.started.append(arguments)
            case other:
                raise NotImplementedError(other)
        return {}

    def _invoke(self, function: str, payload: dict[str, Any]) -> Any:
        event = REQUESTS[function, payload["action"]].model_validate_json(_as_sent(payload))
        action = payload["action"]
        self.events.append((action, event))
        if action == "retire":  # answers how the run ended, as the step before it did
            ended = next(name for name, _ in reversed(self.events) if name in ("promote", "reject"))
            return copy.deepcopy(self.answers[ended])
        if action == "tune":
            number = payload["point"]["number"]
            uri = f"s3://performance/tuning/{number}.json"
            return {"point": number, "hyperparameters_uri": uri, "trials": 24, "inner_sharpe_ratio": 0.5}
        if action == "fit_fold":
            number = payload["fold"]["number"]
            uri = f"s3://performance/predictions/{number}.parquet"
            return {"fold": number, "predictions_uri": uri, "n_predictions": 60, "combination": "voting"}
        return copy.deepcopy(self.answers[f"{function}.plan" if action == "plan" else action])

    def event(self, action: str) -> Any:
        """Return the only event of an action."""
        (found,) = self.all(action)
        return found

    def all(self, action: str) -> list[Any]:
        """Return the events of an action, in order."""
        return [event for name, event in self.events if name == action]


def _as_sent(payload: dict[str, Any]) -> str:
    return json.dumps(payload, allow_nan=False)
