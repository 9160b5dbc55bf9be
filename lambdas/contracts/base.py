"""What all contracts have in common, and the types their fields are made of."""

from __future__ import annotations

from typing import Annotated

from pydantic import StringConstraints

from lambdas.core.values import Value

MAX_RESULT_BYTES = 32 * 1024
"""Only references and a few numbers travel through the state machine (docs/architecture.md)."""

SYMBOL_PATTERN = r"^[A-Z0-9][A-Z0-9.\-]{0,11}$"
Symbol = Annotated[str, StringConstraints(pattern=SYMBOL_PATTERN)]
RunId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_\-]{0,79}$")]
ModelVersion = Annotated[str, StringConstraints(pattern=r"^v[0-9]{8}-[0-9a-f]{12}$")]
ExecutionArn = Annotated[
    str,
    StringConstraints(
        pattern=r"^arn:[a-z\-]+:states:[a-z0-9\-]+:[0-9]{12}:execution:[A-Za-z0-9_\-]{1,80}:[^:/]{1,80}$"
    ),
]
"""Of a run; those of the children of a Map have another form."""

S3Uri = Annotated[str, StringConstraints(pattern=r"^s3://[a-z0-9][a-z0-9.\-]{1,61}[a-z0-9]/[A-Za-z0-9/_.=\-]{1,900}$")]


class Contract(Value):
    """Base of all events and results."""
