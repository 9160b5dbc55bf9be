"""What must hold after each run, whatever happened in it; each check can fail, and a test shows that it does."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, NamedTuple

from boto3.dynamodb.types import TypeDeserializer

from benchmarks.faults.machine import DAILY, Ended
from benchmarks.faults.world import ANALYTICS, RECOMMENDATIONS, Account
from lambdas.adapters.dynamodb import from_item
from lambdas.advanced_model_tuning_service.ending import PROMOTION_GATES
from lambdas.contracts.errors import PERMANENT_ERRORS, RETRYABLE_ERRORS
from lambdas.contracts.storage import WRITTEN_BY
from lambdas.core.errors import AmtsError

NAMES = (
    "champion",
    "outcome",
    "recommendation",
    "ledger",
    "twice",
    "same end",
    "named error",
)
"""Of the invariants, in the order of docs/reliability.md."""

PLATFORM_ERRORS = ("Lambda.", "Runtime.", "Sandbox.", "States.")
REWRITTEN = (".log.json", "reports/", "raw/")
"""Objects that are written again on purpose: the log of a search, pages of a run, the index of a live source."""


class Breach(NamedTuple):
    """An invariant that did not hold."""

    invariant: str
    what: str


@dataclass
class Watch:
    """Looks at the stores after each invocation, as a user might at any moment."""

    account: Account
    breaches: list[Breach] = field(default_factory=list)
    total: int = 0
    champion: tuple[str, str] | None = None
    recommended: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)

    def look(self, after: str) -> None:
        """Compare what is stored with what was there before."""
        stores = self.account.stores
        total = stores.ledger.total()
        if total < self.total:
            self.breaches.append(Breach("ledger", f"it fell from {self.total} to {total} after {after}"))
        self.total = total
        pointer = stores.registry.pointer()
        champion = None if pointer is None else (str(pointer["version"]), str(pointer["run_id"]))
        if champion != self.champion and champion is not None:
            self.breaches += [Breach("champion", f"{what}, after {after}") for what in unfit(self.account, champion)]
        self.champion = champion
        deployed = {change["version"] for change in stores.registry.changes()}
        for item in self.account.items(RECOMMENDATIONS):
            key = (item["symbol"], item["recommendation_id"])
            if item.get("written_by") != WRITTEN_BY:
                continue
            known = self.recommended.get(key)
            if known is None and item["version"] not in deployed:
                self.breaches.append(Breach("recommendation", f"{key} of {item['version']}, which was no champion"))
            changed = [] if known is None else [n for n in ISSUED if known.get(n) != item.get(n)]
            if changed:
                self.breaches.append(Breach("twice", f"recommendation {key} has another {', '.join(changed)}: {after}"))
            self.recommended[key] = item
        for key in self.recommended.keys() - {(i["symbol"], i["recommendation_id"]) for i in self.recommended.values()}:
            self.breaches.append(Breach("recommendation", f"{key} has gone, after {after}"))


ISSUED = ("version", "decision_session", "probability", "rank", "run_id", "published_at")
"""What a recommendation says from the moment it is issued."""


def unfit(account: Account, champion: tuple[str, str]) -> Iterable[str]:
    """Say why a version may not be champion by a run; nothing if it may."""
    stores, (version, run_id) = account.stores, champion
    model = stores.analytics.model(version)
    if model is None or "promoted_at" not in model:
        yield f"{version} has no record of a promotion"
        return
    run = stores.analytics.run(run_id) or {}
    if run.get("outcome") not in ("PROMOTED", "ROLLED_BACK"):
        yield f"{version} is champion by run {run_id}, whose outcome is {run.get('outcome')}"
    promoted_by = str(model["run_id"])
    passed = [
        all(gates.get(name, {}).get("verdict") == "PASS" for name in PROMOTION_GATES)
        and gates["deployment"].get("version") == version
        for gates in (stores.analytics.gates(promoted_by, of=of) for of in ("candidate", "shadow"))
    ]
    if not any(passed):
        yield f"{version} has not passed every gate of run {promoted_by}"
    try:
        stores.models.verify(version)
    except AmtsError as error:
        yield f"{version}: {error}"


@dataclass(frozen=True)
class Found:
    """All that is known of a run of the bench when it is over."""

    account: Account
    watch: Watch
    ended: Sequence[Ended]
    journal: Sequence[Mapping[str, Any]]
    disturbed: frozenset[str]
    reference: Mapping[str, Any] | None = None
    state: Mapping[str, Any] | None = None


def check(found: Found) -> list[Breach]:
    """Return every invariant that does not hold."""
    champion = found.watch.champion
    breaches = list(found.watch.breaches)
    if champion is not None:
        breaches += [Breach("champion", what) for what in unfit(found.account, champion)]
    items = found.account.items(ANALYTICS)
    breaches += [Breach("outcome", what) for what in without_outcome(items, found.ended)]
    breaches += [Breach("ledger", what) for what in miscounted(items)]
    breaches += [Breach("twice", what) for what in written_twice(found, items)]
    breaches += [Breach("named error", what) for what in unnamed(found.ended)]
    if found.reference is not None and found.state is not None:
        breaches += [Breach("same end", what) for what in other_end(found.state, found.reference)]
    return list(dict.fromkeys(breaches))


def without_outcome(items: Sequence[Mapping[str, Any]], ended: Sequence[Ended]) -> Iterable[str]:
    """Say which execution has no record, which record no outcome, and where the two differ."""
    runs = {item["PK"].removeprefix("RUN#"): item for item in items if item["SK"] == "META"}
    for run_id, run in runs.items():
        if "outcome" not in run:
            yield f"run {run_id} has no outcome"
    for one in ended:
        if one.name not in runs:
            yield f"execution {one.name} ({one.status}) has no record"
        elif one.status == "SUCCEEDED" and one.workflow != DAILY and one.outcome != runs[one.name].get("outcome"):
            yield f"execution {one.name} says {one.outcome}, its record {runs[one.name].get('outcome')}"
        elif one.status == "SUCCEEDED" and "kind" not in runs[one.name]:
            yield f"the record of {one.name} does not say what was planned"


def miscounted(items: Sequence[Mapping[str, Any]]) -> Iterable[str]:
    """Say by how much the ledger is not the sum of its searches."""
    searches = sum(i["trials"] for i in items if i["PK"] == "LEDGER" and i["SK"].startswith("SEARCH#"))
    total = sum(i["trials"] for i in items if i["PK"] == "LEDGER" and i["SK"] == "TOTAL")
    if searches != total:
        yield f"its searches have {searches} trials, its total is {total}"


def written_twice(found: Found, items: Sequence[Mapping[str, Any]]) -> Iterable[str]:
    """Say what was written again that is written once: by the writes that took effect, and by what is stored."""
    yield from _rewritten_objects(found.journal)
    yield from _repeated_items(found.journal)
    changes = [item for item in items if item["PK"] == "CHAMPION" and item["SK"].startswith("CHANGE#")]
    changes.sort(key=lambda item: str(item["SK"]))
    for run_id, times in Counter(change["run_id"] for change in changes).items():
        if times > 1:
            yield f"run {run_id} changed the champion {times} times"
    for earlier, later in pairwise(changes):
        if later["replaced"] != earlier["version"]:
            yield f"run {later['run_id']} replaced {later['replaced']}, but {earlier['version']} was champion"
    pointers = [item for item in items if (item["PK"], item["SK"]) == ("CHAMPION", "POINTER")]
    if pointers and not any(pointers[0]["run_id"] == change["run_id"] for change in changes):
        yield f"the pointer is by run {pointers[0]['run_id']}, of which there is no change"
    listed = Counter(item["run_id"] for item in items if item["PK"] == "RUNS")
    yield from (f"run {run_id} is listed {times} times" for run_id, times in listed.items() if times > 1)
    yield from _announcements(found)


def _rewritten_objects(journal: Sequence[Mapping[str, Any]]) -> Iterable[str]:
    contents = defaultdict(set)
    for entry in journal:
        if entry.get("write") == "PutObject" and not any(part in entry["target"] for part in REWRITTEN):
            contents[entry["target"]].add(entry["sha256"])
    for key, hashes in contents.items():
        if len(hashes) > 1:
            yield f"object {key} was written with {len(hashes)} contents"


def _repeated_items(journal: Sequence[Mapping[str, Any]]) -> Iterable[str]:
    published, settled, ends = Counter[Any](), Counter[Any](), Counter[Any]()
    for entry in journal:
        for operation, body in _single_writes(entry):
            if operation == "Put" and body["TableName"] == RECOMMENDATIONS:
                item = from_item(body["Item"])
                published[item["symbol"], item["recommendation_id"]] += 1
            if operation != "Update":
                continue
            key, values = from_item(body["Key"]), _set(body)
            if body["TableName"] == RECOMMENDATIONS and values.get("status") in ("settled", "unresolved"):
                settled[key["symbol"], key["recommendation_id"]] += 1
            if str(key.get("PK", "")).startswith("RUN#") and "outcome" in values:
                ends[key["PK"]] += 1
    for what, counted in (("published", published), ("settled", settled), ("ended", ends)):
        yield from (f"{key} was {what} {times} times" for key, times in counted.items() if times > 1)


def _single_writes(entry: Mapping[str, Any]) -> Iterable[tuple[str, dict[str, Any]]]:
    match entry.get("write"):
        case "PutItem":
            yield "Put", entry["body"]
        case "UpdateItem":
            yield "Update", entry["body"]
        case "TransactWriteItems":
            for part in entry["body"]["TransactItems"]:
                yield from part.items()


def _set(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an update of ours sets: ``SET #s0 = :s0, …``."""
    names, values = body.get("ExpressionAttributeNames", {}), body.get("ExpressionAttributeValues", {})
    plain = TypeDeserializer()
    return {name: plain.deserialize(values[f":{alias[1:]}"]) for alias, name in names.items() if alias.startswith("#s")}


