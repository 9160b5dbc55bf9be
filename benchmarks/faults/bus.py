"""EventBridge: what Step Functions tells of executions reaches the service by the rules of the deployment.

At least once, and not always at once: an event may come twice, or when the week is over and the execution was redriven.
"""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable, Sequence

from benchmarks.faults.machine import HANDLERS, Ended, Machine
from benchmarks.faults.wire import Wire
from cli.in_process import call
from tests.infrastructure.event_rules import Event, Rule, status_change

DELIVERIES = ("at once", "at once", "twice", "late")
LASTED = dt.timedelta(minutes=5)
"""Of an execution, as its event says it: nothing of ours reads it."""


class Bus:
    """The default bus of one run of the bench.

    Attributes
    ----------
    rules : sequence of Rule
        Those of the synthesized template.
    delivered : {'at once', 'twice', 'late'}
        How the events of this run come, drawn from its seed.
    """

    def __init__(self, rules: Sequence[Rule], wire: Wire, seed: int, observe: Callable[[str], None]) -> None:
        self.rules, self.wire, self.observe = rules, wire, observe
        self.delivered = random.Random(f"events {seed}").choice(DELIVERIES)  # noqa: S311 - no secret
        self._late: list[tuple[str, Event]] = []

    def publish(self, machine: Machine, ended: Ended, *, waits: bool = True) -> None:
        """Tell how an execution ended; without `waits` no event stays for later."""
        event = status_change(
            machine.workflow,
            machine.name,
            ended.status,
            started_at=machine.started_at,
            stopped_at=machine.started_at + LASTED,
        )
        if self.delivered != "late" or not waits:
            self._deliver(machine.name, event)
        if self.delivered != "at once" and waits:
            self._late.append((machine.name, event))

    def deliver_late_ones(self) -> None:
        """Deliver what comes again, or only now."""
        late, self._late = self._late, []
        for name, event in late:
            self._deliver(name, event)

    def _deliver(self, name: str, event: Event) -> None:
        for rule in self.rules:
            for function, told in rule.told(event):
                label = f"{name}/event/{told['action']}"
                with self.wire.invocation(label, []):
                    call(HANDLERS[function], told)
                self.observe(label)
