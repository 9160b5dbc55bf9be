"""The key that what lies on S3 is encrypted under."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_kms as kms
from constructs import Construct

from cdk_app.constructs.engine_function import EngineFunction
from cdk_app.settings import AppSettings


class StoreKey(Construct):
    """A key of the application's own, rotated yearly, which functions may use through S3 only.

    Whoever may read a bucket and not use the key reads nothing, and switching it off closes every store at once. Bucket
    keys keep its price at a dollar a month: S3 asks for it once in a while and not with every object.
    """

    def __init__(self, scope: Construct, id: str, *, settings: AppSettings) -> None:
        super().__init__(scope, id)
        retain = settings.removal == "retain"
        self.key = kms.Key(
            self,
            "Key",
            description="AMTS stores",
            enable_key_rotation=True,
            removal_policy=cdk.RemovalPolicy.RETAIN if retain else cdk.RemovalPolicy.DESTROY,
        )
        self._granted: set[tuple[str, str]] = set()

    def allow(self, function: EngineFunction, *, write: bool) -> None:
        """Let `function` decrypt what it reads from S3, and encrypt what it writes there."""
        conditions = {"StringEquals": {"kms:ViaService": f"s3.{cdk.Stack.of(self).region}.amazonaws.com"}}
        for action in ("kms:Decrypt", "kms:GenerateDataKey") if write else ("kms:Decrypt",):
            if (function.node.path, action) not in self._granted:
                self._granted.add((function.node.path, action))
                function.allow((action,), (self.key.key_arn,), conditions=conditions)
