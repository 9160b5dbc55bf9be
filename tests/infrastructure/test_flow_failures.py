"""What becomes of errors: recorded, announced, and the run fails with them."""

from __future__ import annotations

from typing import Any

import pytest
from asl_interpreter import StateError, walk
from assemblies import Assembly
from flows import DAILY, TUNING, run, with_a_shadow
from step_answers import CHAMPION, Engines


@pytest.mark.parametrize("name", [TUNING, DAILY])
def test_every_error_is_recorded_and_fails_the_run(local: Assembly, name: str) -> None:
    definition = local.machine(name)
    tasks = {sentence for sentence, state, _ in walk(definition) if state["Type"] == "Task"}
    tasks -= {"Record failure", "Score newest session with the shadow"}
    # A Map catches for the step in it, and is what failed.
    catches = {sentence: sentence for sentence in tasks} | {
        sentence: name
        for sentence, _, around in walk(definition)
        for name, state in definition["States"].items()
        if around is not None and state is around
    }
    assert len(tasks) >= 8
    for sentence in sorted(tasks):
        engines = prepared_to_reach(sentence, name)
        engines.raises[sentence] = StateError("InvalidDatasetError", "prices.parquet: no column close")
        done = run(definition, engines)
        assert done.failed == {"Error": "InvalidDatasetError", "Cause": "prices.parquet: no column close"}, sentence
        assert sentence in done.path
        assert done.path[-2:] == ["Record failure", "Run failed"]
        assert (engines.event("fail").error, engines.event("fail").workflow) == ("InvalidDatasetError", name)
        assert engines.event("fail").failed_step == catches[sentence]


def prepared_to_reach(sentence: str, machine: str) -> Engines:
    """Return engines whose answers lead a run to the state of that name."""
    engines = Engines()
    plan = engines.answers["advanced-model-tuning-service.plan"]
    plan["kind"] = "assess" if machine == DAILY else "tune"
    match sentence:
        case "Keep champion":
            engines.answers["evaluate"]["hit_rate"] = 0.5
        case "Roll back to an earlier champion":
            plan |= {"kind": "rollback", "rollback_to": CHAMPION}
        case "Publish nothing today":
            engines.answers["build"]["symbol_coverage"] = 0.1
        case "Judge the shadow on its live record" | "Promote shadow":
            with_a_shadow(engines)
        case "Announce failing live gate" | "Start tuning":
            engines.answers["settle"]["gate"]["verdict"] = "FAIL"
        case _:
            pass
    return engines


@pytest.mark.parametrize("name", [TUNING, DAILY])
def test_a_failure_that_cannot_be_recorded_still_fails_the_run_with_its_own_error(local: Assembly, name: str) -> None:
    definition = local.machine(name)
    engines = Engines()
    engines.raises |= {definition["StartAt"]: StateError("TypeError"), "Record failure": StateError("StoreAccessError")}
    assert run(definition, engines).failed == {"Error": "TypeError", "Cause": "because"}


def test_a_failure_without_a_cause_is_recorded_too(local: Assembly, engines: Engines) -> None:
    definition = local.machine(TUNING)
    engines.raises["Train candidate"] = StateError("States.Timeout", None)
    done = run(definition, engines)
    assert done.failed is not None
    assert done.failed["Error"] == "States.Timeout"
    assert engines.event("fail").cause


def test_a_long_traceback_is_cut(local: Assembly, engines: Engines) -> None:
    definition = local.machine(TUNING)
    engines.raises["Train candidate"] = StateError("KeyError", "x" * 200_000)
    run(definition, engines)
    assert len(engines.event("fail").cause) == 4000


def test_a_plan_that_leads_nowhere_fails_the_run(tuning: dict[str, Any], engines: Engines) -> None:
    engines.answers["advanced-model-tuning-service.plan"]["kind"] = "assess"
    done = run(tuning, engines)
    assert done.failed is not None
    assert "assess" in done.failed["Cause"]
    assert engines.event("fail").error == "InvalidRequestError"
