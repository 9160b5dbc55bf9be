"""The state machines of a synthesized environment as AWS will read them, names in place of references."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

Definition = dict[str, Any]

PROJECT = Path(__file__).resolve().parents[1]
FOLDER = PROJECT / "docs" / "state_machines"
EXPORTED = "prod"
"""The environment whose definitions are kept in the documents."""


def resolved_machines(template: Mapping[str, Any]) -> dict[str, Definition]:
    """Return the definitions of a template's machines by name.

    Functions are named; what is known at deploy time only stands in angle brackets.
    """
    resources = template["Resources"]
    functions = {
        logical_id: resource["Properties"]["FunctionName"]
        for logical_id, resource in resources.items()
        if resource["Type"] == "AWS::Lambda::Function" and "FunctionName" in resource["Properties"]
    }
    return {
        resource["Properties"]["StateMachineName"]: json.loads(
            joined(resource["Properties"]["DefinitionString"], functions)
        )
        for resource in resources.values()
        if resource["Type"] == "AWS::StepFunctions::StateMachine"
    }


def joined(value: Any, names: Mapping[str, str]) -> str:
    """Resolve `Fn::Join` with references by readable names.

    Examples
    --------
    >>> joined({"Fn::Join": ["", ["a ", {"Fn::GetAtt": ["Engine12345678", "Arn"]}]]}, {"Engine12345678": "engine"})
    'a engine'
    >>> joined({"Ref": "Topic12345678"}, {})
    '<Topic>'
    """
    match value:
        case str():
            return value
        case {"Fn::Join": [separator, parts]}:
            return str(separator).join(joined(part, names) for part in parts)
        case {"Fn::GetAtt": [logical_id, "Arn"]} if logical_id in names:
            return names[logical_id]
        case {"Ref": "AWS::Partition"}:
            return "aws"
        case {"Ref": logical_id}:
            return f"<{logical_id[:-8]}>"
        case {"Fn::GetAtt": [logical_id, attribute]}:
            return f"<{logical_id[:-8]}.{attribute}>"
        case _:
            return json.dumps(value)


def as_text(definition: Definition) -> str:
    """Return a definition as it lies in the documents: states by name, so that a change is a small difference."""
    return json.dumps(definition, indent=1, sort_keys=True) + "\n"


def main() -> int:
    """Write the definitions of `prod` into docs/state_machines: part of `make docs`."""
    import aws_cdk as cdk

    from cdk_app.application import compose
    from cdk_app.settings import load_settings

    with tempfile.TemporaryDirectory() as folder:
        app = cdk.App(outdir=folder, context=json.loads((PROJECT / "cdk.json").read_text())["context"])
        compose(app, load_settings(EXPORTED))
        app.synth()
        template = json.loads((Path(folder) / "Pipeline.template.json").read_text())
    FOLDER.mkdir(exist_ok=True)
    for name, definition in resolved_machines(template).items():
        (FOLDER / f"{name}.asl.json").write_text(as_text(definition))
    return 0


if __name__ == "__main__":
    sys.exit(main())
