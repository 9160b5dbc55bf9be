"""The first screen: was the model deployed, why, and the numbers that decided it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from lambdas.core.gates import asked
from lambdas.core.values import GateCheck, GateName, GateRecord
from lambdas.report.facts import RunReport
from lambdas.report.numbers import known, short, told
from lambdas.report.vocabulary import GATES, METRICS, TUNING_GATES, VERDICTS, of_check

Tone = Literal["good", "bad", "open", "muted"]

HEADLINES: dict[str, tuple[str, Tone]] = {
    "PROMOTED": ("Deployed", "good"),
    "REJECTED": ("Not deployed", "bad"),
    "SHADOWED": ("Not deployed: watched in the shadow", "open"),
    "SUPERSEDED": ("Not deployed: another model came first", "open"),
    "ROLLED_BACK": ("Rolled back", "open"),
    "FAILED": ("The run failed", "bad"),
}
CLAIM = "That these predictions were made without their outcomes is the claim of whoever made the file."
TILES = ("hit_rate", "matched_skill", "market_outperformance", "active_return", "sharpe_ratio", "max_drawdown")
"""What a person who knows stocks asks first; the deflated Sharpe ratio and the rest stand in the table."""


@dataclass(frozen=True)
class CheckView:
    """One comparison of a gate, as it is read."""

    name: str
    meaning: str
    value: str
    bound: str
    side: str
    asked: str
    base_rate: str
    passed: bool
    tone: Tone


@dataclass(frozen=True)
class GateView:
    """One gate, as it is read."""

    name: str
    question: str
    label: str
    sign: str
    tone: Tone
    reason: str
    checks: Sequence[CheckView]

    @property
    def has_bounds(self) -> bool:
        """Whether any of its numbers has a bound."""
        return any(check.bound for check in self.checks)

    @property
    def has_base_rate(self) -> bool:
        """Whether any of its numbers is read beside a base rate."""
        return any(check.base_rate for check in self.checks)


@dataclass(frozen=True)
class Headline:
    """What happened, in a word and in sentences."""

    word: str
    tone: Tone
    sentences: Sequence[str]


def headline(report: RunReport) -> Headline:
    """Return what a reader sees first."""
    stopped = next((gate for gate in report.gates if gate.verdict != "PASS"), None)
    if report.kind == "tear_sheet":
        if stopped is None:
            return Headline("Would pass the gates", "good", (CLAIM, told(report.gates[-1].reason)))
        return Headline(
            f"Would be stopped by the {_lower(stopped.gate)} gate", _tone(stopped), (told(stopped.reason), CLAIM)
        )
    outcome = str(report.run.get("outcome", ""))
    word, tone = HEADLINES.get(outcome, (outcome.replace("_", " ").capitalize() or "Still running", "muted"))
    if outcome == "REJECTED" and stopped is not None:
        tone = _tone(stopped)
        word = f"{word}: {'evidence is missing' if tone == 'open' else 'a threshold is missed'}"
    message = str(report.run.get("message") or report.run.get("explanation") or "")
    if outcome != "PROMOTED" or not report.gates:
        return Headline(word, tone, tuple(sentence for sentence in (message,) if sentence))
    if stopped is not None and report.shadow_gates:
        beside = f"The run's own candidate was stopped by the {_lower(stopped.gate)} gate: {stopped.reason}"
        return Headline("Deployed: the shadow", tone, (message, report.shadow_gates[-1].reason, beside))
    return Headline(word, tone, (told(message), told(report.gates[-1].reason)))


def gates(report: RunReport) -> tuple[GateView, ...]:
    """Return every gate in the order of the machine; those that were not reached say so."""
    found = {gate.gate: gate for gate in report.gates}
    daily = report.run.get("workflow") == "daily-assessment"
    names: tuple[GateName, ...] = ("data_quality", "live") if daily else TUNING_GATES
    whole = report.kind == "run" and report.run.get("outcome") != "ROLLED_BACK"
    return tuple(_view(name, found.get(name)) for name in names if name in found or whole)


def tiles(views: Sequence[GateView]) -> tuple[CheckView, ...]:
    """Return the numbers of the first screen."""
    shown = [check for view in views for check in view.checks]
    return tuple(check for name in TILES for check in shown if check.name == METRICS[name].name)


def _view(name: GateName, gate: GateRecord | None) -> GateView:
    title, question = GATES[name]
    if gate is None:
        return GateView(title, question, "NOT REACHED", "\u2013", "muted", "The run stopped before this gate.", ())
    label, sign, _ = VERDICTS[gate.verdict]
    checks = tuple(_check(check, gate.base_rate) for check in gate.checks)
    return GateView(title, question, label, sign, _tone(gate), told(gate.reason), checks)


def _check(check: GateCheck, base_rate: float | None) -> CheckView:
    metric = of_check(check)
    limit = asked(check).partition(check.comparison)[0]
    is_yes = check.metric.endswith("_gate") or check.metric == "target_met"
    sign = {">=": "\u2265", "<=": "\u2264"}.get(check.comparison, check.comparison)
    wanted = "yes" if is_yes else f"{limit}{sign} {short(metric.write(check.threshold))}"
    bound = "" if check.bound is None else metric.write(check.bound)
    return CheckView(
        name=metric.name,
        meaning=metric.meaning,
        value=known(check.estimate, metric.write),
        bound=bound,
        side="at most" if check.bound is not None and check.bound > (check.estimate or 0.0) else "at least",
        asked=wanted.replace("lower ", "lower bound ").replace("upper ", "upper bound "),
        base_rate=known(base_rate, metric.write, "") if check.metric == "hit_rate" else "",
        passed=check.passed,
        tone="good" if check.passed else "open" if check.kind == "evidence" else "bad",
    )


def _tone(gate: GateRecord) -> Tone:
    tones: dict[str, Tone] = {"PASS": "good", "FAIL": "bad"}
    return tones.get(gate.verdict, "open")


def _lower(name: str) -> str:
    return name.replace("_", " ")
