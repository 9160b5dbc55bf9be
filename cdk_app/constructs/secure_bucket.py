"""A bucket that only speaks TLS, keeps versions, and grants by prefix."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import aws_cdk as cdk
from aws_cdk import aws_s3 as s3
from constructs import Construct

from cdk_app.constructs.acknowledge import acknowledge
from cdk_app.constructs.engine_function import EngineFunction
from cdk_app.constructs.store_key import StoreKey
from cdk_app.settings import AppSettings


class SecureBucket(Construct):
    """Encrypted, versioned, private, access-logged bucket.

    Encrypted under `key`; without one, as the bucket of the access logs, by S3: it cannot deliver them under a key.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        settings: AppSettings,
        key: StoreKey | None = None,
        access_logs: s3.IBucket | None = None,
        expire_prefixes: dict[str, int] | None = None,
    ) -> None:
        super().__init__(scope, id)
        retain = settings.removal == "retain"
        self._key = key
        self.bucket = s3.Bucket(
            self,
            "Bucket",
            encryption=s3.BucketEncryption.KMS if key else s3.BucketEncryption.S3_MANAGED,
            encryption_key=key.key if key else None,
            bucket_key_enabled=True if key else None,
            enforce_ssl=True,
            minimum_tls_version=1.2,
            versioned=True,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            server_access_logs_bucket=access_logs,
            server_access_logs_prefix=f"{id}/" if access_logs else None,
            removal_policy=cdk.RemovalPolicy.RETAIN if retain else cdk.RemovalPolicy.DESTROY,
            auto_delete_objects=settings.empty_buckets_on_destroy and not retain,
            lifecycle_rules=_lifecycle(expire_prefixes or {}, settings.retention.noncurrent_days),
        )
        if access_logs is None:
            acknowledge(self, "S1", "This is the bucket of the access logs; logging it into itself would never end.")

    def allow_read(self, function: EngineFunction, *prefixes: str) -> None:
        """Let `function` read objects under `prefixes`, and tell a missing object from a forbidden one."""
        self._allow(function, ("s3:GetObject",), prefixes)

    def allow_write(self, function: EngineFunction, *prefixes: str) -> None:
        """Let `function` read and write objects under `prefixes`."""
        self._allow(function, ("s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload"), prefixes)

    def allow_delete(self, function: EngineFunction, *prefixes: str) -> None:
        """Let `function` read and delete objects under `prefixes`; the bucket keeps what they were for a while."""
        self._allow(function, ("s3:GetObject", "s3:DeleteObject"), prefixes)

    def _allow(self, function: EngineFunction, actions: Sequence[str], prefixes: Sequence[str]) -> None:
        # Without ListBucket a missing object answers 403. A condition on `s3:prefix` would bring that back:
        # GetObject and HeadObject carry no prefix.
        function.allow(("s3:ListBucket",), (self.bucket.bucket_arn,))
        if self._key is not None:
            self._key.allow(function, write="s3:PutObject" in actions)
        function.allow(actions, [self.bucket.arn_for_objects(f"{prefix}*") for prefix in prefixes])
        for prefix in prefixes:
            acknowledge(
                function.role,
                f"IAM5[Resource::{self._imported_arn()}/{prefix}*]",
                f"Objects under {prefix} are named by run or content hash: no narrower resource can be written down.",
            )

    def _imported_arn(self) -> str:
        """Name under which another stack imports the bucket's ARN: how the check spells the resource."""
        stack = cdk.Stack.of(self)
        exported = stack.resolve(stack.export_value(self.bucket.bucket_arn))
        return cast(str, exported["Fn::ImportValue"])


def _lifecycle(expire_prefixes: dict[str, int], noncurrent_days: int) -> list[s3.LifecycleRule]:
    everything = s3.LifecycleRule(
        id="OldVersionsAndUnfinishedUploads",
        noncurrent_version_expiration=cdk.Duration.days(noncurrent_days),
        abort_incomplete_multipart_upload_after=cdk.Duration.days(7),
        expired_object_delete_marker=True,
    )
    expiring = [
        s3.LifecycleRule(id=f"Expire-{prefix.rstrip('/')}", prefix=prefix, expiration=cdk.Duration.days(days))
        for prefix, days in expire_prefixes.items()
    ]
    return [everything, *expiring]
