"""A deployment of the application, on one machine or in an account: its clients and the names of its parts."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import boto3
import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from cli.console import SetupError
from cli.local_aws.place import ACCOUNT, REGION, Place
from lambdas.adapters.analytics import Analytics
from lambdas.adapters.dynamodb import Table
from lambdas.adapters.objects import ObjectStore
from lambdas.adapters.registry import ChampionRegistry
from lambdas.contracts.outputs import StackOutput, pipeline_stack_name

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_stepfunctions import SFNClient

LOCAL = "local"
_CONFIG = Config(retries={"mode": "standard", "max_attempts": 5}, connect_timeout=5)


@dataclass(frozen=True)
class Deployment:
    """Where executions are started and their results are read."""

    environment: str
    outputs: Mapping[str, str]
    session: boto3.Session
    endpoint: str | None = None

    def __getitem__(self, key: StackOutput) -> str:
        """Return an output of the pipeline stack."""
        try:
            return self.outputs[key]
        except KeyError:
            raise SetupError(
                f"the deployed stack {pipeline_stack_name(self.environment)} has no output {key.value}: "
                "it was deployed by another version. Deploy this one first"
            ) from None

    @cached_property
    def step_functions(self) -> SFNClient:
        """The client of Step Functions."""
        return self.session.client("stepfunctions", endpoint_url=self.endpoint, config=_CONFIG)

    @cached_property
    def s3(self) -> S3Client:
        """The client of S3."""
        return self.session.client("s3", endpoint_url=self.endpoint, config=_CONFIG)

    @cached_property
    def dynamodb(self) -> DynamoDBClient:
        """The client of DynamoDB."""
        return self.session.client("dynamodb", endpoint_url=self.endpoint, config=_CONFIG)

    @cached_property
    def analytics_table(self) -> Table:
        """Table `ai-performance-analytics`."""
        return Table(self.dynamodb, self[StackOutput.ANALYTICS_TABLE])

    @cached_property
    def analytics(self) -> Analytics:
        """Records of runs and verdicts."""
        return Analytics(self.analytics_table)

    @cached_property
    def registry(self) -> ChampionRegistry:
        """The champion pointer."""
        return ChampionRegistry(self.analytics_table)

    @cached_property
    def objects(self) -> ObjectStore:
        """The objects of the three buckets."""
        buckets = (StackOutput.DATASETS_BUCKET, StackOutput.PERFORMANCE_BUCKET, StackOutput.ARTEFACTS_BUCKET)
        return ObjectStore(self.s3, [self[bucket] for bucket in buckets])


def environment_name(given: str | None) -> str:
    """Return the environment that is meant: the option, else `$AMTS_ENV`, else the local AWS."""
    return given or os.environ.get("AMTS_ENV") or LOCAL


def local_deployment(endpoint: str, outputs: Mapping[str, str]) -> Deployment:
    """Return the deployment in the emulator at `endpoint`. No configuration or credentials of the person are read."""
    variables = {
        "profile": (None, None, None, None),
        "config_file": (None, None, os.devnull, None),
        "credentials_file": (None, None, os.devnull, None),
    }
    core = botocore.session.Session(session_vars=variables)
    session = boto3.Session(
        aws_access_key_id=ACCOUNT, aws_secret_access_key=LOCAL, region_name=REGION, botocore_session=core
    )
    return Deployment(LOCAL, outputs, session, endpoint)


def connect(environment: str, place: Place | None = None) -> Deployment:
    """Return the deployment of an environment; the local one is started, and deployed, if it is not there.

    Its Region is that of the environment's settings, where `make deploy` put it, whatever the person's own default is.

    Raises
    ------
    InvalidInputError
        If there is no file of that environment, or its settings cannot be used.
    SetupError
        If the stack is not deployed, or AWS cannot be asked.
    """
    if environment == LOCAL:
        from cli.local_aws import application

        return application.up(place or Place.default())
    from cli.layers import resolve

    stack, region = pipeline_stack_name(environment), resolve(environment).app.region
    try:
        session = boto3.Session(region_name=region)
        described = session.client("cloudformation", config=_CONFIG).describe_stacks(StackName=stack)["Stacks"][0]
    except (BotoCoreError, ClientError) as error:
        raise SetupError(
            f"stack {stack} could not be found in {region}: {error}. Check the credentials and their account, or run: "
            f"make deploy ENV={environment}"
        ) from error
    outputs = {output["OutputKey"]: output["OutputValue"] for output in described.get("Outputs", [])}
    return Deployment(environment, outputs, session)
