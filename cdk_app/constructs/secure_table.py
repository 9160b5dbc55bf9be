"""A DynamoDB table of its own or one that exists already, granted action by action."""

from __future__ import annotations

from collections.abc import Sequence

import aws_cdk as cdk
from aws_cdk import aws_dynamodb as dynamodb
from constructs import Construct

from cdk_app.constructs.engine_function import EngineFunction
from cdk_app.settings import AppSettings


class SecureTable(Construct):
    """On-demand table with string keys, point-in-time recovery and encryption under the account's AWS-managed key.

    AWS-managed rather than a key of its own: readers are roles of this account, each with named actions, and every
    use of the key is in CloudTrail all the same.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        settings: AppSettings,
        name: str,
        partition_key: str,
        sort_key: str,
        existing: str | None,
    ) -> None:
        super().__init__(scope, id)
        self.table: dynamodb.ITable
        if existing is not None:
            self.table = dynamodb.Table.from_table_name(self, "Existing", existing)
            return
        retain = settings.removal == "retain"
        self.table = dynamodb.Table(
            self,
            "Table",
            table_name=settings.named(name),
            partition_key=dynamodb.Attribute(name=partition_key, type=dynamodb.AttributeType.STRING),
            sort_key=dynamodb.Attribute(name=sort_key, type=dynamodb.AttributeType.STRING),
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            encryption=dynamodb.TableEncryption.AWS_MANAGED,
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True
            ),
            deletion_protection=retain,
            removal_policy=cdk.RemovalPolicy.RETAIN if retain else cdk.RemovalPolicy.DESTROY,
        )

    def allow(self, function: EngineFunction, *actions: str, partitions: Sequence[str] = ()) -> None:
        """Let `function` do `actions`, if `partitions` are given only on partition keys that match one of them."""
        conditions = {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": list(partitions)}} if partitions else None
        function.allow([f"dynamodb:{action}" for action in actions], (self.table.table_arn,), conditions=conditions)
