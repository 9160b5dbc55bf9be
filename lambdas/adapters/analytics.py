"""Runs, gate verdicts, judged models and live performance in the table `ai-performance-analytics`."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any, NamedTuple, get_args

from pydantic import ValidationError

from lambdas.adapters.dynamodb import Table
from lambdas.contracts.backtesting import LiveSession
from lambdas.contracts.storage import AnalyticsKey
from lambdas.core.values import GateName, GateRecord

GATE_ORDER: tuple[str, ...] = get_args(GateName)
"""Gates in the order in which the machines ask them."""


WEEK = dt.timedelta(days=7)


def run_key(run_id: str) -> dict[str, str]:
    """Return the key of a run's record."""
    return {"PK": f"{AnalyticsKey.RUN}{run_id}", "SK": AnalyticsKey.RUN_META}


def model_key(version: str) -> dict[str, str]:
    """Return the key of a judged model."""
    return {"PK": AnalyticsKey.MODEL, "SK": version}


def now() -> str:
    """Return this moment in UTC, ISO 8601, whole seconds: the one time that no result depends on."""
    return utc(dt.datetime.now(dt.UTC))


def utc(moment: dt.datetime) -> str:
    """Return a moment in UTC, ISO 8601, whole seconds: texts of it compare as the moments do."""
    return moment.astimezone(dt.UTC).isoformat(timespec="seconds")


