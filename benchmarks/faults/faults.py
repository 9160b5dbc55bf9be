"""What can go wrong, drawn from a seed."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from benchmarks.faults.machine import Visit

KINDS = (
    "killed",
    "timed out",
    "ends after it was given up",
    "Lambda turned away",
    "throttled",
    "store error",
    "slow or lost answer",
    "truncated object",
    "altered object",
    "duplicate start",
    "another run meanwhile",
    "stopped and redriven",
    "clock",
)
SECONDARY = ("killed", "timed out", "Lambda turned away", "throttled", "store error", "slow or lost answer")
"""Those that come on top of another, in half of the runs."""

ENDINGS = frozenset({"promote", "reject", "roll_back", "settle", "fail", "retire"})
"""Steps that change what users see are hit three times as often."""

CALENDARS = ("ordinary", "clock change", "holiday")


@dataclass(frozen=True)
class Fault:
    """One fault, as far as the seed decides it.

    Attributes
    ----------
    kind : str
        One of `KINDS`.
    how : str
        Which variety of it.
    execution : int
        Which of the scheduled executions it hits.
    visit, call : int
        Which step of that execution, and which of its calls.
    times : int
        Attempts of the step that are hit, one after the other.
    calls : int
        Calls in a row that are hit.
    pick : float
        From 0 to 1: chooses among what is there only when it happens.
    """

    kind: str
    how: str
    execution: int
    visit: int
    call: int
    times: int = 1
    calls: int = 1
    pick: float = 0.0


@dataclass(frozen=True)
class Plan:
    """A run of the bench: its market, its week, its faults."""

    seed: int
    market: int
    calendar: str
    faults: tuple[Fault, ...]
    redriven: Literal["at once", "after the next", "never"]
    late: Literal["next step", "end", "after the next"]

    def without(self, *kinds: str) -> Plan:
        """Return the plan without some kinds."""
        return replace(self, faults=tuple(fault for fault in self.faults if fault.kind not in kinds))


Profile = Mapping[tuple[int, str], Sequence[Sequence[Visit]]]
"""Steps of each scheduled execution without faults, by market and calendar."""


def setting(seed: int, n_markets: int) -> tuple[int, str]:
    """Return market and calendar of a seed: an odd week is lived through on the first market."""
    rng = random.Random(f"setting {seed}")  # noqa: S311 - no secret
    odd = KINDS[seed % len(KINDS)] == "clock"
    calendar = rng.choice(CALENDARS[1:]) if odd else rng.choices(CALENDARS, (8, 1, 1))[0]
    return (rng.randrange(n_markets) if calendar == CALENDARS[0] else 0), calendar


def draw(seed: int, profile: Profile, n_markets: int) -> Plan:
    """Return the plan of a seed. The kinds take turns, so that each is met equally often."""
    rng = random.Random(seed)  # noqa: S311 - no secret
    market, calendar = setting(seed, n_markets)
    kinds = [KINDS[seed % len(KINDS)]] + [rng.choice(SECONDARY) for _ in range(rng.choice((0, 0, 1, 2)))]
    return Plan(
        seed,
        market,
        calendar,
        tuple(_fault(rng, kind, profile[market, calendar]) for kind in kinds),
        redriven=rng.choice(("at once", "at once", "after the next", "never")),
        late=rng.choice(("next step", "end", "after the next")),
    )


def _fault(rng: random.Random, kind: str, steps: Sequence[Sequence[Visit]]) -> Fault:
    execution = rng.choices(range(len(steps)), [3.0 if number == 0 else 1.0 for number in range(len(steps))])[0]
    visits = steps[execution]
    visit = rng.choices(range(len(visits)), [3.0 if one.action in ENDINGS else 1.0 for one in visits])[0]
    how, times, calls = _variety(rng, kind)
    return Fault(kind, how, execution, visit, rng.randint(1, max(visits[visit].calls, 1)), times, calls, rng.random())


def _variety(rng: random.Random, kind: str) -> tuple[str, int, int]:
    """Return how, how many attempts, how many calls: mostly what retries cure, now and then what they do not."""
    choice: Any = rng.choice
    match kind:
        case "killed" | "timed out":
            return choice(("before", "after")), choice((1, 1, 1, 2, 3)), 1
        case "Lambda turned away":
            return choice(("Lambda.TooManyRequestsException", "Lambda.ServiceException")), choice((1, 3, 6, 7)), 1
        case "throttled":
            return "throttled", choice((1, 1, 2, 5)), choice((1, 3, 5, 8))
        case "store error":
            return choice(("server error", "connection closed")), choice((1, 1, 2, 5)), choice((1, 3, 5, 8))
        case "slow or lost answer":
            return choice(("answer lost", "late effect", "answer cut", "slow")), choice((1, 1, 2, 5)), choice((1, 1, 5))
        case "truncated object":
            return choice(("half", "empty")), 1, 1
        case "altered object":
            return choice(("bit", "other JSON", "other number")), 1, 1
        case "another run meanwhile":
            return choice(("other machine", "rollback")), 1, 1
        case "stopped and redriven":
            return choice(("the step goes on", "the process ends too")), 1, 1
        case _:
            return kind, 1, 1
