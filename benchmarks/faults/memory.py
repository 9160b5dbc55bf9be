"""Pure computations of the core, done once a market and remembered: the bench is about what is stored, not about fits.

Only functions of arrays and settings are remembered, under a hash of everything they are given; every request to a
store is made in every run. Executions in the emulator remember nothing.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import os
import pickle
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pandas as pd
from pydantic import BaseModel

import lambdas.backtesting_engine.evaluating as evaluating
import lambdas.ensemble_model_engine.candidate as candidate
import lambdas.ensemble_model_engine.folds as folds
import lambdas.fundamental_data_enrichment.building as building
import lambdas.market_validation_engine.validating as validating
from lambdas.adapters.reuse import code_version

REMEMBERED = (
    (building, "build_features"),
    (building, "assert_no_look_ahead"),
    (folds, "tune_hyperparameters"),
    (folds, "fit_and_predict_fold"),
    (folds, "measure_drops"),
    (candidate.ensemble, "fit_candidate"),
    (candidate, "explain"),
    (evaluating, "weigh_trials"),
    (evaluating, "run_backtest"),
    (evaluating, "evaluation_of"),
    (evaluating, "measure_exhibits"),
    (validating, "validate_candidate"),
)


@cache
def folder() -> Path:
    """Return where results lie: a folder that belongs to this state of the core, which forked processes share."""
    place = Path(tempfile.gettempdir()) / f"amts-faults-{code_version()}"
    place.mkdir(exist_ok=True)
    return place


def remembered(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    """Return a function that computes what it has not computed before."""

    def recall(*arguments: Any, **named: Any) -> Any:
        save = named.get("save")  # the log of a search is written trial by trial
        given = {key: value for key, value in named.items() if not callable(value)}
        file = folder() / hashlib.sha256(b"".join(pieces((name, arguments, given)))).hexdigest()
        if file.exists():
            logs, result = pickle.loads(file.read_bytes())  # noqa: S301 - written below, by this run
            for log in logs:
                save(log)  # type: ignore[misc]
            return result
        logs = []
        if save is not None:

            def keep(log: Any) -> None:
                logs.append(list(log))
                save(log)

            named["save"] = keep
        result = function(*arguments, **named)
        partial = file.with_suffix(f".{os.getpid()}")
        partial.write_bytes(pickle.dumps((logs, result)))
        partial.rename(file)
        return result

    return recall


def pieces(value: Any) -> Iterator[bytes]:
    """Yield what a value is made of, the same for equal values."""
    yield type(value).__name__.encode()
    match value:
        case np.ndarray():
            yield repr(value.tolist()).encode() if value.dtype == object else np.ascontiguousarray(value).tobytes()
        case pd.DataFrame():
            for name in value:
                yield from pieces((str(name), value[name].to_numpy()))
        case pd.Index():
            yield from pieces(value.to_numpy())
        case dict():
            for key, entry in value.items():
                yield from pieces((key, entry))
        case tuple() | list():
            for entry in value:
                yield from pieces(entry)
        case BaseModel():
            yield value.model_dump_json().encode()
        case _ if is_dataclass(value):
            for one in fields(value):
                yield from pieces((one.name, getattr(value, one.name)))
        case None | str() | int() | float() | bytes() | dt.date() | pd.Timestamp():
            yield repr(value).encode()
        case _:
            yield pickle.dumps(value)


@contextmanager
def remembering() -> Iterator[None]:
    """Remember the computations of `REMEMBERED` meanwhile."""
    with ExitStack() as stack:
        for module, name in REMEMBERED:
            stack.enter_context(patch.object(module, name, remembered(ORIGINALS[module.__name__, name], name)))
        yield


ORIGINALS = {(module.__name__, name): getattr(module, name) for module, name in REMEMBERED}
