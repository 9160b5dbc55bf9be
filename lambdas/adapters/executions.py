"""Executions of the state machines: starting them, and what they did."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from lambdas.adapters.errors import ACCESS_CODES, StoreAccessError, error_code

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient
    from mypy_boto3_stepfunctions.type_defs import HistoryEventTypeDef

UNREADABLE = ACCESS_CODES | {"ExecutionDoesNotExist", "ResourceNotFound", "InvalidArn"}


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

    def functions(self, execution_arn: str) -> dict[str, str]:
        """Return the function that each state of the main line invokes, by its name; those of Maps by what is in them.

        From the definition that the execution runs, because a history does not tell it everywhere. Empty, if it may
        not or cannot be read.
        """
        try:
            found = self._client.describe_state_machine_for_execution(executionArn=execution_arn)
        except ClientError as error:
            if error_code(error) not in UNREADABLE:
                raise
            return {}
        states = json.loads(found["definition"])["States"]
        named = {name: invoked_by(state) for name, state in states.items()}
        return {name: next(iter(functions)) for name, functions in named.items() if len(functions) == 1}

    def child_seconds(self, map_run_arn: str) -> list[float]:
        """Return how long each child execution of a distributed Map took; those that have not ended are left out."""
        pages = self._client.get_paginator("list_executions").paginate(mapRunArn=map_run_arn)
        try:
            children = [child for page in pages for child in page["executions"]]
        except ClientError as error:
            if error_code(error) not in UNREADABLE:
                raise
            return []
        return [(child["stopDate"] - child["startDate"]).total_seconds() for child in children if "stopDate" in child]


def invoked_by(state: Mapping[str, Any]) -> set[str]:
    """Return the functions that a state invokes, by their names: those of its iterations, if it is a Map.

    Examples
    --------
    >>> invoked_by({"Arguments": {"FunctionName": "arn:aws:lambda:us-east-1:123456789012:function:engine:$LATEST"}})
    {'engine'}
    >>> invoked_by({"ItemProcessor": {"States": {"One": {"Arguments": {"FunctionName": "engine"}}}}})
    {'engine'}
    """
    inner = (state.get("ItemProcessor") or {}).get("States") or {}
    names = set[str]().union(*map(invoked_by, inner.values()))
    arguments = state.get("Arguments")
    if isinstance(arguments, Mapping) and "FunctionName" in arguments:
        parts = str(arguments["FunctionName"]).split(":")
        names.add(parts[6] if len(parts) > 6 else parts[0])
    return names
