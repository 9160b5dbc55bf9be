"""A state machine as all of them are here: JSONata, traced, logged, limited in time."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, cast

import aws_cdk as cdk
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from cdk_app.constructs.acknowledge import acknowledge
from cdk_app.constructs.engine_function import EngineFunction
from cdk_app.constructs.log_group import log_group
from cdk_app.settings import AppSettings

WorkflowName = Literal["advanced-model-tuning", "daily-assessment"]


class Workflow(Construct):
    """Base of the two workflows."""

    machine: sfn.StateMachine

    def _deploy(
        self,
        start: sfn.IChainable,
        *,
        name: WorkflowName,
        comment: str,
        hours: int,
        engines: Iterable[EngineFunction],
        settings: AppSettings,
    ) -> None:
        """Make the machine, with leave to invoke `engines` and write its log."""
        physical_name = settings.named(name)
        self.machine = sfn.StateMachine(
            self,
            "Machine",
            state_machine_name=physical_name,
            comment=comment,
            definition_body=sfn.DefinitionBody.from_chainable(start),
            query_language=sfn.QueryLanguage.JSONATA,
            timeout=cdk.Duration.hours(hours),
            tracing_enabled=True,
            logs=sfn.LogOptions(
                destination=log_group(self, "Logs", name=f"/aws/vendedlogs/states/{physical_name}", settings=settings),
                level=sfn.LogLevel.ALL,
                include_execution_data=True,
            ),
        )
        acknowledge(self.machine, "IAM5[Resource::*]", "Log delivery and X-Ray: actions without resource-level ARNs.")
        stack = cdk.Stack.of(self)
        for engine in engines:
            function = stack.get_logical_id(cast(cdk.CfnElement, engine.function.node.default_child))
            acknowledge(
                self.machine,
                f"IAM5[Resource::<{stack.resolve(function)}.Arn>:*]",
                "CDK grants a step its one function with versions and aliases; the project makes none of either.",
            )
