"""Each environment synthesized once."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from assemblies import Assembly
from flows import DAILY, TUNING
from project import MACHINES, ROOT
from step_answers import Engines

TOOLS = ROOT / ".local" / "tools" / "bin"
if TOOLS.is_dir():  # before anything imports aws_cdk: jsii starts the first `node` it finds
    os.environ["PATH"] = f"{TOOLS}{os.pathsep}{os.environ['PATH']}"
NODE = shutil.which("node")
CONTEXT = json.loads((ROOT / "cdk.json").read_text())["context"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs jsii where there is no Node."""
    if NODE is None:
        for item in items:
            if Path(__file__).parent in item.path.parents:
                item.add_marker(pytest.mark.skip(reason="no `node` on the PATH: run `make setup`"))


@pytest.fixture(scope="session", autouse=True)
def _no_settings_from_outside() -> Iterator[None]:
    """Tests must not see the settings, the account or the Region of whoever runs them."""
    outside = {name: value for name, value in os.environ.items() if name.startswith(("AMTS_", "AWS_", "CDK_"))}
    for name in outside:
        del os.environ[name]
    yield
    os.environ.update(outside)


@pytest.fixture(scope="session")
def local(tmp_path_factory: pytest.TempPathFactory) -> Assembly:
    """`local`, as the CLI synthesizes it: by `app.py`, here without Docker, credentials, Region or a home."""
    folder = tmp_path_factory.mktemp("local")
    assert NODE is not None
    environment = {
        "PATH": str(Path(NODE).parent),
        "HOME": "/nonexistent",
        "AMTS_ENV": "local",
        "CDK_OUTDIR": str(folder),
        "CDK_CONTEXT_JSON": json.dumps(CONTEXT),
    }
    done = subprocess.run(
        [sys.executable, "app.py"], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return Assembly("local", folder)


@pytest.fixture(scope="session")
def synthesize(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Assembly]:
    """Return a function that synthesizes an environment, with settings overridden as by environment variables."""

    def synthesized(environment: str, **overrides: str) -> Assembly:
        import aws_cdk as cdk

        from cdk_app.application import compose
        from cdk_app.settings import load_settings

        folder = tmp_path_factory.mktemp(environment)
        with pytest.MonkeyPatch.context() as patch:
            for name, value in overrides.items():
                patch.setenv(f"AMTS_{name.upper()}", value)
            settings = load_settings(environment)
        app = cdk.App(outdir=str(folder), context=CONTEXT)
        compose(app, settings)
        app.synth()  # raises on a finding of cdk-nag or of the CloudFormation schema
        return Assembly(environment, folder)

    return synthesized


@pytest.fixture(scope="session")
def dev(synthesize: Callable[..., Assembly]) -> Assembly:
    """Templates of `dev`."""
    return synthesize("dev")


@pytest.fixture(scope="session")
def prod(synthesize: Callable[..., Assembly]) -> Assembly:
    """Templates of `prod`."""
    return synthesize("prod")


@pytest.fixture(scope="session")
def staging(synthesize: Callable[..., Assembly]) -> Assembly:
    """Templates of `staging`."""
    return synthesize("staging")


@pytest.fixture(scope="session")
def by_instance(synthesize: Callable[..., Assembly]) -> Assembly:
    """`dev` with a NAT instance."""
    return synthesize("dev", nat="instance")


@pytest.fixture(scope="session")
def closed(synthesize: Callable[..., Assembly]) -> Assembly:
    """`dev` without a way out of its network."""
    return synthesize("dev", nat="none", data_source="s3://our-bucket/market")


@pytest.fixture(params=["local", "dev", "staging", "prod"])
def assembly(request: pytest.FixtureRequest) -> Assembly:
    """Each environment in turn."""
    found: Assembly = request.getfixturevalue(request.param)
    return found


@pytest.fixture(params=sorted(MACHINES))
def machine(request: pytest.FixtureRequest, assembly: Assembly) -> dict[str, Any]:
    """Each definition of each environment in turn."""
    return assembly.machine(MACHINES[request.param])


@pytest.fixture
def engines() -> Engines:
    """Made-up results of every step."""
    return Engines()


@pytest.fixture
def tuning(assembly: Assembly) -> dict[str, Any]:
    """The definition of the weekly machine."""
    return assembly.machine(TUNING)


@pytest.fixture
def daily(assembly: Assembly) -> dict[str, Any]:
    """The definition of the daily machine."""
    return assembly.machine(DAILY)
