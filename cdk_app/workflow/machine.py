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
                # What a person handed in, and results, stay in the execution's history, which has readers of its own.
                include_execution_data=False,
            ),
        )
        acknowledge(self.machine, "IAM5[Resource::*]", "Log delivery and X-Ray: actions without resource-level ARNs.")
        for engine in engines:
            acknowledge(
                self.machine,
                f"IAM5[Resource::<{_logical_id(engine.function)}.Arn>:*]",
                "CDK grants a step its one function with versions and aliases; the project makes none of either.",
            )
        if settings.map.mode == "DISTRIBUTED":
            self._acknowledge_children(settings)

    def _acknowledge_children(self, settings: AppSettings) -> None:
        """Child executions of a Distributed Map have generated names: the machine is the narrowest resource."""
        name = f'{{"Fn::Select":[6,{{"Fn::Split":[":",{{"Ref":"{_logical_id(self.machine)}"}}]}}]}}'
        executions = f"arn:aws:states:{settings.region}:{settings.account or '<AWS::AccountId>'}:execution:{name}"
        for children in (f"{executions}:*", f"{executions}/*:*"):
            acknowledge(
                self.machine,
                f"IAM5[Resource::{children}]",
                "The machine controls its own child executions, whose names are generated.",
            )


def _logical_id(resource: cdk.Resource) -> str:
    stack = cdk.Stack.of(resource)
    return cast(str, stack.resolve(stack.get_logical_id(cast(cdk.CfnElement, resource.node.default_child))))
