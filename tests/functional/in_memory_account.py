"""An account in memory (moto) with the buckets, tables and the topic of a deployment, and the five handlers on it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws
from moto.core import DEFAULT_ACCOUNT_ID
from moto.sns.models import sns_backends

from cli.in_process import call
from lambdas.adapters.aws import Clients
from lambdas.contracts.environment import FunctionEnvironment
from lambdas.core.settings import ModelSettings
from lambdas.runtime.stores import Stores, forget_clients

__all__ = ["NAMES", "Account", "call", "deployed"]

REGION = "us-east-1"
NAMES = {
    "artefacts_bucket": "amts-test-artefacts",
    "performance_bucket": "amts-test-performance",
    "datasets_bucket": "amts-test-datasets",
    "analytics_table": "ai-performance-analytics",
    "recommendations_table": "stock-recommendations",
}


@dataclass
class Account:
    """The deployment under test: its settings, its stores, and what was announced."""

    stores: Stores
    topic_arn: str
    configure: Callable[..., None]

    @property
    def announcements(self) -> list[dict[str, Any]]:
        topic = sns_backends[DEFAULT_ACCOUNT_ID][REGION].topics[self.topic_arn]
        return [
            {"text": text, "subject": subject, "attributes": {k: v["Value"] for k, v in attributes.items()}}
            for _, text, subject, attributes, *_ in topic.sent_notifications
        ]

    def upload(self, folder: Path, name: str) -> str:
        """Upload a data set folder as a person would, and return its URI."""
        uri = f"s3://{NAMES['datasets_bucket']}/uploads/{name}"
        for file in folder.iterdir():
            self.stores.objects.upload(file, f"{uri}/{file.name}", once=True)
        return uri

    def contents(self) -> dict[str, Any]:
        """Everything that is stored, to compare before and after."""
        s3, dynamodb = boto3.client("s3"), boto3.client("dynamodb")
        objects = {
            f"{bucket}/{entry['Key']}": (entry["ETag"], entry["LastModified"])
            for bucket in (NAMES["artefacts_bucket"], NAMES["performance_bucket"], NAMES["datasets_bucket"])
            for entry in s3.list_objects_v2(Bucket=bucket).get("Contents", [])
        }
        items = {
            table: sorted(json.dumps(item, sort_keys=True) for item in dynamodb.scan(TableName=table)["Items"])
            for table in (NAMES["analytics_table"], NAMES["recommendations_table"])
        }
        return {"objects": objects, "items": items}


@contextmanager
def deployed(monkeypatch: pytest.MonkeyPatch, secret: str = "testing") -> Iterator[Account]:  # noqa: S107
    """An account in memory, with the environment variables that the CDK app sets."""
    for name, value in {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": secret,
        "AWS_DEFAULT_REGION": REGION,
        "POWERTOOLS_METRICS_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        forget_clients()
        s3, dynamodb = boto3.client("s3"), boto3.client("dynamodb")
        for bucket in (NAMES["artefacts_bucket"], NAMES["performance_bucket"], NAMES["datasets_bucket"]):
            s3.create_bucket(Bucket=bucket)
        for table, keys in (
            (NAMES["analytics_table"], ("PK", "SK")),
            (NAMES["recommendations_table"], ("symbol", "recommendation_id")),
        ):
            dynamodb.create_table(
                TableName=table,
                KeySchema=[
                    {"AttributeName": name, "KeyType": kind} for name, kind in zip(keys, ("HASH", "RANGE"), strict=True)
                ],
                AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in keys],
                BillingMode="PAY_PER_REQUEST",
            )
        topic_arn = boto3.client("sns").create_topic(Name="alerts")["TopicArn"]
        machines = {
            f"{kind}_machine_arn": boto3.client("stepfunctions").create_state_machine(
                name=kind,
                definition=json.dumps({"StartAt": "A", "States": {"A": {"Type": "Succeed"}}}),
                roleArn=f"arn:aws:iam::{DEFAULT_ACCOUNT_ID}:role/machine",
            )["stateMachineArn"]
            for kind in ("tuning", "assessment")
        }

        def configure(model: ModelSettings | None = None, **changes: Any) -> None:
            values = {**NAMES, **machines, "topic_arn": topic_arn, "data_source": "simulated", **changes}
            if model is not None:
                values["model"] = model.model_dump(mode="json")
            for name, value in values.items():
                text = value if isinstance(value, str) else json.dumps(value)
                monkeypatch.setenv(f"AMTS_{name.upper()}", text)
            account.stores = Stores(FunctionEnvironment(), Clients())

        account = Account(stores=None, topic_arn=topic_arn, configure=configure)  # type: ignore[arg-type]
        configure()
        yield account
        forget_clients()
