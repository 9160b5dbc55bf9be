"""A local AWS of the tests: its own state, its own port, never the developer's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from deployed_app import App, require_tools
from small_market import SETTINGS, market

from cli.deployment import Deployment, local_deployment
from cli.local_aws import application, emulator
from cli.local_aws.emulator import Emulator
from cli.local_aws.place import Place
from lambdas.contracts.outputs import StackOutput


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """Where the local AWS of this session lies; whatever runs there is stopped in the end."""
    place = Place(tmp_path_factory.mktemp("local-aws"))
    require_tools(place)
    yield place
    emulator.stop(place)


@pytest.fixture(scope="session")
def running(place: Place) -> Emulator:
    """The emulator that all tests of the session share."""
    return emulator.start(place, emulator.free_port())


@pytest.fixture(scope="session")
def aws(running: Emulator) -> Deployment:
    """Clients of the emulator, without the application in it."""
    return local_deployment(running.endpoint, {})


@pytest.fixture
def own_place(tmp_path: Path) -> Iterator[Place]:
    """A place for a test that starts and stops emulators itself."""
    place = Place(tmp_path / "home")
    require_tools(place)
    yield place
    emulator.stop(place)


@pytest.fixture(scope="module")
def app(place: Place, running: Emulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """Deploy the application with small settings, unless it is there, and listen to its topic."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in SETTINGS.items():
            patch.setenv(name, value)
        patch.setenv("AMTS_ENV", "local")
        patch.setenv("AMTS_LOCAL_HOME", str(place.home))
        if not (place.project / "node_modules" / ".bin" / "cdk").exists():
            pytest.skip("the CDK CLI is not installed. Run: make setup")
        deployment = application.up(place)
        queues = deployment.session.client("sqs", endpoint_url=deployment.endpoint)
        queue_url = queues.create_queue(QueueName="heard")["QueueUrl"]
        queue_arn = queues.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["QueueArn"])["Attributes"][
            "QueueArn"
        ]
        topics = deployment.session.client("sns", endpoint_url=deployment.endpoint)
        topics.subscribe(TopicArn=deployment[StackOutput.ALERT_TOPIC_ARN], Protocol="sqs", Endpoint=queue_arn)
        yield App(deployment, running, queue_url, tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def promoted(app: App, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The run on a market with a planted signal, which the other tests build on."""
    status, run = app.run("--data", str(market(tmp_path_factory.mktemp("planted"), 0.6)), "--fail-on-reject")
    assert (status, run["outcome"]) == (0, "PROMOTED"), run.get("message")
    return run
