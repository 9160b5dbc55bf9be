"""What our network writes: preprocessing and layers as safetensors, whose arrays fit onto each other.

The reader of safetensors, which is Rust, checks its header against the bytes. Which arrays there have to be it cannot
know.
"""

from __future__ import annotations

from typing import Any

import numpy as np

MAX_LAYERS = 8
PER_COLUMN = ("low", "high", "center", "scale")


def check_network(data: bytes, n_columns: int) -> None:
    """Refuse a file that holds no networks over so many columns.

    Raises
    ------
    ValueError
        What is wrong with it.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        arrays = load(data)
    except (SafetensorError, KeyError, TypeError) as error:  # the last two: a type that numpy does not have
        raise ValueError(f"it cannot be read ({error})") from None
    n_layers = sum(name.endswith(".weight") for name in arrays)
    if not 1 <= n_layers <= MAX_LAYERS:
        raise ValueError(f"it has {n_layers} layers")
    for name in PER_COLUMN:
        _expect(arrays, f"preprocessing.{name}", "float32", (n_columns,))
    indicated = arrays.get("preprocessing.indicated", np.empty((0, 0)))
    _expect(arrays, "preprocessing.indicated", "int64", (indicated.size,))
    if indicated.size and not 0 <= indicated.min() <= indicated.max() < n_columns:
        raise ValueError(f"preprocessing.indicated names none of {n_columns} features")
    n_members, n_in = len(arrays.get("layers.0.weight", ())), n_columns + indicated.size
    if n_members < 1:
        raise ValueError("it has no member")
    for layer in range(n_layers):
        weight = arrays.get(f"layers.{layer}.weight", np.empty(0))
        n_out = 1 if layer == n_layers - 1 else weight.shape[-1]
        _expect(arrays, f"layers.{layer}.weight", "float32", (n_members, n_in, n_out))
        _expect(arrays, f"layers.{layer}.bias", "float32", (n_members, 1, n_out))
        n_in = n_out
    if len(arrays) != len(PER_COLUMN) + 1 + 2 * n_layers:
        raise ValueError("it has arrays that no network has")
    if not all(np.isfinite(values).all() for values in arrays.values()):
        raise ValueError("a number is not finite")


def _expect(arrays: dict[str, Any], name: str, kind: str, shape: tuple[int, ...]) -> None:
    found = arrays.get(name)
    if found is None or found.dtype != kind or found.shape != shape:
        raise ValueError(f"{name} is not {kind} of the shape {shape}")
