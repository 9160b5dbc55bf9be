"""Verdicts (definitions, section 8): numbers in, PASS, FAIL or INSUFFICIENT_EVIDENCE and one sentence out.

FAIL says that a threshold is missed, INSUFFICIENT_EVIDENCE that it is met but may be luck. A number that is missing or
not finite never passes. Needs neither numpy nor pandas, so any step may decide again from recorded numbers.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from typing import Literal, Protocol

from lambdas.core.settings import GateSettings
from lambdas.core.values import (
    ChampionComparison,
    Evidence,
    GateCheck,
    GateName,
    GateRecord,
    PortfolioMetrics,
    Target,
    Verdict,
)

MARKET = "SPY"

_COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}


def check(
    metric: str,
    value: float | None,
    comparison: Literal[">", ">=", "<", "<="],
    threshold: float,
    kind: Literal["threshold", "evidence"] = "threshold",
    *,
    bound: float | None = None,
    bound_of: float | None = None,
) -> GateCheck:
    """Compare one number; None, NaN and infinity become None and do not pass.

    `bound` is shown beside a point estimate that is compared. Where it is the bound that is compared, as metrics called
    ``..._lower`` and ``..._upper`` are, `bound_of` is the point estimate.

    Examples
    --------
    >>> check("sharpe_ratio", 1.2, ">", 1.0).passed, check("sharpe_ratio", float("inf"), ">", 1.0).passed
    (True, False)
    """
    known = _finite(value)
    compares_bound = _bound_name(metric) is not None
    return GateCheck(
        metric=metric,
        value=known,
        comparison=comparison,
        threshold=threshold,
        passed=known is not None and _COMPARISONS[comparison](known, threshold),
        kind=kind,
        estimate=_finite(bound_of) if compares_bound else known,
        bound=known if compares_bound else _finite(bound),
    )


def measured(done: GateCheck) -> str:
    """Name what a check measured, without saying that a bound of it was compared.

    Examples
    --------
    >>> skill = check("matched_skill_lower", 0.012, ">", 0.0, "evidence", bound_of=0.03)
    >>> measured(skill), skill.estimate, skill.bound, asked(skill)
    ('matched_skill', 0.03, 0.012, 'lower > 0')
    """
    bound = _bound_name(done.metric)
    return done.metric if bound is None else done.metric.removesuffix(f"_{bound}")


def asked(done: GateCheck) -> str:
    """Say what a check asked for, and of which number where it is a bound."""
    bound = _bound_name(done.metric)
    return f"{'' if bound is None else bound + ' '}{done.comparison} {done.threshold:g}"


def verdict_of(checks: Sequence[GateCheck], evidence: Literal["required", "advisory"]) -> Verdict:
    """FAIL if a threshold is missed, else INSUFFICIENT_EVIDENCE if required evidence is, else PASS."""
    if not checks or not all(c.passed for c in checks if c.kind == "threshold"):
        return "FAIL"
    if evidence == "required" and not all(c.passed for c in checks if c.kind == "evidence"):
        return "INSUFFICIENT_EVIDENCE"
    return "PASS"


class QualityNumbers(Protocol):
    """The part of a quality report that the gate reads."""

    @property
    def symbol_coverage(self) -> float | None:
        """Share of the requested symbols that have usable data."""

    @property
    def staleness_sessions(self) -> int | None:
        """Sessions since the newest price."""


def data_quality_gate(report: QualityNumbers, gates: GateSettings) -> GateRecord:
    """Judge the data set: enough of the symbols, and prices that are fresh enough."""
    coverage = check("symbol_coverage", report.symbol_coverage, ">=", gates.symbol_coverage)
    stale = check("staleness_sessions", report.staleness_sessions, "<=", float(gates.max_staleness_sessions))
    sentence = " ".join(
        [
            f"{_percent(coverage.value)} of the symbols have usable data, "
            f"{_at_least(coverage)} {_percent(gates.symbol_coverage)};",
            "the age of the newest price is not known."
            if stale.value is None
            else f"the newest price is {stale.value:.0f} sessions old, "
            f"{'within' if stale.passed else 'beyond'} the limit of {gates.max_staleness_sessions}.",
        ]
    )
    return _record("data_quality", (coverage, stale), sentence, gates)


def backtesting_gate(metrics: PortfolioMetrics, evidence: Evidence, gates: GateSettings) -> GateRecord:
    """Pooled walk-forward: the hit rate, and whether it is more than what calm or rising markets give anybody.

    Parameters
    ----------
    metrics, evidence
        Of the pooled walk-forward predictions, of the hit definition that the settings choose.
    gates : GateSettings
    """
    rate = check("hit_rate", metrics.hit_rate, ">", gates.hit_rate, bound=evidence.hit_rate_lower)
    skill = check(
        "matched_skill_lower", evidence.matched_skill_lower, ">", 0.0, "evidence", bound_of=metrics.matched_skill
    )
    base = f"the base rate of {_percent(metrics.base_rate)}"
    if rate.value is None:
        sentence = "The hit rate could not be measured: no recommendation has matured."
    elif not rate.passed:
        sentence = (
            f"Hit rate {_percent(rate.value)} is not above {_percent(gates.hit_rate)}; "
            f"its skill over {base} is {_points(metrics.skill)}."
        )
    else:
        sentence = f"Hit rate {_percent(rate.value)} is above {_percent(gates.hit_rate)}, " + _luck(
            skill,
            f"its skill over {base}",
            f"{_points(metrics.matched_skill)} over symbols as volatile as its own",
        )
    return _record("backtesting", (rate, skill), sentence, gates, base_rate=metrics.base_rate)


def market_gate(holdout: PortfolioMetrics, evidence: Evidence, gates: GateSettings) -> GateRecord:
    """Judge the holdout against SPY; the active return of the whole out-of-sample series says whether it is luck.

    Parameters
    ----------
    holdout : PortfolioMetrics
        Slice of the holdout.
    evidence : Evidence
        Of the pooled series, holdout included.
    gates : GateSettings
    """
    ahead = check(
        "market_outperformance",
        holdout.market_outperformance.get(MARKET),
        ">",
        gates.market_outperformance,
        bound=evidence.holdout_outperformance_lower,
    )
    active = check(
        "active_return_lower", evidence.active_return_lower, ">", 0.0, "evidence", bound_of=evidence.active_return
    )
    if ahead.value is None:
        sentence = f"The return over {MARKET} in the holdout could not be measured."
    else:
        sentence = (
            f"In the holdout the portfolio returned {_points(ahead.value)} against {MARKET}, "
            f"{'above' if ahead.passed else 'not above'} the {_points(gates.market_outperformance)} asked for"
        )
        if ahead.passed:
            sentence += ", " + _luck(
                active, f"its active return against {MARKET}", f"{_points(evidence.active_return)} a year out of sample"
            )
        else:
            sentence += "."
    return _record("market", (ahead, active), sentence, gates)


def risk_gate(trailing: PortfolioMetrics, evidence: Evidence, gates: GateSettings) -> GateRecord:
    """Judge the last 252 out-of-sample sessions, and the Sharpe ratio against the best of all trials.

    Parameters
    ----------
    trailing : PortfolioMetrics
        Slice of the last 252 sessions, holdout included.
    evidence : Evidence
        Of the pooled series, holdout included.
    gates : GateSettings
    """
    sharpe = check(
        "sharpe_ratio", trailing.sharpe_ratio, ">", gates.sharpe_ratio, bound=evidence.trailing_sharpe_ratio_lower
    )
    fall = check(
        "max_drawdown", trailing.max_drawdown, "<", gates.max_drawdown, bound=evidence.trailing_max_drawdown_upper
    )
    deflated = check("deflated_sharpe", evidence.deflated_sharpe, ">=", gates.deflated_sharpe, "evidence")
    sentence = (
        f"Over the last {trailing.n_sessions} sessions the Sharpe ratio "
        + (
            "could not be measured"
            if sharpe.value is None
            else f"{sharpe.value:.2f} is {'above' if sharpe.passed else 'not above'} {gates.sharpe_ratio:.1f}"
        )
        + (
            " and the drawdown could not be measured"
            if fall.value is None
            else f" and the drawdown of {_percent(fall.value)} is {'below' if fall.passed else 'not below'} "
            f"{_percent(gates.max_drawdown)}"
        )
    )
    if sharpe.passed and fall.passed:
        trials = "an unknown number of trials" if evidence.n_trials is None else f"{evidence.n_trials} trials"
        if evidence.n_trials is not None and evidence.effective_trials is not None:
            trials += f" (worth {evidence.effective_trials:.0f} independent ones)"
        chance = "unknown" if deflated.value is None else _percent(deflated.value)
        sentence += (
            f"; the probability that it is more than the best of {trials} without skill is {chance}, "
            f"{'at least' if deflated.passed else 'not the'} {_percent(gates.deflated_sharpe)}"
            f"{'' if deflated.passed else ' asked for'}"
        )
    return _record("risk", (sharpe, fall, deflated), sentence + ".", gates)


def deployment_gate(
    records: Sequence[GateRecord],
    champion: ChampionComparison | None,
    target_met: bool,
    gates: GateSettings,
    *,
    champion_not_scorable: str | None = None,
) -> GateRecord:
    """Every gate passed, the candidate is not worse than the champion, and the target where it is required.

    That a candidate is shown to be worse than the champion is a missed threshold and not missing evidence: `advisory`
    waives proof of merit, not proof of harm.

    Parameters
    ----------
    records : sequence of GateRecord
        Of all earlier gates of the run; without any, the gate fails.
    champion : ChampionComparison or None
        None if there is no champion yet, or none that can be scored.
    target_met : bool
    gates : GateSettings
    champion_not_scorable : str, optional
        Why there is a champion and no comparison.
    """
    checks = [check(f"{record.gate}_gate", float(record.verdict == "PASS"), ">=", 1.0) for record in records]
    reasons = [
        f"the {record.gate.replace('_', ' ')} gate said {record.verdict}"
        for record in records
        if record.verdict != "PASS"
    ]
    if not records:
        reasons.append("no gate was recorded")
    else:
        if champion is not None:
            worse = check(
                "champion_difference_upper", champion.difference_upper, ">=", 0.0, bound_of=champion.difference
            )
            checks.append(worse)
            if worse.value is None:
                reasons.append(f"the comparison with the champion {champion.champion} could not be measured")
            elif not worse.passed:
                reasons.append(
                    f"it is worse than the champion {champion.champion} by {_points(champion.difference)} a year, "
                    f"at best {_points(champion.difference_upper)}"
                )
        if gates.require_target:
            checks.append(check("target_met", float(target_met), ">=", 1.0))
            if not target_met:
                reasons.append("the target is required and not met")
    if reasons:
        sentence = "Not deployed: " + ", and ".join(reasons) + "."
    else:
        rival = "there is no champion yet" if champion is None else f"it is not worse than {champion.champion}"
        if champion_not_scorable is not None:
            rival = f"the champion cannot be scored on this data ({champion_not_scorable[:300].rstrip('.')})"
        sentence = f"Every gate passed and {rival}."
        sentence += "" if target_met else " The target is not met; it is not required."
    return _record("deployment", tuple(checks), sentence, gates)


def live_gate(
    live_hit_rate: float | None, live_base_rate: float | None, live_skill_upper: float | None, gates: GateSettings
) -> GateRecord:
    """Judge settled live recommendations: FAIL once even the upper bound of their skill is below zero.

    Too few settled recommendations are INSUFFICIENT_EVIDENCE and no alarm: that is how every champion begins.
    """
    skill = None if live_hit_rate is None or live_base_rate is None else live_hit_rate - live_base_rate
    upper = check("live_skill_upper", live_skill_upper, ">=", 0.0, bound_of=skill)
    if upper.value is None:
        sentence = "Too few live recommendations have matured to judge them."
    else:
        sentence = (
            f"Live hit rate {_percent(live_hit_rate)} against a base rate of {_percent(live_base_rate)}: "
            f"the upper bound of its skill, {_points(upper.value)}, is "
            f"{'not below zero' if upper.passed else 'below zero: worse than no skill'}."
        )
    record = _record("live", (upper,), sentence, gates, base_rate=live_base_rate)
    return record.model_copy(update={"verdict": "INSUFFICIENT_EVIDENCE"}) if upper.value is None else record


def assess_target(hit_rate: float | None, market_outperformance: float | None, gates: GateSettings) -> Target:
    """Compare with the target: pooled out-of-sample hit rate, and holdout return over SPY.

    Parameters
    ----------
    hit_rate : float or None
        Pooled out-of-sample, holdout included.
    market_outperformance : float or None
        Of the holdout against SPY, the number that the market gate reads.
    gates : GateSettings
    """
    rate = check("hit_rate", hit_rate, ">=", gates.target_hit_rate)
    ahead = check("market_outperformance", market_outperformance, ">=", gates.target_outperformance)
    return Target(
        hit_rate=rate.value,
        hit_rate_distance=None if rate.value is None else rate.value - gates.target_hit_rate,
        market_outperformance=ahead.value,
        market_outperformance_distance=None if ahead.value is None else ahead.value - gates.target_outperformance,
        target_met=rate.passed and ahead.passed,
    )


def target_met(hit_rate: float | None, market_outperformance: float | None, gates: GateSettings) -> bool:
    """Whether both numbers of the target are reached; a missing one is not."""
    return assess_target(hit_rate, market_outperformance, gates).target_met


def recommended_deployment(records: Sequence[GateRecord], hit_rate: float | None, gates: GateSettings) -> bool:
    """Every gate PASS, the deployment gate among them, and the hit-rate target met."""
    passed = bool(records) and all(record.verdict == "PASS" for record in records)
    return passed and check("hit_rate", hit_rate, ">=", gates.target_hit_rate).passed


def _record(
    gate: GateName,
    checks: tuple[GateCheck, ...],
    reason: str,
    gates: GateSettings,
    base_rate: float | None = None,
) -> GateRecord:
    return GateRecord(
        gate=gate,
        verdict=verdict_of(checks, gates.evidence),
        checks=checks,
        reason=reason[:1000],
        base_rate=_finite(base_rate),
    )


def _luck(evidence: GateCheck, subject: str, size: str) -> str:
    """Say whether what was found may be luck, from its lower bound."""
    if evidence.value is None:
        return f"but there are too few sessions to tell {subject} from luck."
    if evidence.passed:
        return f"and {subject} is more than luck: {size}, lower bound {_points(evidence.value)}."
    return f"but {subject} may be luck: {size}, lower bound {_points(evidence.value)}."


def _at_least(done: GateCheck) -> str:
    return "at least the required" if done.passed else "less than the required"


def _percent(value: float | None) -> str:
    if value is None or not math.isfinite(value):
        return "an unknown share"
    return f"{value * 100:.1f} %" if round(value * 100, 1) != round(value * 100) else f"{value * 100:.0f} %"


def _points(value: float | None) -> str:
    """Write a difference of two percentages, with its sign."""
    return "an unknown amount" if value is None or not math.isfinite(value) else f"{value * 100:+.1f} points"


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _bound_name(metric: str) -> Literal["lower", "upper"] | None:
    """Which bound a metric is, by its name; None for a point estimate."""
    if metric.endswith("_lower"):
        return "lower"
    return "upper" if metric.endswith("_upper") else None
