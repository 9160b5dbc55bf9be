"""Every verdict of every gate as a table, and what a person reads."""

from __future__ import annotations

import datetime as dt
import math
import subprocess
import sys
from dataclasses import dataclass

import pytest

from lambdas.core.gates import (
    asked,
    assess_target,
    backtesting_gate,
    check,
    data_quality_gate,
    deployment_gate,
    live_gate,
    market_gate,
    measured,
    recommended_deployment,
    risk_gate,
    target_met,
    verdict_of,
)
from lambdas.core.settings import GateSettings
from lambdas.core.values import ChampionComparison, Evidence, GateRecord, PortfolioMetrics

GATES = GateSettings()
ADVISORY = GateSettings(evidence="advisory")
NAN, INF = math.nan, math.inf


@dataclass
class Quality:
    symbol_coverage: float | None
    staleness_sessions: int | None


def metrics(**values) -> PortfolioMetrics:
    """Not validated on purpose: a gate must not rest on somebody else having refused NaN."""
    base = dict.fromkeys(PortfolioMetrics.model_fields, None)
    base |= {
        "first_session": dt.date(2019, 1, 2),
        "last_session": dt.date(2019, 12, 31),
        "n_sessions": 252,
        "base_rate": 0.583,
        "skill": 0.029,
        "matched_skill": 0.02,
        "matched_base_rate": 0.592,
        "market_outperformance": {},
    }
    return PortfolioMetrics.model_construct(**(base | values))


def evidence(**values) -> Evidence:
    return Evidence.model_construct(
        **(
            {"confidence": 0.95, "n_trials": 300}
            | dict.fromkeys(("matched_skill_lower", "active_return", "active_return_lower", "deflated_sharpe"))
            | values
        )
    )


def record(verdict: str, gate: str = "backtesting") -> GateRecord:
    return GateRecord(gate=gate, verdict=verdict, checks=(), reason="because")


@pytest.mark.parametrize(
    ("value", "comparison", "threshold", "passed"),
    [
        (0.61, ">", 0.6, True), (0.6, ">", 0.6, False), (0.6, ">=", 0.6, True), (0.15, "<", 0.15, False),
        (3.0, "<=", 3.0, True), (None, ">", 0.0, False), (NAN, ">", 0.0, False), (INF, ">", 0.0, False),
        (-INF, "<", 0.0, False), (NAN, "<", 0.0, False),
    ],
)  # fmt: skip
def test_a_check_passes_only_on_a_finite_number_on_the_right_side(value, comparison, threshold, passed):
    result = check("metric", value, comparison, threshold)
    assert result.passed is passed
    assert (result.value is None) == (value is None or not math.isfinite(value))


@pytest.mark.parametrize(
    ("thresholds", "proofs", "required", "advisory"),
    [
        ([True], [True], "PASS", "PASS"),
        ([True], [False], "INSUFFICIENT_EVIDENCE", "PASS"),
        ([False], [True], "FAIL", "FAIL"),
        ([True, False], [True], "FAIL", "FAIL"),
        ([False], [False], "FAIL", "FAIL"),
        ([True], [], "PASS", "PASS"),
        ([], [], "FAIL", "FAIL"),
    ],
)
def test_verdict_table(thresholds, proofs, required, advisory):
    checks = [check("t", 1.0 if ok else -1.0, ">", 0.0) for ok in thresholds]
    checks += [check("e", 1.0 if ok else -1.0, ">", 0.0, "evidence") for ok in proofs]
    assert verdict_of(checks, "required") == required
    assert verdict_of(checks, "advisory") == advisory


@pytest.mark.parametrize(
    ("coverage", "staleness", "verdict"),
    [
        (0.95, 0, "PASS"), (0.90, 3, "PASS"), (0.899, 0, "FAIL"), (1.0, 4, "FAIL"),
        (None, 0, "FAIL"), (NAN, 0, "FAIL"), (1.0, None, "FAIL"),
    ],
)  # fmt: skip
def test_data_quality(coverage, staleness, verdict):
    assert data_quality_gate(Quality(coverage, staleness), GATES).verdict == verdict


