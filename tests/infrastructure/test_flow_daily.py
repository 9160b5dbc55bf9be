"""Where a daily run goes."""

from __future__ import annotations

from typing import Any

import pytest
from asl_interpreter import EXECUTION_NAME, StateError
from flows import SHADOW, run
from step_answers import CHAMPION, Engines

from lambdas.contracts.tuning_run import OutcomeResult, TuningRequest


def test_the_daily_assessment_publishes(daily: dict[str, Any], engines: Engines) -> None:
    engines.answers["advanced-model-tuning-service.plan"]["kind"] = "assess"
    done = run(daily, engines)
    assert OutcomeResult.model_validate(done.output).outcome == "ASSESSED"
    assert engines.event("recommend").version == CHAMPION
    assert engines.event("settle").predictions_uri == engines.answers["recommend"]["predictions_uri"]
    assert engines.started == []
    assert not engines.all("alarm")


def test_a_failing_live_gate_announces_itself_and_starts_tuning(daily: dict[str, Any], engines: Engines) -> None:
    engines.answers["advanced-model-tuning-service.plan"]["kind"] = "assess"
    engines.answers["settle"]["gate"] |= {"verdict": "FAIL", "reason": "x" * 1000}
    done = run(daily, engines)
    assert OutcomeResult.model_validate(done.output).outcome == "ASSESSED"
    (started,) = engines.started
    assert (engines.event("alarm").version, engines.event("alarm").gate.verdict) == (CHAMPION, "FAIL")
    request = TuningRequest.model_validate(started["Input"])
    assert (request.data, request.reason[:25]) == ("yahoo", "The live gate failed: xxx")
    assert started["Name"] == f"live-gate-{EXECUTION_NAME}"


def test_a_live_gate_that_was_announced_this_week_starts_nothing(daily: dict[str, Any], engines: Engines) -> None:
    engines.answers["advanced-model-tuning-service.plan"]["kind"] = "assess"
    engines.answers["settle"]["gate"]["verdict"] = "FAIL"
    engines.answers["alarm"]["start_tuning"] = False
    assert run(daily, engines).path[-1] == "Assessment done"
    assert engines.started == []


def test_on_a_holiday_nothing_is_collected(daily: dict[str, Any], engines: Engines) -> None:
    engines.answers["advanced-model-tuning-service.plan"]["kind"] = "assess"
    engines.answers["calendar"] = {"open": False, "message": "The exchange is closed on 2026-11-26."}
    done = run(daily, engines)
    assert done.output["message"] == "The exchange is closed on 2026-11-26."
    assert OutcomeResult.model_validate(done.output).outcome == "NOTHING"
    assert [action for action, _ in engines.events] == ["plan", "calendar"]


@pytest.mark.parametrize("champion", [CHAMPION, None])
def test_the_shadow_is_scored_beside_the_champion_or_without_one(
    daily: dict[str, Any], engines: Engines, champion: str | None
) -> None:
    plan = engines.answers["advanced-model-tuning-service.plan"]
    plan |= {"kind": "assess", "champion": champion, "shadow": SHADOW}
    assert run(daily, engines).path[-1] == "Assessment done"
    assert [event.version for event in engines.all("recommend")] == [*([champion] if champion else []), SHADOW]
    settled, uri = engines.event("settle"), engines.answers["recommend"]["predictions_uri"]
    assert (settled.version, settled.predictions_uri) == (champion, uri if champion else None)
    assert (settled.shadow, settled.shadow_predictions_uri) == (SHADOW, uri)


def test_a_shadow_that_cannot_be_scored_does_not_keep_the_champion_back(
    daily: dict[str, Any], engines: Engines
) -> None:
    engines.answers["advanced-model-tuning-service.plan"] |= {"kind": "assess", "shadow": SHADOW}
    engines.raises["Score newest session with the shadow"] = StateError("ArtefactIntegrityError", "altered")
    done = run(daily, engines)
    assert (done.failed, done.path[-1]) == (None, "Assessment done")
    settled = engines.event("settle")
    assert (settled.version, settled.shadow, settled.shadow_predictions_uri) == (CHAMPION, SHADOW, None)
    assert settled.predictions_uri == engines.answers["recommend"]["predictions_uri"]


def test_without_a_shadow_only_the_champion_is_scored(daily: dict[str, Any], engines: Engines) -> None:
    engines.answers["advanced-model-tuning-service.plan"] |= {"kind": "assess", "shadow": None}
    run(daily, engines)
    assert (engines.event("settle").shadow, engines.event("settle").shadow_predictions_uri) == (None, None)


def test_too_few_live_outcomes_start_nothing(daily: dict[str, Any], engines: Engines) -> None:
    engines.answers["advanced-model-tuning-service.plan"]["kind"] = "assess"
    engines.answers["settle"]["gate"]["verdict"] = "INSUFFICIENT_EVIDENCE"
    assert run(daily, engines).path[-1] == "Assessment done"
    assert engines.started == []


def test_without_a_champion_nothing_is_recommended(daily: dict[str, Any], engines: Engines) -> None:
    engines.answers["advanced-model-tuning-service.plan"] |= {"kind": "nothing", "champion": None}
    done = run(daily, engines)
    assert OutcomeResult.model_validate(done.output).outcome == "NOTHING"
    assert not engines.all("recommend")


def test_stale_data_publishes_nothing(daily: dict[str, Any], engines: Engines) -> None:
    engines.answers["advanced-model-tuning-service.plan"]["kind"] = "assess"
    engines.answers["build"]["staleness_sessions"] = 9
    done = run(daily, engines)
    assert done.path[-1] == "Publish nothing today"
    assert engines.event("reject").stopped_by.gate == "data_quality"