def _announcements(found: Found) -> Iterable[str]:
    """Say which end was never told, and which twice without a fault between telling it and noting that it was told."""
    told: Counter[tuple[str, str]] = Counter()
    for entry in found.journal:
        if entry.get("write") == "Publish":
            attributes = _attributes(entry["body"])
            told[attributes["run_id"], attributes["outcome"]] += 1
    for (run_id, outcome), times in told.items():
        if times > 1 and run_id not in found.disturbed:
            yield f"the end {outcome} of run {run_id} was announced {times} times, and nothing had disturbed it"
    for one in found.ended:
        expected = one.status == "SUCCEEDED" and one.outcome not in ("ASSESSED", "NOTHING")
        if expected and not any(run_id == one.name for run_id, _ in told):
            yield f"the end {one.outcome} of run {one.name} was never announced"


def _attributes(body: Mapping[str, str]) -> dict[str, str]:
    prefix = "MessageAttributes.entry."
    numbers = {name.split(".")[2] for name in body if name.startswith(prefix)}
    return {body[f"{prefix}{n}.Name"]: body[f"{prefix}{n}.Value.StringValue"] for n in numbers}


def unnamed(ended: Sequence[Ended]) -> Iterable[str]:
    """Say which run failed with whatever Python raised, in place of an error that has a name and a remedy."""
    for one in ended:
        known = one.error in (*PERMANENT_ERRORS, *RETRYABLE_ERRORS) or one.error.startswith(PLATFORM_ERRORS)
        if one.status == "FAILED" and not known:
            yield f"{one.name} failed with {one.error}: {_message(one.cause)}"


