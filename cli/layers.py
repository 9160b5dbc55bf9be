"""Where a setting comes from. One order for every command, a later layer wins over an earlier one.

default < environment file < settings file < variable < flag
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_settings import EnvSettingsSource, SettingsError

from cdk_app import settings as deployment_settings
from cdk_app.settings import AppSettings
from lambdas.contracts.settings import ModelSettings
from lambdas.core.errors import InvalidInputError

DEFAULT = "default"
FLAG = "flag"
PREFIX = "AMTS_"
NOT_SETTINGS = frozenset({"AMTS_ENV", "AMTS_LOCAL_HOME", "AMTS_LOCAL_IMAGES", "AMTS_TOOLS"})
"""Variables that say where things are; they are no settings."""
_NO_ENVIRONMENT = "none"

Tree = dict[str, Any]


@dataclass(frozen=True)
class Setting:
    """One value, by its full name, and where it came from."""

    name: str
    value: Any
    origin: str
    default: Any
    meaning: str

    @property
    def is_changed(self) -> bool:
        """Whether it differs from the default."""
        return bool(self.value != self.default)


@dataclass(frozen=True)
class Layer:
    """Values of one origin, as a tree of groups."""

    origin: str
    values: Tree

    def origin_of(self, path: Sequence[str]) -> str:
        """Name the origin of one value; of a variable, the one that holds it, alone or in a group given as JSON."""
        if self.origin != PREFIX:
            return self.origin
        known = {name.upper(): name for name in os.environ}
        for length in range(len(path), 0, -1):
            if found := known.get(PREFIX + "__".join(path[:length]).upper()):
                return found
        return self.origin


@dataclass(frozen=True)
class Resolved:
    """What the layers amount to."""

    layers: tuple[Layer, ...]
    app: AppSettings

    @property
    def model(self) -> ModelSettings:
        """Settings of the model."""
        return self.app.model

    def settings(self) -> Iterator[Setting]:
        """Every setting in the order of its declaration; not the name of the environment, which chooses the file."""
        defaults = AppSettings.model_construct(environment=_NO_ENVIRONMENT)
        for path, value, default, meaning in leaves(self.app, defaults):
            if path != ("environment",):
                yield Setting(".".join(path), value, origin_of(self.layers, path), default, meaning)


def resolve(
    environment: str | None = None,
    settings_file: Path | None = None,
    assignments: Sequence[str] = (),
    flags: Mapping[str, Mapping[str, Any]] | None = None,
) -> Resolved:
    """Lay the layers over each other.

    Parameters
    ----------
    environment
        Which file of `cdk_app/environments` counts; None: the one that ``AMTS_ENV`` names, and without it none.
    settings_file
        TOML file with settings of the model, ``[tuning]`` or ``[model.tuning]``.
    assignments
        As ``--set`` takes them: ``tuning.n_trials=4``.
    flags
        Groups of model settings that have an option of their own: ``{"walk_forward": {"lookback_days": 365}}``.

    Raises
    ------
    InvalidInputError
        If a file cannot be read, a name is unknown or a value out of range; the message names the layer.
    """
    layers = []
    if environment := environment or os.environ.get("AMTS_ENV"):
        layers.append(_environment_file(environment))
    if settings_file is not None:
        layers.append(Layer(str(settings_file), _of_the_model(_settings_file(settings_file))))
    try:
        layers.append(Layer(PREFIX, EnvSettingsSource(AppSettings)()))
    except SettingsError as error:
        raise InvalidInputError(f"variables {PREFIX}…: {error}: groups and lists are JSON there") from error
    given: Tree = {}
    for assignment in assignments:
        given = merged(given, _assigned(assignment))
    layers.append(Layer(FLAG, merged(given, {"model": flags} if flags else {})))
    values: Tree = {}
    for layer in layers:
        values = merged(values, layer.values)
    try:
        app = AppSettings.model_validate({"environment": environment or _NO_ENVIRONMENT, **values})
    except ValidationError as error:
        raise InvalidInputError(_problem(error, layers)) from error
    return Resolved(tuple(layers), app)


def unknown_variables() -> list[str]:
    """Return variables that look like settings and are none: a misspelled one would change nothing, and say nothing."""
    fields = {name.upper() for name in AppSettings.model_fields}
    return sorted(
        name
        for name in os.environ
        if name.upper().startswith(PREFIX)
        and name.upper() not in NOT_SETTINGS
        and name.upper()[len(PREFIX) :].split("__")[0] not in fields
    )


def origin_of(layers: Sequence[Layer], path: Sequence[str]) -> str:
    """Name the last layer that has a value for a setting."""
    return next((layer.origin_of(path) for layer in reversed(layers) if _has(layer.values, path)), DEFAULT)


def leaves(
    values: BaseModel, defaults: BaseModel, above: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], Any, Any, str]]:
    """Yield path, value, default and meaning of every field that is no group."""
    for name, field in type(values).model_fields.items():
        value, default = getattr(values, name), getattr(defaults, name, None)
        if isinstance(value, BaseModel) and isinstance(default, BaseModel):
            yield from leaves(value, default, (*above, name))
        else:
            yield (*above, name), value, default, field.description or ""


def merged(below: Tree, above: Mapping[str, Any]) -> Tree:
    """Return both trees in one; where both have a value, that of `above`.

    Examples
    --------
    >>> merged({"gates": {"hit_rate": 0.6, "sharpe_ratio": 1.0}}, {"gates": {"hit_rate": 0.62}})
    {'gates': {'hit_rate': 0.62, 'sharpe_ratio': 1.0}}
    """
    result = dict(below)
    for name, value in above.items():
        known = result.get(name)
        result[name] = merged(known, value) if isinstance(known, dict) and isinstance(value, Mapping) else value
    return result


def _environment_file(name: str) -> Layer:
    folder = deployment_settings.ENVIRONMENTS
    file = folder / f"{name}.toml"
    if not file.is_file():
        known = ", ".join(sorted(path.stem for path in folder.glob("*.toml")))
        raise InvalidInputError(f"environment {name}: there is no {file.name} in cdk_app/environments; known: {known}")
    return Layer(f"environments/{file.name}", _read(file, f"environment {name}"))


def _settings_file(path: Path) -> Tree:
    return _read(path, f"--settings {path}")


def _read(path: Path, what: str) -> Tree:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidInputError(f"{what}: cannot be read ({error.strerror}).") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidInputError(f"{what}: not TOML ({error}).") from error


def _of_the_model(values: Tree) -> Tree:
    """Put names under `model`, where they may leave it out: settings files and flags are for research."""
    outside = {name: value for name, value in values.items() if name != "model"}
    return {"model": merged(outside, values.get("model", {}))}


def _assigned(assignment: str) -> Tree:
    """Read one `--set`: the value is TOML if it can be, else text.

    Examples
    --------
    >>> _assigned("tuning.n_trials=4"), _assigned("model.gates.evidence=advisory")
    ({'model': {'tuning': {'n_trials': 4}}}, {'model': {'gates': {'evidence': 'advisory'}}})
    """
    name, equals, text = assignment.partition("=")
    path = name.strip().split(".")
    if not equals or not all(path):
        raise InvalidInputError(f"--set {assignment}: write NAME=VALUE, for example tuning.n_trials=4")
    try:
        value = tomllib.loads(f"value = {text.strip()}")["value"]
    except tomllib.TOMLDecodeError:
        value = text.strip()
    tree: Any = value
    for part in reversed(path):
        tree = {part: tree}
    return _of_the_model(tree)


def _has(values: Any, path: Sequence[str]) -> bool:
    for part in path:
        if not isinstance(values, Mapping) or part not in values:
            return False
        values = values[part]
    return True


def _problem(error: ValidationError, layers: Sequence[Layer]) -> str:
    """Name setting, origin and limit of the first thing that is wrong."""
    first = error.errors()[0]
    path = [str(part) for part in first["loc"]]
    while path and not any(_has(layer.values, path) for layer in layers):
        path.pop()
    name = ".".join(str(part) for part in first["loc"])
    said = first["msg"].removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        said = "there is no such setting; `amts settings` lists them"
    origin = f" (from {origin_of(layers, path)})" if path else ""
    return f"settings: {name}: {said}{origin}"
