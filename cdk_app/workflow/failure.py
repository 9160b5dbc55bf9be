"""The one way a run fails: recorded, announced, Fail."""

from __future__ import annotations

from typing import Literal

from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from cdk_app.constructs.pipeline_step import RUN_ID, PipelineStep
from cdk_app.workflow.engines import Engines
from cdk_app.workflow.fragment import Stage
from lambdas.contracts.tuning_run import FailRequest

# A catcher belongs to the state that failed: here, and no longer after it, its name is the context's.
CAUGHT = {"failure": "{% $states.errorOutput %}", "failed_step": "{% $states.context.State.Name %}"}
# A timeout has no cause; a Python traceback can be longer than a record should be.
CAUSE = "{% $exists($failure.Cause) ? $substring($failure.Cause, 0, 4000) : 'No cause was given.' %}"


class Failure(Stage):
    """Catches for the whole run: what retries did not cure is recorded and announced, and the execution fails."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        engines: Engines,
        workflow: Literal["advanced-model-tuning", "daily-assessment"],
    ) -> None:
        super().__init__(scope, id)
        failed = sfn.Fail.jsonata(
            self,
            "Failed",
            state_name="Run failed",
            comment="The error and its cause are those of the step that failed.",
            error="{% $failure.Error %}",
            cause=CAUSE,
        )
        record = PipelineStep(
            self,
            "Record",
            sentence="Record failure",
            comment="Record the error with the run and announce it.",
            function=engines.service,
            request=FailRequest,
            event={
                "run_id": RUN_ID,
                "workflow": workflow,
                "error": "{% $failure.Error %}",
                "cause": CAUSE,
                "failed_step": "{% $failed_step %}",
            },
        )
        # If even that fails, the execution still ends with the first error, and the alarm on failed executions rings.
        record.add_catch(failed, errors=["States.ALL"])
        record.next(failed)
        self.first = record

    def catches(self, *steps: sfn.TaskStateBase | sfn.Map | sfn.DistributedMap) -> None:
        """Lead every error of `steps` that retries did not cure here."""
        for step in steps:
            step.add_catch(self.first, errors=["States.ALL"], assign=CAUGHT)
