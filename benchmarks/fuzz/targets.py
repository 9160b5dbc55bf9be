"""What is fuzzed: each takes bytes that a stranger chose, and may raise our errors only.

A target is made by a function that prepares a folder of valid files, so that what is changed is the only thing wrong.
"""

from __future__ import annotations

import datetime as dt
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
    """Return: one file of a data set folder; the first byte says which, the others are valid.

    Reading the valid ones is most of the work, and always comes to the same: it is done once. What is done with all of
    them together is done for every input.
    """
    from lambdas.core.market_data import dataset, tables

    place = folder_of(folder)
    valid = {file.name: file.read_bytes() for file in sorted(place.iterdir())}
    names = list(valid)
    read = {"panel": dataset.read_panel, "frame": tables.read_frame}
    known: dict[str, Any] = {}
    changed = ""

    def remembered(kind: str) -> Callable[..., Any]:
        def once(at: Path, schema: Any, *arguments: Any, **named: Any) -> Any:
            if schema.file == changed:
                return read[kind](at, schema, *arguments, **named)
            if schema.file not in known:
                known[schema.file] = read[kind](at, schema, *arguments, **named)
            return known[schema.file]

        return once

    dataset.read_dataset(place)  # the valid files are valid

    def run(data: bytes) -> None:
        nonlocal changed
        changed = names[data[0] % len(names)]
        (place / changed).write_bytes(data[1:])
        try:
            with (
                nothing_is_written(folder),
                patch.object(dataset, "read_panel", remembered("panel")),
                patch.object(tables, "read_frame", remembered("frame")),
            ):
                dataset.read_dataset(place)
        finally:
            (place / changed).write_bytes(valid[changed])

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
