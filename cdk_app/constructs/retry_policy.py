"""The one retry policy of every step."""

from __future__ import annotations

from typing import NamedTuple

import aws_cdk as cdk
from aws_cdk import aws_stepfunctions as sfn

from lambdas.contracts.errors import RETRYABLE_ERRORS


class Retry(NamedTuple):
    """One entry of the policy: what is tried again, how often, how patiently."""

    errors: tuple[str, ...]
    attempts: int
    first_wait_seconds: int
    longest_wait_seconds: int


RETRY_POLICY: tuple[Retry, ...] = (
    # A source that limits the rate of requests wants minutes, not seconds.
    Retry(RETRYABLE_ERRORS, attempts=4, first_wait_seconds=30, longest_wait_seconds=300),
    # The Lambda service was at fault before or after the code ran. `ResourceConflict` and
    # `ResourceNotReady`: an image function that was idle for weeks is being made ready again.
    Retry(
        (
            "Lambda.ServiceException",
            "Lambda.AWSLambdaException",
            "Lambda.SdkClientException",
            "Lambda.ClientExecutionTimeoutException",
            "Lambda.TooManyRequestsException",
            "Lambda.EC2ThrottledException",
            "Lambda.EC2UnexpectedException",
            "Lambda.ENILimitReachedException",
            "Lambda.ResourceConflictException",
            "Lambda.ResourceNotReadyException",
        ),
        attempts=6,
        first_wait_seconds=2,
        longest_wait_seconds=120,
    ),
    # The process died or hung: out of memory, a lost host, a stalled request. Steps are idempotent, and a fold that
    # was finished is found again, so one more try is cheap; a third would only repeat what is wrong.
    Retry(
        ("Runtime.ExitError", "Runtime.OutOfMemory", "Lambda.Unknown", "Sandbox.Timedout", "States.Timeout"),
        attempts=2,
        first_wait_seconds=5,
        longest_wait_seconds=60,
    ),
)
"""Named errors only. Whatever is not named here (`PERMANENT_ERRORS` of the contracts, a bug) comes out the same the
second time."""


def retry_transient_errors(task: sfn.TaskStateBase) -> None:
    """Give `task` the policy, with backoff and full jitter so that parallel steps do not come back together."""
    for retry in RETRY_POLICY:
        task.add_retry(
            errors=list(retry.errors),
            max_attempts=retry.attempts,
            interval=cdk.Duration.seconds(retry.first_wait_seconds),
            max_delay=cdk.Duration.seconds(retry.longest_wait_seconds),
            backoff_rate=2.0,
            jitter_strategy=sfn.JitterType.FULL,
        )
