"""What makes arrays of children a tree."""

from __future__ import annotations

import numpy as np

from lambdas.core.market_data.panel import IntArray


def check_children(parents: IntArray, children: IntArray, n_nodes: int) -> None:
    """Refuse children that are not numbered after their parent, or nodes that have not exactly one parent.

    Together that is a tree with its root at 0: whoever walks down it ends at a leaf.

    Parameters
    ----------
    parents, children : int arrays of equal shape
        Number of a node, and of one of its children.
    n_nodes : int
        Inner nodes that can be reached, or all of them.

    Raises
    ------
    ValueError

    Examples
    --------
    >>> check_children(np.array([0, 0]), np.array([1, 2]), 3)
    >>> check_children(np.array([0, 1]), np.array([1, 0]), 2)
    Traceback (most recent call last):
    ValueError: a node comes before its parent
    """
    if (children >= n_nodes).any():
        raise ValueError(f"a node lies outside its tree of {n_nodes}")
    if (children <= parents).any():
        raise ValueError("a node comes before its parent")
    if len(children) != n_nodes - 1 or len(np.unique(children)) != len(children):
        raise ValueError("a node has no parent, or two")