HIT_CASES = [
    (0.632, 0.019, "PASS", "PASS"),
    (0.612, -0.011, "INSUFFICIENT_EVIDENCE", "PASS"),
    (0.612, 0.0, "INSUFFICIENT_EVIDENCE", "PASS"),
    (0.612, None, "INSUFFICIENT_EVIDENCE", "PASS"),
    (0.612, NAN, "INSUFFICIENT_EVIDENCE", "PASS"),
    (0.60, 0.02, "FAIL", "FAIL"),
    (0.55, 0.02, "FAIL", "FAIL"),
    (None, 0.02, "FAIL", "FAIL"),
    (NAN, 0.02, "FAIL", "FAIL"),
    (INF, 0.02, "FAIL", "FAIL"),
    (None, None, "FAIL", "FAIL"),
]


@pytest.mark.parametrize(("rate", "lower", "required", "advisory"), HIT_CASES)
def test_backtesting(rate, lower, required, advisory):
    arguments = metrics(hit_rate=rate), evidence(matched_skill_lower=lower)
    assert backtesting_gate(*arguments, GATES).verdict == required
    result = backtesting_gate(*arguments, ADVISORY)
    assert result.verdict == advisory
    assert [c.metric for c in result.checks] == ["hit_rate", "matched_skill_lower"]  # reported, if not gated on
    assert result.base_rate == 0.583


@pytest.mark.parametrize(
    ("ahead", "lower", "required", "advisory"),
    [
        (0.035, 0.01, "PASS", "PASS"),
        (0.035, -0.02, "INSUFFICIENT_EVIDENCE", "PASS"),
        (0.035, None, "INSUFFICIENT_EVIDENCE", "PASS"),
        (0.02, 0.01, "FAIL", "FAIL"),
        (-0.3, 0.01, "FAIL", "FAIL"),
        (None, 0.01, "FAIL", "FAIL"),
        (NAN, NAN, "FAIL", "FAIL"),
        (INF, 0.01, "FAIL", "FAIL"),
    ],
)
def test_market(ahead, lower, required, advisory):
    holdout = metrics(market_outperformance={"SPY": ahead, "QQQ": 9.9})
    proof = evidence(active_return=0.05, active_return_lower=lower)
    assert market_gate(holdout, proof, GATES).verdict == required
    assert market_gate(holdout, proof, ADVISORY).verdict == advisory


def test_market_reads_spy_and_no_other_benchmark():
    holdout = metrics(market_outperformance={"QQQ": 9.9})
    assert market_gate(holdout, evidence(active_return_lower=1.0), GATES).verdict == "FAIL"


@pytest.mark.parametrize(
    ("sharpe", "drawdown", "deflated", "required", "advisory"),
    [
        (1.4, 0.1, 0.97, "PASS", "PASS"),
        (1.4, 0.1, 0.95, "PASS", "PASS"),
        (1.4, 0.1, 0.94, "INSUFFICIENT_EVIDENCE", "PASS"),
        (1.4, 0.1, None, "INSUFFICIENT_EVIDENCE", "PASS"),
        (1.0, 0.1, 0.99, "FAIL", "FAIL"),
        (1.4, 0.15, 0.99, "FAIL", "FAIL"),
        (None, 0.0, 0.99, "FAIL", "FAIL"),
        (1.4, None, 0.99, "FAIL", "FAIL"),
        (NAN, NAN, NAN, "FAIL", "FAIL"),
        (INF, 0.1, 0.99, "FAIL", "FAIL"),
        (1.4, -INF, 0.99, "FAIL", "FAIL"),
    ],
)
def test_risk(sharpe, drawdown, deflated, required, advisory):
    trailing = metrics(sharpe_ratio=sharpe, max_drawdown=drawdown)
    assert risk_gate(trailing, evidence(deflated_sharpe=deflated), GATES).verdict == required
    assert risk_gate(trailing, evidence(deflated_sharpe=deflated), ADVISORY).verdict == advisory


def champion(upper: float | None) -> ChampionComparison:
    return ChampionComparison.model_construct(
        champion="v20260101-0123456789ab", n_sessions=62, difference=-0.05, difference_lower=-0.1,
        difference_upper=upper, not_worse=True,
    )  # fmt: skip


