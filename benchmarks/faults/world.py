"""The account, the markets and the synthesized machines of the bench."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import boto3
from botocore.config import Config

from cli.local_aws.place import PROJECT_ROOT, Place
from cli.simulation.account import NAMES, TABLES, simulated_account
from lambdas.adapters.aws import Clients
from lambdas.adapters.dynamodb import from_item
from lambdas.contracts.environment import FunctionEnvironment
from lambdas.core.market_data.dataset import write_dataset
from lambdas.core.market_data.sources import SimulatedSource
from lambdas.core.settings import ModelSettings
from lambdas.runtime.stores import Stores
from tests.infrastructure.assemblies import Assembly
from tests.infrastructure.event_rules import Rule, rules_of

SETTINGS = ModelSettings.model_validate(
    {
        "portfolio": {"horizon": 5, "min_history_sessions": 130},
        "walk_forward": {
            "window_days": 120,
            "lookback_days": 240,
            "benchmark_period_days": 90,
            "train_years": 0.6,
            "min_train_sessions": 60,
            "training_stride": 5,
        },
        "tuning": {"n_trials": 1, "inner_folds": 2, "cadence_windows": 0, "network_seeds": 1},
        "evidence": {"bootstrap_draws": 200, "random_portfolios": 20},
        "gates": {"hit_rate": 0.55},
    }
)
"""Small enough for seconds, with every gate asked and its evidence required."""

BUCKETS = tuple(name for key, name in NAMES.items() if key.endswith("_bucket"))
ANALYTICS, RECOMMENDATIONS = NAMES["analytics_table"], NAMES["recommendations_table"]
KEYS = {NAMES[table]: names for table, names in TABLES.items()}


@dataclass(frozen=True)
class Market:
    """A small simulated market; what becomes of its candidates is decided by the gates, and noted for the reader."""

    name: str
    seed: int
    n_symbols: int
    signal_rank_ic: float
    first: dt.date = dt.date(2015, 1, 2)
    last: dt.date = dt.date(2016, 12, 2)

    def write(self, folder: Path) -> Path:
        """Write it as a data set folder."""
        source = SimulatedSource(
            seed=self.seed,
            n_symbols=self.n_symbols,
            signal_rank_ic=self.signal_rank_ic,
            first=self.first,
            last=self.last,
        )
        write_dataset(source.load(None, as_of=None).dataset, folder)
        return folder

    @property
    def uri(self) -> str:
        """Where it is uploaded."""
        return f"s3://{NAMES['datasets_bucket']}/uploads/{self.name}"


MARKETS = (
    Market("one", seed=4, n_symbols=12, signal_rank_ic=0.6),
    Market("two", seed=3, n_symbols=12, signal_rank_ic=0.6),
    Market("three", seed=2, n_symbols=16, signal_rank_ic=0.6, first=dt.date(2014, 9, 2)),
)


@dataclass(frozen=True)
class Snapshot:
    """Everything that is stored: objects with their metadata, and items."""

    objects: Mapping[tuple[str, str], tuple[bytes, Mapping[str, str]]]
    items: Mapping[str, tuple[Mapping[str, Any], ...]]


class Account:
    """The emulator's stores, seen from outside the application: its own clients, which no fault touches."""

    @cached_property
    def s3(self) -> Any:
        """Return a client of S3."""
        return boto3.client("s3", config=Config(retries={"mode": "standard", "max_attempts": 3}))

    @cached_property
    def dynamodb(self) -> Any:
        """Return a client of DynamoDB."""
        return boto3.client("dynamodb", config=Config(retries={"mode": "standard", "max_attempts": 3}))

    @cached_property
    def stores(self) -> Stores:
        """Return the application's own view, for checks."""
        return Stores(FunctionEnvironment(), Clients())

    def keys(self, bucket: str) -> list[str]:
        """Return the keys of a bucket."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        return [entry["Key"] for page in pages for entry in page.get("Contents", [])]

    def items(self, table: str) -> list[dict[str, Any]]:
        """Return the items of a table as plain values."""
        return [from_item(item) for item in self._raw_items(table)]

    def _raw_items(self, table: str) -> list[dict[str, Any]]:
        pages = self.dynamodb.get_paginator("scan").paginate(TableName=table, ConsistentRead=True)
        return [item for page in pages for item in page["Items"]]

    def upload(self, market: Market) -> None:
        """Upload a market as a person would."""
        with tempfile.TemporaryDirectory() as scratch:
            for file in market.write(Path(scratch) / "data").iterdir():
                self.stores.objects.upload(file, f"{market.uri}/{file.name}", once=False)

    def snapshot(self) -> Snapshot:
        """Return what is stored."""
        objects = {}
        for bucket in BUCKETS:
            for key in self.keys(bucket):
                answer = self.s3.get_object(Bucket=bucket, Key=key)
                objects[bucket, key] = (answer["Body"].read(), answer["Metadata"])
        return Snapshot(objects, {table: tuple(self._raw_items(table)) for table in (ANALYTICS, RECOMMENDATIONS)})

    def restore(self, snapshot: Snapshot) -> None:
        """Make the stores hold what `snapshot` says, and nothing else; what is right already stays."""
        for bucket in BUCKETS:
            wanted = {key: content for (place, key), content in snapshot.objects.items() if place == bucket}
            found = self._etags(bucket)
            for key in found.keys() - wanted.keys():
                self.s3.delete_object(Bucket=bucket, Key=key)
            for key, (content, metadata) in wanted.items():
                if found.get(key) != hashlib.md5(content, usedforsecurity=False).hexdigest():
                    self.s3.put_object(Bucket=bucket, Key=key, Body=content, Metadata=metadata)
        for table, names in (
            (ANALYTICS, TABLES["analytics_table"]),
            (RECOMMENDATIONS, TABLES["recommendations_table"]),
        ):
            stored = {json.dumps(item, sort_keys=True): item for item in self._raw_items(table)}
            kept = {json.dumps(item, sort_keys=True): item for item in snapshot.items[table]}
            for text in stored.keys() - kept.keys():
                self.dynamodb.delete_item(TableName=table, Key={name: stored[text][name] for name in names})
            for text in kept.keys() - stored.keys():
                self.dynamodb.put_item(TableName=table, Item=kept[text])

    def _etags(self, bucket: str) -> dict[str, str]:
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        return {entry["Key"]: entry["ETag"].strip('"') for page in pages for entry in page.get("Contents", [])}


@contextmanager
def account() -> Iterator[Account]:
    """Start an emulator with empty stores and a topic, and point this process at it."""
    with simulated_account(SETTINGS):
        os.environ["AMTS_TOPIC_ARN"] = boto3.client("sns").create_topic(Name="alerts")["TopicArn"]
        yield Account()


class Synthesized(NamedTuple):
    """What the application deploys, as far as the bench executes it: definitions by machine, and EventBridge rules."""

    definitions: Mapping[str, dict[str, Any]]
    rules: tuple[Rule, ...]


def synthesized(settings: ModelSettings = SETTINGS) -> Synthesized:
    """Synthesize the application with these settings, as `amts` does."""
    with tempfile.TemporaryDirectory(prefix="amts-faults-") as folder:
        place = Place(Path(folder))
        environment = {
            **place.environment(),
            **as_variables(settings),
            "AMTS_ENV": "local",
            "CDK_OUTDIR": folder,
            "CDK_CONTEXT_JSON": json.dumps(json.loads((PROJECT_ROOT / "cdk.json").read_text())["context"]),
        }
        done = subprocess.run(
            [sys.executable, "app.py"], cwd=PROJECT_ROOT, env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise RuntimeError(f"the application could not be synthesized:\n{done.stderr[-4000:]}")
        assembly = Assembly("local", Path(folder))
        definitions = {name: assembly.machine(name) for name in ("advanced-model-tuning", "daily-assessment")}
        return Synthesized(definitions, rules_of(assembly.template("Pipeline")))


def as_variables(settings: ModelSettings) -> dict[str, str]:
    """Return the environment variables that give these settings to the CDK app.

    Examples
    --------
    >>> as_variables(SETTINGS)["AMTS_MODEL__PORTFOLIO__HORIZON"]
    '5'
    """
    return {
        f"AMTS_MODEL__{group.upper()}__{name.upper()}": str(value)
        for group, values in settings.model_dump(mode="json").items()
        for name, value in values.items()
    }
