"""What became of each model: promoted, rolled back, superseded, shadowed, and when, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cli.console import console, print_table
from cli.deployment import Deployment
from lambdas.adapters.shadow import ShadowSeat

if TYPE_CHECKING:
    from lambdas.runtime.stores import Stores

COLUMNS = ("when", "model", "what", "in place of", "run", "asked by", "why")


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


def print_history(events: list[dict[str, Any]]) -> None:
    """Print what happened to models, oldest first."""
    if not events:
        return
    console.print()
    rows = [
        (
            event["since"],
            event["version"],
            str(event.get("event", "")).lower().replace("_", " "),
            event.get("replaced"),
            event["run_id"],
            event.get("requested_by") or None,
            event.get("reason") or None,
        )
        for event in events
    ]
    print_table(COLUMNS, rows, title="History of models")


def print_shadow(shadow: dict[str, Any] | None) -> None:
    """Say which model is watched without being published, if there is one."""
    if shadow is not None:
        console.print(f"Shadow {shadow['version']} since {shadow['since']}: scored daily, published nowhere")
