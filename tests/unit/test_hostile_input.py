"""Inputs of strangers: refused with our own errors, within memory, and without a write.

A small number of what `make fuzz` tries (benchmarks/fuzz), and the shapes that are meant to hurt, one by one.
"""

from __future__ import annotations

import base64
import io
import json
import random
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.fuzz import mutation, native, targets
from benchmarks.fuzz.seeds import seeds as valid_inputs
from cli.local_aws.place import PROJECT_ROOT
from lambdas.adapters.objects import INDEX, ObjectStore
from lambdas.contracts.tuning_run import TuningRequest
from lambdas.core.backtest.predictions import read_predictions
from lambdas.core.errors import (
    ArtefactIntegrityError,
    InvalidDatasetError,
    InvalidPredictionsError,
    InvalidRequestError,
)
from lambdas.core.market_data.dataset import read_dataset
from lambdas.core.market_data.panel_file import read_panel
from lambdas.core.market_data.tables import PRICES, read_frame
from lambdas.core.market_data.tables import SECURITIES as SECURITIES_TABLE
from lambdas.core.parquet import MAX_ROWS
from lambdas.runtime.validation import MAX_INPUT, strictly

MEGABYTES = 1 << 20
Fuzzed = tuple[str, targets.Target, list[bytes]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hostile")


@pytest.fixture(scope="module", params=sorted(targets.TARGETS))
def target(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, targets.Target, list[bytes]]:
    place = tmp_path_factory.mktemp("target")
    made = targets.quiet(targets.TARGETS[request.param](place))
    seeds = valid_inputs(request.param, place)
    for seed in seeds:  # imports what is imported late
        made(seed)
    return request.param, made, seeds


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(number=st.integers(0, 2**32), noise=st.binary(max_size=60))
def test_changed_inputs_end_in_our_errors(target: Fuzzed, number: int, noise: bytes) -> None:
    name, run, seeds = target
    rng = random.Random(number)
    seed = rng.choice(seeds)
    skip = int(name in ("events", "stored records", "data set files", "predictions"))
    changed = mutation.mutated_json(seed[skip:], rng)
    if changed is None:
        at = rng.randrange(len(seed))
        changed = seed[skip:at] + noise + seed[at + len(noise) :]
    run((seed[:skip] + changed) or b"\x00")


@pytest.mark.parametrize("name", ["data set files", "predictions", "features", "settings"])
def test_what_the_fuzzer_begins_with_is_read(name: str, tmp_path: Path) -> None:
    """Else it would try in how many ways a file can be refused, and nothing behind that."""
    run = targets.TARGETS[name](tmp_path)

    for seed in valid_inputs(name, tmp_path):
        run(seed)


def test_the_data_set_target_reads_what_was_changed(tmp_path: Path) -> None:
    """It remembers what valid files hold, never what the changed one does."""
    run = targets.TARGETS["data set files"](tmp_path)
    for seed in valid_inputs("data set files", tmp_path):
        run(seed)
        table = pq.read_table(io.BytesIO(seed[1:]))
        out = io.BytesIO()
        pq.write_table(table.rename_columns([f"{name}!" for name in table.column_names]), out)
        with pytest.raises(InvalidDatasetError, match="is missing"):
            run(seed[:1] + out.getvalue())
        run(seed)


def test_most_changed_tables_are_still_parquet() -> None:
    out = io.BytesIO()
    pq.write_table(pa.table({"date": [1, 2, 3], "symbol": ["A", "B", "C"], "close": [1.0, 2.0, None]}), out)
    changed = [mutation.mutated_table(out.getvalue(), random.Random(number)) for number in range(100)]

    assert sum(data is not None and data.startswith(b"PAR1") for data in changed) > 80
    assert len(set(changed)) > 80
    assert mutation.mutated_table(b"PAR1 nonsense", random.Random(0)) is None


@pytest.mark.slow
@pytest.mark.parametrize("name", native.FILES)
def test_no_file_of_a_model_ends_the_process(name: str) -> None:
    """In a process of its own, as native code may take that with it."""
    found = attacked(name, 60)

    assert found["refused"] > 30
    assert [found[what] for what in ("another error", "ended the process", "took too long")] == [0, 0, 0], found


@pytest.mark.slow
def test_without_our_checks_the_same_files_end_it() -> None:
    assert attacked("LightGBM file", 15, "unchecked")["ended the process"] > 0


def attacked(name: str, inputs: int, *how: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.fuzz.native", name, str(inputs), *how]
    done = subprocess.run(command, cwd=PROJECT_ROOT, capture_output=True, text=True, check=True)  # noqa: S603
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(number=st.integers(0, 2**32))
def test_tables_of_any_shape_end_in_our_errors(folder: Path, number: int) -> None:
    rng = random.Random(number)
    which = rng.randrange(len(mutation.SCHEMAS))
    targets.quiet(targets.one_table(folder))(bytes([which]) + mutation.hostile_table(mutation.SCHEMAS[which], rng))


def test_the_harness_sees_a_write_and_a_foreign_error(folder: Path) -> None:
    def writes(_: bytes) -> None:
        with targets.nothing_is_written(folder):
            (folder / "left-behind").write_text("x")

    def fails(_: bytes) -> None:
        raise KeyError("x")

    with pytest.raises(targets.WroteError):
        targets.quiet(writes)(b"")
    with pytest.raises(KeyError):
        targets.quiet(fails)(b"")


def many_rows(file: Path, columns: dict[str, pa.Array], groups: int) -> Path:
    """Write the same rows many times: run lengths make a few kilobytes of each row group."""
    table = pa.table(columns)
    with pq.ParquetWriter(file, table.schema) as writer:
        for _ in range(groups):
            writer.write_table(table, row_group_size=table.num_rows)
    return file


def test_a_billion_rows_in_a_small_file_are_counted_and_not_read(folder: Path) -> None:
    """Fifty groups of 20 million rows, each a run length."""
    place = folder / "billion"
    place.mkdir()
    file = many_rows(place / PRICES.file, {"close": pa.nulls(20_000_000)}, groups=50)
    assert file.stat().st_size < 4 * MEGABYTES  # how small depends on how the writer cuts pages
    assert pq.read_metadata(file).num_rows == 1_000_000_000
    pool = pa.default_memory_pool()
    before = pool.bytes_allocated()

    with pytest.raises(InvalidDatasetError, match=rf"1000000000 rows .* more than {MAX_ROWS}"):
        read_panel(place, PRICES, [])
    with pytest.raises(InvalidPredictionsError, match="1000000000 rows"):
        read_predictions(file)

    assert pool.bytes_allocated() - before < MEGABYTES


def test_a_long_text_in_every_row_is_held_a_few_times(folder: Path) -> None:
    """As a dictionary, the rows of a chunk hold it once."""
    place = folder / "texts"
    place.mkdir()
    n = 300
    names = pa.DictionaryArray.from_arrays(pa.array(np.zeros(n, np.int32)), pa.array(["x" * 10_000]))
    table = pa.table({"symbol": pa.array([f"S{i}" for i in range(n)]), "name": names})
    pq.write_table(table, place / SECURITIES_TABLE.file, store_schema=False)

    frame = read_frame(place, SECURITIES_TABLE)

    assert len(frame) == n
    assert len({id(text) for text in frame["name"]}) < 10


OUTSIDE_ITS_DICTIONARY = (
    b"c-jka3^EjD5q;n%I*-LiluMLBh=E~)x(O=-14FQ<uYqBQFav|*KSqWTf_NF_rV29{3v#N!gTPdjK~zjsN(UG?0-|i9Y%*pH8mwRm"
    b"MW7094JIJT#mLND;l?1!BB^7_Ai-9goRONFD9Xej%A?8z<W}Y;<>#m}_{ad2ig8KGNXn=&$cXYtnli8nNW$brnZ&rnF8GU0VpTiF"
    b"qQ-%2jie4RiWorVF#z4b#9$+~!%vb;QjLKNWFSxvml_99AA^QML1Iy1X=;gXazTM^Vo_0kxk6cLQE_H|o`R8?o`IgBqzuRnD}Xov"
    b"81VodGkwn"
)
"""A file of one column `symbol`, found by the fuzzer: its rows point behind the five symbols of its dictionary."""


def test_rows_that_point_outside_their_dictionary_are_refused(folder: Path) -> None:
    place = folder / "dictionary"
    place.mkdir()
    (place / SECURITIES_TABLE.file).write_bytes(zlib.decompress(base64.b85decode(OUTSIDE_ITS_DICTIONARY)))

    with pytest.raises(InvalidDatasetError, match=r"securities\.parquet: not readable as Parquet"):
        read_frame(place, SECURITIES_TABLE)


def test_a_grid_that_no_memory_holds_is_refused(folder: Path) -> None:
    """Each of 8,000 symbols on a day of its own spans 8,000 times 8,000 cells."""
    place = folder / "grid"
    place.mkdir()
    from lambdas.core.market_data.calendar import session_days

    days = session_days()[-8_300:-300]
    prices = pd.DataFrame({"date": days, "symbol": [f"S{i}" for i in range(8_000)], "close": 1.0, "adj_close": 1.0})
    prices.to_parquet(place / PRICES.file, index=False)

    with pytest.raises(InvalidDatasetError, match="8000 symbols on 8000 sessions are more than"):
        read_panel(place, PRICES, [])


def test_a_date_no_clock_of_ours_knows_and_a_column_that_is_there_twice(folder: Path) -> None:
    place = folder / "odd"
    place.mkdir()
    old = pa.table({"date": pa.array([-107_015], pa.date32()), "symbol": ["A"], "close": [1.0], "adj_close": [1.0]})
    pq.write_table(old, place / PRICES.file)
    with pytest.raises(InvalidDatasetError, match="column date holds what cannot be used"):
        read_panel(place, PRICES, [])
    names = ["date", "symbol", "close", "adj_close", "close"]
    twice = pa.table([old["date"], old["symbol"], *[old["close"]] * 3], names=names)
    pq.write_table(twice, place / PRICES.file)
    with pytest.raises(InvalidDatasetError, match="close is there twice"):
        read_panel(place, PRICES, [])
    csv = place / "p.csv"
    csv.write_text("date,symbol,probability\n1502-01-01,A,0.5\n")
    from lambdas.core.backtest.predictions import align_predictions

    with pytest.raises(InvalidPredictionsError, match="no date"):
        align_predictions(read_predictions(csv), read_dataset(targets.folder_of(folder)))


def test_notes_that_a_file_says_of_itself_are_cut(folder: Path) -> None:
    from lambdas.core.market_data.panel_file import MAX_NOTES, stored_notes

    file = folder / "notes.parquet"
    for told, expected in ((b"[" * 5000, 0), (b'{"a": 1}', 0), (json.dumps(["x" * 9999] * 999).encode(), MAX_NOTES)):
        pq.write_table(pa.table({"a": [1]}).replace_schema_metadata({b"amts.notes": told}), file)
        notes = stored_notes(file)
        assert len(notes) == expected
        assert all(len(note) <= 1000 for note in notes)


def test_requests_that_are_too_large_or_too_deep_are_refused() -> None:
    with pytest.raises(InvalidRequestError, match=f"more than {MAX_INPUT}"):
        strictly(TuningRequest, {"reason": "x" * MAX_INPUT}, "The request")
    deep: dict[str, object] = {}
    for _ in range(900):
        deep = {"a": deep}
    with pytest.raises(InvalidRequestError):
        strictly(TuningRequest, {"data": deep}, "The request")


class OneIndex:
    """A bucket that holds an index, and a file under any name."""

    def __init__(self, index: bytes) -> None:
        self.index = index

    def get_object(self, Bucket: str, Key: str) -> dict[str, object]:  # noqa: N803
        class Body(io.BytesIO):
            def iter_chunks(self, size: int) -> list[bytes]:
                return [self.read()]

        content = self.index if Key.endswith(INDEX) else b"content"
        return {"Body": Body(content), "Metadata": {}, "ETag": "1"}


@pytest.mark.parametrize("name", ["../outside", "a/b", "/etc/passwd", "..", ".hidden", "", "x\x00y", "a" * 200])
def test_no_name_in_an_index_leads_out_of_the_folder(tmp_path: Path, name: str) -> None:
    store = ObjectStore(OneIndex(json.dumps({name: {}}).encode()), ["bucket"])  # type: ignore[arg-type]

    with pytest.raises(InvalidRequestError, match="no name of a file"):
        store.download_folder("s3://bucket/uploads/x", tmp_path / "inner")

    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("index", [b"[1]", b'{"a": 1}', b'"x"', b"[" * 5000, b"\xff"])
def test_an_index_of_another_shape_is_refused(tmp_path: Path, index: bytes) -> None:
    store = ObjectStore(OneIndex(index), ["bucket"])  # type: ignore[arg-type]

    with pytest.raises(ArtefactIntegrityError):
        store.download_folder("s3://bucket/uploads/x", tmp_path)
