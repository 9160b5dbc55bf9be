"""What the images hold, and whether it can be shipped: from the locks, so that no container engine is needed."""

from __future__ import annotations

import json
import re
import sys
import tomllib
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from project import ROOT

sys.path.insert(0, str(ROOT / "docker"))

import bill_of_materials

POLICY = tomllib.loads((ROOT / "docker" / "licences.toml").read_text())


@pytest.fixture(scope="module", params=bill_of_materials.TARGETS)
def listed(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """Each target with its list."""
    return request.param, bill_of_materials.of_lock(request.param)


def test_every_package_of_the_lock_is_listed_with_its_version(listed: tuple[str, dict[str, Any]]) -> None:
    target, bill = listed
    lock = (ROOT / "requirements" / f"{target}.lock").read_text()
    pinned: dict[str, set[str]] = {}
    for name, version, marker in re.findall(r"^([^\s=]+)==([^\s;]+)([^\\\n]*)", lock, flags=re.MULTILINE):
        if "win32" not in marker and "Windows" not in marker:
            pinned.setdefault(normal(name), set()).add(version)  # another one for a newer Python
    found = {normal(one["name"]): one["version"] for one in bill["components"]}
    assert len(pinned) > 20
    assert set(pinned) - set(found) == set()
    assert all(found[name] in versions for name, versions in pinned.items())
    extra = set(found) - set(pinned)
    assert extra == {"base": {"plotly-js-basic-dist-min"}, "data": set(), "ml": {"torch"}}[target]


def test_nothing_in_an_image_has_a_licence_that_cannot_be_shipped(listed: tuple[str, dict[str, Any]]) -> None:
    assert bill_of_materials.unshippable(listed[1]["components"]) == []


def test_every_argument_is_about_a_package_that_is_there() -> None:
    found = {one["name"] for one in bill_of_materials.of_lock("ml")["components"]}
    assert set(POLICY["argued"]) <= found


def test_the_list_is_valid_cyclonedx() -> None:
    bill = bill_of_materials.of_lock("base")
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(bill)) is None
    broken = bill | {"components": [{"name": "of no type"}]}
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(broken)) is not None


@pytest.mark.parametrize(
    "licence",
    [
        {"license": {"id": "GPL-3.0-or-later"}},
        {"license": {"id": "AGPL-3.0-only"}},
        {"license": {"id": "SSPL-1.0"}},
        {"license": {"id": "BUSL-1.1"}},
        {"license": {"id": "LGPL-2.1-or-later"}},
        {"license": {"name": "Apache 2.0 with Commons Clause"}},
        {"license": {"name": "License :: OSI Approved :: GNU General Public License v3 (GPLv3)"}},
        {"expression": "MIT AND GPL-2.0-only"},
        {"expression": "GPL-3.0-or-later WITH GCC-exception-3.1"},
    ],
    ids=str,
)
def test_what_cannot_be_shipped_without_an_argument_is_found(licence: dict[str, Any]) -> None:
    (objection,) = bill_of_materials.unshippable([{"name": "stranger", "version": "1.0", "licenses": [licence]}])
    assert objection.startswith("stranger 1.0: ")


def test_a_package_that_declares_nothing_is_looked_at() -> None:
    (objection,) = bill_of_materials.unshippable([{"name": "stranger", "version": "1.0"}])
    assert "declares no licence" in objection


def test_a_choice_of_licences_is_a_choice() -> None:
    choice = {"expression": "GPL-2.0-only OR (MIT AND BSD-3-Clause)"}
    assert bill_of_materials.unshippable([{"name": "stranger", "licenses": [choice]}]) == []


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
