"""Files of models, changed, behind the right hashes: what our checks and the native readers make of them.

LightGBM, XGBoost and safetensors are native code: what they do wrong ends the process. So each input is read in a
forked child; a child that is ended by a signal, or takes too long, is counted, and the next one goes on after it.

`python -m benchmarks.fuzz.native NAME INPUTS [unchecked]` prints what came of it as JSON.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import random
import re
import resource
import signal
import struct
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pandas as pd

from benchmarks.fuzz.mutation import mutated_json
from benchmarks.fuzz.targets import nothing_is_written
from lambdas.core.errors import AmtsError
from lambdas.core.features import FeatureSet
from lambdas.core.models import artefact, lightgbm_learner
from lambdas.core.models.combination import Combination
from lambdas.core.models.ensemble import EnsembleModel
from lambdas.core.models.hyperparameters import LEARNER_NAMES, Hyperparameters
from lambdas.core.models.learners import LEARNERS
from lambdas.core.models.manifest import MANIFEST_NAME, Lineage, Manifest, file_hash, version_of

FILES = {
    "XGBoost file": "xgboost.ubj",
    "LightGBM file": "lightgbm.txt",
    "network file": "network.safetensors",
    "ensemble file": "ensemble.json",
}
SECONDS = 10
"""For one input: reading and predicting take a few milliseconds."""

MEMORY_BYTES = 4 << 30
NUMBERS = (
    b"-1",
    b"0",
    b"1",
    b"7",
    b"99999999",
    b"2147483647",
    b"-2147483648",
    b"1e308",
    b"nan",
    b"18446744073709551616",
)
NAMES = tuple("abcdef")
DAY = dt.date(2016, 1, 4)
HOW = ("refused", "read", "predicted", "another error", "ended the process", "took too long")


def attack(name: str, inputs: int, folder: Path, *, checked: bool = True, first: int = 0) -> dict[str, Any]:
    """Change the file of a model so many times, and count what came of it.

    Parameters
    ----------
    name : str
        One of `FILES`.
    inputs : int
    folder : Path
        For the model; empty.
    checked : bool
        With the checks of ours that come before the library, as deployed, or without them.
    first : int
        Number of the first input; input n is the same in every run.

    Returns
    -------
    dict
        How often what happened (`HOW`), numbers of the inputs that ended a process or were too slow, seconds.
    """
    begun = time.monotonic()
    features = small_features()
    save(folder, features)
    valid = (folder / FILES[name]).read_bytes()
    counted: Counter[str] = Counter()
    bad: list[int] = []
    number, end = first, first + inputs
    while number < end:
        said, status = in_child(lambda at=number: read_from(at, end, name, valid, folder, features, checked))  # type: ignore[misc]
        counted.update(HOW[code] for code in said)
        number += len(said)
        if number < end:  # the child did not come to its end
            late = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGALRM
            counted["took too long" if late else "ended the process"] += 1
            bad.append(number)
            number += 1
    (folder / FILES[name]).write_bytes(valid)
    return {
        "inputs": inputs,
        **{how: counted[how] for how in HOW},
        "bad": bad,
        "seconds": round(time.monotonic() - begun, 1),
    }


def in_child(work: Callable[[], Any]) -> tuple[bytes, int]:
    """Fork, and return what the child wrote before its end, and how it ended."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        try:
            for code in work():
                os.write(writer, bytes([code]))
        finally:
            os._exit(0)
    os.close(writer)
    said = b""
    while part := os.read(reader, 1 << 16):
        said += part
    os.close(reader)
    return said, os.waitpid(child, 0)[1]


def read_from(first: int, end: int, name: str, valid: bytes, folder: Path, features: FeatureSet, checked: bool) -> Any:
    """Yield what came of each input, as the place in `HOW`."""
    rows = np.ones((len(features.sessions), len(features.symbols)), dtype=np.bool_)
    for number in range(first, end):
        (folder / FILES[name]).write_bytes(changed(name, valid, random.Random(f"{name} {number}")))  # noqa: S311
        sign(folder)
        signal.alarm(SECONDS)
        code = "another error"
        try:
            with nothing_is_written(folder):
                with patch.object(artefact, "_check_learners", artefact._check_learners if checked else unchecked):
                    model = artefact.load_model(folder)
                code = "another error"
                probability = model.predict(features, features.sessions, rows)["probability"]
            code = "predicted" if probability.between(0, 1).all() else "read"
        except AmtsError:
            code = "refused"
        except Exception:  # counted: only our own error may come of a file
            code = "another error"
        signal.alarm(0)
        yield HOW.index(code)


