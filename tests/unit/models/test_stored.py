"""Files of learners: what the libraries write is accepted, what they could not have written is refused by us."""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xgboost
from safetensors.numpy import load, save

from lambdas.core.models.hyperparameters import LearnerName
from lambdas.core.models.learner import Learner
from lambdas.core.models.learners import LEARNERS
from lambdas.core.models.stored import MAX_BYTES, check_learner_file
from lambdas.core.models.stored.ubjson import read_ubjson

N_FEATURES = 7
CONSTANT = 3
"""This feature is constant: the learners leave it out, and number the others after it by one less."""

SPLITS_OFF_WHAT_IS_MISSING = {"num_leaves": 60, "min_leaf_share": 0.01}
"""On these data LightGBM then writes infinite thresholds."""


def fitted(name: LearnerName, **parameters: float) -> Learner:
    rng = np.random.default_rng(3)
    rows = rng.normal(size=(400, N_FEATURES)).astype(np.float32)
    rows[rng.random(rows.shape) < 0.1] = np.nan
    rows[:, CONSTANT] = 1.0
    hits = (np.nan_to_num(rows[:, 0] * rows[:, 1]) + rng.normal(size=len(rows)) > 0).astype(float)
    return LEARNERS[name](**parameters).fit(rows, hits)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("learners")
    for name in LEARNERS:
        fitted(name).save(folder)
    return folder


def check(name: LearnerName, file: Path, columns: tuple[int, ...] = (0, 1, 2, 4, 5, 6)) -> None:
    check_learner_file(file, name, columns, N_FEATURES)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("xgboost", {}),
        ("xgboost", {"max_depth": 9, "min_leaf_share": 0.0, "l2": 0.0, "learning_rate": 0.9}),
        ("xgboost", {"min_leaf_share": 0.49}),  # trees of one leaf
        ("lightgbm", {}),
        ("lightgbm", SPLITS_OFF_WHAT_IS_MISSING),
        ("lightgbm", {"min_leaf_share": 0.49}),
        ("network", {}),
        ("network", {"width": 4, "n_members": 1}),
    ],
)
def test_what_a_library_writes_is_accepted(name: LearnerName, parameters: dict[str, float], tmp_path: Path) -> None:
    learner = fitted(name, **parameters)
    learner.save(tmp_path)
    if parameters == SPLITS_OFF_WHAT_IS_MISSING:
        assert "inf" in (tmp_path / learner.file_name).read_text()

    check(name, tmp_path / learner.file_name, tuple(learner.state()["columns"]))


def text(old: str, new: str) -> Callable[[bytes], bytes]:
    """Change a line of a LightGBM file, and keep the sizes of its trees right."""

    def change(data: bytes) -> bytes:
        told, count = re.subn(old, new, data.decode(), count=1)
        assert count == 1, f"there is no {old}"
        sizes = [len(part) for part in re.split(r"(?=Tree=\d)|(?=end of trees)", told)[1:-1]]
        return re.sub(r"tree_sizes=.*", f"tree_sizes={' '.join(map(str, sizes))}", told).encode()

    return change


def element(array: bytes, kind: bytes, at: int, value: int) -> Callable[[bytes], bytes]:
    """Change one int of an array of an XGBoost file, of the first tree that has so many."""

    def change(data: bytes) -> bytes:
        for found in re.finditer(re.escape(array) + rb"\[\$" + kind + rb"#L(.{8})", data, re.DOTALL):
            if int.from_bytes(found[1]) > at:
                place = found.end() + at * (size := {b"l": 4, b"U": 1, b"d": 4}[kind])
                return data[:place] + value.to_bytes(size, signed=value < 0) + data[place + size :]
        raise AssertionError(f"no {array!r} of {at}")

    return change


