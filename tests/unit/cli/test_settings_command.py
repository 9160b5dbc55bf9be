"""`amts settings`: one order of precedence, and the true origin of every value."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from cdk_app.settings import ENVIRONMENTS, AppSettings, load_settings
from cli import inputs
from cli.layers import resolve, unknown_variables
from cli.main import app, call
from lambdas.core.errors import InvalidInputError
from lambdas.core.settings import ModelSettings, settings_hash

NAME = "model.tuning.n_trials"


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AMTS_ENV", raising=False)
    for name in unknown_variables():
        monkeypatch.delenv(name)


@pytest.fixture
def environments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "environments"
    folder.mkdir()
    (folder / "lab.toml").write_text('nat = "per_az"\n[model.tuning]\nn_trials = 2\n')
    monkeypatch.setattr("cdk_app.settings.ENVIRONMENTS", folder)
    return folder


def shown(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, dict[str, object]]:
    assert call(app, ["settings", "--json", "-", *arguments]) == 0
    return json.loads(capsys.readouterr().out)["settings"]


def test_each_layer_wins_over_those_before_it_and_is_named(
    environments: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "mine.toml"
    file.write_text("[tuning]\nn_trials = 3\ninner_folds = 4\n")

    def value_and_origin(*arguments: str) -> tuple[object, object]:
        found = shown(capsys, *arguments)[NAME]
        return found["value"], found["origin"]

    assert value_and_origin() == (8, "default")
    assert value_and_origin("--env", "lab") == (2, "environments/lab.toml")
    both = ["--env", "lab", "--settings", str(file)]
    assert value_and_origin(*both) == (3, str(file))
    monkeypatch.setenv("AMTS_MODEL__TUNING__N_TRIALS", "5")
    assert value_and_origin(*both) == (5, "AMTS_MODEL__TUNING__N_TRIALS")
    assert value_and_origin(*both, "--set", "tuning.n_trials=6") == (6, "flag")
    # What a later layer does not name stays as an earlier one has it.
    settings = shown(capsys, *both, "--set", "tuning.n_trials=6")
    assert (settings["model.tuning.inner_folds"]["value"], settings["nat"]["value"]) == (4, "per_az")


def test_the_environment_may_come_from_the_variable_and_the_option_wins(
    environments: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (environments / "other.toml").write_text("[model.tuning]\nn_trials = 9\n")
    monkeypatch.setenv("AMTS_ENV", "lab")
    assert shown(capsys)[NAME]["value"] == 2
    assert shown(capsys, "--env", "other")[NAME]["value"] == 9


def test_a_variable_that_holds_a_group_is_named_for_what_is_in_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AMTS_MODEL", '{"tuning": {"n_trials": 7}}')
    settings = shown(capsys)
    assert (settings[NAME]["value"], settings[NAME]["origin"]) == (7, "AMTS_MODEL")
    assert settings["model.tuning.seed"]["origin"] == "default"


@pytest.mark.parametrize("environment", sorted(file.stem for file in ENVIRONMENTS.glob("*.toml")))
def test_what_is_shown_is_what_would_be_deployed(environment: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AMTS_RETENTION__LOGS_DAYS", "90")
    monkeypatch.setenv("AMTS_UNIVERSE", '["KO", "PEP"]')
    assert resolve(environment).app.model_dump() == load_settings(environment).model_dump()


def test_every_setting_is_listed_once(capsys: pytest.CaptureFixture[str]) -> None:
    def names(schema: dict[str, object], whole: dict[str, object], above: str = "") -> list[str]:
        found = []
        for name, field in schema["properties"].items():  # type: ignore[attr-defined]
            target = field.get("$ref", "").rpartition("/")[2]
            group = whole["$defs"].get(target, {})  # type: ignore[attr-defined]
            found += names(group, whole, f"{above}{name}.") if "properties" in group else [above + name]
        return found

    schema = AppSettings.model_json_schema()
    expected = [name for name in names(schema, schema) if name != "environment"]
    assert list(shown(capsys)) == expected
    assert len(expected) > 80


def test_groups_and_changes_can_be_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert set(shown(capsys, "gates", "nat")) == {
        "nat",
        *(f"model.gates.{name}" for name in type(ModelSettings().gates).model_fields),
    }
    assert list(shown(capsys, "--changed", "--set", "gates.hit_rate=0.62")) == ["model.gates.hit_rate"]
    assert call(app, ["settings", "gatse"]) == 2


def test_research_reads_the_same_layers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text("[model.walk_forward]\nlookback_days = 100\n[gates]\nhit_rate = 0.7\n")
    monkeypatch.setenv("AMTS_MODEL__WALK_FORWARD__LOOKBACK_DAYS", "200")
    settings = inputs.read_settings(file, ["tuning.n_trials=4"], lookback_days=300, benchmark_period_days=None)
    assert (settings.walk_forward.lookback_days, settings.gates.hit_rate, settings.tuning.n_trials) == (300, 0.7, 4)
    assert inputs.read_settings(file).walk_forward.lookback_days == 200
    monkeypatch.delenv("AMTS_MODEL__WALK_FORWARD__LOOKBACK_DAYS")
    assert settings_hash(inputs.read_settings(None)) == settings_hash(ModelSettings())


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--env", "moon"], r"environment moon.*known: dev, local, prod"),
        (["--set", "tuning.n_trials"], r"--set tuning.n_trials: write NAME=VALUE"),
        (["--set", "tuning.n_trails=3"], r"model.tuning.n_trails: there is no such setting.*from flag"),
        (["--set", "gates.hit_rate=60"], r"model.gates.hit_rate: Input should be less than or equal to 1.*from flag"),
        (["--settings", "absent.toml"], r"absent.toml: cannot be read"),
    ],
)
def test_wrong_settings_are_one_line_with_their_origin(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(app, ["settings", *arguments]) == 2
    error = capsys.readouterr().err.strip()
    assert "\n" not in error
    assert re.search(says, error)


def test_a_wrong_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AMTS_MODEL__GATES__SHARPE_RATIO", "high")
    with pytest.raises(InvalidInputError, match=r"gates\.sharpe_ratio.*from AMTS_MODEL__GATES__SHARPE_RATIO"):
        resolve()


def test_a_misspelled_variable_is_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("AMTS_NATT", "per_az")
    monkeypatch.setenv("AMTS_NAT", "per_az")
    assert call(app, ["settings", "nat"]) == 0
    said = capsys.readouterr()
    assert "AMTS_NATT: no setting has this name" in said.err
    assert "AMTS_NAT" in said.out
