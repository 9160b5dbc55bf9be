"""What an environment is."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import BaseModel, ValidationError

from cdk_app.settings import ENVIRONMENTS, AppSettings, load_settings
from lambdas.contracts.settings import ModelSettings


def test_the_defaults_of_the_model_are_its_own() -> None:
    for name in ("dev", "staging", "prod"):
        assert load_settings(name).model == ModelSettings()


def test_only_the_search_is_smaller_locally() -> None:
    local = load_settings("local").model
    assert local.tuning.n_trials < ModelSettings().tuning.n_trials
    assert local.model_copy(update={"tuning": ModelSettings().tuning}) == ModelSettings()
    assert local.tuning.model_copy(update={"n_trials": ModelSettings().tuning.n_trials}) == ModelSettings().tuning


def test_the_environment_is_chosen_by_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_settings().environment == "dev"
    monkeypatch.setenv("AMTS_ENV", "prod")
    assert load_settings().environment == "prod"


def test_an_unknown_environment_names_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"testing.*dev, local, prod, staging"):
        load_settings("testing")


def test_variables_win_over_the_file_and_leave_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AMTS_RETENTION__LOGS_DAYS", "90")
    monkeypatch.setenv("AMTS_MODEL__GATES__HIT_RATE", "0.62")
    monkeypatch.setenv("AMTS_FUNCTIONS__ENSEMBLE__MEMORY_MB", "3008")
    monkeypatch.setenv("AMTS_UNIVERSE", '["KO", "PEP"]')
    settings = load_settings("prod")
    assert settings.retention.logs_days == 90
    assert settings.retention.noncurrent_days == 90  # still the file's
    assert (settings.model.gates.hit_rate, settings.model.gates.sharpe_ratio) == (0.62, 1.0)
    assert settings.functions.ensemble.memory_mb == 3008
    assert settings.functions.ensemble.timeout_seconds == 600
    assert settings.universe == ("KO", "PEP")


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("AMTS_MODEL__GATES__HIT_RATE", "60"),
        ("AMTS_MODEL__GATES__HITRATE", "0.6"),
        ("AMTS_MODEL__GATES__SHARPE_RATIO", "nan"),
        ("AMTS_SCHEDULE__TIME_ZONE", "America/Gotham"),
        ("AMTS_FUNCTIONS__ENSEMBLE__TIMEOUT_SECONDS", "601"),
        ("AMTS_NAT", "gateway"),
        ("AMTS_NAT", "none"),  # with the source yahoo, which could not be reached
        ("AMTS_RETENTION__LOGS_DAYS", "8"),
        ("AMTS_AVAILABILITY_ZONES", '["eu-west-1a"]'),
        ("AMTS_NAME_SUFFIX", "no_leading_dash"),
        ("AMTS_MAP__MAX_CONCURRENCY_FOLDS", "41"),
        ("AMTS_DATA_SOURCE", "bloomberg"),
        ("AMTS_UNIVERSE", '["not a symbol"]'),
        ("AMTS_ALARM_EMAIL", "nobody"),
        ("AMTS_ACCOUNT", "12345"),
    ],
)
def test_nonsense_is_refused(monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ValidationError):
        load_settings("dev")


def test_a_misspelled_name_in_a_file_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("cdk_app.settings.ENVIRONMENTS", tmp_path)
    (tmp_path / "test.toml").write_text('netwrok = "none"\n')
    with pytest.raises(ValidationError, match="netwrok"):
        load_settings("test")


def test_every_file_is_a_valid_environment() -> None:
    for file in ENVIRONMENTS.glob("*.toml"):
        settings: AppSettings = load_settings(file.stem)
        assert settings.environment == file.stem
        assert len(settings.universe) == len(set(settings.universe))


def test_staging_is_shaped_like_production() -> None:
    """What passes there must pass in production: the model, the Maps and the network are the same kind."""
    staging, prod = load_settings("staging"), load_settings("prod")
    assert (staging.model, staging.functions, staging.map.mode) == (prod.model, prod.functions, prod.map.mode)
    assert (staging.network, staging.data_source, staging.universe) == (prod.network, prod.data_source, prod.universe)
    assert staging.observability
    assert staging.schedule.enabled


def test_every_setting_of_a_file_says_why() -> None:
    """A value that differs from the default has a comment above it, or above the values it stands with."""
    for file in ENVIRONMENTS.glob("*.toml"):
        explained = False
        for line in file.read_text().splitlines():
            if not line or line.startswith("["):
                explained = False
            elif line.startswith("#"):
                explained = True
            else:
                assert explained, f"{file.name}: {line}"


def test_every_setting_has_a_description() -> None:
    missing = [name for name, description in described(AppSettings) if not description]
    assert missing == []


def described(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, str | None]]:
    """Yield each setting with its description, groups by what is in them."""
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from described(field.annotation, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", field.description


def test_the_hour_of_the_weekly_run_is_missing_once_a_year_and_only_then() -> None:
    """Why there is a schedule for the second Sunday of March."""
    schedule = load_settings("prod").schedule
    zone = ZoneInfo(schedule.time_zone)
    for year in range(2025, 2040):
        sundays = [day for n in range(366) if (day := dt.date(year, 1, 1) + dt.timedelta(n)).weekday() == 6]
        sundays = [day for day in sundays if day.year == year]
        missing = [day for day in sundays if not exists(day, schedule.weekly_hour, zone)]
        assert missing == [[day for day in sundays if day.month == 3][1]]
        assert exists(missing[0], schedule.weekly_hour + 1, zone)


def exists(day: dt.date, hour: int, zone: Any) -> bool:
    """Whether the wall clock of the zone shows this hour on this day: it comes back from UTC unchanged."""
    wall = dt.datetime.combine(day, dt.time(hour), tzinfo=zone)
    return wall.astimezone(dt.UTC).astimezone(zone).hour == hour
