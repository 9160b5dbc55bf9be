"""Telling the service of executions that could not say themselves how they ended."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_sqs as sqs
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from cdk_app.constructs.engine_function import EngineFunction
from cdk_app.workflow.machine import WorkflowName

NOT_WELL = ("ABORTED", "FAILED", "TIMED_OUT")
"""One that failed has recorded so itself, as a rule; if it could not, nobody else would."""


class StopNotice(Construct):
    """A rule on what Step Functions tells of one machine; what cannot be handed over lands in the dead-letter queue.

    The event is made into one of the service's own; nothing of the execution's input goes with it.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        workflow: WorkflowName,
        machine: sfn.IStateMachine,
        service: EngineFunction,
        dead_letters: sqs.IQueue,
    ) -> None:
        super().__init__(scope, id)
        rule = events.Rule(
            self,
            "Rule",
            description=f"Executions of {workflow} that did not end well get a record",
            event_pattern=events.EventPattern(
                source=["aws.states"],
                detail_type=["Step Functions Execution Status Change"],
                # Exactly this machine: the children of a distributed Map have an ARN of their own.
                detail={"stateMachineArn": [machine.state_machine_arn], "status": list(NOT_WELL)},
            ),
        )
        rule.add_target(
            targets.LambdaFunction(
                service.function,
                event=events.RuleTargetInput.from_object(
                    {
                        "action": "note_stopped",
                        "workflow": workflow,
                        "run_id": events.EventField.from_path("$.detail.name"),
                        "execution_arn": events.EventField.from_path("$.detail.executionArn"),
                        "started_at": events.EventField.from_path("$.detail.startDate"),
                        "status": events.EventField.from_path("$.detail.status"),
                    }
                ),
                dead_letter_queue=dead_letters,
                # A day, as EventBridge does by itself: nobody misses the record before two are over.
                retry_attempts=185,
                max_event_age=cdk.Duration.hours(24),
            )
        )
