"""A gate: a Choice that compares the numbers themselves, with the thresholds written into it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

MAX_STATE_NAME = 80


def number(path: str, comparison: Literal[">", ">=", "<", "<="], threshold: float) -> str:
    """Compare a number; what is missing, null or no number is false and never an error.

    A Choice has no Catch, and JSONata refuses to compare a string or null: so the type is asked first, in a
    conditional, which evaluates only the branch it takes.
    """
    return f"($type({path}) = 'number' ? {path} {comparison} {threshold!r} : false)"


def says(path: str, value: Literal["PASS", "FAIL"]) -> str:
    """Whether a gate's record carries this verdict."""
    return f"({path}.verdict = '{value}')"


def is_true(path: str) -> str:
    """Whether a value is the boolean true; the string 'true' is not."""
    return f"({path} = true)"


def percent(fraction: float) -> str:
    """Spell a fraction for the name of a state.

    Examples
    --------
    >>> percent(0.6), percent(0.025)
    ('60 %', '2.5 %')
    """
    return f"{fraction * 100:.10g} %"


class Gate(sfn.Choice):
    """Three ways out: passed; the threshold is missed; the threshold is met, but the evidence is not there.

    Parameters
    ----------
    record
        Path of the step's `GateRecord`; with the verdict that was reached here it goes on as ``$stopped_by``.
    threshold, evidence
        Conditions in JSONata. All of `threshold` false-or-missing is FAIL; `evidence` may be empty.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        sentence: str,
        comment: str,
        record: str,
        threshold: Sequence[str],
        evidence: Sequence[str] = (),
    ) -> None:
        if len(sentence) > MAX_STATE_NAME:
            raise ValueError(f"Step Functions allows names of {MAX_STATE_NAME} characters: {sentence!r}")
        self._record = record
        self._threshold = " and ".join(threshold)
        self._all = " and ".join((*threshold, *evidence))
        super().__init__(
            scope,
            id,
            state_name=sentence,
            comment=comment,
            query_language=sfn.QueryLanguage.JSONATA,
            assign=self._stopped("INSUFFICIENT_EVIDENCE"),
        )

    def route(self, *, passed: sfn.IChainable, stopped: sfn.IChainable) -> Gate:
        """Say where the run goes on, and where it goes with a model that stays behind."""
        self.when(
            sfn.Condition.jsonata(f"{{% {self._all} %}}"),
            passed,
            comment="PASS",
        )
        self.when(
            sfn.Condition.jsonata(f"{{% $not({self._threshold}) %}}"),
            stopped,
            comment="FAIL: the threshold is missed, or could not be measured",
            assign=self._stopped("FAIL"),
        )
        self.otherwise(stopped)
        return self

    def _stopped(self, verdict: Literal["FAIL", "INSUFFICIENT_EVIDENCE"]) -> dict[str, str]:
        return {"stopped_by": f"{{% $merge([{self._record}, {{'verdict': '{verdict}'}}]) %}}"}
