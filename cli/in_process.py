"""The state machines as plain functions: the handlers in the machine's order, with the payloads the machine builds.

What the real machines do on top (retries, catches, the numbers in the Choice states) is tested on their definition and
in the emulator; here it is the steps that matter, and a year of them in minutes.
"""

from __future__ import annotations

import datetime as dt
import json
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from lambdas.advanced_model_tuning_service.handler import handler as service
from lambdas.backtesting_engine.handler import handler as backtesting
from lambdas.core.errors import ChampionChangedError
from lambdas.ensemble_model_engine.handler import handler as ensemble
from lambdas.fundamental_data_enrichment.handler import handler as enrichment
from lambdas.market_validation_engine.handler import handler as validation

Handler = Callable[[Any, Any], dict[str, Any]]
STARTED = dt.datetime(2026, 11, 22, 2, 0, tzinfo=dt.UTC)
MODELS_KEPT = 104


@dataclass(frozen=True)
class Invocation:
    """What Lambda hands to a handler beside the event."""

    seconds: float = 600.0
    aws_request_id: str = field(default_factory=lambda: str(uuid.uuid4()))

    def get_remaining_time_in_millis(self) -> int:
        """Return the milliseconds until the function is stopped."""
        return int(self.seconds * 1000)


def call(handler: Handler, event: dict[str, Any], **context: Any) -> dict[str, Any]:
    """Invoke a handler as Lambda does: JSON in, JSON out."""
    answer = handler(json.loads(json.dumps(event)), Invocation(**context))
    result: dict[str, Any] = json.loads(json.dumps(answer, allow_nan=False))
    return result


