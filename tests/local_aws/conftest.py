"""A local AWS of the tests: its own state, its own port, never the developer's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.console import SetupError
from cli.deployment import Deployment, local_deployment
from cli.local_aws import emulator
from cli.local_aws.emulator import Emulator
from cli.local_aws.place import Place


def require_tools(place: Place) -> None:
    for name in ("ministack", "node"):
        try:
            place.tool(name)
        except SetupError as error:
            pytest.skip(str(error))


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
