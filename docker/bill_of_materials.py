"""What is in the images: a CycloneDX list of each, and whether its licences can be shipped. `make sbom`, `make images`.

With a container engine the list is of the image itself, its Debian packages included. Without one it is of what the
image's lock installs, read from the metadata of the same versions in this environment.
"""

from __future__ import annotations

import io
import json
import platform
import re
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import venv
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any

from boolean import ParseError
from license_expression import ExpressionError, LicenseSymbol, LicenseWithExceptionSymbol, get_spdx_licensing

PROJECT = Path(__file__).resolve().parents[1]
FOLDER = PROJECT / "build" / "sbom"
POLICY = Path(__file__).with_name("licences.toml")
TARGETS = ("base", "data", "ml")
APART_FROM_THE_LOCK = {"ml": ("torch",)}
"""Installed without a lock: docs/decisions.md, 4."""

PLOTLY = "plotly.js-basic-dist-min"
"""The one file of an npm package that an image holds."""

_CYCLONEDX = ("--output-reproducible", "--spec-version", "1.6", "--no-validate")
"""Not validated by the tool: that takes ten seconds a list. The tests do, with what is added here."""

Component = dict[str, Any]


def main() -> int:
    """Write the lists and say what stands in the way of shipping; 1 if anything does."""
    import images

    from_images = images.engine_answers() and all(images.is_built(target) for target in TARGETS)
    FOLDER.mkdir(parents=True, exist_ok=True)
    refused: list[str] = []
    for target in TARGETS:
        components = of_image(target) if from_images else of_lock(target)
        file = FOLDER / f"amts-{target}.cdx.json"
        file.write_text(json.dumps(components, indent=1, sort_keys=True) + "\n")
        objections = unshippable(components["components"])
        refused += [f"amts-{target}: {objection}" for objection in objections]
        what = "the image" if from_images else "its lock"
        print(f"{file.relative_to(PROJECT)}: {len(components['components'])} components of {what}")
    print("\n".join(refused) or "licences: nothing that could not be shipped")
    return int(bool(refused))


def of_lock(target: str) -> dict[str, Any]:
    """Return the list of what a target's lock installs, from the metadata of this environment.

    Raises
    ------
    LookupError
        If a package is not installed here, or in another version than the lock's.
    """
    wanted = wanted_by(target)
    found = {normal(one.metadata["Name"]): one for one in distributions()}
    missing = [
        f"{name} {version or ''}"
        for name, version in wanted.items()
        if name not in found or (version is not None and found[name].version != version)
    ]
    if missing:
        raise LookupError(f"{target}.lock: not installed here: {', '.join(missing)}. Run: make setup")
    with tempfile.TemporaryDirectory() as folder:
        site = _empty_environment(Path(folder))
        for name in wanted:
            metadata = _metadata_folder(found[name])
            (site / metadata.name).symlink_to(metadata)
        return _completed(_cyclonedx(Path(folder)), target)


def wanted_by(target: str, python: str = platform.python_version()) -> dict[str, str | None]:
    """Return the packages that a target's lock installs under a Python; None is a version that the lock leaves open.

    A lock may hold a package twice, for an older Python and a newer one: what an image holds depends on its base image.
    """
    lock = (PROJECT / "requirements" / f"{target}.lock").read_text()
    wanted: dict[str, str | None] = {normal(name): version for name, version in _pins(lock, python)}
    return wanted | dict.fromkeys(APART_FROM_THE_LOCK.get(target, ()))


def python_of(target: str) -> str:
    """Return the version of Python in an image."""
    import images

    return images.run_in(target, "import platform; print(platform.python_version())").decode().strip()


def of_image(target: str) -> dict[str, Any]:
    """Return the list of what an image holds: Python packages by their metadata, Debian's by its database."""
    import images

    with tempfile.TemporaryDirectory() as folder:
        site = _empty_environment(Path(folder))
        archive = images.run_in(target, _PACK_METADATA)
        with tarfile.open(fileobj=io.BytesIO(archive)) as packed:
            packed.extractall(site, filter="data")
        listed = _completed(_cyclonedx(Path(folder)), target)
    listing = images.run_in(target, _LIST_DEBIAN).decode()
    listed["components"] += [_debian(*line.split("\t")) for line in listing.splitlines()]
    return listed


_PACK_METADATA = """
import pathlib, sys, sysconfig, tarfile
site = pathlib.Path(sysconfig.get_path("purelib"))
with tarfile.open(fileobj=sys.stdout.buffer, mode="w|") as archive:
    for folder in sorted(site.glob("*.dist-info")):
        archive.add(folder, folder.name)
"""
_LIST_DEBIAN = """
import subprocess
subprocess.run(["dpkg-query", "-W", "-f", "${Package}\\t${Version}\\t${Architecture}\\n"], check=True)
"""