@dataclass
class Run:
    """One execution: every step that was called, and how it ended."""

    run_id: str
    workflow: str = "advanced-model-tuning"
    started_at: dt.datetime = STARTED
    steps: list[tuple[Handler, dict[str, Any], dict[str, Any]]] = field(default_factory=list)

    def __call__(self, handler: Handler, action: str, **payload: Any) -> dict[str, Any]:
        """Invoke one step."""
        event = {"action": action, "run_id": self.run_id, **payload}
        result = call(handler, event)
        self.steps.append((handler, event, result))
        return result

    def result(self, action: str) -> dict[str, Any]:
        """Return the result of the last step of that action."""
        return next(result for _, event, result in reversed(self.steps) if event["action"] == action)

    @property
    def actions(self) -> list[str]:
        """Actions of the steps, in order."""
        return [event["action"] for _, event, _ in self.steps]

    def plan(self, request: dict[str, Any]) -> dict[str, Any]:
        """Take the first step of both machines."""
        return self(
            service,
            "plan",
            workflow=self.workflow,
            execution_arn=f"arn:aws:states:us-east-1:123456789012:execution:{self.workflow}:{self.run_id}",
            started_at=self.started_at.isoformat(),
            request=request,
        )

    def collect(self, plan: dict[str, Any]) -> dict[str, Any]:
        """Collect the batches of a plan and build the data set."""
        shared = {name: plan[name] for name in ("data", "as_of", "lookback_days", "benchmark_period_days")}
        collected = [self(enrichment, "collect", symbols=batch, **shared) for batch in plan["batches"]]
        return self(enrichment, "build", raw_uris=[batch["raw_uri"] for batch in collected], as_of=plan["as_of"])

    def prepare(self, request: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Plan, and collect if there is anything to do."""
        plan = self.plan(request)
        return plan, self.collect(plan) if plan["kind"] in ("tune", "assess") else {}


def tune(
    run_id: str,
    request: dict[str, Any],
    *,
    started_at: dt.datetime = STARTED,
    before_promotion: Callable[[], object] = lambda: None,
) -> tuple[Run, dict[str, Any]]:
    """Run `advanced-model-tuning` from its input to its end."""
    run = Run(run_id, started_at=started_at)
    plan, dataset = run.prepare(request)
    if plan["kind"] == "rollback":
        return run, run(service, "roll_back", version=plan["rollback_to"], reason=request.get("reason", "on demand"))
    if plan["kind"] != "tune":
        return run, plan
    ended = _judged(run, plan, dataset, before_promotion)
    run(service, "retire", keep=MODELS_KEPT)
    return run, ended


def _judged(
    run: Run, plan: dict[str, Any], dataset: dict[str, Any], before_promotion: Callable[[], object]
) -> dict[str, Any]:
    if dataset["gate"]["verdict"] != "PASS":
        return run(service, "reject", version=None, stopped_by=dataset["gate"])
    uri = {"dataset_uri": dataset["dataset_uri"]}
    lengths = {name: plan[name] for name in ("lookback_days", "benchmark_period_days")}
    folds = run(backtesting, "plan", **uri, **lengths)
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
        return _stays_behind(run, plan, uri, evaluation["gate"], predictions_uris, None)
    holdout = folds["holdout"]
    candidate = run(
        ensemble,
        "fit_candidate",
        **uri,
        holdout=holdout,
        hyperparameters_uri=found[holdout["tuning_point"]],
        champion=plan["champion"],
    )
    judged = run(
        validation,
        "validate",
        **uri,
        predictions_uris=predictions_uris,
        holdout_predictions_uri=candidate["predictions_uri"],
        evaluation_uri=evaluation["evaluation_uri"],
        version=candidate["version"],
        champion=plan["champion"],
        champion_predictions_uri=candidate["champion_predictions_uri"],
        champion_not_scorable=candidate["champion_not_scorable"],
    )
    for gate in ("market_gate", "risk_gate", "deployment_gate"):
        if judged[gate]["verdict"] != "PASS":
            return _stays_behind(run, plan, uri, judged[gate], predictions_uris, candidate)
    before_promotion()
    return _promoted(run, plan, candidate["version"], candidate["predictions_uri"], "candidate", None)


def _stays_behind(
    run: Run,
    plan: dict[str, Any],
    uri: dict[str, str],
    stopped_by: dict[str, Any],
    predictions_uris: list[str],
    candidate: dict[str, Any] | None,
) -> dict[str, Any]:
    """Give the shadow its turn, else keep the champion."""
    version = candidate and candidate["version"]
    if plan["shadow"] is not None:
        shadow = run(
            backtesting,
            "judge_shadow",
            **uri,
            version=plan["shadow"],
            champion=plan["champion"],
            benchmark_period_days=plan["benchmark_period_days"],
        )
        if shadow["verdict"] == "PASS":
            return _promoted(run, plan, plan["shadow"], shadow["holdout_predictions_uri"], "shadow", version)
    return run(
        service,
        "reject",
        version=version,
        stopped_by=stopped_by,
        predictions_uris=predictions_uris,
        holdout_predictions_uri=candidate and candidate["predictions_uri"],
    )


def _promoted(
    run: Run, plan: dict[str, Any], version: str, holdout_uri: str, judged: str, left_behind: str | None
) -> dict[str, Any]:
    try:
        return run(
            service,
            "promote",
            version=version,
            expected_champion=plan["champion"],
            judged=judged,
            holdout_predictions_uri=holdout_uri,
            left_behind=left_behind,
        )
    except ChampionChangedError:
        return run(service, "reject", version=version, stopped_by=None)


def assess(run_id: str, request: dict[str, Any], *, started_at: dt.datetime = STARTED) -> tuple[Run, dict[str, Any]]:
    """Run `daily-assessment` from its input to its end; of a failing live gate, `alarm` says whether to tune."""
    run = Run(run_id, workflow="daily-assessment", started_at=started_at)
    plan = run.plan(request)
    if plan["kind"] != "assess":
        return run, plan
    day = {"data": plan["data"], "as_of": plan["as_of"], "started_at": started_at.isoformat()}
    if not run(backtesting, "calendar", **day)["open"]:
        return run, run.result("calendar")
    dataset = run.collect(plan)
    if dataset["gate"]["verdict"] != "PASS":
        return run, run(service, "reject", version=plan["champion"], stopped_by=dataset["gate"])
    uri = {"dataset_uri": dataset["dataset_uri"]}
    scored: dict[str, dict[str, Any]] = {}
    if plan["champion"] is not None:
        scored["champion"] = run(ensemble, "recommend", **uri, version=plan["champion"])
    if plan["shadow"] is not None:
        with suppress(Exception):  # as the machine: what users get does not wait for a model that they do not
            scored["shadow"] = run(ensemble, "recommend", **uri, version=plan["shadow"])
    live = run(
        backtesting,
        "settle",
        **uri,
        version=plan["champion"],
        predictions_uri=scored.get("champion", {}).get("predictions_uri"),
        shadow=plan["shadow"],
        shadow_predictions_uri=scored.get("shadow", {}).get("predictions_uri"),
    )
    if live["gate"]["verdict"] == "FAIL":
        gate = {"version": plan["champion"], "gate": live["gate"]}
        run(service, "alarm", **gate, started_at=started_at.isoformat())
    return run, live
