"""How commands end: wrong input in one line and status 2, before anything is started."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer

from cli import deployment, main
from cli.console import SetupError
from lambdas.core.errors import InvalidDatasetError, TrainingFailedError


@pytest.fixture(autouse=True)
def _nothing_is_started(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("wrong input must be refused before AWS is asked")

    monkeypatch.setattr("cli.run.connect", refuse)
    monkeypatch.setenv("AMTS_LOCAL_HOME", str(tmp_path / "home"))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "--lookback-days", "7"], "lookback_days: Input should be greater than or equal to 30"),
        (["run", "--data", "no-such-folder"], "--data no-such-folder: neither one of sample, simulated, yahoo"),
        (["run", "--symbols", "AAPL,so wrong"], "symbols.1: String should match pattern"),
        (["run", "--symbols", ","], "symbols: Tuple should have at least 1 item"),
        (["run", "--as-of", "yesterday"], "Invalid value for '--as-of'"),
        (["run", "--mode", "hourly"], "Invalid value for '--mode'"),
        (["run", "--json", "no-such-folder/out.json"], "no-such-folder"),
        (["run", "--threshold", "0.5"], "No such option"),
        (["rollback", "--to", "latest"], "rollback_to"),
    ],
)
def test_wrong_input_is_one_line_and_status_2(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")

    assert main.call(main.app, arguments) == 2

    captured = capsys.readouterr()
    assert said in captured.err
    assert "Traceback" not in captured.err


def test_a_folder_that_is_no_data_set_is_refused_and_nothing_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "data").mkdir()
    before = sorted(tmp_path.rglob("*"))

    assert main.call(main.app, ["run", "--data", str(tmp_path / "data"), "--json", str(tmp_path / "out.json")]) == 2

    assert "prices.parquet" in capsys.readouterr().err
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (InvalidDatasetError("prices.parquet: column close is missing"), 2),
        (TrainingFailedError("fewer than two learners could be fitted"), 1),
        (SetupError("node is not there. Run: make setup"), 1),
    ],
)
def test_errors_of_the_domain_are_one_line(error: Exception, status: int, capsys: pytest.CaptureFixture[str]) -> None:
    app = typer.Typer()

    @app.command()
    def fail() -> None:
        raise error

    assert main.call(app, []) == status
    assert capsys.readouterr().err.strip() == f"error: {error}"


def failing(error: BaseException) -> typer.Typer:
    app = typer.Typer()
    app.callback()(main.options)

    @app.command()
    def fail() -> None:
        raise error

    return app


def test_a_defect_is_not_disguised_as_an_error_of_the_user(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.call(failing(ZeroDivisionError("float division by zero")), ["fail"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("error: a defect of amts, ZeroDivisionError: float division by zero.")
    assert "--debug" in said


@pytest.mark.parametrize("error", [ZeroDivisionError("oh"), InvalidDatasetError("prices.parquet: no close")])
def test_debug_shows_the_trace_and_changes_nothing_else(error: Exception, capsys: pytest.CaptureFixture[str]) -> None:
    status = main.call(failing(error), ["fail"])
    without = capsys.readouterr().err
    assert "Traceback" not in without

    assert main.call(failing(error), ["--debug", "fail"]) == status
    with_trace = capsys.readouterr().err
    assert "Traceback (most recent call last)" in with_trace
    assert "raise error" in with_trace
    assert with_trace.endswith(without)


def test_an_interrupted_command_ends_with_the_status_of_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.call(failing(KeyboardInterrupt()), ["fail"]) == 130
    assert "Traceback" not in capsys.readouterr().err


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.call(failing(PermissionError(13, "Permission denied", str(tmp_path / "x"))), ["fail"]) == 1
    assert capsys.readouterr().err.strip() == f"error: {tmp_path / 'x'}: Permission denied"


def test_status_before_the_first_deployment_says_what_to_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.call(main.app, ["status"]) == 1
    assert "amts run" in capsys.readouterr().err


def test_the_local_session_reads_no_configuration_of_the_person(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    config = tmp_path / "config"
    config.write_text("[profile work]\nregion = eu-central-1\nendpoint_url = http://192.0.2.1\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("AWS_PROFILE", "work")

    client = deployment.local_deployment("http://127.0.0.1:4566", {}).dynamodb

    assert client.meta.endpoint_url == "http://127.0.0.1:4566"
    assert client.meta.region_name == "us-east-1"


def test_the_local_session_ignores_a_profile_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "no-such-profile")

    assert deployment.local_deployment("http://127.0.0.1:4566", {}).s3 is not None
