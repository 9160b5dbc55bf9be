"""What a deployment over the last release would do: nothing stateful is replaced, and every other change is seen."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from assemblies import Assembly
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.json import JSONSnapshotExtension

LAST_RELEASE = Path(__file__).with_name("last_release.json")
REPLACED_BY = {
    "AWS::S3::Bucket": ("BucketName",),
    "AWS::DynamoDB::Table": ("TableName", "KeySchema"),
    "AWS::KMS::Key": ("KeySpec", "KeyUsage"),
    "AWS::SNS::Topic": ("TopicName", "FifoTopic"),
}
"""What CloudFormation cannot change in place, by the types that hold what nobody could make again."""


def stateful(assembly: Assembly) -> dict[str, dict[str, Any]]:
    """Return the stateful resources of an environment with what would replace them, by stack and logical id."""
    return {
        f"{stack}/{logical_id}": {
            "type": resource["Type"],
            **{name: resource["Properties"].get(name) for name in REPLACED_BY[resource["Type"]]},
        }
        for stack in sorted(assembly.stacks)
        for logical_id, resource in sorted(assembly.template(stack)["Resources"].items())
        if resource["Type"] in REPLACED_BY
    }


def test_nothing_stateful_is_replaced(prod: Assembly) -> None:
    """A logical id that is gone is a table that is gone. What is new is added to the file, in the same change."""
    released: dict[str, Any] = json.loads(LAST_RELEASE.read_text())
    found = stateful(prod)
    assert {name: found.get(name) for name in released} == released
    assert set(found) - set(released) == set(), f"add to {LAST_RELEASE.name}: {json.dumps(found, indent=1)}"


def test_stacks_keep_their_names(prod: Assembly) -> None:
    """A stack of another name is another stack, beside the one that holds the data."""
    artifacts = json.loads((prod.folder / "manifest.json").read_text())["artifacts"]
    names = {a["properties"]["stackName"] for a in artifacts.values() if a["type"] == "aws:cloudformation:stack"}
    assert names == {"amts-prod-network", "amts-prod-data", "amts-prod-pipeline", "amts-prod-observability"}


@pytest.mark.parametrize("stack", ["Data", "Network", "Observability", "Pipeline"])
def test_snapshot(prod: Assembly, stack: str, snapshot: SnapshotAssertion) -> None:
    """Each template as a whole, for whoever reviews a change; renewed with `--snapshot-update`.

    Hashes of assets are all one; the definitions of the machines lie in docs/state_machines, and the model's settings,
    which every function is told, in docs/settings.md.
    """
    template = prod.template(stack)
    for resource in template["Resources"].values():
        resource.get("Properties", {}).pop("DefinitionString", None)
        resource.get("Properties", {}).get("Environment", {}).get("Variables", {}).pop("AMTS_MODEL", None)
        resource.pop("Metadata", None)
    normalised = json.loads(re.sub(r"[0-9a-f]{64}", "<hash>", json.dumps(template)))
    assert normalised == snapshot(extension_class=JSONSnapshotExtension)
