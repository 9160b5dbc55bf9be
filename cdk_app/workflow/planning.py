"""First stage of both workflows: the untrusted input is checked, and what it leaves open is resolved."""

from __future__ import annotations

from typing import Literal

from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from cdk_app.constructs.pipeline_step import RUN_ID, PipelineStep
from cdk_app.workflow.engines import Engines
from cdk_app.workflow.failure import Failure
from cdk_app.workflow.fragment import Stage
from lambdas.contracts.tuning_run import PlanRequest

EXPLAINED_OUTCOME = {
    "champion": "{% $plan.champion %}",
    "message": "{% $plan.explanation %}",
    "report_uri": "{% null %}",
}


class Planning(Stage):
    """Plan the run, then go where the request leads: `routes` by the plan's kind."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        engines: Engines,
        failure: Failure,
        workflow: Literal["advanced-model-tuning", "daily-assessment"],
        sentence: str,
        hours: int,
    ) -> None:
        super().__init__(scope, id)
        self._failure = failure
        plan = PipelineStep(
            self,
            "Plan",
            sentence=sentence,
            comment="Check the request, resolve symbols, dates and champion, write the run's record.",
            function=engines.service,
            request=PlanRequest,
            event={
                "workflow": workflow,
                "run_id": RUN_ID,
                "execution_arn": "{% $states.context.Execution.Id %}",
                "started_at": "{% $states.context.Execution.StartTime %}",
                "request": "{% $states.input %}",
                "timeout_hours": hours,
            },
            assign="plan",
            # What stages further on read, whichever of them the run reaches.
            also_assign={
                "candidate": "{% {'version': null, 'predictions_uri': null} %}",
                "fitted": "{% [] %}",
                "scored": "{% {'predictions_uri': null} %}",
                "scored_shadow": "{% {'predictions_uri': null} %}",
                "failed_step": "What was asked for",
            },
        )
        failure.catches(plan)
        self._asked = sfn.Choice.jsonata(
            self,
            "Asked",
            state_name="What was asked for",
            comment="A dry run ends here: the plan has checked access and settings, and fits nothing.",
            assign={
                "failure": "{% {'Error': 'InvalidRequestError', 'Cause': 'No way leads from here: ' & $plan.kind} %}"
            },
        )
        plan.next(self._asked)
        self.first = plan

    def route(self, **routes: sfn.IChainable) -> Planning:
        """Say where each kind of plan leads; a kind without a way is a failure, a dry run just ends.

        So does a run that begins while another one is under way.
        """
        dry_run = sfn.Pass.jsonata(
            self,
            "DryRun",
            state_name="Dry run done",
            comment="Access, permissions and settings were checked.",
            outputs={"outcome": "DRY_RUN", **EXPLAINED_OUTCOME},
        )
        busy = sfn.Pass.jsonata(
            self,
            "Busy",
            state_name="Another run is under way",
            comment="One run of a machine at a time: this one has changed nothing.",
            outputs={"outcome": "BUSY", **EXPLAINED_OUTCOME},
        )
        for kind, target in {**routes, "dry_run": dry_run, "busy": busy}.items():
            self._asked.when(sfn.Condition.jsonata(f"{{% $plan.kind = '{kind}' %}}"), target, comment=kind)
        self._asked.otherwise(self._failure)
        return self
