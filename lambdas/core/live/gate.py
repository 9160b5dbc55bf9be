"""The live gate: whether a champion still deserves to be one."""

from __future__ import annotations

from lambdas.core.gates import check, live_gate
from lambdas.core.live.values import Drift, LivePerformance
from lambdas.core.settings import ModelSettings
from lambdas.core.values import GateCheck, GateRecord


def judge_live(record: LivePerformance, drift: Drift | None, settings: ModelSettings) -> GateRecord:
    """Judge the champion's own live record, and how far its inputs have moved.

    FAIL if the upper bound of its skill is below zero, its drawdown has reached the limit, or drift has passed its
    threshold. What cannot be measured yet fails nothing: while the skill has no bound and nothing else is missed, the
    verdict is INSUFFICIENT_EVIDENCE, which is how every champion begins.
    """
    limits, whole = settings.live, record.windows[0] if record.windows else None
    found = (None, None, None) if whole is None else (whole.hit_rate, whole.base_rate, whole.skill_upper)
    skill = live_gate(*found, settings.gates)
    measured: list[tuple[GateCheck, str]] = []
    if whole is not None and whole.max_drawdown is not None:
        fall = check("live_drawdown", whole.max_drawdown, "<", limits.max_drawdown)
        measured.append((fall, f"The live drawdown of {whole.max_drawdown:.1%} has reached {limits.max_drawdown:.0%}."))
    if drift is not None and drift.drifted_share is not None:
        moved = check("drifted_features", drift.drifted_share, "<=", limits.drifted_features)
        named = ", ".join(one.feature for one in drift.most_drifted[:3])
        measured.append(
            (
                moved,
                f"{drift.drifted_share:.0%} of {drift.n_features} inputs are distributed unlike the training data, "
                f"more than {limits.drifted_features:.0%}; most of all {named}.",
            )
        )
    if drift is not None and drift.score_psi is not None:
        scores = check("score_psi", drift.score_psi, "<=", limits.score_psi)
        measured.append(
            (scores, f"The probabilities are distributed unlike those of the holdout: PSI {drift.score_psi:.2f}.")
        )
    missed = [sentence for one, sentence in measured if not one.passed]
    verdict = "FAIL" if missed else skill.verdict
    return skill.model_copy(
        update={
            "verdict": verdict,
            "checks": (*skill.checks, *(one for one, _ in measured)),
            "reason": " ".join([skill.reason, *missed])[:1000],
        }
    )
