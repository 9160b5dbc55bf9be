"""Everything stateful: three buckets under one key, two tables."""

from __future__ import annotations

from typing import Any

import aws_cdk as cdk
from constructs import Construct

from cdk_app.constructs.secure_bucket import SecureBucket
from cdk_app.constructs.secure_table import SecureTable
from cdk_app.constructs.store_key import StoreKey
from cdk_app.settings import AppSettings
from lambdas.contracts.storage import DatasetsPrefix, PerformancePrefix


class DataStack(cdk.Stack):
    """What must survive a deployment of anything else."""

    def __init__(self, scope: Construct, id: str, *, settings: AppSettings, **kwargs: Any) -> None:
        super().__init__(scope, id, **kwargs)
        keep = settings.retention
        key = StoreKey(self, "Key", settings=settings)
        access_logs = SecureBucket(self, "AccessLogs", settings=settings, expire_prefixes={"": keep.logs_days})
        self.artefacts = SecureBucket(self, "Artefacts", settings=settings, key=key, access_logs=access_logs.bucket)
        self.performance = SecureBucket(
            self,
            "Performance",
            settings=settings,
            key=key,
            access_logs=access_logs.bucket,
            # Reports are the record of verdicts and stay; the rest can be computed again.
            expire_prefixes={
                PerformancePrefix.PREDICTIONS: keep.datasets_days,
                PerformancePrefix.TUNING: keep.datasets_days,
            },
        )
        self.datasets = SecureBucket(
            self,
            "Datasets",
            settings=settings,
            key=key,
            access_logs=access_logs.bucket,
            # What sources answered stays: a company that was delisted since cannot be asked for again.
            expire_prefixes={
                DatasetsPrefix.BATCHES: keep.raw_days,
                DatasetsPrefix.UPLOADS: keep.raw_days,
                DatasetsPrefix.DATASETS: keep.datasets_days,
            },
        )
        self.analytics = SecureTable(
            self,
            "Analytics",
            settings=settings,
            name="ai-performance-analytics",
            partition_key="PK",
            sort_key="SK",
            existing=settings.existing_analytics_table,
        )
        self.recommendations = SecureTable(
            self,
            "Recommendations",
            settings=settings,
            name="stock-recommendations",
            partition_key="symbol",
            sort_key="recommendation_id",
            existing=settings.existing_recommendations_table,
        )
