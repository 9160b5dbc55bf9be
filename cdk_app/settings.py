"""Every deploy-time choice, typed: one TOML file an environment, over defaults, under environment variables.

``AMTS_ENV`` names the file in ``cdk_app/environments/``. A variable overrides one value, `__` leads into a group:
``AMTS_MODEL__GATES__HIT_RATE=0.62 AMTS_NAT=per_az cdk synth``.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal, Self
from zoneinfo import available_timezones

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from lambdas.contracts.base import S3Uri, Symbol
from lambdas.contracts.settings import ModelSettings

ENVIRONMENTS = Path(__file__).parent / "environments"

LARGE_US_STOCKS: tuple[str, ...] = (
    # The largest US listings by market value with at least ten years of prices, several of each sector, so that
    # quintiles of volatility and sector portfolios mean something. Chosen in 2026: a survivorship bias the
    # data-quality report states. A portfolio in `stock-recommendations` takes precedence over this list.
    *("AAPL", "ADBE", "AMD", "CRM", "CSCO", "INTC", "MSFT", "NVDA", "ORCL", "TXN"),
    *("AMZN", "DIS", "GOOGL", "HD", "MCD", "META", "NFLX", "NKE"),
    *("BAC", "BRK-B", "GS", "JPM", "MA", "V", "WFC"),
    *("ABT", "JNJ", "LLY", "MRK", "PFE", "UNH"),
    *("CAT", "COST", "CVX", "HON", "KO", "NEE", "PEP", "PG", "UNP", "WMT", "XOM"),
)

FunctionName = Literal[
    "advanced-model-tuning-service",
    "fundamental-data-enrichment",
    "ensemble-model-engine",
    "backtesting-engine",
    "market-validation-engine",
]


LOG_RETENTION_DAYS = (7, 14, 30, 60, 90, 180, 365, 731)


class Group(BaseModel):
    """A group of settings: immutable, unknown names refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class FunctionSettings(Group):
    """Size of one function. Lambda gives a whole vCPU at 1,769 MB."""

    memory_mb: int = Field(ge=128, le=10240)
    timeout_seconds: int = Field(ge=3, le=600, description="A step is at most 10 minutes.")
    storage_mb: int = Field(default=1024, ge=512, le=10240, description="Of /tmp, where data sets are unpacked.")


class FunctionsSettings(Group):
    """Sizes of the five functions."""

    service: FunctionSettings = FunctionSettings(memory_mb=512, timeout_seconds=60, storage_mb=512)
    enrichment: FunctionSettings = FunctionSettings(memory_mb=2048, timeout_seconds=600)
    backtesting: FunctionSettings = FunctionSettings(memory_mb=2048, timeout_seconds=600)
    ensemble: FunctionSettings = FunctionSettings(memory_mb=2048, timeout_seconds=600)
    validation: FunctionSettings = FunctionSettings(memory_mb=2048, timeout_seconds=600)


class ScheduleSettings(Group):
    """When the machines start by themselves, on the wall clock of `time_zone`."""

    enabled: bool = True
    time_zone: str = "America/New_York"
    daily_hour: int = Field(default=8, ge=0, le=23)
    daily_minute: int = Field(default=0, ge=0, le=59)
    daily_weekdays: str = "MON-FRI"
    weekly_hour: int = Field(default=2, ge=0, le=23)
    weekly_minute: int = Field(default=0, ge=0, le=59)
    weekly_weekday: str = "SUN"
    spring_forward: bool = Field(
        default=True,
        description="On the second Sunday of March 02:00 does not exist in New York, and EventBridge Scheduler skips "
        "what falls into that hour: then the weekly run starts an hour later.",
    )

    @model_validator(mode="after")
    def _known_time_zone(self) -> Self:
        if self.time_zone not in available_timezones():
            raise ValueError(f"schedule.time_zone: {self.time_zone!r} is not in the IANA time zone database")
        return self


class MapSettings(Group):
    """How far a run fans out."""

    mode: Literal["INLINE", "DISTRIBUTED"] = Field(
        default="INLINE", description="INLINE: at most 40 at a time; DISTRIBUTED: child executions, up to 10,000."
    )
    max_concurrency_collect: int = Field(default=2, ge=1, le=40, description="Data sources limit the rate of requests.")
    max_concurrency_folds: int = Field(default=20, ge=1, le=1000)

    @model_validator(mode="after")
    def _inline_limit(self) -> Self:
        if self.mode == "INLINE" and self.max_concurrency_folds > 40:
            raise ValueError("map.max_concurrency_folds: an INLINE Map runs at most 40 at a time; set mode DISTRIBUTED")
        return self


class RetentionSettings(Group):
    """How long stored things live. Reports and records of verdicts are never expired."""

    logs_days: int = 30
    raw_days: int = Field(default=90, ge=7, description="Collected batches, before they are joined into a data set.")
    datasets_days: int = Field(default=730, ge=30, description="Data sets, predictions and searches: reusable, large.")
    noncurrent_days: int = Field(default=30, ge=1, description="Overwritten and deleted versions of objects.")
    models_kept: int = Field(
        default=104,
        ge=2,
        description="Newest model artefacts that stay. Those of the champion, the one before it, and the shadow stay "
        "whatever their age; a deleted one can be restored for `noncurrent_days`.",
    )

    @field_validator("logs_days")
    @classmethod
    def _cloudwatch_knows_it(cls, days: int) -> int:
        if days not in LOG_RETENTION_DAYS:
            raise ValueError(f"CloudWatch keeps logs for {', '.join(map(str, LOG_RETENTION_DAYS))} days, not {days}")
        return days


