"""Acknowledging one finding of a check, where it arises and with a reason that can be verified."""

from __future__ import annotations

import aws_cdk as cdk
from constructs import IConstruct

AWS_SOLUTIONS = "AwsSolutions::AwsSolutions-"
CLOUDFORMATION = "CloudFormation-Validate::"


def acknowledge(construct: IConstruct, finding: str, reason: str, *, check: str = AWS_SOLUTIONS) -> None:
    """Accept one finding on `construct` and below it.

    Examples
    --------
    >>> acknowledge(bucket, "S1", "The access logs' own bucket.")  # doctest: +SKIP
    >>> acknowledge(role, "IAM5[Resource::*]", "X-Ray has no resource-level permissions.")  # doctest: +SKIP
    """
    cdk.Validations.of(construct).acknowledge(cdk.Acknowledgment(id=f"{check}{finding}", reason=reason))
