"""A second chance that is earned: the shadow, judged on its live record by the gates of every candidate."""

from __future__ import annotations

from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from cdk_app.constructs.pipeline_step import RUN_ID, PipelineStep
from cdk_app.settings import AppSettings
from cdk_app.workflow.engines import Engines
from cdk_app.workflow.failure import Failure
from cdk_app.workflow.fragment import Stage
from cdk_app.workflow.gate import is_true, number
from lambdas.contracts.backtesting import JudgeShadowRequest


class ShadowJudgement(Stage):
    """Where a run goes whose candidate stays behind, if there is a shadow. Assigns ``$shadow``.

    It makes no threshold weaker: the numbers are compared with those of the settings, as a candidate's are, and all of
    the shadow's records must say PASS.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        engines: Engines,
        failure: Failure,
        settings: AppSettings,
    ) -> None:
        super().__init__(scope, id)
        gates = settings.model.gates
        self._judge = PipelineStep(
            self,
            "Judge",
            sentence="Judge the shadow on its live record",
            comment="Its walk-forward, its holdout and what it predicted day by day since, as one series.",
            function=engines.backtesting,
            request=JudgeShadowRequest,
            event={
                "run_id": RUN_ID,
                "dataset_uri": "{% $dataset.dataset_uri %}",
                "version": "{% $plan.shadow %}",
                "champion": "{% $plan.champion %}",
                "benchmark_period_days": "{% $plan.benchmark_period_days %}",
            },
            assign="shadow",
        )
        failure.catches(self._judge)
        evidence = (
            number("$shadow.matched_skill_lower", ">", 0),
            number("$shadow.active_return_lower", ">", 0),
            number("$shadow.deflated_sharpe", ">=", gates.deflated_sharpe),
        )
        self._passed = " and ".join(
            (
                "($shadow.verdict = 'PASS')",
                number("$shadow.hit_rate", ">", gates.hit_rate),
                number("$shadow.market_outperformance", ">", gates.market_outperformance),
                number("$shadow.sharpe_ratio", ">", gates.sharpe_ratio),
                number("$shadow.max_drawdown", "<", gates.max_drawdown),
                is_true("$shadow.champion_not_worse"),
                *(evidence if gates.evidence == "required" else ()),
                *((is_true("$shadow.target_met"),) if gates.require_target else ()),
            )
        )
        self._gate = sfn.Choice.jsonata(
            self,
            "Gate",
            state_name="Shadow gate: every gate passed on its live record",
            comment="The thresholds of every candidate, on a series that has grown by what the model predicted live.",
        )
        self._asked = sfn.Choice.jsonata(
            self, "Asked", state_name="Is there a shadow to judge", comment="The candidate of this run stays behind."
        )
        self._judge.next(self._gate)
        self.first = self._asked

    def route(self, *, passed: sfn.IChainable, stopped: sfn.IChainable) -> ShadowJudgement:
        """Say where a shadow goes that passed, and where the run goes without one."""
        self._asked.when(sfn.Condition.jsonata("{% $type($plan.shadow) = 'string' %}"), self._judge, comment="yes")
        self._asked.otherwise(stopped)
        self._gate.when(sfn.Condition.jsonata(f"{{% {self._passed} %}}"), passed, comment="PASS").otherwise(stopped)
        return self
