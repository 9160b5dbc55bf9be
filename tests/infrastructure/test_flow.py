"""Where a tuning run goes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from asl_interpreter import EXECUTION_NAME, Execution, StateError
from assemblies import Assembly
from flows import DAILY, LAST, SHADOW, TUNING, run, with_a_shadow
from step_answers import CANDIDATE, CHAMPION, Engines

from lambdas.contracts.tuning_run import OutcomeResult

NUMBERS = [
    # action, field, just enough, just not enough, the gate that reads it, kind of the check
    ("build", "symbol_coverage", 0.90, 0.89, "data_quality", "threshold"),
    ("build", "staleness_sessions", 3, 4, "data_quality", "threshold"),
    ("evaluate", "hit_rate", 0.601, 0.60, "backtesting", "threshold"),
    ("evaluate", "matched_skill_lower", 0.001, 0.0, "backtesting", "evidence"),
    ("validate", "market_outperformance", 0.021, 0.02, "market", "threshold"),
    ("validate", "active_return_lower", 0.001, 0.0, "market", "evidence"),
    ("validate", "sharpe_ratio", 1.01, 1.0, "risk", "threshold"),
    ("validate", "max_drawdown", 0.149, 0.15, "risk", "threshold"),
    ("validate", "deflated_sharpe", 0.95, 0.949, "risk", "evidence"),
]
BAD_VALUES: list[Any] = [None, "0.99", "NaN", True, [0.99], {"value": 0.99}]
MISSING = object()


def last_gate(done: Execution) -> str:
    """Name of the gate that a run came through last."""
    return [state for state in done.path if " gate: " in state][-1]


def test_a_good_candidate_is_promoted(tuning: dict[str, Any], engines: Engines) -> None:
    done = run(tuning, engines, {"reason": "test"})
    assert done.failed is None
    assert OutcomeResult.model_validate(done.output).outcome == "PROMOTED"
    assert [state for state in done.path if not state.startswith(("Collect one", "Search at", "Fit and"))] == [
        "Plan tuning run",
        "What was asked for",
        "Collect market data",
        "Build feature set",
        "Data quality gate: at least 90 % of the symbols, fresh prices",
        "Plan walk-forward folds",
        "Tune hyper-parameters",
        "Tune and predict fold",
        "Backtest out-of-sample predictions",
        "Backtesting gate: hit rate above 60 %",
        "Train candidate",
        "Validate against the market",
        "Market gate: beats the S&P 500 by more than 2 %",
        "Risk gate: Sharpe above 1.0, drawdown below 15 %",
        "Deployment gate: every gate passed",
        "Promote candidate",
        "Retire old models",
    ]
    assert engines.event("promote").version == CANDIDATE
    assert engines.event("promote").expected_champion == CHAMPION


def test_steps_get_what_earlier_steps_found(tuning: dict[str, Any], engines: Engines) -> None:
    run(tuning, engines, {"reason": "test"})
    planning, folds = engines.all("plan")
    assert (planning.request, planning.workflow) == ({"reason": "test"}, TUNING)
    assert folds.dataset_uri == engines.answers["build"]["dataset_uri"]
    assert [event.symbols for event in engines.all("collect")] == [("AAPL", "MSFT"), ("KO",)]
    assert [event.point.number for event in engines.all("tune")] == [0, 1, 2]
    # A fold uses the search of its own tuning point, not the one of its number.
    assert [(e.fold.number, e.hyperparameters_uri[-6:]) for e in engines.all("fit_fold")] == [
        (0, "0.json"),
        (1, "0.json"),
        (2, "1.json"),
    ]
    assert engines.event("fit_candidate").hyperparameters_uri.endswith("/2.json")
    assert engines.event("fit_candidate").champion == CHAMPION
    assert [uri[-6:] for uri in engines.event("evaluate").hyperparameters_uris] == ["0.json", "1.json", "2.json"]
    assert [uri[-9:] for uri in engines.event("evaluate").predictions_uris] == ["0.parquet", "1.parquet", "2.parquet"]
    assert engines.event("validate").predictions_uris == engines.event("evaluate").predictions_uris
    assert all(event.run_id == EXECUTION_NAME for _, event in engines.events)


def test_lists_of_one_stay_lists(tuning: dict[str, Any], engines: Engines) -> None:
    """JSONata makes one element of a list with one element."""
    engines.answers["advanced-model-tuning-service.plan"]["batches"] = [["KO"]]
    folds = engines.answers["backtesting-engine.plan"]
    folds["folds"], folds["tuning_points"] = folds["folds"][:1], folds["tuning_points"][:1]
    folds["holdout"]["tuning_point"] = 0
    assert run(tuning, engines).failed is None
    assert engines.event("collect").symbols == ("KO",)
    assert engines.event("build").raw_uris == ("s3://datasets/raw/1",)
    assert len(engines.event("evaluate").hyperparameters_uris) == 1
    assert len(engines.event("evaluate").predictions_uris) == 1


def test_an_empty_batch_asks_for_everything(tuning: dict[str, Any], engines: Engines) -> None:
    engines.answers["advanced-model-tuning-service.plan"]["batches"] = [[]]
    assert run(tuning, engines).failed is None
    assert engines.event("collect").symbols == ()


def test_without_a_champion_the_first_candidate_can_be_promoted(tuning: dict[str, Any], engines: Engines) -> None:
    engines.answers["advanced-model-tuning-service.plan"]["champion"] = None
    assert run(tuning, engines).output["outcome"] == "PROMOTED"
    assert engines.event("fit_candidate").champion is None
    assert engines.event("promote").expected_champion is None


@pytest.mark.parametrize(("action", "name", "enough", "short", "gate", "kind"), NUMBERS)
def test_each_number_decides_by_itself(
    local: Assembly,
    engines: Engines,
    action: str,
    name: str,
    enough: float,
    short: float,
    gate: str,
    kind: str,
) -> None:
    definition = local.machine(TUNING)
    engines.answers[action][name] = enough
    assert run(definition, engines).path[-2:] == ["Promote candidate", LAST]

    verdict = "FAIL" if kind == "threshold" else "INSUFFICIENT_EVIDENCE"
    for value in (short, *BAD_VALUES, MISSING):
        stopped = Engines()
        if value is MISSING:
            del stopped.answers[action][name]
        else:
            stopped.answers[action][name] = value
        done = run(definition, stopped)
        assert done.failed is None, value
        assert last_gate(done).lower().startswith(gate.replace("_", " ")), value
        assert done.path[-2:] == ["Keep champion", LAST]
        rejected = stopped.event("reject")
        assert (rejected.stopped_by.gate, rejected.stopped_by.verdict) == (gate, verdict)
        assert rejected.version == (CANDIDATE if action == "validate" else None)


@pytest.mark.parametrize("gate", ["build", "evaluate", "market_gate", "risk_gate", "deployment_gate"])
@pytest.mark.parametrize("verdict", ["FAIL", "INSUFFICIENT_EVIDENCE", None])
def test_no_candidate_is_promoted_against_a_recorded_verdict(
    local: Assembly, engines: Engines, gate: str, verdict: str | None
) -> None:
    """The numbers pass, a record does not: the records were written by the functions, the numbers compared here."""
    holder = engines.answers["validate"][gate] if gate.endswith("_gate") else engines.answers[gate]["gate"]
    holder["verdict"] = verdict
    done = run(local.machine(TUNING), engines)
    assert (last_gate(done), done.path[-2]) == ("Deployment gate: every gate passed", "Keep champion")
    assert engines.event("reject").stopped_by.gate == "deployment"


@pytest.mark.parametrize("value", [False, None, "true", 1, MISSING])
def test_a_candidate_that_is_worse_than_the_champion_stays_behind(
    local: Assembly, engines: Engines, value: Any
) -> None:
    if value is MISSING:
        del engines.answers["validate"]["champion_not_worse"]
    else:
        engines.answers["validate"]["champion_not_worse"] = value
    assert run(local.machine(TUNING), engines).path[-2:] == ["Keep champion", LAST]
    assert engines.event("reject").stopped_by.verdict == "FAIL"


def test_thresholds_are_those_of_the_settings(synthesize: Callable[..., Assembly], engines: Engines) -> None:
    stricter = synthesize("local", model__gates__hit_rate="0.7", model__gates__market_outperformance="0.025")
    definition = stricter.machine(TUNING)
    assert "Backtesting gate: hit rate above 70 %" in definition["States"]
    assert "Market gate: beats the S&P 500 by more than 2.5 %" in definition["States"]
    assert last_gate(run(definition, engines)) == "Backtesting gate: hit rate above 70 %"


def test_advisory_evidence_is_not_gated_on(synthesize: Callable[..., Assembly], engines: Engines) -> None:
    definition = synthesize("local", model__gates__evidence="advisory").machine(TUNING)
    engines.answers["evaluate"]["matched_skill_lower"] = -0.1
    engines.answers["validate"]["active_return_lower"] = None
    engines.answers["validate"]["deflated_sharpe"] = 0.2
    assert run(definition, engines).path[-2:] == ["Promote candidate", LAST]
    worse = Engines()
    worse.answers["validate"]["champion_not_worse"] = False
    assert run(definition, worse).path[-2:] == ["Keep champion", LAST]


def test_a_required_target_must_be_met(synthesize: Callable[..., Assembly], engines: Engines) -> None:
    definition = synthesize("local", model__gates__require_target="true").machine(TUNING)
    assert run(definition, engines).path[-2:] == ["Keep champion", LAST]
    assert engines.event("reject").stopped_by.verdict == "FAIL"
    reached = Engines()
    reached.answers["validate"]["target_met"] = True
    assert run(definition, reached).path[-2:] == ["Promote candidate", LAST]


def test_a_dry_run_plans_and_ends(tuning: dict[str, Any], engines: Engines) -> None:
    engines.answers["advanced-model-tuning-service.plan"]["kind"] = "dry_run"
    done = run(tuning, engines, {"dry_run": True})
    assert OutcomeResult.model_validate(done.output).outcome == "DRY_RUN"
    assert done.path == ["Plan tuning run", "What was asked for", "Dry run done"]


@pytest.mark.parametrize(("request_", "reason"), [({"rollback_to": CHAMPION}, "on demand"), ({"reason": "bad"}, "bad")])
def test_a_rollback_fits_nothing(
    tuning: dict[str, Any], engines: Engines, request_: dict[str, Any], reason: str
) -> None:
    engines.answers["advanced-model-tuning-service.plan"] |= {"kind": "rollback", "rollback_to": CHAMPION}
    done = run(tuning, engines, request_)
    assert done.output["outcome"] == "ROLLED_BACK"
    assert [action for action, _ in engines.events] == ["plan", "roll_back"]
    assert (engines.event("roll_back").version, engines.event("roll_back").reason) == (CHAMPION, reason)


@pytest.mark.parametrize("name", [TUNING, DAILY])
def test_a_run_that_begins_while_another_is_under_way_ends_at_once(
    local: Assembly, engines: Engines, name: str
) -> None:
    engines.answers["advanced-model-tuning-service.plan"] |= {"kind": "busy", "explanation": "Run x is under way."}
    done = run(local.machine(name), engines)
    assert OutcomeResult.model_validate(done.output).outcome == "BUSY"
    assert [action for action, _ in engines.events] == ["plan"]


def test_losing_a_race_keeps_the_other_champion(tuning: dict[str, Any], engines: Engines) -> None:
    engines.raises["Promote candidate"] = StateError("ChampionChangedError")
    done = run(tuning, engines)
    assert done.failed is None
    assert done.path[-3:] == ["Promote candidate", "Keep champion", LAST]
    assert engines.event("reject").stopped_by is None
    assert engines.event("reject").version == CANDIDATE


def test_a_rejected_candidate_is_named_with_what_it_was_judged_on(tuning: dict[str, Any], engines: Engines) -> None:
    engines.answers["validate"]["active_return_lower"] = -0.1
    run(tuning, engines)
    rejected = engines.event("reject")
    assert rejected.holdout_predictions_uri == engines.answers["fit_candidate"]["predictions_uri"]
    assert [uri[-9:] for uri in rejected.predictions_uris] == ["0.parquet", "1.parquet", "2.parquet"]


def test_a_shadow_that_passes_on_its_live_record_is_promoted(tuning: dict[str, Any], engines: Engines) -> None:
    done = run(tuning, with_a_shadow(engines))
    assert done.path[-2:] == ["Promote shadow", LAST]
    promoted = engines.event("promote")
    assert (promoted.version, promoted.judged, promoted.expected_champion) == (SHADOW, "shadow", CHAMPION)
    assert promoted.left_behind == CANDIDATE


def test_a_candidate_that_passes_comes_first(tuning: dict[str, Any], engines: Engines) -> None:
    engines.answers["advanced-model-tuning-service.plan"]["shadow"] = SHADOW
    assert run(tuning, engines).path[-2:] == ["Promote candidate", LAST]
    assert not engines.all("judge_shadow")


SHADOW_NUMBERS = [
    ("hit_rate", 0.60),
    ("matched_skill_lower", 0.0),
    ("market_outperformance", 0.02),
    ("active_return_lower", 0.0),
    ("sharpe_ratio", 1.0),
    ("max_drawdown", 0.15),
    ("deflated_sharpe", 0.949),
    ("champion_not_worse", False),
    ("verdict", "INSUFFICIENT_EVIDENCE"),
    ("verdict", "FAIL"),
]


@pytest.mark.parametrize(("name", "short"), SHADOW_NUMBERS)
def test_no_threshold_is_weaker_for_a_shadow(tuning: dict[str, Any], name: str, short: Any) -> None:
    for value in (short, None, "0.99"):
        engines = with_a_shadow(Engines())
        engines.answers["judge_shadow"][name] = value
        assert run(tuning, engines).path[-2:] == ["Keep champion", LAST], value
