"""What is known of a collected batch beside its data: `quality.json` in its folder."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from pydantic import Field

from lambdas.core.market_data.sources import Findings
from lambdas.core.values import Value

FILE = "quality.json"


class BatchRecord(Value):
    """What was asked of the source, what it could not deliver, and what it had to do without (`Finding`)."""

    requested: tuple[str, ...]
    problems: dict[str, str]
    as_of: dt.date | None
    findings: Findings = Field(default_factory=dict)

    def write(self, folder: Path) -> None:
        """Write the record beside the data."""
        (folder / FILE).write_text(self.model_dump_json(indent=1))

    @classmethod
    def read(cls, folder: Path) -> BatchRecord:
        """Read the record of a folder that was collected."""
        return cls.model_validate_json((folder / FILE).read_text())
