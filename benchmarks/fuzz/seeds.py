"""Valid inputs of the targets: what a fuzzer changes."""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import json
from pathlib import Path
from typing import Any

from benchmarks.fuzz.targets import folder_of


def seeds(name: str, folder: Path) -> list[bytes]:
    """Return valid inputs of a target, which a fuzzer changes."""
    match name:
        case "events":
            return [bytes([function]) + json.dumps(event).encode() for function, event in example_events()]
        case "data set files":
            return [
                bytes([number]) + file.read_bytes() for number, file in enumerate(sorted(folder_of(folder).iterdir()))
            ]
        case "predictions":
            rows = "date,symbol,probability,fold\n2016-02-01,SIM01,0.5,0\n2016-02-02,SIM02,0.7,0\n"
            import pandas as pd

            parquet = io.BytesIO()
            pd.read_csv(io.StringIO(rows)).to_parquet(parquet, index=False)
            return [b"\x01" + rows.encode(), b"\x00" + parquet.getvalue()]
        case "features":
            from lambdas.core.features import build_features, write_features
            from lambdas.core.market_data.dataset import read_dataset

            write_features(build_features(read_dataset(folder_of(folder))), folder / "valid.parquet")
            return [(folder / "valid.parquet").read_bytes()]
        case "settings":
            return [b"[tuning]\nn_trials = 3\n[walk_forward]\nwindow_days = 30\n[gates]\nevidence = 'required'\n"]
        case "manifest":
            return [valid_manifest()]
        case "index of a folder":
            return [b'{"prices.parquet": {"sha256": "00"}}', b'{"../../x": {}}', b'["a"]']
        case _:
            return [bytes([kind]) + text for kind in range(9) for text in (*STORED, valid_manifest())]


def valid_manifest() -> bytes:
    """Return a manifest of a model whose only file is an empty object."""
    from lambdas.core.models.hyperparameters import Hyperparameters
    from lambdas.core.models.manifest import FORMAT_VERSION, Lineage, Manifest, version_of

    day = dt.date(2016, 1, 4)
    unnamed = Manifest(
        format_version=FORMAT_VERSION,
        version="v00000000-000000000000",
        lineage=Lineage(as_of=day, dataset_hash="00", settings_hash="00"),
        train_first=day,
        train_last=day,
        feature_names=("a",),
        combination="voting",
        hyperparameters=Hyperparameters(),
        libraries={},
        files={"ensemble.json": hashlib.sha256(b"{}").hexdigest()},
    )
    return unnamed.model_copy(update={"version": version_of(unnamed)}).model_dump_json().encode()


STORED = (
    b'{"gate": "live", "verdict": "PASS", "checks": [], "reason": "", "base_rate": null}',
    b'{"requested": ["AAPL"], "problems": {}, "as_of": "2016-01-04", "findings": {}}',
    b'{"decision_session": "2016-01-04", "symbols": ["A"], "probability": [0.5], "open": [], "revision": 0}',
    b'{"portfolio": {"horizon": 5}, "gates": {"hit_rate": 0.6}}',
)


def example_events() -> list[tuple[int, dict[str, Any]]]:
    """Return a valid event of most actions, with the number of its function."""
    uri, version = "s3://bucket/datasets/0123456789abcdef-01234567", "v20260101-0123456789ab"
    fold = {
        "number": 0, "first_decision": "2016-01-04", "last_decision": "2016-02-04", "train_first": "2015-01-05",
        "train_last": "2015-12-31", "tuning_point": 0,
    }  # fmt: skip
    gate = {"gate": "live", "verdict": "FAIL", "checks": [], "reason": "no", "base_rate": None}
    run = {"run_id": "run-1"}
    data = {**run, "dataset_uri": uri}
    point = {"number": 0, "train_first": "2015-01-05", "train_last": "2015-12-31"}
    plan = {
        **run, "action": "plan", "workflow": "daily-assessment", "execution_arn": "arn", "request": {"symbols": ["KO"]},
        "started_at": "2026-11-22T02:00:00Z",
    }  # fmt: skip
    return [
        (0, {}),
        (0, {"symbols": ["AAPL"], "as_of": "2016-01-04", "lookback_days": 90, "dry_run": True}),
        (0, plan),
        (0, {**run, "action": "promote", "version": version, "expected_champion": None}),
        (0, {**run, "action": "reject", "version": version, "stopped_by": gate}),
        (0, {**run, "action": "fail", "workflow": "daily-assessment", "error": "X", "cause": "{}"}),
        (0, {**run, "action": "alarm", "version": version, "gate": gate, "started_at": "2026-11-22T02:00:00Z"}),
        (0, {**run, "action": "note_stopped", "workflow": "daily-assessment", "started_at": 1551225014968,
             "execution_arn": "arn:aws:states:us-east-1:000000000000:execution:daily-assessment:run-1",
             "status": "ABORTED"}),
        (1, {**data, "action": "plan", "lookback_days": 90, "benchmark_period_days": 90}),
        (1, {**data, "action": "evaluate", "predictions_uris": [uri], "hyperparameters_uris": [uri]}),
        (1, {**data, "action": "settle", "version": version, "predictions_uri": uri}),
        (2, {**data, "action": "tune", "point": point}),
        (2, {**data, "action": "fit_fold", "fold": fold, "hyperparameters_uri": uri}),
        (2, {**data, "action": "recommend", "version": version}),
        (3, {**run, "action": "build", "raw_uris": [uri], "as_of": None}),
        (4, {**data, "action": "validate", "predictions_uris": [uri], "holdout_predictions_uri": uri,
             "evaluation_uri": uri, "version": version, "champion": None, "champion_predictions_uri": None}),
    ]  # fmt: skip
