"""The images that are deployed: built from this code, small enough, and able to do the work of a whole run."""

from __future__ import annotations

import datetime as dt
import json
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from small_market import SETTINGS, market

from cli import main
from cli.console import SetupError
from cli.local_aws import emulator
from cli.local_aws.application import IN_IMAGES
from cli.local_aws.assembly import HANDLER_LABEL
from cli.local_aws.place import Place

PROJECT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(PROJECT / "docker"))

import bill_of_materials  # noqa: E402 - docker/ is no package
import images  # noqa: E402

pytestmark = pytest.mark.slow

FORBIDDEN = ("gcc", "pip", "uv", "pytest", "nvidia", "triton")


def docker(*arguments: str) -> str:
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=True)  # noqa: S603, S607
    return done.stdout


@pytest.fixture(scope="module", autouse=True)
def built() -> None:
    """Every image exists and holds this code."""
    if not images.engine_answers():
        pytest.skip("no container engine answers (docker info)")
    for target in images.LIMITS:
        try:
            labels = json.loads(docker("image", "inspect", f"amts-{target}"))[0]["Config"]["Labels"] or {}
        except subprocess.CalledProcessError:
            pytest.skip(f"amts-{target} was not built. Run: make images")
        if labels.get(images.CODE_LABEL) != images.code_hash():
            pytest.fail(f"amts-{target} was built from other code. Run: make images")


@pytest.mark.parametrize("target", images.LIMITS)
def test_no_build_tool_test_or_cuda_is_in_the_image(target: str) -> None:
    listing = docker("run", "--rm", "--entrypoint", "python", f"amts-{target}", "-c", LISTING)
    found = json.loads(listing)
    assert not [name for name in FORBIDDEN if name in found["packages"] or name in found["programs"]]
    assert found["tests"] == []


LISTING = """
import json, os, pathlib, shutil, sysconfig
site = pathlib.Path(sysconfig.get_path("purelib"))
print(json.dumps({
    "packages": sorted({path.name.split("-")[0].lower() for path in site.iterdir()}),
    "programs": [name for name in ("gcc", "cc", "uv", "pytest", "nvcc") if shutil.which(name)],
    "tests": [str(path) for path in site.rglob("tests") if path.is_dir()],
}))
"""


@pytest.mark.parametrize("target", images.LIMITS)
def test_the_image_holds_what_its_lock_lists_and_nothing_that_cannot_be_shipped(target: str) -> None:
    of_image = bill_of_materials.of_image(target)
    python = [one for one in of_image["components"] if not one.get("purl", "").startswith("pkg:deb/")]
    held = {bill_of_materials.normal(one["name"]): one["version"] for one in python}
    wanted = bill_of_materials.wanted_by(target, bill_of_materials.python_of(target))
    assert held.keys() - {bill_of_materials.normal(bill_of_materials.PLOTLY)} == wanted.keys()
    assert {name: held[name] for name, version in wanted.items() if version} == {
        name: version for name, version in wanted.items() if version
    }
    assert bill_of_materials.unshippable(of_image["components"]) == []


def test_what_the_build_adds_to_the_base_image_is_argued_for() -> None:
    """The base image is the deployer's choice; what our own stages install into it is ours."""
    added = debian_packages("ml") - debian_packages("base")
    assert added <= set(tomllib.loads(bill_of_materials.POLICY.read_text())["debian"])


def debian_packages(target: str) -> set[str]:
    components = bill_of_materials.of_image(target)["components"]
    return {one["name"] for one in components if one.get("purl", "").startswith("pkg:deb/")}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """A local AWS of its own, whose functions are containers."""
    place = Place(tmp_path / "home")
    try:
        place.tool("ministack")
    except SetupError as error:
        pytest.skip(str(error))
    for name, value in {**SETTINGS, IN_IMAGES: "1", "AMTS_ENV": "local", "AMTS_LOCAL_HOME": str(place.home)}.items():
        monkeypatch.setenv(name, value)
    yield place
    emulator.stop(place)
    for container in docker("ps", "--quiet", "--filter", "ancestor=amts-ml").split():
        docker("kill", container)


def test_a_whole_run_in_the_images_promotes_a_planted_signal(place: Place, tmp_path: Path) -> None:
    folder = market(tmp_path / "market", 0.6)
    out = tmp_path / "run.json"
    since = dt.datetime.now(dt.UTC).isoformat()

    status = main.call(main.app, ["run", "--data", str(folder), "--json", str(out), "--fail-on-reject"])

    run: dict[str, Any] = json.loads(out.read_text())
    assert (status, run["outcome"]) == (0, "PROMOTED"), run.get("message")
    assert containers_since(since) == {
        (f"amts-{target}", f"lambdas.{package}.handler.handler") for package, (target, _) in images.IMPORTS.items()
    }


def containers_since(since: str) -> set[tuple[str, str]]:
    """Return image and handler of every container of ours that was started: by the engine's word, not by ours."""
    listing = docker(
        *("events", "--since", since, "--until", dt.datetime.now(dt.UTC).isoformat()),
        *("--filter", "event=start", "--filter", f"label={HANDLER_LABEL}", "--format", "{{json .Actor.Attributes}}"),
    )
    started = [json.loads(line) for line in listing.splitlines()]
    return {(attributes["image"], attributes[HANDLER_LABEL]) for attributes in started}
