"""One run of the bench: a week of both machines on a small market, with its faults and what the operator does."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import random
import re
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.faults.bus import Bus
from benchmarks.faults.faults import Fault, Plan, draw, setting
from benchmarks.faults.invariants import Breach, Found, Watch, check, final_state
from benchmarks.faults.machine import DAILY, TUNING, Ended, Machine, Trouble, Visit
from benchmarks.faults.processes import Child, end_this_process, fresh_process, hang_this_process
from benchmarks.faults.weeks import AFTERWARDS, BEFORE, WEEKS, Scheduled, scheduled
from benchmarks.faults.wire import Arm, Wire
from benchmarks.faults.world import ANALYTICS, BUCKETS, MARKETS, RECOMMENDATIONS, Account, Snapshot, Synthesized

ATTEMPTS_OF_THE_OPERATOR = 3
NO_STORES = Snapshot({}, {ANALYTICS: (), RECOMMENDATIONS: ()})


@dataclass
class Result:
    """What a run of the bench found."""

    seed: int
    market: str
    calendar: str
    kinds: tuple[str, ...]
    fired: tuple[str, ...]
    outcomes: Mapping[str, str]
    breaches: list[Breach]
    redrives: int = 0
    compared: bool = False

    def as_record(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {**vars(self), "breaches": [list(breach) for breach in self.breaches]}


@dataclass
class Bench:
    """The account, what is deployed, and the state in which every run begins: a week that went well."""

    account: Account
    deployed: Synthesized
    wire: Wire
    begun: dict[int, Snapshot] = field(default_factory=dict)
    profile: dict[tuple[int, str], list[list[Visit]]] = field(default_factory=dict)
    references: dict[tuple[int, str], dict[str, Any]] = field(default_factory=dict)

    def plan(self, seed: int) -> Plan:
        """Return the plan of a seed; its market is prepared when it is met first."""
        market, calendar = setting(seed, len(MARKETS))
        self.prepare(market, calendar)
        return draw(seed, self.profile, len(MARKETS))

    def prepare(self, number: int, calendar: str) -> None:
        """Live through the week before, and once through the week itself without a fault: what it should come to."""
        if number not in self.begun:
            self.account.restore(NO_STORES)
            self.account.upload(MARKETS[number])
            first = Story(self, number, calendar, Plan(-1, number, calendar, (), "never", "end"))
            for one in scheduled(BEFORE, MARKETS[number]):
                first.run(one)
            self.begun[number] = self.account.snapshot()
        if (number, calendar) not in self.references:
            story = self.live(Plan(-1, number, calendar, (), "never", "end"))
            if story.result.breaches:
                raise RuntimeError(f"without a fault, {story.result}")
            self.references[number, calendar] = story.state
            self.profile[number, calendar] = [story.visits[name] for _, name, _, _ in WEEKS[calendar]]

    def live(self, plan: Plan) -> Story:
        """Live through a plan."""
        self.account.restore(self.begun[plan.market])
        story = Story(self, plan.market, plan.calendar, plan)
        story.live()
        return story


class Story:
    """One run of the bench."""

    def __init__(self, bench: Bench, number: int, calendar: str, plan: Plan) -> None:
        self.bench, self.account, self.wire, self.plan = bench, bench.account, bench.wire, plan
        self.market, self.calendar = MARKETS[number], calendar
        self.watch = Watch(self.account)
        self.bus = Bus(bench.deployed.rules, self.wire, plan.seed, self.watch_after)
        self.ended: list[Ended] = []
        self.visits: dict[str, list[Visit]] = {}
        self.late: list[Machine] = []
        self.kept = self.wire.journal.parent / "kept"
        self.redrives = 0
        self.comparable = True
        self.state: dict[str, Any] = {}
        self.rng = random.Random(plan.seed)  # noqa: S311 - no secret

    def live(self) -> None:
        """Run what is due, with the faults; then a week later, without."""
        scratch = tempfile.mkdtemp(prefix="amts-story-")
        before, tempfile.tempdir = tempfile.tempdir, scratch
        fresh_process()
        self.wire.journal.write_text("")
        shutil.rmtree(self.kept, ignore_errors=True)
        try:
            with self.wire.outside():
                self.watch.look("the beginning")
            due = scheduled(WEEKS[self.calendar], self.market)
            stopped: list[tuple[int, Machine]] = []
            for number, one in enumerate(due):
                machine = self.run(one, self.troubles(number, due))
                if self.ended[-1].status == "ABORTED":
                    stopped.append((number, machine))
                self._redrive(stopped, number)
                self._late_ones(machine)
            self._redrive(stopped, len(due))
            for machine in self.late:
                machine.late_ones_finish()
            self.bus.deliver_late_ones()
            self._repair()
            with self.wire.outside():
                self.state = final_state(self.account)
            for one in self._afterwards(due):
                self.run(one)
                if self.ended[-1].status != "SUCCEEDED":
                    last = self.ended[-1]
                    self.watch.breaches.append(Breach("same end", f"a week later {last.name} ended {last}"))
            self.result = self._result()
        finally:
            tempfile.tempdir = before
            shutil.rmtree(scratch, ignore_errors=True)
            fresh_process()

    def _afterwards(self, due: Sequence[Scheduled]) -> list[Scheduled]:
        """Return a clean execution of each machine that a fault hit: it must find its way."""
        hit = {due[fault.execution].workflow for fault in self.plan.faults} or {TUNING, DAILY}
        return [one for one in scheduled(AFTERWARDS[self.calendar], self.market) if one.workflow in hit]

    def run(self, one: Scheduled, trouble: tuple[Trouble, ...] = ()) -> Machine:
        """Run an execution; one that failed is run again, as `amts redrive` does, once its cause is mended."""
        machine = self._machine(one, trouble)
        self._end(machine, machine.start())
        again = one
        for attempt in range(1, ATTEMPTS_OF_THE_OPERATOR):
            if self.ended[-1].status != "FAILED":
                break
            self.redrives += 1
            self._repair()
            again = Scheduled(one.workflow, f"{one.name}-{attempt}", one.started_at, one.request)
            retried = self._machine(again, ())
            self._end(retried, retried.start())
        return machine

    def _machine(self, one: Scheduled, trouble: tuple[Trouble, ...]) -> Machine:
        machine = Machine(
            self.bench.deployed.definitions[one.workflow],
            workflow=one.workflow,
            name=one.name,
            request=dict(one.request),
            started_at=dt.datetime.fromisoformat(one.started_at),
            wire=self.wire,
            observe=self.watch_after,
            trouble=trouble,
        )
        machine.late = self.plan.late
        return machine

    def _end(self, machine: Machine, ended: Ended) -> None:
        self.ended.append(ended)
        self.visits[machine.name] = machine.visits
        self.bus.publish(machine, ended)

    def watch_after(self, label: str) -> None:
        """Look at the stores."""
        with self.wire.outside():
            self.watch.look(label)

    def _redrive(self, stopped: list[tuple[int, Machine]], number: int) -> None:
        """Redrive what was stopped when it is time, or never."""
        due = {"at once": 0, "after the next": 1, "never": 99}[self.plan.redriven]
        for entry in [entry for entry in stopped if number - entry[0] >= due]:
            stopped.remove(entry)
            machine = entry[1]
            machine.trouble = ()
            self.redrives += 1
            self.wire.note({"by": machine.name, "fault": "redriven"})
            self._end(machine, machine.redrive())
        if self.plan.redriven != "at once" and stopped:
            self.comparable = False

    def _late_ones(self, machine: Machine) -> None:
        for earlier in self.late:
            earlier.late_ones_finish()
        self.late = []
        if machine.late == "after the next":
            self.late = [machine]
        else:
            machine.late_ones_finish()

    def troubles(self, number: int, due: Sequence[Scheduled]) -> tuple[Trouble, ...]:
        """Return what is going to happen to a scheduled execution."""
        return tuple(self._trouble(fault, due) for fault in self.plan.faults if fault.execution == number)

    def _trouble(self, fault: Fault, due: Sequence[Scheduled]) -> Trouble:
        def arm(kind: str, act: Callable[[], None] = lambda: None) -> list[Arm]:
            return [Arm(fault.call, kind, fault.calls, act)]

        match fault.kind:
            case "killed" | "timed out":
                ends = "Runtime.ExitError" if fault.kind == "killed" else self.rng.choice(TIMEOUTS)
                kind = f"process ends {fault.how}"
                return Trouble(fault.visit, fault.times, lambda: arm(kind, end_this_process), "own", ends)
            case "ends after it was given up":
                kind = "process ends before"
                return Trouble(fault.visit, 1, lambda: arm(kind, hang_this_process), "own", "States.Timeout")
            case "Lambda turned away":
                return Trouble(fault.visit, fault.times, refused=fault.how)
            case "throttled" | "store error" | "slow or lost answer":
                return Trouble(fault.visit, fault.times, lambda: arm(fault.how))
            case "truncated object" | "altered object":
                return Trouble(fault.visit, 1, lambda: arm("meanwhile", lambda: self._alter(fault)))
            case "duplicate start":
                again = due[fault.execution]
                twin = Scheduled(again.workflow, f"{again.name}-twin", again.started_at, again.request)
                return Trouble(fault.visit, 1, lambda: arm("meanwhile", lambda: self._meanwhile(twin)))
            case "another run meanwhile":
                other = self._other(fault, due[fault.execution])
                self.comparable = False
                return Trouble(fault.visit, 1, lambda: arm("meanwhile", lambda: self._meanwhile(other)))
            case "stopped and redriven":
                if fault.how == "the step goes on":
                    return Trouble(fault.visit, 1, stops=True)
                return Trouble(
                    fault.visit, 1, lambda: arm("process ends before", end_this_process), "own", "stopped", stops=True
                )
            case _:
                return Trouble(-1)

    def _other(self, fault: Fault, one: Scheduled) -> Scheduled:
        if fault.how == "rollback":
            return Scheduled(TUNING, "rollback", one.started_at, {"rollback_to": "previous", "reason": "the bench"})
        if one.workflow == TUNING:
            return Scheduled(DAILY, "day-meanwhile", one.started_at, {"data": self.market.uri, "as_of": "2016-11-01"})
        return Scheduled(TUNING, "week-meanwhile", one.started_at, {"data": self.market.uri, "as_of": "2016-10-28"})

    def _meanwhile(self, other: Scheduled) -> None:
        """Run another execution from its beginning to its end, in a process of its own, while this one waits.

        How it ended goes into the journal: this one may itself run in a process that is killed later.
        """

        def run() -> dict[str, Any]:
            machine = self._machine(other, ())
            ended = machine.start()
            self.bus.publish(machine, ended, waits=False)
            return {"meanwhile": vars(ended), "breaches": self.watch.breaches}

        self.wire.note(Child(run).answer())

    def _ended_meanwhile(self, journal: Sequence[Mapping[str, Any]]) -> None:
        """Take over how other executions ended, and what was seen while they ran."""
        for entry in journal:
            if "meanwhile" not in entry:
                continue
            self.ended.append(Ended(**entry["meanwhile"]))
            self.watch.breaches += [Breach(*breach) for breach in entry["breaches"]]
            if self.ended[-1].outcome not in ("BUSY", "NOTHING"):
                self.comparable = False  # it did all of its work before the other began: two runs, not one

    def _alter(self, fault: Fault) -> None:
        """Change an object behind everybody's back; what was there is kept, as the versioned bucket does.

        It is kept in a file: this may happen in a process of its own, whose memory goes with it.
        """
        with self.wire.outside():
            keys = [
                (bucket, key)
                for bucket in BUCKETS
                for key in self.account.keys(bucket)
                if not key.startswith("uploads/")
            ]
            newest_first = self._newest_first(keys)
            # The newer an object, the likelier it is read again.
            bucket, key = newest_first[int(len(newest_first) * fault.pick**2)]
            answer = self.account.s3.get_object(Bucket=bucket, Key=key)
            content, metadata = answer["Body"].read(), answer["Metadata"]
            self._keep(bucket, key, content, metadata)
            self.account.s3.put_object(Bucket=bucket, Key=key, Body=spoilt(content, fault.how), Metadata=metadata)
            self.wire.note({"fault": fault.kind, "target": f"{bucket}/{key}", "how": fault.how})

    def _newest_first(self, keys: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
        """Return objects by the second of their last write; within one second, by the journal's order."""
        journal = self.wire.journal.read_text().splitlines()
        order = {json.loads(line).get("target"): number for number, line in enumerate(journal) if '"write"' in line}

        def written(place: tuple[str, str]) -> Any:
            bucket, key = place
            at = self.account.s3.head_object(Bucket=bucket, Key=key)["LastModified"]
            return at, order.get(f"{bucket}/{key}", -1), place

        return sorted(keys, key=written, reverse=True)

    def _keep(self, bucket: str, key: str, content: bytes, metadata: Mapping[str, str]) -> None:
        self.kept.mkdir(exist_ok=True)
        name = hashlib.sha256(f"{bucket}/{key}".encode()).hexdigest()
        place = self.kept / f"{name}.json"
        if not place.exists():  # the first alteration found what is right
            (self.kept / name).write_bytes(content)
            place.write_text(json.dumps({"Bucket": bucket, "Key": key, "Metadata": metadata}), encoding="utf-8")

    def _repair(self) -> None:
        """Restore what was altered, from the versions that the bucket keeps."""
        with self.wire.outside():
            for place in sorted(self.kept.glob("*.json")):
                content = place.with_suffix("")
                self.account.s3.put_object(Body=content.read_bytes(), **json.loads(place.read_text(encoding="utf-8")))
                place.unlink()

    def _result(self) -> Result:
        journal = [json.loads(line) for line in self.wire.journal.read_text().splitlines()]
        self._ended_meanwhile(journal)
        disturbed = frozenset(str(entry["by"]).split("/")[0] for entry in journal if "fault" in entry)
        fired = tuple(dict.fromkeys(str(entry["fault"]) for entry in journal if "fault" in entry))
        if self.plan.faults and self.plan.faults[0].kind == "clock":
            fired = (*fired, self.calendar)
        key = (MARKETS.index(self.market), self.calendar)
        found = Found(
            self.account,
            self.watch,
            self.ended,
            journal,
            disturbed,
            self.bench.references.get(key),
            self.state if self.comparable else None,
        )
        with self.wire.outside():
            breaches = check(found)
        return Result(
            self.plan.seed,
            self.market.name,
            self.calendar,
            tuple(fault.kind for fault in self.plan.faults),
            fired,
            {one.name: one.outcome for one in self.ended},
            breaches,
            self.redrives,
            found.reference is not None and self.comparable,
        )


TIMEOUTS = ("Sandbox.Timedout", "States.Timeout")


def spoilt(content: bytes, how: str) -> bytes:
    """Return content that was cut or changed.

    Examples
    --------
    >>> spoilt(b'{"trials": 12}', "other number"), spoilt(b"abcd", "half")
    (b'{"trials": 13}', b'ab')
    """
    match how:
        case "half":
            return content[: len(content) // 2]
        case "empty":
            return b""
        case "other JSON":
            return b'{"unexpected": [[]]}'
        case "other number" if found := list(re.finditer(rb"\d", content)):
            at = found[-1].start()
            return content[:at] + str((int(content[at : at + 1]) + 1) % 10).encode() + content[at + 1 :]
        case _:
            middle = len(content) // 2
            return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :] if content else b" "
