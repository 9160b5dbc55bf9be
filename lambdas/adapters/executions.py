"""Executions of the state machines: starting them, and what they did."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from lambdas.adapters.errors import ACCESS_CODES, StoreAccessError, error_code

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient
    from mypy_boto3_stepfunctions.type_defs import HistoryEventTypeDef

UNREADABLE = ACCESS_CODES | {"ExecutionDoesNotExist", "InvalidArn"}


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

    def history(self, execution_arn: str) -> list[HistoryEventTypeDef]:
        """Return what an execution did so far, oldest first; nothing if its history may not or cannot be read.

        It is told in a report and decides nothing, so a run does not fail for it.
        """
        pages = self._client.get_paginator("get_execution_history").paginate(
            executionArn=execution_arn, PaginationConfig={"PageSize": 1000}
        )
        try:
            return [event for page in pages for event in page["events"]]
        except ClientError as error:
            if error_code(error) not in UNREADABLE:
                raise
            return []
