"""Learners side by side: each with one thread of its own, so that the bits do not depend on how many there are."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from lambdas.core.models.hyperparameters import LearnerName

Result = TypeVar("Result")


def attempt_each(
    names: Iterable[LearnerName], work: Callable[[LearnerName], Result], n_threads: int
) -> dict[LearnerName, Result | Exception]:
    """Do the work of each learner, up to `n_threads` at a time; what one raises is its result.

    The libraries hold no Python lock while they compute. Two learners on two processors take less time than one after
    the other with two threads each, and none of them ever splits a sum.
    """

    def attempt(name: LearnerName) -> Result | Exception:
        try:
            return work(name)
        except Exception as error:  # a library may raise anything; the caller records what it was
            return error

    listed = list(names)
    with ThreadPoolExecutor(max_workers=max(1, n_threads)) as pool:
        return dict(zip(listed, pool.map(attempt, listed), strict=True))