class Analytics:
    """Records that people and later steps read. Writing the same record again changes nothing."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def open_run(self, run_id: str, started_at: dt.datetime, values: Mapping[str, Any]) -> None:
        """Write the record of a run that begins, with its plan; the record of a run that was planned before stays.

        A record that only notes that there was such a run is completed: its execution was stopped before the plan was
        written, and redriven, or the step went on.
        """
        if not self.note_run(run_id, started_at, values):
            self._table.update(run_key(run_id), values, condition={"kind": None, "outcome": None})

    def note_run(self, run_id: str, started_at: dt.datetime, values: Mapping[str, Any]) -> bool:
        """Write and list the record of a run, if there is none; say whether there was none.

        A record that is there stays as it is, and is listed if whoever wrote it came no further.
        """
        started = utc(started_at)
        opened = self._table.put_once({**values, **run_key(run_id), "run_id": run_id, "started_at": started}, "PK")
        if not opened:
            started = (self.run(run_id) or {}).get("started_at", started)
        self._table.put({"PK": AnalyticsKey.RUNS, "SK": f"{started}#{run_id}", "run_id": run_id})
        return opened

    def run(self, run_id: str) -> dict[str, Any] | None:
        """Return the record of a run, or None."""
        return self._table.get(run_key(run_id))

    def close_run(self, run_id: str, values: Mapping[str, Any]) -> bool:
        """Record how a run ended, once; say whether this call did it. The first end stands."""
        values = {**values, "run_id": run_id, "ended_at": now()}
        return self._table.update(run_key(run_id), values, condition={"outcome": None})

    def mark_announced(self, run_id: str) -> None:
        """Record that the end of a run was announced: after it was, since twice is better than never."""
        self._table.update(run_key(run_id), {"announced_at": now()}, condition={"announced_at": None})

    def record_cost(self, run_id: str, cost: Mapping[str, Any]) -> None:
        """Keep what a run cost, the first time it is known."""
        self._table.update(run_key(run_id), {"cost": dict(cost)}, condition={"cost": None})

    def last_runs(self, limit: int = 10) -> list[dict[str, Any]]:
        """Return the records of the runs that began last, newest first."""
        listed = self._table.query(AnalyticsKey.RUNS, newest_first=True, limit=limit)
        return self._table.get_all([run_key(entry["run_id"]) for entry in listed])

    def record_gate(self, run_id: str, gate: GateRecord, *, of: str = "candidate", **facts: str | None) -> None:
        """Write the verdict of one gate of a run, with facts that a later step checks.

        `of` is whose gate it is: that of the run's candidate, or of the shadow.
        """
        order = GATE_ORDER.index(gate.gate)
        self._table.put(
            {
                "PK": f"{AnalyticsKey.RUN}{run_id}",
                "SK": f"{_gate_prefix(of)}{order}#{gate.gate}",
                **gate.model_dump(mode="json"),
                **facts,
            }
        )

    def gates(self, run_id: str, *, of: str = "candidate") -> dict[str, dict[str, Any]]:
        """Return the recorded verdicts of a run by the gate's name, in the order of the machine."""
        found = self._table.query(f"{AnalyticsKey.RUN}{run_id}", _gate_prefix(of))
        return {item["gate"]: item for item in found}

    def record_model(self, version: str, values: Mapping[str, Any]) -> None:
        """Write what became of a model that was not promoted; what is known of a promoted one, and by a run, stays."""
        known = self.model(version)
        if known is None or known.get("run_id") != values["run_id"]:
            values = {**values, "version": version}
            self._table.update(model_key(version), values, condition={"promoted_at": None})

    def model(self, version: str) -> dict[str, Any] | None:
        """Return what is known of a judged model, or None."""
        return self._table.get(model_key(version))

    def models(self) -> list[dict[str, Any]]:
        """Return what is known of every judged model, by version."""
        return self._table.query(AnalyticsKey.MODEL, limit=10_000)

    def once_a_week(self, what: str, run_id: str, at: dt.datetime) -> bool:
        """Say whether `what` may be done now by a run: nobody did it in the seven days before, or this run did."""
        key, values = {"PK": AnalyticsKey.ONCE, "SK": what}, {"run_id": run_id, "at": utc(at)}
        if self._table.put_once({**key, **values}, "PK"):
            return True
        last = self._table.get(key)
        if last is None or last["run_id"] == run_id:
            return True
        if last["at"] > utc(at - WEEK):
            return False
        return self._table.update(key, values, condition={"run_id": last["run_id"]})

    def publish_session(self, session: LiveSession) -> bool:
        """Record what a model recommended for a session, once; say whether this call did it."""
        return self._table.put_once({**live_key(session), **session.model_dump(mode="json")}, "PK")

    def update_session(self, session: LiveSession) -> bool:
        """Write how a session went, if nobody wrote since it was read; say whether it was so."""
        values = session.model_dump(mode="json") | {"revision": session.revision + 1}
        return self._table.update(live_key(session), values, condition={"revision": session.revision})

    def live_session(self, session: LiveSession) -> LiveSession:
        """Return what stands where `session` would: what was published first."""
        item = self._table.get(live_key(session))
        if item is None:
            raise KeyError(live_key(session)["SK"])
        return _live_session(item)

    def live_sessions(self, limit: int = 1500) -> LiveRecord:
        """Return what models recommended, newest first; items that cannot be read are named, and left alone."""
        sessions, unreadable = [], []
        for item in self._table.query(AnalyticsKey.LIVE, newest_first=True, limit=limit):
            try:
                sessions.append(_live_session(item))
            except ValidationError:
                unreadable.append(str(item["SK"]))
        return LiveRecord(tuple(sessions), tuple(unreadable))

    def record_performance(self, session: str, track: str, values: Mapping[str, Any]) -> None:
        """Write live numbers as of a session: of all that was published, or of one model."""
        self._table.put({"PK": AnalyticsKey.PERFORMANCE, "SK": f"{session}#{track}", "track": track, **values})

    def performance(self, limit: int = 1500) -> list[dict[str, Any]]:
        """Return live numbers by session and track, newest first."""
        return self._table.query(AnalyticsKey.PERFORMANCE, newest_first=True, limit=limit)


class LiveRecord(NamedTuple):
    """What models recommended, and the keys of items that could not be read."""

    sessions: tuple[LiveSession, ...]
    unreadable: tuple[str, ...]


def live_key(session: LiveSession) -> dict[str, str]:
    """Return the key of what a model recommended for a session."""
    return {"PK": AnalyticsKey.LIVE, "SK": f"{session.decision_session}#{session.version}"}


def _gate_prefix(of: str) -> str:
    return AnalyticsKey.RUN_SHADOW_GATE if of == "shadow" else AnalyticsKey.RUN_GATE


def _live_session(item: Mapping[str, Any]) -> LiveSession:
    return LiveSession.model_validate({name: value for name, value in item.items() if name not in ("PK", "SK")})


def gate_record(item: Mapping[str, Any]) -> GateRecord:
    """Return a recorded verdict as a value."""
    return GateRecord.model_validate({name: item[name] for name in GateRecord.model_fields if name in item})
