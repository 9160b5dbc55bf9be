"""The controls can fail: they tell skill from luck, a leak from a sound feature, and report what they saw."""

from __future__ import annotations

import datetime as dt
import json

import numpy as np
import pytest

from benchmarks.controls import planted_leaks, tables, without_skill
from benchmarks.controls.__main__ import write_page
from benchmarks.controls.judgement import as_probabilities, control_settings, decision_span, judge_scores
from lambdas.core.features import FEATURES
from lambdas.core.labels import compute_outcomes
from lambdas.core.market_data.sources.simulated import SimulatedSource
from lambdas.core.values import TrialEvidence

TRIALS = TrialEvidence(
    n_searches=1, n_trials=24, n_measured=0, correlation=None, sharpe_variance=None, pbo=None, spa_p_value=None
)


@pytest.fixture(scope="module")
def null_market():
    return SimulatedSource(5, 30, 0.0, dt.date(2015, 1, 2)).market().dataset


@pytest.fixture(scope="module")
def oracle(null_market):
    """What really came, where it is known."""
    return np.nan_to_num(compute_outcomes(null_market, control_settings().portfolio).gross)


def test_the_gates_deploy_scores_that_know_the_outcomes(null_market, oracle):
    judged = judge_scores(null_market, as_probabilities(oracle), control_settings(365), TRIALS)
    assert judged.deployment == "PASS"
    assert judged.rank_ic == pytest.approx(1.0)


def test_the_same_scores_backwards_are_not_deployed(null_market, oracle):
    judged = judge_scores(null_market, as_probabilities(-oracle), control_settings(365), TRIALS)
    assert (judged.backtesting, judged.market, judged.deployment) == ("FAIL", "FAIL", "FAIL")


def test_the_best_of_the_trials_is_chosen(null_market, oracle):
    random = np.random.default_rng(0)
    trials = [random.standard_normal(oracle.shape), oracle, random.standard_normal(oracle.shape)]
    judged = without_skill._judge_best(null_market, trials)
    assert judged.rank_ic == pytest.approx(1.0)


def test_walk_forward_and_holdout_are_those_of_the_definitions(null_market):
    first, holdout = decision_span(null_market, control_settings(1095))
    end = null_market.sessions[-1]
    assert (end - null_market.sessions[holdout]).days <= 90 < (end - null_market.sessions[holdout - 1]).days
    assert (end - null_market.sessions[first]).days <= 1185 < (end - null_market.sessions[first - 1]).days


def test_random_scores_are_repeatable_and_remember(monkeypatch):
    first, second = (without_skill._remembering(np.random.default_rng([3, 1]), (400, 50)) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    monkeypatch.setattr(without_skill, "MEMORY_SESSIONS", (21.0,))
    scores = without_skill._remembering(np.random.default_rng(0), (4000, 20))
    lagged = np.corrcoef(scores[200:-21].ravel(), scores[221:].ravel())[0, 1]
    assert lagged == pytest.approx(np.exp(-1.0), abs=0.05)


def test_every_planted_leak_is_caught_and_nothing_else():
    assert all(planted_leaks.catch().values())


def test_a_sound_feature_is_not_counted_as_a_caught_leak():
    assert planted_leaks.catch((FEATURES[1],))[FEATURES[1].name] is False


@pytest.mark.parametrize(
    ("passed", "runs", "text"),
    [
        (0, 200, "0 of 200: 0.0 (0.0 to 1.8)"),  # 1 - 0.025 ** (1 / 200)
        (200, 200, "200 of 200: 100.0 (98.2 to 100.0)"),
        (4, 200, "4 of 200: 2.0 (0.5 to 5.0)"),
        (0, 0, "not run"),
    ],
)
def test_a_share_comes_with_its_exact_interval(passed, runs, text):
    assert tables.share_with_interval(passed, runs) == text


def record(deployment: str, **numbers) -> dict:
    gates = dict.fromkeys(("backtesting", "market", "risk"), deployment)
    numbers = {"matched_skill_lower": 0.01, "active_return_lower": 0.01, "deflated_sharpe": 0.95, **numbers}
    return {**gates, "deployment": deployment, "hit_rate": 0.6, "base_rate": 0.5, **numbers}


def test_evidence_is_counted_apart_from_thresholds():
    records = [
        record("FAIL"),
        record("FAIL", matched_skill_lower=0.0),
        record("FAIL", active_return_lower=None),
        record("FAIL", deflated_sharpe=0.9499),
    ]
    row = tables.evidence_table({"null": records}, 0.95).splitlines()[-1]
    assert row.startswith("| null | 3 of 4 | 3 of 4 | 3 of 4 | 1 of 4:")


def test_power_tells_what_passed_from_what_met_the_threshold_only():
    planted = {"rank_ic_planted": 0.1, "years": 3}
    records = [{**record(verdict), **planted} for verdict in ("PASS", "INSUFFICIENT_EVIDENCE", "FAIL", "FAIL")]
    row = tables.power_table(records).splitlines()[-1]
    assert row.startswith("| 0.10 | 3 | 60.0 / 50.0 | 25 % / 50 % | 25 % / 50 % | 25 % / 50 % | 1 of 4: 25.0")


def test_the_page_keeps_its_prose_and_gets_the_tables(tmp_path):
    names = ("false-deploy", "fooled-evidence", "power", "path-power", "leaks", "controls-run")
    page = tmp_path / "evidence.md"
    page.write_text("".join(f"Prose of {name}.\n<!-- {name}:begin -->\nold\n<!-- {name}:end -->\n" for name in names))
    results = {"seed": 0, "bootstrap_draws": 10, "date": "2026-11-22", "minutes": 1.0, "power": []}
    results |= {"null": {"shuffled": [record("FAIL")] * 200}, "leaks": {"tomorrows_return": False}}
    for _ in range(2):
        write_page(json.loads(json.dumps(results)), page)
    text = page.read_text()
    assert "old" not in text
    assert all(text.count(f"Prose of {name}.") == 1 for name in names)
    assert text.count("| shuffled | 0 of 200 | 0 of 200 | 0 of 200 | 0 of 200: 0.0 (0.0 to 1.8) |") == 1
    assert "| tomorrows return | MISSED |" in text


def test_a_page_without_its_markers_is_refused(tmp_path):
    page = tmp_path / "evidence.md"
    page.write_text("<!-- power:end -->\n<!-- power:begin -->\n")
    with pytest.raises(ValueError, match="must both stand there once"):
        tables.replace_between_markers(page, "power", "table")
