"""What LightGBM 4 writes of a booster of the objective `cross_entropy`, without categories (`GBDT::SaveModelToString`).

Its reader takes sizes, counts and children as they stand.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from lambdas.core.market_data.panel import FloatArray, IntArray
from lambdas.core.models.stored.trees import check_children

NUMBER = r"-?(?:\d{1,30}(?:\.\d{1,30})?(?:e[+-]\d{1,3})?|inf|nan)"
WHOLE_NUMBERS = re.compile(r"(?:-?\d{1,9}(?: -?\d{1,9})*)?")
NUMBERS = re.compile(rf"(?:{NUMBER}(?: {NUMBER})*)?")
RANGES = re.compile(rf"(?:none|\[{NUMBER}:{NUMBER}\])(?: (?:none|\[{NUMBER}:{NUMBER}\]))*")
TAIL = re.compile(
    r"end of trees\n\nfeature_importances:\n(?:Column_\d{1,6}=\d{1,9}\n)*"
    r"\nparameters:\n(?:\[[a-z0-9_]{1,60}: [^\]\[\n]{0,200}\]\n)*\nend of parameters\n\npandas_categorical:null\n"
)
NUMERIC_SPLITS = (0, 2, 4, 6, 8, 10)
"""Of `decision_type`: bit 0 stands for a category, bit 1 for the way of missing values, bits 2 and 3 for their kind."""


class Line(NamedTuple):
    """One array of a tree: whole numbers or not, and how many fewer than the leaves."""

    whole: bool
    fewer: int


ARRAYS = {
    "split_feature": Line(True, 1),
    "split_gain": Line(False, 1),
    "threshold": Line(False, 1),
    "decision_type": Line(True, 1),
    "left_child": Line(True, 1),
    "right_child": Line(True, 1),
    "leaf_value": Line(False, 0),
    "leaf_weight": Line(False, 0),
    "leaf_count": Line(True, 0),
    "internal_value": Line(False, 1),
    "internal_weight": Line(False, 1),
    "internal_count": Line(True, 1),
}


def check_lightgbm(data: bytes, n_columns: int) -> None:
    """Refuse a file that is not a booster of `cross_entropy` over so many columns.

    Raises
    ------
    ValueError
        What is wrong with it.
    """
    text = data.decode("ascii")  # so a size in bytes is one in characters
    header, blank, rest = text.partition("\n\n")
    sizes = _header(header.split("\n"), n_columns)
    begin = len(header) + len(blank)
    for number, size in enumerate(sizes):
        tree = text[begin : begin + size]
        if size < 1 or not tree.startswith(f"Tree={number}\n") or not tree.endswith("\n\n\n"):
            raise ValueError(f"tree {number} does not have the {size} bytes that the header says")
        try:
            _check_tree(tree[:-3].split("\n"), number, n_columns)
        except ValueError as error:
            raise ValueError(f"tree {number}: {error}") from None
        begin += size
    if not rest or not TAIL.fullmatch(text, begin):
        raise ValueError("what follows its trees is not importances and parameters")


def _header(lines: list[str], n_columns: int) -> list[int]:
    """Check the first lines, and return the sizes of the trees."""
    expected = [
        "tree",
        "version=v4",
        "num_class=1",
        "num_tree_per_iteration=1",
        "label_index=0",
        f"max_feature_idx={n_columns - 1}",
        "objective=cross_entropy",
        "feature_names=" + " ".join(f"Column_{column}" for column in range(n_columns)),
    ]
    if len(lines) != len(expected) + 2 or lines[: len(expected)] != expected:
        raise ValueError(f"its header is not that of cross_entropy on {n_columns} features")
    ranges, sizes = (_value(line, name) for line, name in zip(lines[-2:], ("feature_infos", "tree_sizes"), strict=True))
    if not RANGES.fullmatch(ranges) or len(ranges.split(" ")) != n_columns:
        raise ValueError(f"it has not the ranges of {n_columns} features")
    return [int(size) for size in _whole_numbers("tree_sizes", sizes)]


def _check_tree(lines: list[str], number: int, n_columns: int) -> None:
    names = [f"Tree={number}", "num_leaves", "num_cat=0", *ARRAYS, "is_linear=0", "shrinkage"]
    if len(lines) != len(names):
        raise ValueError(f"it has {len(lines)} lines, not {len(names)}")
    for line, name in zip(lines, names, strict=True):
        if line != name and (not line.startswith(f"{name}=") or "=" in name):
            raise ValueError(f"a line begins {line[:30]!r} in the place of {name}")
    n_leaves = int(_whole_numbers("num_leaves", _value(lines[1], "num_leaves"), 1)[0])
    if n_leaves < 1:
        raise ValueError("it has no leaf")
    _numbers("shrinkage", _value(lines[-1], "shrinkage"), 1)
    found = {name: _array(name, line, n_leaves) for (name, line) in zip(ARRAYS, lines[3:-2], strict=True)}
    # A threshold is infinite where only missing values go the other way.
    if np.isnan(found["threshold"]).any() or not np.isfinite(found["leaf_value"]).all():
        raise ValueError("a threshold or the value of a leaf is no number")
    columns, kinds = found["split_feature"], found["decision_type"]
    if ((columns < 0) | (columns >= n_columns)).any():
        raise ValueError(f"it splits on none of {n_columns} features")
    if not np.isin(kinds, NUMERIC_SPLITS).all():
        raise ValueError("it splits by categories")
    _check_shape(found["left_child"].astype(np.int64), found["right_child"].astype(np.int64), n_leaves)


def _check_shape(left: IntArray, right: IntArray, n_leaves: int) -> None:
    """Inner nodes are 0 to n - 2, leaf k is written -1 - k."""
    parents, children = np.tile(np.arange(n_leaves - 1), 2), np.concatenate([left, right])
    leaves = -1 - children[children < 0]
    if n_leaves > 1 and not np.array_equal(np.sort(leaves), np.arange(n_leaves)):
        raise ValueError(f"its children are not {n_leaves} leaves, each once")
    if n_leaves > 1:
        check_children(parents[children >= 0], children[children >= 0], n_leaves - 1)


def _array(name: str, line: str, n_leaves: int) -> IntArray | FloatArray:
    kind, given = ARRAYS[name], _value(line, name)
    # A tree that is one leaf has no weight of it.
    n = 0 if n_leaves == 1 and name == "leaf_weight" and not given else n_leaves - kind.fewer
    return _whole_numbers(name, given, n) if kind.whole else _numbers(name, given, n)


def _whole_numbers(name: str, given: str, n: int | None = None) -> IntArray:
    if not WHOLE_NUMBERS.fullmatch(given):
        raise ValueError(f"{name} is not whole numbers")
    return np.array(_counted(name, given, n), dtype=np.int64)


def _numbers(name: str, given: str, n: int) -> FloatArray:
    if not NUMBERS.fullmatch(given):
        raise ValueError(f"{name} is not numbers")
    return np.array(_counted(name, given, n), dtype=np.float64)


def _counted(name: str, given: str, n: int | None) -> Iterable[str]:
    values = given.split(" ") if given else []
    if n is not None and len(values) != n:
        raise ValueError(f"{name} has {len(values)} values, not {n}")
    return values


def _value(line: str, name: str) -> str:
    if not line.startswith(f"{name}="):
        raise ValueError(f"a line begins {line[:30]!r} in the place of {name}")
    return line.removeprefix(f"{name}=")
