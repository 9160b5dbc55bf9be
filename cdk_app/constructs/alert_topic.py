"""The topic on which verdicts, failures and alarms are announced."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct

from cdk_app.constructs.engine_function import EngineFunction
from cdk_app.settings import AppSettings


class AlertTopic(Construct):
    """Encrypted topic, TLS only.

    The key is the application's own, because CloudWatch cannot publish an alarm to a topic under the AWS-managed key.
    """

    def __init__(self, scope: Construct, id: str, *, settings: AppSettings) -> None:
        super().__init__(scope, id)
        self.key = kms.Key(
            self,
            "Key",
            description="AMTS announcements",
            enable_key_rotation=True,
            removal_policy=cdk.RemovalPolicy.DESTROY,
        )
        self.key.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[iam.ServicePrincipal("cloudwatch.amazonaws.com")],
                actions=["kms:Decrypt", "kms:GenerateDataKey"],
                resources=["*"],
                conditions={"StringEquals": {"aws:SourceAccount": cdk.Stack.of(self).account}},
            )
        )
        self.topic = sns.Topic(
            self,
            "Topic",
            topic_name=settings.named("amts-announcements"),
            display_name="AMTS",
            master_key=self.key,
            enforce_ssl=True,
        )
        self.topic.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[iam.ServicePrincipal("cloudwatch.amazonaws.com")],
                actions=["sns:Publish"],
                resources=[self.topic.topic_arn],
                conditions={"StringEquals": {"aws:SourceAccount": cdk.Stack.of(self).account}},
            )
        )
        if settings.alarm_email:
            self.topic.add_subscription(subscriptions.EmailSubscription(settings.alarm_email))

    def allow_publish(self, function: EngineFunction) -> None:
        """Let `function` announce."""
        function.allow(("sns:Publish",), (self.topic.topic_arn,))
        function.allow(("kms:Decrypt", "kms:GenerateDataKey"), (self.key.key_arn,))
