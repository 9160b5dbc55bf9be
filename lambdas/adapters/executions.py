"""Starting executions of the state machines."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from lambdas.adapters.errors import StoreAccessError, error_code

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient


class Executions:
    """The Step Functions client of the coordinator."""

    def __init__(self, client: SFNClient) -> None:
        self._client = client

    def start(self, machine_arn: str, name: str, execution_input: dict[str, Any]) -> str:
        """Start an execution and return its ARN; the one of the same name, if it was started before."""
        if not machine_arn:
            raise StoreAccessError("No state machine is configured; set AMTS_TUNING_MACHINE_ARN and its twin.")
        try:
            answer = self._client.start_execution(
                stateMachineArn=machine_arn, name=name, input=json.dumps(execution_input, sort_keys=True)
            )
        except ClientError as error:
            if error_code(error) != "ExecutionAlreadyExists":
                raise
            return f"{machine_arn.replace(':stateMachine:', ':execution:')}:{name}"
        return answer["executionArn"]
