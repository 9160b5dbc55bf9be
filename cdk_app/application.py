"""The whole application from its settings: what `app.py` synthesizes and the tests look at."""

from __future__ import annotations

import aws_cdk as cdk
import cdk_nag
from constructs import Construct

from cdk_app.settings import AppSettings
from cdk_app.stacks.data import DataStack
from cdk_app.stacks.network import NetworkStack
from cdk_app.stacks.observability import ObservabilityStack
from cdk_app.stacks.pipeline import PipelineStack
from lambdas.contracts.outputs import pipeline_stack_name


def compose(app: cdk.App, settings: AppSettings) -> None:
    """Stacks, tags, checks. A finding of the checks makes `app.synth()` fail."""
    add_stacks(app, settings)
    for key, value in {"Application": "amts", "Environment": settings.environment, **settings.tags}.items():
        cdk.Tags.of(app).add(key, value)
    cdk.Validations.of(app).add_plugins(cdk_nag.AwsSolutionsChecks(app))


def add_stacks(scope: Construct, settings: AppSettings) -> None:
    """Add the stacks of one environment: data and pipeline always, network and observability by the settings."""
    env = cdk.Environment(account=settings.account, region=settings.region)
    prefix = f"amts-{settings.environment}"
    network = None
    if settings.network == "vpc":
        network = NetworkStack(scope, "Network", stack_name=f"{prefix}-network", env=env, settings=settings)
    data = DataStack(scope, "Data", stack_name=f"{prefix}-data", env=env, settings=settings)
    pipeline = PipelineStack(
        scope,
        "Pipeline",
        stack_name=pipeline_stack_name(settings.environment),
        env=env,
        settings=settings,
        data=data,
        placement=network.placement if network else None,
    )
    if settings.data_source == "yahoo" and settings.edgar_contact is None:
        cdk.Annotations.of(pipeline).add_warning_v2(
            "amts:edgar-contact",
            "edgar_contact is not set: every run on live data will refuse to begin, because the SEC wants a contact in "
            "each request. Set it in cdk_app/environments or as AMTS_EDGAR_CONTACT.",
        )
    if settings.observability:
        ObservabilityStack(
            scope,
            "Observability",
            stack_name=f"{prefix}-observability",
            env=env,
            settings=settings,
            data=data,
            pipeline=pipeline,
        )
