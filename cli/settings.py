"""`amts settings`: every setting with its value and where it comes from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import BaseModel

from cli.console import print_hint, print_table
from cli.inputs import SetOption, SettingsOption
from cli.layers import Setting, resolve, unknown_variables
from cli.outputs import require_writable, write_json
from lambdas.contracts.settings import settings_hash
from lambdas.core.errors import InvalidRequestError

app = typer.Typer()

EnvironmentOption = Annotated[
    str | None,
    typer.Option(
        "--env", help="Environment whose file counts: local, dev, prod. Default: $AMTS_ENV, else none, as in research."
    ),
]


@app.command()
def settings(
    names: Annotated[
        list[str] | None, typer.Argument(help="Only these, or these groups: gates, model.tuning, map. Default: all.")
    ] = None,
    changed: Annotated[bool, typer.Option("--changed", help="Only what does not have its default.")] = False,
    settings_file: SettingsOption = None,
    assignments: SetOption = None,
    env: EnvironmentOption = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write name, value, origin and default to this file; - is the screen.")
    ] = None,
) -> None:
    """Show every setting, its value, and where the value comes from.

    The order is default < environment file < --settings < AMTS_ variables < --set and other flags; the last one wins.
    Research commands read the settings under `model`, a deployment all of them.

    Example: amts settings gates tuning

    Example: amts settings --env prod --changed

    Example: amts settings --set tuning.n_trials=20 --json settings.json
    """
    require_writable(json_file)
    resolved = resolve(env, settings_file, assignments or ())
    chosen = [one for one in resolved.settings() if _is_asked_for(one, names) and (one.is_changed or not changed)]
    if names and not chosen and not changed:
        raise InvalidRequestError(f"{' '.join(names)}: no setting has this name; `amts settings` lists all of them")
    write_json(
        json_file,
        {
            "settings_hash": settings_hash(resolved.model),
            "settings": {
                one.name: {
                    "value": plain(one.value),
                    "origin": one.origin,
                    "default": plain(one.default),
                    "meaning": one.meaning,
                }
                for one in chosen
            },
        },
    )
    if chosen:
        rows = [(one.name, one.origin, shown(one.value)) for one in chosen]
        print_table(("setting", "from", "value"), rows)
    else:
        print_hint("Every setting has its default.")
    print_hint(f"Hash of the model's settings, which every verdict carries: {settings_hash(resolved.model)}")
    for name in unknown_variables():
        print_hint(f"{name}: no setting has this name, so it changes nothing")


def _is_asked_for(setting: Setting, names: list[str] | None) -> bool:
    return not names or any(
        setting.name == name
        or setting.name.startswith((f"{name}.", f"model.{name}."))
        or setting.name == f"model.{name}"
        for name in names
    )


def plain(value: Any) -> Any:
    """Return a value as JSON has it."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    return list(value) if isinstance(value, tuple) else value


def shown(value: Any) -> str:
    """Return a value as a person writes it into a TOML file.

    Examples
    --------
    >>> [shown(0.6), shown(True), shown(("KO", "PEP")), shown(None), shown({})]
    ['0.6', 'true', 'KO PEP', '-', '-']
    """
    match value:
        case None | () | "":
            return "-"
        case bool():
            return str(value).lower()
        case tuple():
            return " ".join(map(str, value))
        case dict():
            return ", ".join(f"{name}={one}" for name, one in value.items()) or "-"
        case _:
            return str(value)
