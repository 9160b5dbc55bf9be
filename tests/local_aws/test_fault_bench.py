"""A few runs of `benchmarks.faults`, and breaks that are planted to show that each of its invariants can fail.

The whole bench is `make faults`; what it found is in docs/reliability.md.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from deployed_app import require_tools

from benchmarks.faults.bus import Bus
from benchmarks.faults.faults import Fault, Plan
from benchmarks.faults.invariants import Breach, Found, Watch, check, final_state
from benchmarks.faults.machine import TUNING, Ended
from benchmarks.faults.story import Bench, Story
from benchmarks.faults.wire import Wire, installed
from benchmarks.faults.world import RECOMMENDATIONS, account, synthesized
from cli.local_aws.place import Place
from lambdas.adapters.dynamodb import to_item, update_arguments
from lambdas.adapters.ledger import TOTAL, TrialLedger
from lambdas.adapters.registry import POINTER
from lambdas.runtime.observability import logger

pytestmark = pytest.mark.slow
WEEK, MONDAY = 0, 1
AT_ONCE = Fault("stopped and redriven", "the process ends too", WEEK, 0, 2)
"""The weekly execution is stopped in its first step, whose process ends before its second request; the first reads."""


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """The account in which one ordinary week was lived through without a fault."""
    folder = tmp_path_factory.mktemp("faults")
    require_tools(Place(folder))
    level = logger.log_level
    logger.setLevel(logging.CRITICAL)  # the processes of the machine are forked from this one
    try:
        with account() as stores, installed(Wire(folder / "journal")) as wire:
            made = Bench(stores, synthesized(), wire)
            made.prepare(0, "ordinary")
            yield made
    finally:
        logger.setLevel(level)


def visit(bench: Bench, execution: int, action: str) -> int:
    actions = [one.action for one in bench.profile[0, "ordinary"][execution]]
    return len(actions) - 1 - actions[::-1].index(action)


def hit(bench: Bench, execution: int, action: str, kind: str, how: str, *, last: bool = False, **more: Any) -> Plan:
    """A plan with one fault, in a step of an execution: at its second call, or at its last."""
    at = visit(bench, execution, action)
    call = bench.profile[0, "ordinary"][execution][at].calls if last else 2
    fault = Fault(kind, how, execution, at, call, **more)
    return Plan(1, 0, "ordinary", (fault,), "at once", "next step")


def lived(bench: Bench, plan: Plan) -> Story:
    story = bench.live(plan)
    assert story.result.fired, "the fault did not come in"
    return story


@pytest.mark.parametrize(
    ("execution", "action", "kind", "how", "more"),
    [
        (WEEK, "promote", "killed", "after", {"last": True}),
        (WEEK, "evaluate", "ends after it was given up", "before", {}),
        (WEEK, "promote", "throttled", "throttled", {"times": 5, "calls": 8}),
        (MONDAY, "settle", "slow or lost answer", "answer lost", {"calls": 5}),
        (WEEK, "validate", "truncated object", "half", {"pick": 0.0}),
        (WEEK, "fit_candidate", "duplicate start", "duplicate start", {}),
    ],
)
def test_no_invariant_breaks(
    bench: Bench, execution: int, action: str, kind: str, how: str, more: dict[str, Any]
) -> None:
    result = lived(bench, hit(bench, execution, action, kind, how, **more)).result

    assert result.breaches == []


def in_a_killed_process(bench: Bench, execution: int, action: str, kind: str) -> Plan:
    """A plan in which something happens at the second call of a step whose process is killed at the third."""
    at = visit(bench, execution, action)
    faults = (Fault(kind, "bit", execution, at, 2), Fault("killed", "after", execution, at, 3))
    return Plan(1, 0, "ordinary", faults, "at once", "next step")


def test_what_is_altered_is_restored_though_the_process_that_saw_it_is_killed(bench: Bench) -> None:
    result = lived(bench, in_a_killed_process(bench, WEEK, "fit_candidate", "altered object")).result

    assert result.redrives == 1, "the altered object was not read"
    assert (result.outcomes["week"], result.outcomes["week-1"]) == ("FAILED", "PROMOTED")
    assert result.breaches == []


def test_a_run_meanwhile_is_known_though_the_process_that_waited_for_it_is_killed(bench: Bench) -> None:
    result = lived(bench, in_a_killed_process(bench, WEEK, "build", "duplicate start")).result

    assert result.outcomes["week-twin"] == "BUSY"
    assert result.breaches == []


@pytest.mark.parametrize(
    ("delivered", "redriven", "outcome"),
    [
        ("at once", "never", "ABORTED"),
        ("late", "never", "ABORTED"),
        ("twice", "at once", "PROMOTED"),
        ("late", "at once", "PROMOTED"),
    ],
)
def test_an_execution_that_is_stopped_before_it_wrote_anything_is_on_record(
    bench: Bench, delivered: str, redriven: Any, outcome: str
) -> None:
    seed = next(seed for seed in range(100) if Bus((), bench.wire, seed, print).delivered == delivered)

    story = lived(bench, Plan(seed, 0, "ordinary", (AT_ONCE,), redriven, "next step"))

    assert story.result.breaches == []
    assert story.result.outcomes["week"] == outcome
    record = bench.account.stores.analytics.run("week") or {}
    assert ("kind" in record) is (outcome != "ABORTED")
    assert record["outcome"] == ("FAILED" if outcome == "ABORTED" else outcome)
    assert record.get("error") == ("LostRun" if outcome == "ABORTED" else None)


def test_without_the_rules_such_an_execution_breaks_an_invariant(bench: Bench) -> None:
    deaf = replace(bench, deployed=bench.deployed._replace(rules=()))

    result = lived(deaf, Plan(1, 0, "ordinary", (AT_ONCE,), "never", "next step")).result

    assert [breach.invariant for breach in result.breaches] == ["outcome"]


def broken(bench: Bench, *ended: Ended, journal: list[dict[str, Any]] | None = None) -> set[str]:
    """Names of the invariants that do not hold of what is stored now, from the state before on."""
    watch = Watch(bench.account)
    before = bench.begun[0]
    changed = bench.account.snapshot()
    bench.account.restore(before)
    watch.look("the beginning")
    reference = final_state(bench.account)
    bench.account.restore(changed)
    watch.look("the break")
    found = Found(bench.account, watch, ended, journal or [], frozenset(), reference, final_state(bench.account))
    return {breach.invariant for breach in check(found)}


def put_pointer(bench: Bench) -> None:
    change = {"version": "v20161028-000000000000", "run_id": "nobody"}
    bench.account.stores.analytics_table.update(POINTER, change, condition={})


def alter_artefact(bench: Bench) -> None:
    stores = bench.account.stores
    version = stores.registry.champion()
    stores.objects.write(f"{stores.models.uri(str(version))}/ensemble.json", b"{}")


def lose_an_end(bench: Bench) -> None:
    bench.account.stores.analytics_table.put({"PK": "RUN#lost", "SK": "META", "run_id": "lost"})


def recommend_without_a_champion(bench: Bench) -> None:
    values = {"version": "v20161028-000000000000", "probability": 0.9, "rank": 1}
    bench.account.stores.recommendations.publish("AAA", "2016-10-31#nobody", values)


def shrink_the_ledger(bench: Bench) -> None:
    arguments = update_arguments(TOTAL, {"trials": 1})
    bench.account.dynamodb.update_item(TableName=bench.account.stores.analytics_table.name, **arguments)


def change_an_issued_recommendation(bench: Bench) -> None:
    item = bench.account.items(RECOMMENDATIONS)[0]
    bench.account.dynamodb.put_item(TableName=RECOMMENDATIONS, Item=to_item({**item, "probability": 0.123}))


@pytest.mark.parametrize(
    ("plant", "invariant"),
    [
        (put_pointer, "champion"),
        (alter_artefact, "champion"),
        (lose_an_end, "outcome"),
        (recommend_without_a_champion, "recommendation"),
        (shrink_the_ledger, "ledger"),
        (change_an_issued_recommendation, "twice"),
        (put_pointer, "same end"),
    ],
)
def test_a_break_that_is_stored_is_seen(bench: Bench, plant: Callable[[Bench], None], invariant: str) -> None:
    bench.account.restore(bench.begun[0])
    assert broken(bench) == set()

    plant(bench)

    assert invariant in broken(bench)


def test_executions_without_a_record_and_errors_without_a_name_are_seen(bench: Bench) -> None:
    bench.account.restore(bench.begun[0])

    assert "outcome" in broken(bench, Ended("unheard-of", TUNING, "SUCCEEDED", {"outcome": "PROMOTED"}))
    assert "named error" in broken(bench, Ended("week-before", TUNING, "FAILED", error="KeyError", cause="'x'"))


def test_an_object_that_is_written_with_two_contents_is_seen(bench: Bench) -> None:
    bench.account.restore(bench.begun[0])
    journal = [{"write": "PutObject", "target": "b/predictions/x.parquet", "sha256": text} for text in "ab"]

    assert "twice" in broken(bench, journal=journal)


def test_a_search_that_is_counted_again_by_a_retry_is_seen(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def add(self: TrialLedger, search_key: str, *, trials: int, run_id: str) -> int:
        key = {"PK": "LEDGER", "SK": f"SEARCH#{search_key}"}
        self._table.put({**key, "trials": trials, "run_id": run_id})
        self._table.put({**TOTAL, "trials": self.total() + trials})
        return self.total()

    monkeypatch.setattr(TrialLedger, "add", add)
    result = lived(bench, hit(bench, WEEK, "evaluate", "killed", "before", last=True)).result

    assert "ledger" in {Breach(*breach).invariant for breach in result.breaches}