class ImageSettings(Group):
    """What the container image is built from. A company's mirror goes here."""

    base_image: str = "python:3.11-slim-bookworm"
    torch_index: str = Field(default="", description="Package index of torch's CPU build; empty is the file's default.")


class AppSettings(BaseSettings):
    """Settings of one environment."""

    model_config = SettingsConfigDict(
        env_prefix="AMTS_",
        env_nested_delimiter="__",
        frozen=True,
        extra="forbid",
        nested_model_default_partial_update=True,
    )

    environment: str
    account: Annotated[str, Field(pattern=r"^[0-9]{12}$")] | None = Field(
        default=None, description="None: the account of the credentials at deploy time."
    )
    region: str = "us-east-1"
    name_suffix: Annotated[str, Field(pattern=r"^(-[a-z0-9-]{1,15})?$")] = Field(
        default="", description="Behind every physical name; two environments in one account and Region need it."
    )
    tags: dict[str, str] = Field(default_factory=dict, description="Beside Application and Environment.")

    network: Literal["vpc", "none"] = Field(default="vpc", description="none: functions run outside of any VPC.")
    vpc_cidr: str = "10.42.0.0/20"
    availability_zones: tuple[str, ...] = Field(
        default=("us-east-1a", "us-east-1b"), min_length=1, max_length=3, description="Explicit: synth asks nobody."
    )
    nat: Literal["single", "per_az"] = Field(
        default="single", description="An idle NAT gateway costs about 35 USD a month; per_az survives a zone's outage."
    )

    data_source: Literal["yahoo", "sample", "simulated"] | S3Uri = "yahoo"
    universe: tuple[Symbol, ...] = Field(
        default=LARGE_US_STOCKS, description="Where there is no portfolio. Empty: all that the source has."
    )
    batch_size: int = Field(default=50, ge=1, le=500, description="Symbols one collecting function fetches.")
    edgar_contact: Annotated[str, Field(pattern=r"^[^@]*[^@\s]+@[^@\s]+\.[^@\s]+$", max_length=100)] | None = Field(
        default=None,
        description="E-mail address, alone or behind a name, that the SEC can write to about our requests. "
        "Required where data comes from yahoo: without it collecting refuses to begin.",
    )
    model: ModelSettings = ModelSettings()

    schedule: ScheduleSettings = ScheduleSettings()
    functions: FunctionsSettings = FunctionsSettings()
    map: MapSettings = MapSettings()
    tuning_timeout_hours: int = Field(default=6, ge=1, le=48)
    assessment_timeout_hours: int = Field(default=1, ge=1, le=12)

    existing_analytics_table: str | None = Field(default=None, description="Use this table instead of making one.")
    existing_recommendations_table: str | None = Field(default=None, description="The same; keys as in the README.")
    removal: Literal["retain", "destroy"] = Field(
        default="retain", description="What happens to tables and buckets when their stack is deleted."
    )
    empty_buckets_on_destroy: bool = Field(
        default=False, description="With `removal = destroy`: delete the objects first, or a bucket with any stays."
    )
    retention: RetentionSettings = RetentionSettings()

    observability: bool = Field(default=True, description="Dashboards and alarms.")
    alarm_email: Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$")] | None = None
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    image: ImageSettings = ImageSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments win over environment variables, those over the file; a `.env` file is never read."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)

    @property
    def edgar_requests_per_second(self) -> float:
        """Each collecting function's share of the ten a second that the SEC allows one user."""
        return 10.0 / self.map.max_concurrency_collect

    @model_validator(mode="after")
    def _zones_of_the_region(self) -> Self:
        strangers = [zone for zone in self.availability_zones if not zone.startswith(self.region)]
        if self.network == "vpc" and strangers:
            raise ValueError(f"availability_zones: {', '.join(strangers)} not in region {self.region}")
        return self

    def named(self, name: str) -> str:
        """Physical name of a resource that people and other systems know by name."""
        return f"{name}{self.name_suffix}"


def load_settings(environment: str | None = None) -> AppSettings:
    """Read the settings of `environment`, or of the one that ``AMTS_ENV`` names, or of ``dev``.

    Raises
    ------
    ValueError
        If there is no such environment, or a value is out of range (pydantic's error names field and limit).
    """
    name = environment or os.environ.get("AMTS_ENV", "dev")
    file = ENVIRONMENTS / f"{name}.toml"
    if not file.is_file():
        known = ", ".join(sorted(path.stem for path in ENVIRONMENTS.glob("*.toml")))
        raise ValueError(f"AMTS_ENV={name}: no file {file.name} in cdk_app/environments; there are {known}")

    class FromFile(AppSettings):
        """The same settings, bound to the file of one environment."""

        model_config = SettingsConfigDict(toml_file=file)

    return FromFile(environment=name)
