"""Starting a state machine by the clock."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_scheduler as scheduler
from aws_cdk import aws_scheduler_targets as targets
from aws_cdk import aws_sqs as sqs
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct


class StartSchedule(Construct):
    """A schedule on the wall clock of a time zone; what cannot be started lands in the dead-letter queue."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        description: str,
        cron: Mapping[str, str],
        time_zone: str,
        machine: sfn.IStateMachine,
        execution_input: Mapping[str, Any],
        dead_letters: sqs.IQueue,
        group: scheduler.IScheduleGroup,
        enabled: bool,
    ) -> None:
        super().__init__(scope, id)
        scheduler.Schedule(
            self,
            "Schedule",
            description=description,
            schedule=scheduler.ScheduleExpression.cron(**cron, time_zone=cdk.TimeZone.of(time_zone)),
            schedule_group=group,
            enabled=enabled,
            time_window=scheduler.TimeWindow.off(),
            target=targets.StepFunctionsStartExecution(
                machine,
                input=scheduler.ScheduleTargetInput.from_object(dict(execution_input)),
                dead_letter_queue=dead_letters,
                retry_attempts=5,
                max_event_age=cdk.Duration.hours(1),
            ),
        )