def unchecked(*_: Any) -> None:
    """Stand in for the checks."""


def small_features() -> FeatureSet:
    """Return a few rows of six features, some of them missing."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=(4, 5, len(NAMES))).astype(np.float32)
    values[rng.random(values.shape) < 0.1] = np.nan
    sessions = pd.DatetimeIndex(["2016-01-04", "2016-01-05", "2016-01-06", "2016-01-07"])
    return FeatureSet(sessions, tuple("PQRST"), NAMES, dict.fromkeys(NAMES, "technical"), values)


def save(folder: Path, features: FeatureSet) -> None:
    """Save a model of five trees a learner, and two small networks."""
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(300, len(NAMES))).astype(np.float32)
    rows[rng.random(rows.shape) < 0.1] = np.nan
    hits = (np.nan_to_num(rows[:, 0]) + rng.normal(size=len(rows)) > 0).astype(float)
    with (
        patch("lambdas.core.models.xgboost_learner.DEFAULT_ROUNDS", 5),
        patch.object(lightgbm_learner, "DEFAULT_ROUNDS", 5),
    ):
        more = {"network": {"width": 8, "n_members": 2}}
        learners = {name: LEARNERS[name](**more.get(name, {})).fit(rows, hits) for name in LEARNER_NAMES}
    third = (1 / 3, 1 / 3, 1 / 3)
    combination = Combination(
        kind="voting", learners=LEARNER_NAMES, weights=third, location=(0.0,) * 3, scale=(1.0,) * 3, slope=1.0,
        intercept=0.0,
    )  # fmt: skip
    model = EnsembleModel(
        learners, combination, Hyperparameters(), features.names, "absolute", "absolute", 5, DAY, DAY, left_out={}
    )
    artefact.save_model(model, folder, Lineage(as_of=DAY, dataset_hash="0", settings_hash="0"))


def sign(folder: Path) -> None:
    """Write the manifest anew, so that every hash is right."""
    content = json.loads((folder / MANIFEST_NAME).read_bytes())
    content["files"] = {name: file_hash(folder / name) for name in content["files"]}
    content["version"] = version_of(Manifest.model_validate(content))
    (folder / MANIFEST_NAME).write_text(json.dumps(content), encoding="utf-8")


def changed(name: str, valid: bytes, rng: random.Random) -> bytes:
    """Return the file with something changed: half of the times in its own grammar, else byte by byte."""
    if name == "ensemble file":
        return (mutated_json(valid, rng) if rng.random() < 0.9 else None) or changed_bytes(valid, rng)
    if rng.random() < 0.5:
        return changed_bytes(valid, rng)
    return {"XGBoost file": changed_ubjson, "LightGBM file": changed_text, "network file": changed_tensors}[name](
        valid, rng
    )


def changed_bytes(data: bytes, rng: random.Random) -> bytes:
    """Flip, overwrite, delete, repeat or cut."""
    content = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 4, 16))):
        at = rng.randrange(len(content) or 1)
        match rng.randrange(6):
            case 0 if content:
                content[at] ^= 1 << rng.randrange(8)
            case 1:
                content[at : at + 1] = bytes([rng.choice((0, 1, 0x7F, 0x80, 0xFF, *b"-9[{$#"))])
            case 2:
                content[at : at + 4] = rng.choice((b"\xff" * 4, b"\x7f\xff\xff\xff", b"\x80\0\0\0", b"\0" * 4, b"-999"))
            case 3:
                del content[at : at + rng.choice((1, 2, 8, 100))]
            case 4:
                begin, n = rng.randrange(len(content) or 1), rng.choice((1, 4, 8, 64))
                content[at:at] = content[begin : begin + n]
            case _:
                del content[at:]
    return bytes(content)


def changed_ubjson(data: bytes, rng: random.Random) -> bytes:
    """Change elements of typed arrays, their lengths, or numbers that are written as text: it stays well-formed."""
    content = bytearray(data)
    sizes = {b"U": 1, b"l": 4, b"d": 4, b"L": 8}
    arrays = [found for found in re.finditer(rb"\[\$([UldL])#L(.{8})", data, re.DOTALL) if any(found[2])]
    texts = list(re.finditer(rb"SL.{7}(.)(\d+)", data, re.DOTALL))
    for _ in range(rng.choice((1, 1, 2, 5))):
        if rng.random() < 0.15:
            found = rng.choice(texts)
            content[found.start(2) : found.end(2)] = rng.choice((b"0", b"9", b"-")) * len(found[2])
            continue
        found = rng.choice(arrays)
        size, n = sizes[found[1]], int.from_bytes(found[2])
        if rng.random() < 0.1:
            content[found.start(2) : found.end(2)] = (n + rng.choice((-1, 1, 2**31, 2**62))).to_bytes(8)
            continue
        at = found.end() + size * rng.randrange(n)
        few = rng.randrange(12).to_bytes(size) if size < 8 or rng.random() < 0.9 else b"\x7f" + b"\xff" * 7
        content[at : at + size] = rng.choice((few, few, b"\xff" * size, b"\x7f" + b"\xff" * (size - 1), b"\x80" * size))
    return bytes(content)


def changed_text(data: bytes, rng: random.Random) -> bytes:
    """Change values of lines, and say the sizes of the trees as they are then."""
    header, *trees = re.split(rb"(?=Tree=\d)", data)
    last, tail = trees[-1].split(b"end of trees", 1)
    parts = [header, *trees[:-1], last]
    for _ in range(rng.choice((1, 1, 2, 5))):
        which = rng.randrange(len(parts))
        lines = parts[which].split(b"\n")
        line = rng.choice([number for number, one in enumerate(lines) if b"=" in one])
        name, _, given = lines[line].partition(b"=")
        values = given.split(b" ")
        at = rng.randrange(len(values))
        match rng.randrange(8):
            case 0:
                values.append(values[at])
            case 1:
                del values[at]
            case 2:
                lines[line] = b""
            case 3:
                lines.insert(line, lines[line])
            case _:
                values[at] = rng.choice((*NUMBERS, str(rng.randint(-20, 20)).encode()))
        if lines[line].startswith(name):
            lines[line] = name + b"=" + b" ".join(values)
        parts[which] = b"\n".join(lines)
    if rng.random() < 0.9:
        sizes = b" ".join(str(len(part)).encode() for part in parts[1:])
        parts[0] = re.sub(rb"tree_sizes=.*", b"tree_sizes=" + sizes, parts[0])
    return b"".join(parts) + b"end of trees" + tail


def changed_tensors(data: bytes, rng: random.Random) -> bytes:
    """Change the header as JSON, and say its length as it is then; or numbers."""
    (n,) = struct.unpack("<Q", data[:8])
    header, numbers = data[8 : 8 + n], bytearray(data[8 + n :])
    if rng.random() < 0.3:
        at = 4 * rng.randrange(len(numbers) // 4)
        numbers[at : at + 4] = rng.choice((b"\xff" * 4, b"\0\0\xc0\x7f", b"\0\0\x80\x7f", b"\x7f" * 4))
        return data[: 8 + n] + bytes(numbers)
    other = mutated_json(header, rng) or header
    said = rng.choice((len(other),) * 8 + (0, 2**63, len(other) + 1))
    return struct.pack("<Q", said) + other + bytes(numbers)


def main() -> None:
    """Attack one file and print the counts."""
    name, inputs, checked = sys.argv[1], int(sys.argv[2]), sys.argv[3:] != ["unchecked"]
    with tempfile.TemporaryDirectory(prefix="amts-fuzz-") as folder:
        print(json.dumps(attack(name, inputs, Path(folder) / "model", checked=checked)))


if __name__ == "__main__":
    main()
