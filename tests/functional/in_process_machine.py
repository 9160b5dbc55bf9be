"""The state machines as plain functions: the handlers in the machine's order, with the payloads the machine builds.

What the real machines do on top (retries, catches, the numbers in the Choice states) is tested on their definition and
in the emulator; here it is the steps that matter.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from in_memory_account import call

from lambdas.advanced_model_tuning_service.handler import handler as service
from lambdas.backtesting_engine.handler import handler as backtesting
from lambdas.core.errors import ChampionChangedError
from lambdas.ensemble_model_engine.handler import handler as ensemble
from lambdas.fundamental_data_enrichment.handler import handler as enrichment
from lambdas.market_validation_engine.handler import handler as validation

Handler = Callable[[Any, Any], dict[str, Any]]


@dataclass
class Run:
    """One execution: every step that was called, and how it ended."""

    run_id: str
    workflow: str = "advanced-model-tuning"
    steps: list[tuple[Handler, dict[str, Any], dict[str, Any]]] = field(default_factory=list)

    def __call__(self, handler: Handler, action: str, **payload: Any) -> dict[str, Any]:
        event = {"action": action, "run_id": self.run_id, **payload}
        result = call(handler, event)
        self.steps.append((handler, event, result))
        return result

    def result(self, action: str) -> dict[str, Any]:
        """The result of the last step of that action."""
        return next(result for _, event, result in reversed(self.steps) if event["action"] == action)

    @property
    def actions(self) -> list[str]:
        return [event["action"] for _, event, _ in self.steps]

    def prepare(self, request: dict[str, Any], started_at: dt.datetime) -> tuple[dict[str, Any], dict[str, Any]]:
        """What both machines begin with: plan, collect, build."""
        plan = self(
            service,
            "plan",
            workflow=self.workflow,
            execution_arn=f"arn:aws:states:us-east-1:123456789012:execution:{self.workflow}:{self.run_id}",
            started_at=started_at.isoformat(),
            request=request,
        )
        if plan["kind"] not in ("tune", "assess"):
            return plan, {}
        shared = {name: plan[name] for name in ("data", "as_of", "lookback_days", "benchmark_period_days")}
        collected = [self(enrichment, "collect", symbols=batch, **shared) for batch in plan["batches"]]
        raw_uris = [batch["raw_uri"] for batch in collected]
        return plan, self(enrichment, "build", raw_uris=raw_uris, as_of=plan["as_of"])


STARTED = dt.datetime(2026, 11, 22, 2, 0, tzinfo=dt.UTC)


def tune(
    run_id: str, request: dict[str, Any], *, before_promotion: Callable[[], object] = lambda: None
) -> tuple[Run, dict[str, Any]]:
    """`advanced-model-tuning` from its input to its end."""
    run = Run(run_id)
    plan, dataset = run.prepare(request, STARTED)
    if plan["kind"] == "rollback":
        return run, run(service, "roll_back", version=plan["rollback_to"], reason=request.get("reason", "on demand"))
    if plan["kind"] != "tune":
        return run, plan
    if dataset["gate"]["verdict"] != "PASS":
        return run, run(service, "reject", version=None, stopped_by=dataset["gate"])
    uri = {"dataset_uri": dataset["dataset_uri"]}
    folds = run(
        backtesting,
        "plan",
        **uri,
        lookback_days=plan["lookback_days"],
        benchmark_period_days=plan["benchmark_period_days"],
    )
    tuned = [run(ensemble, "tune", **uri, point=point) for point in folds["tuning_points"]]
    found = {result["point"]: result["hyperparameters_uri"] for result in tuned}
    fitted = [
        run(ensemble, "fit_fold", **uri, fold=fold, hyperparameters_uri=found[fold["tuning_point"]])
        for fold in folds["folds"]
    ]
    predictions_uris = [fold["predictions_uri"] for fold in fitted]
    searches = {"hyperparameters_uris": [result["hyperparameters_uri"] for result in tuned]}
    evaluation = run(backtesting, "evaluate", **uri, predictions_uris=predictions_uris, **searches)
    if evaluation["gate"]["verdict"] != "PASS":
        return run, run(service, "reject", version=None, stopped_by=evaluation["gate"])
    holdout = folds["holdout"]
    candidate = run(
        ensemble,
        "fit_candidate",
        **uri,
        holdout=holdout,
        hyperparameters_uri=found[holdout["tuning_point"]],
        champion=plan["champion"],
    )
    version = candidate["version"]
    judged = run(
        validation,
        "validate",
        **uri,
        predictions_uris=predictions_uris,
        holdout_predictions_uri=candidate["predictions_uri"],
        evaluation_uri=evaluation["evaluation_uri"],
        version=version,
        champion=plan["champion"],
        champion_predictions_uri=candidate["champion_predictions_uri"],
        champion_not_scorable=candidate["champion_not_scorable"],
    )
    for gate in ("market_gate", "risk_gate", "deployment_gate"):
        if judged[gate]["verdict"] != "PASS":
            return run, run(service, "reject", version=version, stopped_by=judged[gate])
    before_promotion()
    try:
        return run, run(service, "promote", version=version, expected_champion=plan["champion"])
    except ChampionChangedError:
        return run, run(service, "reject", version=version, stopped_by=None)


def assess(run_id: str, request: dict[str, Any]) -> tuple[Run, dict[str, Any]]:
    """`daily-assessment` from its input to its end."""
    run = Run(run_id, workflow="daily-assessment")
    plan, dataset = run.prepare(request, STARTED)
    if plan["kind"] != "assess":
        return run, plan
    if dataset["gate"]["verdict"] != "PASS":
        return run, run(service, "reject", version=plan["champion"], stopped_by=dataset["gate"])
    uri = {"dataset_uri": dataset["dataset_uri"]}
    scored = run(ensemble, "recommend", **uri, version=plan["champion"])
    return run, run(backtesting, "settle", **uri, predictions_uri=scored["predictions_uri"], version=plan["champion"])
