"""An AWS account of its own for a simulation: the emulator in a folder that is thrown away, and nothing deployed."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import boto3

from cli.local_aws import emulator
from cli.local_aws.place import ACCOUNT, REGION, Place
from lambdas.contracts.settings import ModelSettings
from lambdas.runtime.threads import processors

NAMES = {
    "artefacts_bucket": "amts-simulation-artefacts",
    "performance_bucket": "amts-simulation-performance",
    "datasets_bucket": "amts-simulation-datasets",
    "analytics_table": "ai-performance-analytics",
    "recommendations_table": "stock-recommendations",
}
TABLES = {"analytics_table": ("PK", "SK"), "recommendations_table": ("symbol", "recommendation_id")}


def variables(settings: ModelSettings, endpoint: str) -> dict[str, str]:
    """Return the environment that the handlers run in: what the CDK app sets, and the way to the emulator."""
    stores = {f"AMTS_{name.upper()}": value for name, value in NAMES.items()}
    return {
        **stores,
        "AMTS_ENVIRONMENT": "simulation",
        "AMTS_TOPIC_ARN": "",
        "AMTS_DATA_SOURCE": "simulated",
        "AMTS_MODEL": json.dumps(settings.model_dump(mode="json")),
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": ACCOUNT,
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_DEFAULT_REGION": REGION,
        "POWERTOOLS_METRICS_DISABLED": "true",
        "POWERTOOLS_TRACE_DISABLED": "true",
        "POWERTOOLS_LOG_LEVEL": "CRITICAL",
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", str(processors())),
    }


@contextmanager
def simulated_account(settings: ModelSettings) -> Iterator[None]:
    """Start an emulator with empty buckets and tables, and point this process at it until the end.

    Raises
    ------
    SetupError
        If the emulator is not installed or does not start.
    """
    with tempfile.TemporaryDirectory(prefix="amts-simulation-") as folder:
        place = Place(Path(folder))
        running = emulator.start(place, emulator.free_port())
        kept = dict(os.environ)
        for name in [name for name in os.environ if name.startswith(("AWS_", "AMTS_"))]:
            del os.environ[name]
        os.environ.update(variables(settings, running.endpoint))
        try:
            make_stores()
            yield
        finally:
            os.environ.clear()
            os.environ.update(kept)
            emulator.stop(place)


def make_stores() -> None:
    """Make the buckets and tables that the data stack would."""
    s3, dynamodb = boto3.client("s3"), boto3.client("dynamodb")
    for name in NAMES:
        if name.endswith("_bucket"):
            s3.create_bucket(Bucket=NAMES[name])
    for name, keys in TABLES.items():
        dynamodb.create_table(
            TableName=NAMES[name],
            KeySchema=[
                {"AttributeName": keys[0], "KeyType": "HASH"},
                {"AttributeName": keys[1], "KeyType": "RANGE"},
            ],
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in keys],
            BillingMode="PAY_PER_REQUEST",
        )
