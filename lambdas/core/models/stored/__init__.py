"""A learner's file is looked through before a native library reads it: that library trusts what the file says.

LightGBM and XGBoost are C++: a count that is wrong, or a child that lies outside its tree, ends the process or reads
memory that is not theirs. The hashes of the manifest say who wrote a file, not that it is sound. So what goes to the
libraries is what our own writer could have written: known fields, lengths that agree, trees that are trees.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lambdas.core.models.hyperparameters import LearnerName
from lambdas.core.models.stored.lightgbm_file import check_lightgbm
from lambdas.core.models.stored.network_file import check_network
from lambdas.core.models.stored.xgboost_file import check_xgboost

MAX_BYTES = 64 << 20
"""Of one learner: the largest one of 500 symbols and ten years has two or three megabytes."""

_CHECKS = {"xgboost": check_xgboost, "lightgbm": check_lightgbm, "network": check_network}


def check_learner_file(file: Path, name: LearnerName, columns: Sequence[int], n_features: int) -> None:
    """Refuse a learner's file that its library could not read safely.

    Parameters
    ----------
    file : Path
    name : LearnerName
    columns : sequence of int
        Features that the learner uses, ascending; its file knows them as 0 to ``len(columns) - 1``.
    n_features : int
        Features of the ensemble.

    Raises
    ------
    ValueError
        What is wrong with the file.
    """
    if not columns or list(columns) != sorted(set(columns)) or not 0 <= columns[0] <= columns[-1] < n_features:
        raise ValueError(f"{name} uses columns that are not among the {n_features} features")
    if (size := file.stat().st_size) > MAX_BYTES:
        raise ValueError(f"{file.name} has {size} bytes, more than {MAX_BYTES}")
    try:
        _CHECKS[name](file.read_bytes(), len(columns))
    except ValueError as error:
        raise ValueError(f"{file.name} is not what {name} writes: {error}") from error
