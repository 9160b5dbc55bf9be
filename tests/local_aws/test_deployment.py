"""Finding a deployment that is not the local one: by its stack, with credentials, in the Region of its settings."""

from __future__ import annotations

import json

import boto3
import pytest

from cli.console import SetupError
from cli.deployment import connect
from cli.local_aws.emulator import Emulator
from lambdas.contracts.outputs import StackOutput, pipeline_stack_name
from lambdas.core.errors import InvalidInputError

TEMPLATE = {
    "Resources": {"Queue": {"Type": "AWS::SQS::Queue"}},
    "Outputs": {StackOutput.DATASETS_BUCKET.value: {"Value": "somebodys-datasets"}},
}


@pytest.fixture
def _account(running: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """The emulator as somebody's account, by the variables that every AWS tool reads."""
    for name, value in {
        "AWS_ENDPOINT_URL": running.endpoint,
        "AWS_ACCESS_KEY_ID": "000000000000",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AMTS_REGION": "eu-west-1",
        "AMTS_AVAILABILITY_ZONES": '["eu-west-1a"]',
    }.items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_DEFAULT_REGION", "AWS_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("_account")
def test_an_environment_is_found_by_its_stack_in_its_region_and_its_outputs_are_read() -> None:
    with pytest.raises(SetupError, match=r"amts-staging-pipeline could not be found in eu-west-1.*make deploy"):
        connect("staging")

    cloudformation = boto3.client("cloudformation", region_name="eu-west-1")
    cloudformation.create_stack(StackName=pipeline_stack_name("staging"), TemplateBody=json.dumps(TEMPLATE))
    cloudformation.get_waiter("stack_create_complete").wait(
        StackName=pipeline_stack_name("staging"), WaiterConfig={"Delay": 1}
    )
    deployment = connect("staging")

    assert deployment.environment == "staging"
    assert deployment.step_functions.meta.region_name == "eu-west-1"
    assert deployment[StackOutput.DATASETS_BUCKET] == "somebodys-datasets"
    with pytest.raises(SetupError, match="has no output AnalyticsTable"):
        deployment[StackOutput.ANALYTICS_TABLE]


def test_without_credentials_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, "/dev/null")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")

    with pytest.raises(SetupError, match="credentials"):
        connect("dev")


def test_an_environment_without_a_file_is_refused_by_name() -> None:
    with pytest.raises(InvalidInputError, match=r"no live\.toml.*known: .*prod"):
        connect("live")
