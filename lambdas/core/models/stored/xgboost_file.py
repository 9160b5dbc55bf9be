"""What XGBoost writes of a binary classifier by trees, without categories (doc/model.schema of its sources)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from lambdas.core.models.stored.trees import check_children
from lambdas.core.models.stored.ubjson import read_ubjson

NO_PARENT = 2**31 - 1

MAX_ATTRIBUTES = 8
"""Notes that early stopping leaves, such as the best round."""

BASE_SCORE = re.compile(r"\[?-?\d(\.\d{1,12})?(E-?\d{1,2})?\]?")
TREE_ARRAYS = {
    **dict.fromkeys(("base_weights", "loss_changes", "split_conditions", "sum_hessian"), "f"),
    **dict.fromkeys(("left_children", "right_children", "parents", "split_indices"), "i"),
    **dict.fromkeys(("default_left", "split_type"), "u"),
}
"""One value a node: float, int, or a byte."""
WITHOUT_CATEGORIES = ("categories", "categories_nodes", "categories_segments", "categories_sizes")


def check_xgboost(data: bytes, n_columns: int) -> None:
    """Refuse a file that is not a booster of `binary:logistic` over so many columns.

    Raises
    ------
    ValueError
        What is wrong with it.
    """
    top = _fields("the file", read_ubjson(data), "learner", "version")
    _expect(isinstance(top["version"], list) and len(top["version"]) == 3, "its version is not three numbers")
    learner = _fields(
        *("learner", top["learner"], "attributes", "feature_names", "feature_types", "gradient_booster"),
        *("learner_model_param", "objective"),
    )
    given = learner["attributes"]
    _expect(
        isinstance(given, dict)
        and len(given) <= MAX_ATTRIBUTES
        and all(isinstance(one, str) for one in given.values()),
        "its attributes are not texts",
    )
    _expect(_empty(learner["feature_names"], []) and _empty(learner["feature_types"], []), "features have names")
    _check_learner(learner, n_columns)
    booster = _fields("gradient_booster", learner["gradient_booster"], "model", "name")
    _expect(booster["name"] == "gbtree", "its booster is not gbtree")
    model = _fields(
        "model", booster["model"], "gbtree_model_param", "iteration_indptr", "tree_info", "trees", optional="cats"
    )
    if "cats" in model:
        cats = _fields("cats", model["cats"], "enc", "feature_segments", "sorted_idx")
        _expect(all(_empty(cats[name], []) for name in cats), "it has categories")
    trees = model["trees"]
    _expect(isinstance(trees, list), "its trees are no list")
    given = _fields("gbtree_model_param", model["gbtree_model_param"], "num_parallel_tree", "num_trees")
    _expect(given == {"num_parallel_tree": "1", "num_trees": str(len(trees))}, f"it has not {len(trees)} trees")
    _expect(_numbers(model["iteration_indptr"]) == list(range(len(trees) + 1)), "a round is not one tree")
    _expect(_numbers(model["tree_info"]) == [0] * len(trees), "a tree belongs to another class")
    for number, tree in enumerate(trees):
        try:
            _check_tree(tree, number, n_columns)
        except ValueError as error:
            raise ValueError(f"tree {number}: {error}") from None


def _check_learner(learner: Mapping[str, Any], n_columns: int) -> None:
    names = ("base_score", "boost_from_average", "num_class", "num_feature", "num_target")
    given = _fields("learner_model_param", learner["learner_model_param"], *names)
    expected = {"num_class": "0", "num_feature": str(n_columns), "num_target": "1"}
    _expect(expected.items() <= given.items(), f"it is not about {n_columns} features and two classes")
    _expect(given["boost_from_average"] in ("0", "1"), "boost_from_average is neither 0 nor 1")
    _expect(
        isinstance(given["base_score"], str) and BASE_SCORE.fullmatch(given["base_score"]) is not None,
        "its base_score is no number",
    )
    objective = _fields("objective", learner["objective"], "name", "reg_loss_param")
    _expect(
        objective == {"name": "binary:logistic", "reg_loss_param": {"scale_pos_weight": "1"}},
        "its objective is not binary:logistic",
    )


def _check_tree(tree: Any, number: int, n_columns: int) -> None:
    fields = _fields("the tree", tree, "id", "tree_param", *TREE_ARRAYS, *WITHOUT_CATEGORIES)
    given = _fields("tree_param", fields["tree_param"], "num_deleted", "num_feature", "num_nodes", "size_leaf_vector")
    n_nodes = len(fields["left_children"]) if isinstance(fields["left_children"], np.ndarray) else 0
    _expect(n_nodes > 0 and fields["id"] == number, "it has no nodes, or another number")
    expected = {"num_deleted": "0", "num_feature": str(n_columns), "num_nodes": str(n_nodes)}
    _expect(expected.items() <= given.items(), f"it has not {n_nodes} nodes over {n_columns} features")
    _expect(given["size_leaf_vector"] in ("0", "1"), "its leaves are vectors")
    for name, kind in TREE_ARRAYS.items():
        values = fields[name]
        sound = isinstance(values, np.ndarray) and values.dtype.kind == kind and len(values) == n_nodes
        _expect(sound, f"{name} has not {n_nodes} values")
    _expect(all(_empty(fields[name], []) for name in WITHOUT_CATEGORIES), "it has categories")
    _expect(not fields["split_type"].any() and (fields["default_left"] <= 1).all(), "it splits by categories")
    _expect(not np.isnan(fields["split_conditions"]).any(), "a split or the value of a leaf is no number")
    columns = fields["split_indices"]
    _expect(bool(((columns >= 0) & (columns < n_columns)).all()), f"it splits on none of {n_columns} features")
    left, right = fields["left_children"].astype(np.int64), fields["right_children"].astype(np.int64)
    inner = np.flatnonzero(left != -1)
    _expect(bool(((left == -1) == (right == -1)).all()), "a node has one child")
    parents, children = np.concatenate([inner, inner]), np.concatenate([left[inner], right[inner]])
    check_children(parents, children, n_nodes)
    known = np.full(n_nodes, NO_PARENT)
    known[children] = parents
    _expect(bool((fields["parents"] == known).all()), "a node names another parent")


def _fields(what: str, value: Any, *names: str, optional: str = "") -> dict[str, Any]:
    """Return an object that has these fields and no others."""
    if not isinstance(value, dict) or set(value) - {optional} != set(names):
        raise ValueError(f"{what} has not the fields {', '.join(names)}")
    return value


def _empty(value: Any, like: dict[str, Any] | list[Any]) -> bool:
    if isinstance(value, np.ndarray):
        return isinstance(like, list) and len(value) == 0
    return bool(type(value) is type(like) and not value)


def _numbers(value: Any) -> list[Any]:
    return value.tolist() if isinstance(value, np.ndarray) else value if isinstance(value, list) else []


def _expect(sound: bool, otherwise: str) -> None:
    if not sound:
        raise ValueError(otherwise)
