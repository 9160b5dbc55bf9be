"""Reading the templates of a synthesized environment."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cdk_app.definitions import resolved_machines


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
        return resolved_machines(self.template("Pipeline"))[name]
