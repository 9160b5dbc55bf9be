"""Every command with its options, as docs/commands.md lists them: what `--help` says, on one page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from typer.main import get_command

from cli.documents.tables import table


def commands(group: Any = None, above: str = "amts") -> Iterator[tuple[str, Any]]:
    """Yield the full name of every command, and the command."""
    if group is None:
        from cli.main import app

        group = get_command(app)
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, f"{above} {name}")
        else:
            yield f"{above} {name}", command


def examples(command: Any) -> list[str]:
    """Return the examples in a command's help: one a paragraph, of `Example: amts …`."""
    paragraphs = [" ".join(part.split()) for part in (command.help or "").split("\n\n")]
    return [part.removeprefix("Example: ") for part in paragraphs if part.startswith("Example: ")]


def command_reference() -> str:
    """Return a heading, what it does, examples, and a table of options for each command."""
    parts = []
    for name, command in commands():
        said = [" ".join(part.split()) for part in (command.help or "").split("\n\n")]
        parts += [f"## {name}", *[part for part in said if not part.startswith("Example: ")]]
        if found := examples(command):
            parts.append("```\n" + "\n".join(found) + "\n```")
        if rows := [_row(parameter) for parameter in command.params if parameter.name != "help"]:
            parts.append(table(("option", "meaning", "default"), rows))
    return "\n\n".join(parts)


def _row(parameter: Any) -> list[str]:
    is_option = parameter.param_type_name == "option"
    names = ", ".join(f"`{one}`" for one in parameter.opts) if is_option else f"`{parameter.name.upper()}`"
    default = parameter.default
    if parameter.required:
        shown = "must be given"
    else:
        shown = "" if default in (None, False, (), []) or callable(default) else f"`{default}`"
    return [names, parameter.help or "", shown]
