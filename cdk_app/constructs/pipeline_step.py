"""A step of a workflow: one action of one function, with its timeout and the shared retry policy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

import aws_cdk as cdk
from aws_cdk import aws_stepfunctions as sfn
from aws_cdk import aws_stepfunctions_tasks as tasks
from constructs import Construct

from cdk_app.constructs.engine_function import EngineFunction
from cdk_app.constructs.retry_policy import retry_transient_errors
from lambdas.contracts.base import Contract

TIMEOUT_MARGIN_SECONDS = 60
"""A task waits a little longer than its function runs, so that the function's own timeout is what is reported."""

RUN_ID = "{% $states.context.Execution.Name %}"


class PipelineStep(tasks.LambdaInvoke):
    """One action of one function, as a state.

    Parameters
    ----------
    sentence
        Name of the state, as a person reads it in the console.
    request
        The contract of the action; the event must have its fields, no more and no fewer than it requires.
    event
        Value of each field but `action`: literals, or JSONata between ``{%`` and ``%}``.
    assign
        Name of the workflow variable that keeps the result.

    Raises
    ------
    ValueError
        If the event does not fit the contract: found at synth, not in an execution.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        sentence: str,
        comment: str,
        function: EngineFunction,
        request: type[Contract],
        event: Mapping[str, Any],
        assign: str | None = None,
        also_assign: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(
            scope,
            id,
            state_name=sentence,
            comment=comment,
            query_language=sfn.QueryLanguage.JSONATA,
            lambda_function=function.function,
            payload=sfn.TaskInput.from_object(_checked_event(request, event)),
            outputs="{% $states.result.Payload %}",
            assign=({assign: "{% $states.result.Payload %}"} if assign else {}) | dict(also_assign or {}) or None,
            task_timeout=sfn.Timeout.duration(cdk.Duration.seconds(function.timeout_seconds + TIMEOUT_MARGIN_SECONDS)),
            retry_on_service_exceptions=False,
        )
        retry_transient_errors(self)


def _checked_event(request: type[Contract], event: Mapping[str, Any]) -> dict[str, Any]:
    fields = request.model_fields
    required = {name for name, field in fields.items() if field.is_required()} - {"action"}
    missing, unknown = sorted(required - set(event)), sorted(set(event) - set(fields))
    if missing or unknown:
        raise ValueError(f"{request.__name__}: missing {missing}, unknown {unknown}")
    (action,) = get_args(fields["action"].annotation)
    return {"action": action, **event}
