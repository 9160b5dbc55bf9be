"""The AWS clients, built when first used, with the retries and timeouts that all of them share."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_stepfunctions import SFNClient

CONFIG = Config(
    retries={"mode": "standard", "max_attempts": 5},
    connect_timeout=5,
    read_timeout=60,
    max_pool_connections=16,
)
"""A few quick attempts here; what lasts longer is retried by the state machine, where a person sees it."""


class Clients:
    """One client a service, for the life of the process: building one takes longer than most calls."""

    @cached_property
    def s3(self) -> S3Client:
        """Return the client of S3."""
        return boto3.client("s3", config=CONFIG)

    @cached_property
    def dynamodb(self) -> DynamoDBClient:
        """Return the client of DynamoDB."""
        return boto3.client("dynamodb", config=CONFIG)

    @cached_property
    def sns(self) -> SNSClient:
        """Return the client of SNS."""
        return boto3.client("sns", config=CONFIG)

    @cached_property
    def step_functions(self) -> SFNClient:
        """Return the client of Step Functions."""
        return boto3.client("stepfunctions", config=CONFIG)
