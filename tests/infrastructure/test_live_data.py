"""What the live source needs of a deployment."""

from __future__ import annotations

import json
from pathlib import Path

import aws_cdk as cdk
import pytest
from aws_cdk.assertions import Annotations, Match

from cdk_app.application import add_stacks
from cdk_app.settings import load_settings

CONTEXT = json.loads((Path(__file__).parents[2] / "cdk.json").read_text())["context"]


def warnings_of(**changes: object) -> list[str]:
    app = cdk.App(context=CONTEXT)
    settings = load_settings("prod").model_copy(update={"observability": False, "network": "none", **changes})
    add_stacks(app, settings)
    found = Annotations.from_stack(app.node.find_child("Pipeline")).find_warning(
        "*", Match.string_like_regexp("edgar_contact is not set")
    )
    return [entry.id for entry in found]


@pytest.mark.parametrize(
    ("changes", "n_warnings"),
    [
        ({"data_source": "yahoo", "edgar_contact": None}, 1),
        ({"data_source": "yahoo", "edgar_contact": "data@example.org"}, 0),
        ({"data_source": "simulated", "edgar_contact": None}, 0),
    ],
)
def test_a_missing_contact_for_edgar_is_said_before_anything_is_deployed(
    changes: dict[str, object], n_warnings: int
) -> None:
    assert len(warnings_of(**changes)) == n_warnings
