"""What became of each model: promoted, rolled back, superseded, shadowed, and when, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cli.console import console, print_hint, print_table
from cli.deployment import Deployment
from lambdas.adapters.shadow import ShadowSeat

if TYPE_CHECKING:
    from lambdas.runtime.stores import Stores

EVENTS = {
    "PROMOTED": "promoted",
    "ROLLED_BACK": "champion again, by a rollback",
    "SUPERSEDED": "superseded",
    "SHADOWED": "became the shadow",
    "SHADOW_ENDED": "is no shadow any more",
}


def history(deployment: Deployment | Stores) -> list[dict[str, Any]]:
    """Return what happened to the champion, to the shadow, and to candidates that came too late, oldest first."""
    seat = ShadowSeat(deployment.analytics_table)
    changes = [*deployment.registry.changes(), *seat.changes()]
    events = [{name: value for name, value in change.items() if name not in ("PK", "SK")} for change in changes]
    events += [
        {
            "event": "SUPERSEDED",
            "version": model["version"],
            "since": model["judged_at"],
            "run_id": model["run_id"],
            "reason": "another model was promoted meanwhile",
        }
        for model in deployment.analytics.models()
        if model.get("outcome") == "SUPERSEDED"
    ]
    return sorted(events, key=lambda event: (str(event["since"]), str(event["run_id"])))


def standing(deployment: Deployment | Stores, events: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return every judged model with what it is now and since when, the latest change first.

    Parameters
    ----------
    deployment : Deployment
    events : sequence of dict
        See `history`.

    Returns
    -------
    list of dict
        version, now, since, run_id (that judged it), stopped_by, artefact.
    """
    pointer, shadow = deployment.registry.pointer() or {}, ShadowSeat(deployment.analytics_table).version()
    known = {model["version"]: model for model in deployment.analytics.models()}
    known |= {shadow: {"version": shadow} for shadow in (shadow,) if shadow and shadow not in known}
    rows = []
    for version, model in known.items():
        now, since = _now(version, model, events)
        if version == pointer.get("version"):
            now, since = "champion", pointer["since"]
        elif version == shadow:
            now = "shadow"
        elif version == pointer.get("previous"):
            now += "; the one before the champion"
        facts = {name: model.get(name) for name in ("run_id", "stopped_by", "artefact")}
        rows.append({"version": version, "now": now, "since": since, **facts})
    return sorted(rows, key=lambda row: (str(row["since"]), str(row["version"])), reverse=True)


def _now(version: str, model: Mapping[str, Any], events: Sequence[Mapping[str, Any]]) -> tuple[str, str | None]:
    """Return what a model that is neither champion nor shadow is, and since when: by the last that happened to it."""
    replaced = [event for event in events if event.get("replaced") == version]
    if "promoted_at" in model and replaced:
        last = replaced[-1]
        by_rollback = last.get("event") == "ROLLED_BACK"
        return f"{'rolled back' if by_rollback else 'replaced'}, {last['version']} in its place", last["since"]
    own = [event for event in events if event["version"] == version]
    since = own[-1]["since"] if own else model.get("judged_at")
    outcome = str(model.get("outcome", "")).lower()
    return {"shadowed": "was the shadow"}.get(outcome, outcome or "not judged yet"), since


def print_standing(models: Sequence[Mapping[str, Any]], last: int) -> None:
    """Print what each model is now; the newest `last` of them."""
    if not models:
        return
    console.print()
    columns = ("model", "now", "since", "judged by run", "stopped by gate", "artefact")
    names = ("version", "now", "since", "run_id", "stopped_by", "artefact")
    rows = [[when(row[name]) if name == "since" else row[name] for name in names] for row in models[:last]]
    print_table(columns, rows, title="Models")
    _print_left_out(len(models) - last, "models")


def print_history(events: Sequence[Mapping[str, Any]], last: int) -> None:
    """Print what happened to models, oldest first; the last `last` events."""
    if not events:
        return
    console.print()
    rows = [
        (
            when(event["since"]),
            event["version"],
            EVENTS.get(str(event.get("event")), event.get("event")),
            event.get("replaced"),
            event["run_id"],
            event.get("requested_by") or None,
            event.get("reason") or None,
        )
        for event in events[-last:]
    ]
    columns = ("when", "model", "what", "in place of", "run", "asked by", "why")
    print_table(columns, rows, title="History of models")
    _print_left_out(len(events) - last, "events")


def print_shadow(shadow: Mapping[str, Any] | None) -> None:
    """Say which model is watched without being published, if there is one."""
    if shadow is not None:
        console.print(f"Shadow {shadow['version']} since {when(shadow['since'])}: scored daily, published nowhere")


def when(moment: object) -> str | None:
    """Return a recorded moment as people read it.

    Examples
    --------
    >>> when("2026-11-06T02:00:00+00:00"), when(None)
    ('2026-11-06 02:00 UTC', None)
    """
    return None if moment is None else f"{str(moment)[:16].replace('T', ' ')} UTC"


def _print_left_out(n: int, what: str) -> None:
    if n > 0:
        print_hint(f"{n} earlier {what}: `amts status --last 200`, or all of them with --json")
