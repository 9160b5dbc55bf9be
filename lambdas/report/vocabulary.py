"""Names of metrics as people read them, with their unit and what they mean (docs/definitions.md in one sentence)."""

from __future__ import annotations

from dataclasses import dataclass

from lambdas.core.gates import measured
from lambdas.core.values import GateCheck, GateName, Verdict
from lambdas.report import numbers
from lambdas.report.content import Tone
from lambdas.report.numbers import Write


@dataclass(frozen=True)
class Metric:
    """How one metric is named, written and explained."""

    name: str
    write: Write
    meaning: str


METRICS: dict[str, Metric] = {
    "symbol_coverage": Metric("Coverage of symbols", numbers.percent, "Requested symbols that have usable prices."),
    "staleness_sessions": Metric(
        "Age of the newest price", numbers.sessions, "Trading days between the newest price and the day of the run."
    ),
    "hit_rate": Metric(
        "Hit rate", numbers.percent, "Matured recommendations that were worth making, after costs of both sides."
    ),
    "matched_skill": Metric(
        "Matched skill",
        numbers.points,
        "Hit rate less that of symbols as volatile as the ones chosen: what a taste for calm stocks cannot explain.",
    ),
    "market_outperformance": Metric(
        "Return over SPY, holdout", numbers.points, "Over the last months, which no part of the model has seen."
    ),
    "active_return": Metric(
        "Active return, a year",
        numbers.points,
        "Mean daily return over SPY's, a year, over all out-of-sample sessions.",
    ),
    "sharpe_ratio": Metric(
        "Sharpe ratio, last year", numbers.ratio, "Return over cash for each unit of volatility, last 252 sessions."
    ),
    "max_drawdown": Metric(
        "Largest drawdown, last year", numbers.percent, "Deepest fall from a peak in the last 252 sessions."
    ),
    "deflated_sharpe": Metric(
        "Deflated Sharpe ratio",
        numbers.probability,
        "Probability that the Sharpe ratio is more than the best of all trials would show without skill.",
    ),
    "champion_difference": Metric(
        "Candidate less champion, a year", numbers.points, "Active return of both on the same days of the holdout."
    ),
    "live_skill": Metric(
        "Live skill", numbers.points, "Hit rate of recommendations that were really issued, less their base rate."
    ),
}

GATES: dict[GateName, tuple[str, str]] = {
    "data_quality": ("Data quality", "Is the data complete and fresh enough to judge anything?"),
    "backtesting": ("Backtesting", "Are the recommendations right more often than chance, out of sample?"),
    "market": ("Market", "Does the portfolio beat the S&P\u00a0500, and not by one lucky quarter?"),
    "risk": ("Risk", "Is the return worth its risk, and more than the best of many trials?"),
    "deployment": ("Deployment", "Did every gate pass, and is it no worse than the champion?"),
    "live": ("Live", "Do recommendations that were really issued still hold up?"),
}
TUNING_GATES: tuple[GateName, ...] = ("data_quality", "backtesting", "market", "risk", "deployment")

VERDICTS: dict[Verdict, tuple[str, str, Tone]] = {
    "PASS": ("PASS", "\u2713", "good"),
    "FAIL": ("FAIL", "\u2715", "bad"),
    "INSUFFICIENT_EVIDENCE": ("INSUFFICIENT EVIDENCE", "?", "open"),
}
"""As it is written, its sign (colour is never alone), and its tone."""


def of_check(check: GateCheck) -> Metric:
    """Return how the metric of a comparison is written, whatever it is."""
    name = measured(check)
    if name in METRICS:
        return METRICS[name]
    if name.endswith("_gate"):
        gate = name.removesuffix("_gate").replace("_", " ")
        return Metric(f"{gate.capitalize()} gate", _yes, "Its verdict is PASS.")
    return Metric(name.replace("_", " ").capitalize(), _yes if name == "target_met" else numbers.ratio, "")


def _yes(value: float) -> str:
    return "yes" if value >= 1.0 else "no"
