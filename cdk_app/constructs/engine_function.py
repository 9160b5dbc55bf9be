"""One of the five functions: its image, its role, its logs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecr_assets as ecr_assets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from cdk_app.constructs.acknowledge import acknowledge
from cdk_app.constructs.log_group import log_group
from cdk_app.settings import AppSettings, FunctionName, FunctionSettings
from lambdas.contracts.environment import FunctionEnvironment
from lambdas.contracts.metrics import NAMESPACE

PROJECT = Path(__file__).resolve().parents[2]
ImageTarget = Literal["base", "data", "ml"]
MAX_ENVIRONMENT_BYTES = 4096
"""Lambda's limit for all variables of a function together."""

NETWORK_INTERFACE_ACTIONS = (
    "ec2:AssignPrivateIpAddresses",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:UnassignPrivateIpAddresses",
)


@dataclass(frozen=True)
class Placement:
    """Where in a VPC functions run."""

    vpc: ec2.IVpc
    security_group: ec2.ISecurityGroup
    subnets: ec2.SubnetSelection


class EngineFunction(Construct):
    """A Lambda function of the project's image that may do nothing but what `allow` is told.

    `name` is the name of the function and, with underscores, of its package:
    ``backtesting-engine`` runs ``lambdas.backtesting_engine.handler.handler``.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        name: FunctionName,
        description: str,
        target: ImageTarget,
        size: FunctionSettings,
        environment: Mapping[str, str],
        settings: AppSettings,
        placement: Placement | None,
    ) -> None:
        super().__init__(scope, id)
        self.timeout_seconds = size.timeout_seconds
        physical_name = settings.named(name)
        logs = log_group(self, "Logs", name=f"/aws/lambda/{physical_name}", settings=settings)
        self.role = iam.Role(
            self,
            "Role",
            description=f"What {physical_name} may touch",
            assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
        )
        self.function = lambda_.DockerImageFunction(
            self,
            "Function",
            function_name=physical_name,
            description=description,
            code=_image(name, target, settings),
            architecture=lambda_.Architecture.X86_64,
            role=self.role,
            memory_size=size.memory_mb,
            timeout=cdk.Duration.seconds(size.timeout_seconds),
            ephemeral_storage_size=cdk.Size.mebibytes(size.storage_mb),
            environment=_environment(name, environment, settings),
            log_group=logs,
            # What Lambda and its runtime client write is JSON, too. The level is a floor: above INFO Lambda would drop
            # metrics, which are lines without a level. `log_level` is for our own lines.
            logging_format=lambda_.LoggingFormat.JSON,
            application_log_level_v2=_floor(settings),
            tracing=lambda_.Tracing.ACTIVE,
            vpc=placement.vpc if placement else None,
            vpc_subnets=placement.subnets if placement else None,
            security_groups=[placement.security_group] if placement else None,
        )
        acknowledge(
            self.role, "IAM5[Resource::*]", "X-Ray and network interfaces: actions without resource-level ARNs."
        )
        self.allow(("logs:CreateLogStream", "logs:PutLogEvents"), (logs.log_group_arn,))
        if placement:
            self.allow(NETWORK_INTERFACE_ACTIONS, ("*",))

    def allow(
        self, actions: Sequence[str], resources: Sequence[str], *, conditions: Mapping[str, Any] | None = None
    ) -> None:
        """Add one statement of named actions to the role of the function."""
        self.role.add_to_policy(
            iam.PolicyStatement(actions=list(actions), resources=list(resources), conditions=conditions)
        )


def _floor(settings: AppSettings) -> lambda_.ApplicationLogLevel:
    debug = settings.log_level == "DEBUG"
    return lambda_.ApplicationLogLevel.DEBUG if debug else lambda_.ApplicationLogLevel.INFO


def _image(name: FunctionName, target: ImageTarget, settings: AppSettings) -> lambda_.DockerImageCode:
    """Build from the project folder; what belongs to the image, and so to its hash, is in `.dockerignore`."""
    build_args = {"BASE_IMAGE": settings.image.base_image}
    if settings.image.torch_index:
        build_args["TORCH_INDEX"] = settings.image.torch_index
    return lambda_.DockerImageCode.from_image_asset(
        str(PROJECT),
        file="docker/Dockerfile",
        target=target,
        cmd=[f"lambdas.{name.replace('-', '_')}.handler.handler"],
        build_args=build_args,
        platform=ecr_assets.Platform.LINUX_AMD64,
        ignore_mode=cdk.IgnoreMode.DOCKER,
    )


def _environment(name: FunctionName, values: Mapping[str, str], settings: AppSettings) -> dict[str, str]:
    """Spell `values` (by the field names of `FunctionEnvironment`) as variables, and add those of Powertools."""
    if unknown := sorted(set(values) - set(FunctionEnvironment.model_fields)):
        raise ValueError(f"{name}: FunctionEnvironment has no {', '.join(unknown)}")
    variables = {f"AMTS_{field.upper()}": value for field, value in values.items()}
    variables |= {
        "POWERTOOLS_SERVICE_NAME": name,
        "POWERTOOLS_METRICS_NAMESPACE": NAMESPACE,
        "POWERTOOLS_LOG_LEVEL": settings.log_level,
    }
    size = sum(
        len(key.encode()) + len(value.encode())
        for key, value in variables.items()
        if not cdk.Token.is_unresolved(value)
    )
    if size > MAX_ENVIRONMENT_BYTES:
        raise ValueError(
            f"{name}: environment variables of {size} bytes, Lambda allows {MAX_ENVIRONMENT_BYTES}. A universe of "
            f"{len(settings.universe)} symbols belongs into `stock-recommendations` or into the execution input"
        )
    return variables