def _message(cause: str) -> str:
    try:
        return str(json.loads(cause)["errorMessage"])[:200]
    except (ValueError, KeyError):
        return cause[:200]


def final_state(account: Account) -> dict[str, Any]:
    """Return what users see in the end: champion, recommendations, trials."""
    ours = [item for item in account.items(RECOMMENDATIONS) if item.get("written_by") == WRITTEN_BY]
    return {
        "champion": account.stores.registry.champion(),
        "shadow": account.stores.shadow.version(),
        "trials": account.stores.ledger.total(),
        "recommendations": {
            f"{i['symbol']} {i['recommendation_id']}": [i.get("probability"), i.get("status"), i.get("net_return")]
            for i in ours
        },
    }


def other_end(state: Mapping[str, Any], reference: Mapping[str, Any]) -> Iterable[str]:
    """Say in what the end of a run differs from that of the same run without faults."""
    for name in ("champion", "shadow", "trials"):
        if state[name] != reference[name]:
            yield f"{name} is {state[name]}, without faults {reference[name]}"
    ours, theirs = state["recommendations"], reference["recommendations"]
    different = sorted(key for key in ours.keys() | theirs.keys() if ours.get(key) != theirs.get(key))
    if different:
        first = different[0]
        pair = f"{ours.get(first)}, without faults {theirs.get(first)}"
        yield f"{len(different)} recommendations differ, the first {first}: {pair}"