@pytest.mark.parametrize("gates", [GATES, ADVISORY])
@pytest.mark.parametrize(
    ("verdicts", "rival", "verdict"),
    [
        (["PASS", "PASS"], None, "PASS"),
        (["PASS", "PASS"], champion(0.02), "PASS"),
        (["PASS", "PASS"], champion(0.0), "PASS"),
        (["PASS", "PASS"], champion(-0.001), "FAIL"),
        (["PASS", "PASS"], champion(None), "FAIL"),
        (["PASS", "PASS"], champion(NAN), "FAIL"),
        (["PASS", "FAIL"], None, "FAIL"),
        (["INSUFFICIENT_EVIDENCE", "PASS"], champion(0.02), "FAIL"),
        ([], None, "FAIL"),
    ],
)
def test_deployment(gates, verdicts, rival, verdict):
    records = [record(v, g) for v, g in zip(verdicts, ("backtesting", "market"), strict=False)]
    assert deployment_gate(records, rival, target_met=False, gates=gates).verdict == verdict


def test_a_champion_that_cannot_be_scored_is_no_rival_and_the_record_says_so():
    result = deployment_gate(
        [record("PASS")], None, target_met=True, gates=GATES, champion_not_scorable="it needs sector_rotation_63."
    )
    assert result.verdict == "PASS"
    assert "cannot be scored on this data (it needs sector_rotation_63)" in result.reason


def test_deployment_with_the_target_required():
    strict = GateSettings(require_target=True)
    assert deployment_gate([record("PASS")], None, target_met=True, gates=strict).verdict == "PASS"
    result = deployment_gate([record("PASS")], None, target_met=False, gates=strict)
    assert result.verdict == "FAIL"
    assert result.reason == "Not deployed: the target is required and not met."


@pytest.mark.parametrize(
    ("upper", "verdict"), [(0.01, "PASS"), (0.0, "PASS"), (-0.001, "FAIL"), (None, "INSUFFICIENT_EVIDENCE"),
                           (NAN, "INSUFFICIENT_EVIDENCE")]
)  # fmt: skip
def test_live(upper, verdict):
    result = live_gate(0.52, 0.58, upper, GATES)
    assert result.verdict == verdict
    assert result.base_rate == 0.58


@pytest.mark.parametrize(
    ("rate", "ahead", "met"),
    [
        (0.65, 0.03, True), (0.649, 0.05, False), (0.7, 0.029, False),
        (None, 0.05, False), (0.7, None, False), (NAN, NAN, False),
    ],
)  # fmt: skip
def test_target(rate, ahead, met):
    assert target_met(rate, ahead, GATES) is met
    target = assess_target(rate, ahead, GATES)
    assert target.target_met is met
    if rate == 0.649:
        assert target.hit_rate_distance == pytest.approx(-0.001)
        assert target.market_outperformance_distance == pytest.approx(0.02)


def test_recommended_deployment_needs_every_gate_and_the_hit_rate_target():
    assert recommended_deployment([record("PASS")], 0.65, GATES)
    assert not recommended_deployment([record("PASS")], 0.64, GATES)
    assert not recommended_deployment([record("PASS"), record("INSUFFICIENT_EVIDENCE")], 0.7, GATES)
    assert not recommended_deployment([record("PASS")], None, GATES)
    assert not recommended_deployment([], 0.7, GATES)


