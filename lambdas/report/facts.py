"""Everything that is recorded of a run, as one value that a page is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from lambdas.core.exhibits.values import CandidateExhibits, Exhibits, ImportanceExhibit, SearchHistory
from lambdas.core.validation.values import MarketStudy, Validation
from lambdas.core.values import (
    ChampionComparison,
    CompetitiveScore,
    Evaluation,
    GateRecord,
    Target,
    TrialEvidence,
    Value,
)


class StepTime(Value):
    """How long one state of the machine took, and what it kept busy."""

    state: str
    seconds: float
    invocations: int = 0
    busy_seconds: float = 0.0
    gigabyte_seconds: float | None = None


@dataclass(frozen=True)
class RunReport:
    """What is known at the end of a run; None and empty where it did not get that far.

    `evaluation` is that of walk-forward and holdout where the candidate was validated, else of the walk-forward alone.
    """

    run: Mapping[str, Any]
    gates: tuple[GateRecord, ...] = ()
    shadow_gates: tuple[GateRecord, ...] = ()
    kind: Literal["run", "tear_sheet"] = "run"
    evaluation: Evaluation | None = None
    exhibits: Exhibits | None = None
    trials: TrialEvidence | None = None
    searches: tuple[SearchHistory, ...] = ()
    competitive_score: CompetitiveScore | None = None
    champion: ChampionComparison | None = None
    target: Target | None = None
    recommended_deployment: bool | None = None
    study: MarketStudy | None = None
    importance: ImportanceExhibit | None = None
    candidate: CandidateExhibits | None = None
    quality: Mapping[str, Any] | None = None
    times: tuple[StepTime, ...] = field(default=())

    @property
    def settings(self) -> Mapping[str, Any]:
        """The effective settings, as they were recorded."""
        found: Mapping[str, Any] = self.run.get("settings") or {}
        return found

    @property
    def validated(self) -> bool:
        """Whether there is a candidate that was judged on its holdout."""
        return self.study is not None


def report_of(
    run: Mapping[str, Any],
    gates: Sequence[GateRecord],
    *,
    evaluated: Mapping[str, Any] | None,
    validated: Mapping[str, Any] | None,
    quality: Mapping[str, Any] | None,
    times: Sequence[StepTime] = (),
    shadow_gates: Sequence[GateRecord] = (),
) -> RunReport:
    """Join what the steps stored: `evaluation.json` and `validation.json`, the quality report, the times.

    Parameters
    ----------
    run : mapping
        The record of the run.
    gates : sequence of GateRecord
    evaluated, validated : mapping or None
        As the engines wrote them; None where the run did not get that far.
    quality : mapping or None
        A quality report as JSON values.
    times : sequence of StepTime
    shadow_gates : sequence of GateRecord
        Of the shadow, where the run judged one beside its candidate.
    """
    evaluated, judged = evaluated or {}, validated or {}
    importance = evaluated.get("importance")
    validation = Validation.model_validate(judged["validation"]) if "validation" in judged else None
    shared: dict[str, Any] = {
        "run": run,
        "gates": tuple(gates),
        "shadow_gates": tuple(shadow_gates),
        "trials": TrialEvidence.model_validate(evaluated["trials"]) if "trials" in evaluated else None,
        "searches": tuple(SearchHistory.model_validate(search) for search in evaluated.get("searches", ())),
        "importance": None if importance is None else ImportanceExhibit.model_validate(importance),
        "quality": quality,
        "times": tuple(times),
    }
    if validation is None:
        found, exhibits = evaluated.get("evaluation"), evaluated.get("exhibits")
        return RunReport(
            evaluation=None if found is None else Evaluation.model_validate(found),
            exhibits=None if exhibits is None else Exhibits.model_validate(exhibits),
            **shared,
        )
    candidate = judged.get("candidate")
    return RunReport(
        evaluation=validation.evaluation,
        exhibits=validation.exhibits,
        competitive_score=validation.competitive_score,
        champion=validation.champion,
        target=validation.target,
        recommended_deployment=validation.recommended_deployment,
        study=validation.study,
        candidate=None if candidate is None else CandidateExhibits.model_validate(candidate),
        **shared,
    )
