"""Results of the engines on S3: what a search found, predictions, reports."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel

from lambdas.adapters.objects import ObjectStore
from lambdas.adapters.workspace import workspace
from lambdas.contracts.storage import PerformancePrefix

Model = TypeVar("Model", bound=BaseModel)
KEPT_COPIES = 100
"""Local copies of predictions, of some kilobytes each: more than one step reads."""


class TuningStore:
    """What searches found, one JSON object a reuse key, and the logs of their trials.

    A search that is not done has a log only, at ``<key>.log.json``, replaced after each trial. One that its deadline
    cut has its best so far at ``<key>.<n>.json`` too, n being the trials it scored: a folder never says of a search
    that it is complete when it is not, and folds that were fitted on a cut search are told from those that were not.
    """

    def __init__(self, objects: ObjectStore, bucket: str) -> None:
        self._objects = objects
        self._prefix = f"s3://{bucket}/{PerformancePrefix.TUNING}"

    def uri(self, key: str) -> str:
        """Return where the result of a key lies, or will lie."""
        return f"{self._prefix}{key}.json"

    def cut_uri(self, key: str, trials: int) -> str:
        """Return where the best so far of a search lies that was cut after so many trials."""
        return f"{self._prefix}{key}.{trials}.json"

    def key(self, uri: str) -> str:
        """Return the reuse key of a result by where it lies: the same whether the search was cut or not."""
        return uri.removeprefix(self._prefix).partition(".")[0]

    def log(self, key: str) -> list[Any]:
        """Return the trials that an interrupted search of this key has scored; none if there was no such search."""
        found = self._objects.find_json(f"{self._prefix}{key}.log.json")
        trials: list[Any] = [] if found is None else found["trials"]
        return trials

    def save_log(self, key: str, trials: list[Any]) -> None:
        """Keep the trials that a search has scored so far."""
        self._objects.write(f"{self._prefix}{key}.log.json", canonical_json({"trials": trials}))

    def unfinished(self) -> dict[str, int]:
        """Return how many trials each search has scored that has a log and no result: it failed, or still runs."""
        names = self._objects.names(self._prefix)
        done = {name.removesuffix(".json") for name in names}
        keys = [name.removesuffix(".log.json") for name in names if name.endswith(".log.json")]
        return {key: len(self.log(key)) for key in keys if key not in done}

    def find(self, uri: str) -> Any | None:
        """Return what lies there, or None."""
        return self._objects.find_json(uri)

    def read(self, uri: str) -> Any:
        """Return what lies there; `InvalidRequestError` if nothing does."""
        return self._objects.read_json(uri)

    def save(self, uri: str, value: dict[str, Any]) -> Any:
        """Write a result once, and return the one that stands: an earlier writer's, if there was one."""
        if self._objects.write_once(uri, canonical_json(value)):
            return value
        return self.read(uri)


class PredictionStore:
    """Predictions, one Parquet object a reuse key, with a few facts beside them."""

    def __init__(self, objects: ObjectStore, bucket: str) -> None:
        self._objects = objects
        self._prefix = f"s3://{bucket}/{PerformancePrefix.PREDICTIONS}"

    def uri(self, key: str) -> str:
        """Return where the predictions of a key lie, or will lie."""
        return f"{self._prefix}{key}.parquet"

    def facts(self, uri: str) -> Any | None:
        """Return the facts of predictions that are complete, or None. They are written last."""
        return self._objects.find_json(_facts_uri(uri))

    def save(self, file: Path, uri: str, facts: dict[str, Any]) -> Any:
        """Upload predictions once, then their facts, and return the facts that stand."""
        self._objects.upload(file, uri, once=True)
        if self._objects.write_once(_facts_uri(uri), canonical_json(facts)):
            return facts
        return self.facts(uri)

    def download(self, uri: str) -> Path:
        """Return a local copy, verified against the hash its writer recorded.

        Predictions are written once, so a copy that a warm function holds is as good as another; the newest are kept.
        """
        file = self._copy_of(uri)
        if not file.exists():
            self._objects.download(uri, file)
        file.touch()
        for old in sorted(file.parent.iterdir(), key=lambda path: path.stat().st_mtime)[:-KEPT_COPIES]:
            old.unlink()
        return file

    def find(self, uri: str) -> Path | None:
        """Return a local copy, or None where the predictions have expired."""
        there = self._copy_of(uri).exists() or self._objects.exists(uri)
        return self.download(uri) if there else None

    def _copy_of(self, uri: str) -> Path:
        copies = workspace() / "predictions"
        copies.mkdir(exist_ok=True)
        return copies / self._objects.split(uri)[1].replace("/", "__")


class ReportStore:
    """What is kept of a run for people and for later steps: `reports/<run id>/`."""

    def __init__(self, objects: ObjectStore, bucket: str) -> None:
        self._objects = objects
        self._prefix = f"s3://{bucket}/{PerformancePrefix.REPORTS}"

    def uri(self, run_id: str, name: str) -> str:
        """Return where a run's file of that name lies, or will lie."""
        return f"{self._prefix}{run_id}/{name}"

    def index_uri(self) -> str:
        """Return where the page that lists all runs lies: beside their folders, so that its links are relative."""
        return f"{self._prefix}index.html"

    def find(self, uri: str) -> Any | None:
        """Return a JSON report, or None."""
        return self._objects.find_json(uri)

    def read(self, uri: str) -> Any:
        """Return a JSON report; `InvalidRequestError` if there is none."""
        return self._objects.read_json(uri)

    def write(self, uri: str, content: dict[str, Any] | str) -> None:
        """Write a report: a page as it is, anything else as JSON."""
        self._objects.write(uri, content.encode() if isinstance(content, str) else canonical_json(content))


def canonical_json(value: dict[str, Any]) -> bytes:
    """Return the one way a value is written as JSON; NaN is refused, so that every reader can read it."""
    return json.dumps(value, sort_keys=True, allow_nan=False, indent=1).encode()


def _facts_uri(predictions_uri: str) -> str:
    return predictions_uri.removesuffix(".parquet") + ".json"
