"""Reading the templates of a synthesized environment."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Assembly:
    """The templates of one environment, by stack id."""

    environment: str
    folder: Path

    def template(self, stack: str) -> dict[str, Any]:
        """Return the template of a stack."""
        content: dict[str, Any] = json.loads((self.folder / f"{stack}.template.json").read_text())
        return content

    @property
    def stacks(self) -> set[str]:
        """Ids of the stacks."""
        return {path.name.removesuffix(".template.json") for path in self.folder.glob("*.template.json")}

    def resources(self, kind: str, stack: str = "Pipeline") -> dict[str, dict[str, Any]]:
        """Return the resources of a type by logical id, properties only."""
        return {
            name: resource.get("Properties", {})
            for name, resource in self.template(stack)["Resources"].items()
            if resource["Type"] == kind
        }

    def machine(self, name: str) -> dict[str, Any]:
        """Return the definition of a state machine, with the names of functions in place of their ARNs."""
        names = {
            logical_id: properties["FunctionName"]
            for logical_id, properties in self.resources("AWS::Lambda::Function").items()
        }
        for properties in self.resources("AWS::StepFunctions::StateMachine").values():
            if properties["StateMachineName"] == name:
                definition: dict[str, Any] = json.loads(joined(properties["DefinitionString"], names))
                return definition
        raise KeyError(name)


def joined(value: Any, names: dict[str, str]) -> str:
    """Resolve `Fn::Join` with references by readable names."""
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
