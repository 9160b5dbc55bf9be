"""Joining the collected batches into one data set, and computing its features."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd

from lambdas.adapters.datasets import FEATURES
from lambdas.adapters.reuse import core_version, reuse_key
from lambdas.adapters.workspace import workspace
from lambdas.contracts.enrichment import BuildRequest, BuildResult
from lambdas.contracts.metrics import Metric
from lambdas.core.errors import InvalidDatasetError
from lambdas.core.exhibits.quality import shortened_quality
from lambdas.core.features import assert_no_look_ahead, build_features, write_features
from lambdas.core.gates import data_quality_gate
from lambdas.core.market_data.dataset import dataset_hash, merge_datasets, read_dataset, write_dataset
from lambdas.core.market_data.panel import MarketDataset
from lambdas.core.market_data.quality import quality_report
from lambdas.core.market_data.sources import Findings
from lambdas.fundamental_data_enrichment.batch import FILE as QUALITY
from lambdas.fundamental_data_enrichment.batch import BatchRecord
from lambdas.runtime.observability import measure
from lambdas.runtime.step import step
from lambdas.runtime.stores import Stores

TRUNCATION_CHECKS = (0.6, 0.95)
"""Where in the sessions features are computed a second time without what came later."""


@step(BuildRequest, BuildResult)
def build(request: BuildRequest, stores: Stores) -> BuildResult:
    """Join the batches, judge the data, compute the features and prove that they do not look ahead."""
    dataset, record = join(request, stores)
    folder = workspace() / "dataset"
    shutil.rmtree(folder, ignore_errors=True)
    write_dataset(dataset, folder)
    features = build_features(dataset)
    assert_no_look_ahead(dataset, checked_dates(dataset), built=features)
    quality = quality_report(
        dataset,
        record.requested or None,
        record.problems,
        request.as_of or record.as_of,
        findings=record.findings,
        features=features,
    )
    write_features(features, folder / FEATURES)
    (folder / QUALITY).write_text(quality.model_dump_json(indent=1))
    content = dataset_hash(dataset)
    dataset_uri = stores.datasets.save(folder, content, reuse_key(core_version(), quality)[:8])
    gate = data_quality_gate(quality, stores.settings.gates)
    # What is wrong goes with the verdict: a run that ends here has no other record of it.
    shortened = json.dumps(shortened_quality(quality))
    stores.analytics.record_gate(request.run_id, gate, quality=shortened, dataset_hash=content)
    measure(Metric.SYMBOL_COVERAGE, quality.symbol_coverage)
    measure(Metric.STALENESS_SESSIONS, quality.staleness_sessions)
    return BuildResult(
        dataset_uri=dataset_uri,
        dataset_hash=content,
        as_of=dataset.sessions[-1].date(),
        n_symbols=len(dataset.prices.symbols),
        n_sessions=len(dataset.sessions),
        symbol_coverage=quality.symbol_coverage,
        staleness_sessions=quality.staleness_sessions,
        absent_families=quality.absent_families,
        gate=gate,
    )


def join(request: BuildRequest, stores: Stores) -> tuple[MarketDataset, BatchRecord]:
    """Return one data set of all batches, and what was asked of the source in all of them."""
    datasets, records = [], []
    for uri in request.raw_uris:
        folder: Path = stores.datasets.folder(uri)
        datasets.append(read_dataset(folder, allow_empty=True))
        records.append(BatchRecord.read(folder))
    if not datasets:
        raise InvalidDatasetError("raw_uris is empty: no batch was collected; check the symbols and the source")
    findings: Findings = {}
    for record in records:
        for kind, details in record.findings.items():
            findings.setdefault(kind, {}).update(details)
    days = [record.as_of for record in records if record.as_of is not None]
    return merge_datasets(datasets), BatchRecord(
        requested=tuple(sorted({symbol for record in records for symbol in record.requested})),
        problems={symbol: reason for record in records for symbol, reason in sorted(record.problems.items())},
        as_of=max(days, default=None),
        findings={kind: dict(sorted(details.items())) for kind, details in sorted(findings.items())},
    )


def checked_dates(dataset: MarketDataset) -> list[pd.Timestamp]:
    """Return the sessions at which the truncation test is run with every build."""
    last = len(dataset.sessions) - 1
    return [dataset.sessions[int(share * last)] for share in TRUNCATION_CHECKS]