def test_sentences_are_what_a_person_understands():
    maybe_luck = backtesting_gate(metrics(hit_rate=0.612), evidence(matched_skill_lower=-0.011), GATES)
    assert maybe_luck.reason == (
        "Hit rate 61.2 % is above 60 %, but its skill over the base rate of 58.3 % may be luck: "
        "+2.0 points over symbols as volatile as its own, lower bound -1.1 points."
    )
    proof = evidence(active_return=0.081, active_return_lower=0.03)
    assert market_gate(metrics(market_outperformance={"SPY": 0.026}), proof, GATES).reason == (
        "In the holdout the portfolio returned +2.6 points against SPY, above the +2.0 points asked for, and its "
        "active return against SPY is more than luck: +8.1 points a year out of sample, lower bound +3.0 points."
    )
    assert data_quality_gate(Quality(0.8, 1), GATES).reason == (
        "80 % of the symbols have usable data, less than the required 90 %; "
        "the newest price is 1 sessions old, within the limit of 3."
    )
    missed = backtesting_gate(metrics(hit_rate=0.55, skill=-0.033), evidence(), GATES)
    assert missed.reason == "Hit rate 55 % is not above 60 %; its skill over the base rate of 58.3 % is -3.3 points."
    unknown = backtesting_gate(metrics(hit_rate=None), evidence(), GATES)
    assert unknown.reason == "The hit rate could not be measured: no recommendation has matured."
    counted = evidence(deflated_sharpe=0.235, effective_trials=61.7)
    risk = risk_gate(metrics(sharpe_ratio=1.97, max_drawdown=0.068), counted, GATES)
    assert risk.reason == (
        "Over the last 252 sessions the Sharpe ratio 1.97 is above 1.0 and the drawdown of 6.8 % is below 15 %; the "
        "probability that it is more than the best of 300 trials (worth 62 independent ones) without skill is 23.5 %, "
        "not the 95 % asked for."
    )
    worse = deployment_gate([record("PASS")], champion(-0.012), target_met=True, gates=GATES)
    assert worse.reason == (
        "Not deployed: it is worse than the champion v20260101-0123456789ab by -5.0 points a year, at best -1.2 points."
    )


def test_checks_carry_the_estimate_and_its_bound():
    proof = evidence(
        hit_rate_lower=0.59, matched_skill_lower=0.01, active_return=0.08, active_return_lower=NAN,
        trailing_sharpe_ratio_lower=0.3, deflated_sharpe=0.97, holdout_outperformance_lower=-0.01,
        trailing_max_drawdown_upper=0.21,
    )  # fmt: skip
    rate, skill = backtesting_gate(metrics(hit_rate=0.62), proof, GATES).checks
    assert (rate.value, rate.estimate, rate.bound, measured(rate), asked(rate)) == (
        0.62,
        0.62,
        0.59,
        "hit_rate",
        "> 0.6",
    )
    assert (skill.value, skill.estimate, skill.bound) == (0.01, 0.02, 0.01)
    assert (measured(skill), asked(skill)) == ("matched_skill", "lower > 0")
    ahead, active = market_gate(metrics(market_outperformance={"SPY": 0.03}), proof, GATES).checks
    assert (ahead.value, ahead.estimate, ahead.bound, ahead.passed) == (0.03, 0.03, -0.01, True)
    assert (active.value, active.estimate, active.bound, active.passed) == (None, 0.08, None, False)
    sharpe, fall, _ = risk_gate(metrics(sharpe_ratio=1.4, max_drawdown=0.1), proof, GATES).checks
    assert (sharpe.estimate, sharpe.bound) == (1.4, 0.3)
    assert (fall.value, fall.estimate, fall.bound, fall.passed) == (0.1, 0.1, 0.21, True)
    worse = deployment_gate([record("PASS")], champion(0.02), target_met=True, gates=GATES).checks[-1]
    assert (measured(worse), worse.estimate, worse.bound, asked(worse)) == (
        "champion_difference", -0.05, 0.02, "upper >= 0",
    )  # fmt: skip
    live = live_gate(0.52, 0.58, 0.01, GATES).checks[0]
    assert (live.estimate, live.bound) == (pytest.approx(-0.06), 0.01)
    assert live_gate(None, None, None, GATES).checks[0].estimate is None


def test_thresholds_come_from_the_settings():
    easy = GateSettings(hit_rate=0.5, market_outperformance=-1.0, sharpe_ratio=-5.0, max_drawdown=0.9)
    assert backtesting_gate(metrics(hit_rate=0.55), evidence(matched_skill_lower=0.1), easy).verdict == "PASS"
    assert risk_gate(metrics(sharpe_ratio=0.1, max_drawdown=0.5), evidence(deflated_sharpe=1.0), easy).verdict == "PASS"


def test_gates_need_neither_numpy_nor_pandas():
    program = "import sys, lambdas.core.gates; print(*sys.modules)"
    loaded = subprocess.run(  # noqa: S603
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not {"numpy", "pandas"} & set(loaded)
