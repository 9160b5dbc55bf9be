"""What is fuzzed: each takes bytes that a stranger chose, and may raise our errors only.

A target is made by a function that prepares a folder of valid files, so that what is changed is the only thing wrong.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

from lambdas.core.errors import AmtsError

Target = Callable[[bytes], None]
TEXTS = ("date", "symbol")


class WroteError(BaseException):
    """A reader wrote, opened a connection or started a process: no input may make it do so."""


class ReachedStoresError(Exception):
    """An event fits its contract, and its step goes to work."""


FORBIDDEN = (
    "os.remove",
    "os.rename",
    "os.mkdir",
    "os.rmdir",
    "os.system",
    "socket.connect",
    "subprocess.Popen",
    "os.exec",
)
_WATCHED: list[Path] = []


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if not _WATCHED:
        return
    if event == "open":
        path, _, flags = arguments
        writes = isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC)
        if writes and isinstance(path, str) and not path.endswith(".pyc") and not path.startswith("/dev/"):
            raise WroteError(f"open {path}")
    elif event.startswith(FORBIDDEN):
        raise WroteError(f"{event} {arguments[:1]}")


@contextmanager
def nothing_is_written(scratch: Path) -> Iterator[None]:
    """Raise `WroteError` if anything is written, connected to or started meanwhile."""
    _WATCHED.append(scratch)
    try:
        yield
    finally:
        _WATCHED.pop()


sys.addaudithook(_audit)


def quiet(target: Target) -> Target:
    """Return the target with our own errors allowed."""

    def run(data: bytes) -> None:
        try:
            target(data)
        except AmtsError as error:
            message = str(error)
            if len(message) < 10 or len(message) > 20_000:
                raise AssertionError(f"a message of {len(message)} characters: {message[:200]}") from error
        except ReachedStoresError:
            pass

    return run


def events(folder: Path) -> Target:
    """Return: an event for one of the five functions, as JSON; the first byte says for which."""
    import lambdas.runtime.step as runtime
    from lambdas.advanced_model_tuning_service.handler import handler as service
    from lambdas.backtesting_engine.handler import handler as backtesting
    from lambdas.ensemble_model_engine.handler import handler as ensemble
    from lambdas.fundamental_data_enrichment.handler import handler as enrichment
    from lambdas.market_validation_engine.handler import handler as validation

    handlers = (service, backtesting, ensemble, enrichment, validation)

    class NoStores:
        request_id = "fuzz"

        def __getattr__(self, name: str) -> Any:
            raise ReachedStoresError(name)

    def run(data: bytes) -> None:
        try:
            event = json.loads(data[1:])
        except (ValueError, RecursionError):
            return  # Lambda hands on JSON only
        if not isinstance(event, dict):
            return
        with patch.object(runtime, "stores_of_invocation", lambda _: NoStores()), nothing_is_written(folder):
            handlers[data[0] % len(handlers)](event, None)

    return run


def stored_records(folder: Path) -> Target:
    """Return: JSON of what is stored and read back; the first byte says as what."""
    from pydantic import BaseModel, ValidationError

    from lambdas.adapters.objects import parse_json
    from lambdas.contracts.backtesting import LiveSession
    from lambdas.core.market_data.quality import QualityReport
    from lambdas.core.models.hyperparameters import Hyperparameters
    from lambdas.core.models.manifest import Manifest
    from lambdas.core.models.search import Trial
    from lambdas.core.settings import ModelSettings
    from lambdas.core.validation.values import Validation
    from lambdas.core.values import GateRecord
    from lambdas.fundamental_data_enrichment.batch import BatchRecord

    models: tuple[type[BaseModel], ...] = (
        LiveSession, QualityReport, Hyperparameters, Manifest, Trial, ModelSettings, Validation, GateRecord,
        BatchRecord,
    )  # fmt: skip

    def run(data: bytes) -> None:
        model = models[data[0] % len(models)]
        with nothing_is_written(folder):
            content = parse_json("s3://bucket/object", data[1:])
            try:
                model.model_validate(content)
            except ValidationError:
                return

    return run


def folder_of(folder: Path) -> Path:
    """Write a small valid data set folder."""
    from lambdas.core.market_data.dataset import write_dataset
    from lambdas.core.market_data.sources import SimulatedSource

    place = folder / "data"
    if not place.exists():
        source = SimulatedSource(seed=1, n_symbols=5, first=dt.date(2016, 1, 4), last=dt.date(2017, 3, 1))
        write_dataset(source.load(None, as_of=dt.date(2016, 2, 26)).dataset, place)
    return place


def dataset_files(folder: Path) -> Target:
    """Return: one file of a data set folder; the first byte says which, the others are valid."""
    from lambdas.core.market_data.dataset import read_dataset

    place = folder_of(folder)
    valid = {file.name: file.read_bytes() for file in sorted(place.iterdir())}
    names = list(valid)

    def run(data: bytes) -> None:
        name = names[data[0] % len(names)]
        (place / name).write_bytes(data[1:])
        try:
            with nothing_is_written(folder):
                read_dataset(place)
        finally:
            (place / name).write_bytes(valid[name])

    return run


def one_table(folder: Path) -> Target:
    """Return: one file of a data set folder, read by itself; the first byte says as which."""
    from benchmarks.fuzz.mutation import SCHEMAS
    from lambdas.core.market_data.panel_file import read_panel
    from lambdas.core.market_data.tables import read_frame

    def run(data: bytes) -> None:
        schema = SCHEMAS[data[0] % len(SCHEMAS)]
        (folder / schema.file).write_bytes(data[1:])
        with nothing_is_written(folder):
            if schema.is_bars:
                read_panel(folder, schema, [])
            else:
                read_frame(folder, schema)

    return run


def predictions(folder: Path) -> Target:
    """Return: a file of predictions, as Parquet or as CSV, laid onto a data set."""
    from lambdas.core.backtest.predictions import align_predictions, read_predictions
    from lambdas.core.market_data.dataset import read_dataset

    dataset = read_dataset(folder_of(folder))

    def run(data: bytes) -> None:
        file = folder / ("p.csv" if data[0] % 2 else "p.parquet")
        file.write_bytes(data[1:])
        with nothing_is_written(folder):
            align_predictions(read_predictions(file), dataset)

    return run


def features_file(folder: Path) -> Target:
    """Return: a file of features."""
    from lambdas.core.features import read_features

    file = folder / "features.parquet"

    def run(data: bytes) -> None:
        file.write_bytes(data)
        with nothing_is_written(folder):
            read_features(file)

    return run


def manifest(folder: Path) -> Target:
    """Return: the manifest of a model."""
    from lambdas.core.models.manifest import verify_artefact

    place = folder / "model"
    place.mkdir(exist_ok=True)
    (place / "ensemble.json").write_text("{}")

    def run(data: bytes) -> None:
        (place / "manifest.json").write_bytes(data)
        with nothing_is_written(folder):
            verify_artefact(place)

    return run


def settings_file(folder: Path) -> Target:
    """Return: a settings file."""
    from cli.inputs import read_settings

    file = folder / "settings.toml"

    def run(data: bytes) -> None:
        file.write_bytes(data)
        with nothing_is_written(folder):
            read_settings(file, lookback_days=90)

    return run


def folder_index(folder: Path) -> Target:
    """Return: the index of an uploaded folder; no name in it may lead out of the folder."""
    from lambdas.adapters.objects import INDEX, ObjectStore

    class OneObject:
        content = b""

        def get_object(self, Bucket: str, Key: str) -> Any:  # noqa: N803 - the client's names
            class Body(io.BytesIO):
                def iter_chunks(self, size: int) -> Iterator[bytes]:
                    yield self.read()

            if not Key.startswith("uploads/x/") or ".." in Key:
                raise WroteError(f"asked for {Key}")
            content = self.content if Key.endswith(INDEX) else b"x"
            return {"Body": Body(content), "Metadata": {}, "ETag": "1", "ContentLength": len(content)}

    client = OneObject()
    store = ObjectStore(client, ("bucket",))  # type: ignore[arg-type]
    target = folder / "copy" / "inner"

    def run(data: bytes) -> None:
        client.content = data
        shutil.rmtree(folder / "copy", ignore_errors=True)
        try:
            store.download_folder("s3://bucket/uploads/x", target)
        finally:
            outside = [path for path in (folder / "copy").rglob("*") if path.is_file() and target not in path.parents]
            if outside:
                raise WroteError(str(outside))

    return run


TARGETS: dict[str, Callable[[Path], Target]] = {
    "events": events,
    "stored records": stored_records,
    "data set files": dataset_files,
    "predictions": predictions,
    "features": features_file,
    "manifest": manifest,
    "settings": settings_file,
    "index of a folder": folder_index,
}


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
            rows = "date,symbol,probability,fold\n2016-02-01,S0001,0.5,0\n2016-02-02,S0002,0.7,0\n"
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