def unshippable(components: Iterable[Component], policy: Mapping[str, Any] | None = None) -> list[str]:
    """Return an objection for each component whose licence is not allowed and not argued for.

    A component with several declared licences is held to all of them, unless an expression says `OR`. Debian packages
    are the base image's, which is the deployer's choice: only what our own stages add to them is argued for.

    Examples
    --------
    >>> policy = {"allowed": ["MIT"], "spelled": {}, "argued": {"odd": "Public domain."}}
    >>> mit, gpl = {"license": {"id": "MIT"}}, {"expression": "GPL-3.0-only OR MIT"}
    >>> unshippable([{"name": "a", "licenses": [mit]}, {"name": "b", "licenses": [gpl]}, {"name": "odd"}], policy)
    []
    >>> unshippable([{"name": "c", "version": "1", "licenses": [{"expression": "GPL-3.0-only"}]}], policy)
    ['c 1: GPL-3.0-only is not on the list of docker/licences.toml']
    """
    policy = policy if policy is not None else tomllib.loads(POLICY.read_text())
    objections = []
    for component in components:
        if component["name"] in policy["argued"] or component.get("purl", "").startswith("pkg:deb/"):
            continue
        label = f"{component['name']} {component.get('version', '')}".strip()
        declared = _declared(component)
        if not declared:
            objections.append(f"{label}: declares no licence; look, and argue for it in docker/licences.toml")
        objections += [
            f"{label}: {licence} is not on the list of docker/licences.toml"
            for licence in declared
            if not _is_allowed(policy["spelled"].get(licence, licence), frozenset(policy["allowed"]))
        ]
    return objections


def _declared(component: Component) -> list[str]:
    entries = component.get("licenses", [])
    return [
        str(entry.get("expression") or entry["license"].get("id") or entry["license"].get("name")) for entry in entries
    ]


_spdx = cache(get_spdx_licensing)
"""The list of all SPDX licences, read once."""


def _is_allowed(expression: str, allowed: frozenset[str]) -> bool:
    try:
        parsed = _spdx().parse(expression, validate=True)
    except (ExpressionError, ParseError):  # a free text
        return False
    return _holds(parsed, allowed)


def _holds(node: Any, allowed: frozenset[str]) -> bool:
    if isinstance(node, LicenseSymbol | LicenseWithExceptionSymbol):
        return str(node) in allowed
    if type(node).__name__ == "OR":
        return any(_holds(part, allowed) for part in node.args)
    return all(_holds(part, allowed) for part in node.args)


def _completed(listed: dict[str, Any], target: str) -> dict[str, Any]:
    """Name the image, and add what is no Python package."""
    listed["metadata"]["component"] = {"type": "container", "bom-ref": f"amts-{target}", "name": f"amts-{target}"}
    if target == "base":
        package = json.loads((PROJECT / "package-lock.json").read_text())["packages"][f"node_modules/{PLOTLY}"]
        listed["components"].append(
            {
                "type": "library",
                "bom-ref": f"pkg:npm/{PLOTLY}@{package['version']}",
                "name": PLOTLY,
                "version": package["version"],
                "purl": f"pkg:npm/{PLOTLY}@{package['version']}",
                "licenses": [{"license": {"id": package["license"]}}],
            }
        )
    return listed


def _debian(name: str, version: str, architecture: str) -> Component:
    purl = f"pkg:deb/debian/{name}@{version}?arch={architecture}"
    return {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}


def _cyclonedx(environment: Path) -> dict[str, Any]:
    done = subprocess.run(  # noqa: S603 - the pinned tool of this environment
        [sys.executable, "-m", "cyclonedx_py", "environment", *_CYCLONEDX, str(environment)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    listed: dict[str, Any] = json.loads(done.stdout)
    return listed


def _empty_environment(folder: Path) -> Path:
    """Make an environment without any package and return where its packages' metadata goes."""
    venv.create(folder, with_pip=False, symlinks=True)
    (site,) = folder.glob("lib/python3*/site-packages")
    return site


def _metadata_folder(distribution: Distribution) -> Path:
    for file in distribution.files or ():
        if file.name == "METADATA" and file.parent.suffix == ".dist-info":
            return Path(str(distribution.locate_file(file.parent)))
    raise LookupError(f"{distribution.metadata['Name']} has no .dist-info folder")


def _pins(lock: str, python: str) -> Sequence[tuple[str, str]]:
    """Return name and version of each requirement of a lock that applies to Linux and that Python."""
    from packaging.requirements import Requirement

    here = {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix", "platform_machine": "x86_64"}
    here |= {"python_full_version": python, "python_version": python.rpartition(".")[0]}
    lines = re.findall(r"^([A-Za-z0-9][^\\\n]*?)\s*\\?$", lock, flags=re.MULTILINE)
    found = [Requirement(line) for line in lines]
    return [
        (one.name, next(iter(one.specifier)).version)
        for one in found
        if one.marker is None or one.marker.evaluate(here)
    ]


def normal(name: str) -> str:
    """Return a package's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


if __name__ == "__main__":
    sys.exit(main())