def swap(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    def change(data: bytes) -> bytes:
        assert old in data
        return data.replace(old, new, 1)

    return change


def tensors(**changes: np.ndarray | None) -> Callable[[bytes], bytes]:
    def change(data: bytes) -> bytes:
        arrays = load(data) | {name.replace("__", "."): values for name, values in changes.items()}
        return bytes(save({name: values for name, values in arrays.items() if values is not None}))

    return change


FIRST_TREE = r"(?s)(Tree=0\n.*?\n"
HOSTILE: list[tuple[LearnerName, Callable[[bytes], bytes], str]] = [
    ("lightgbm", lambda data: b"", "header"),
    ("lightgbm", lambda data: data[:-30], "what follows its trees"),
    ("lightgbm", lambda data: data + b"\n[x: y]", "what follows its trees"),
    ("lightgbm", swap(b"tree_sizes=", b"tree_sizes=9"), "tree 0 does not have the 9"),
    ("lightgbm", text("max_feature_idx=5", "max_feature_idx=500"), "header"),
    ("lightgbm", text("num_class=1", "num_class=3"), "header"),
    ("lightgbm", text("objective=cross_entropy", "objective=binary"), "header"),
    ("lightgbm", text("label_index=0", "label_index=0\naverage_output"), "header"),
    ("lightgbm", text(r"num_leaves=\d+", "num_leaves=999999999"), "split_feature has .* values, not 999999998"),
    ("lightgbm", text(r"num_leaves=\d+", "num_leaves=-1"), "no leaf"),
    ("lightgbm", text("num_cat=0", "num_cat=1"), "num_cat=0"),
    ("lightgbm", text("is_linear=0", "is_linear=1"), "is_linear=0"),
    ("lightgbm", text(FIRST_TREE + r"split_feature=)\d+", r"\g<1>6"), "splits on none of 6 features"),
    ("lightgbm", text(FIRST_TREE + r"split_feature=)\d+", r"\g<1>-1"), "splits on none of 6 features"),
    ("lightgbm", text(FIRST_TREE + r"decision_type=)\d+", r"\g<1>9"), "categories"),
    ("lightgbm", text(FIRST_TREE + r"left_child=)-?\d+", r"\g<1>99999"), "leaves, each once|lies outside"),
    ("lightgbm", text(FIRST_TREE + r"left_child=)-?\d+", r"\g<1>-99999"), "leaves, each once"),
    ("lightgbm", text(FIRST_TREE + r"left_child=)-?\d+", r"\g<1>0"), "leaves, each once|before its parent"),
    ("lightgbm", text(FIRST_TREE + r"threshold=)\S+", r"\g<1>nan"), "threshold or the value of a leaf is no number"),
    ("lightgbm", text(FIRST_TREE + r"threshold=)\S+", r"\g<1>0x7f"), "threshold is not numbers"),
    ("lightgbm", text(FIRST_TREE + r"leaf_value=)\S+", r"\g<1>-inf"), "the value of a leaf is no number"),
    ("lightgbm", text(FIRST_TREE + r"leaf_value=)\S+ ", r"\g<1>"), "leaf_value has"),
    ("lightgbm", text(FIRST_TREE + r"leaf_count=)\S+", r"\g<1>99999999999999999999"), "leaf_count is not whole"),
    ("xgboost", lambda data: b"", "it ends before"),
    ("xgboost", lambda data: data[:-1], "it ends|no beginning|not the beginning"),
    ("xgboost", lambda data: data + b"{}", "2 bytes after its end"),
    ("xgboost", swap(b"left_children[$l#L" + bytes(7), b"left_children[$l#L\x7f" + bytes(6)), "a length of"),
    ("xgboost", element(b"left_children", b"l", 0, 2**31 - 1), "lies outside its tree"),
    ("xgboost", element(b"left_children", b"l", 0, 0), "before its parent"),
    ("xgboost", element(b"left_children", b"l", 0, 2), "no parent, or two"),
    ("xgboost", element(b"left_children", b"l", 0, -1), "one child"),
    ("xgboost", element(b"left_children", b"l", 0, -5), "before its parent"),
    ("xgboost", element(b"right_children", b"l", 0, 1), "no parent, or two"),
    ("xgboost", element(b"parents", b"l", 1, 2), "names another parent"),
    ("xgboost", element(b"split_indices", b"l", 0, 6), "splits on none of 6 features"),
    ("xgboost", element(b"split_indices", b"l", 0, -1), "splits on none of 6 features"),
    ("xgboost", element(b"split_type", b"U", 0, 1), "categories"),
    ("xgboost", element(b"split_conditions", b"d", 0, 0x7FC00000), "no number"),
    ("xgboost", swap(b"binary:logistic", b"multi:softprob!"), "objective"),
    ("xgboost", swap(b"gbtree}", b"gblin\x00}"), "not gbtree"),
    (
        "xgboost",
        swap(b"num_featureSL" + bytes(7) + b"\x016", b"num_featureSL" + bytes(7) + b"\x019"),
        "over 6 features",
    ),
    ("xgboost", swap(b"categories_nodes", b"categories_node2"), "has not the fields"),
    ("xgboost", lambda data: b"[#L" + struct.pack(">q", 1) + data, "more than 12 levels|has not the fields"),
    ("network", lambda data: b"", "cannot be read"),
    ("network", lambda data: struct.pack("<Q", 2**63) + data[8:], "cannot be read"),
    ("network", tensors(layers__0__bias=None), "layers.0.bias is not float32"),
    ("network", tensors(preprocessing__low=np.zeros(5, np.float32)), "preprocessing.low is not float32"),
    ("network", tensors(preprocessing__low=np.zeros(6)), "preprocessing.low is not float32"),
    ("network", tensors(preprocessing__low=np.full(6, np.nan, np.float32)), "not finite"),
    ("network", tensors(preprocessing__indicated=np.arange(1, 7)), "names none of 6 features"),
    ("network", tensors(layers__9__weight=np.zeros((3, 1, 1), np.float32)), "layers.*is not float32"),
    ("network", tensors(extra=np.zeros(1, np.float32)), "arrays that no network has"),
]


@pytest.mark.parametrize("number", range(len(HOSTILE)))
def test_what_no_library_writes_is_refused(number: int, files: Path, tmp_path: Path) -> None:
    name, change, message = HOSTILE[number]
    valid = (files / LEARNERS[name].file_name).read_bytes()
    file = tmp_path / LEARNERS[name].file_name
    file.write_bytes(change(valid))
    assert file.read_bytes() != valid

    with pytest.raises(ValueError, match=message):
        check(name, file)


@pytest.mark.parametrize(
    "columns", [(), (0, 1, 2, 4, 5, 7), (-1, 1, 2, 4, 5, 6), (1, 0, 2, 4, 5, 6), (0, 0, 1, 2, 4, 5)]
)
def test_columns_that_no_feature_has_are_refused(columns: tuple[int, ...], files: Path) -> None:
    with pytest.raises(ValueError, match="columns that are not among the 7 features"):
        check("network", files / "network.safetensors", columns)


def test_a_file_of_another_size_is_not_read(tmp_path: Path) -> None:
    file = tmp_path / "lightgbm.txt"
    with file.open("wb") as sparse:
        sparse.truncate(MAX_BYTES + 1)

    with pytest.raises(ValueError, match="more than 67108864"):
        check("lightgbm", file)


def test_ubjson_is_read_as_the_library_writes_it(files: Path) -> None:
    """Against XGBoost's own JSON of the same booster."""
    file = files / "xgboost.ubj"
    expected = json.loads(bytes(xgboost.Booster(model_file=file).save_raw("json")))
    found = read_ubjson(file.read_bytes())

    def plain(value: object) -> object:
        if isinstance(value, np.ndarray):
            return [pytest.approx(number) for number in value.tolist()]
        if isinstance(value, dict):
            return {name: plain(entry) for name, entry in value.items()}
        return [plain(entry) for entry in value] if isinstance(value, list) else value

    assert plain(found) == expected


def test_ubjson_believes_no_count(tmp_path: Path) -> None:
    many = struct.pack(">q", 2**62)
    for data in (b"[#L" + many, b"[$d#L" + many, b"SL" + many, b"{L" + many, b"[$U#L" + struct.pack(">q", -1)):
        with pytest.raises(ValueError, match="a length of"):
            read_ubjson(data)
    with pytest.raises(ValueError, match="more than 12 levels"):
        read_ubjson(b"[#i\x01" * 1000 + b"i\x01")
    with pytest.raises(ValueError, match="there twice"):
        read_ubjson(b"{i\x01ai\x01i\x01ai\x01}")
