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
from lambdas.contracts.prices import Prices
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

    memory_mb: int = Field(ge=128, le=10240, description="Memory; processors come with it, one at 1,769 MB.")
    timeout_seconds: int = Field(ge=3, le=600, description="A step is at most 10 minutes.")
    storage_mb: int = Field(default=1024, ge=512, le=10240, description="Of /tmp, where data sets are unpacked.")


class FunctionsSettings(Group):
    """Sizes of the five functions."""

    service: FunctionSettings = FunctionSettings(memory_mb=512, timeout_seconds=60, storage_mb=512)
    # 500 symbols and ten years are 255 MB of features beside the prices, and there are two copies of them while they
    # are written or replaced.
    enrichment: FunctionSettings = FunctionSettings(memory_mb=2048, timeout_seconds=600, storage_mb=2048)
    backtesting: FunctionSettings = FunctionSettings(memory_mb=2048, timeout_seconds=600)
    ensemble: FunctionSettings = FunctionSettings(memory_mb=2048, timeout_seconds=600, storage_mb=2048)
    validation: FunctionSettings = FunctionSettings(memory_mb=2048, timeout_seconds=600)


class ScheduleSettings(Group):
    """When the machines start by themselves, on the wall clock of `time_zone`."""

    enabled: bool = Field(default=True, description="Off: machines start by hand only.")
    time_zone: str = Field(default="America/New_York", description="The exchange's, by its IANA name.")
    daily_hour: int = Field(
        default=8,
        ge=0,
        le=23,
        description="Before the market opens at 09:30, and after vendors have settled the day before.",
    )
    daily_minute: int = Field(default=0, ge=0, le=59, description="Of the daily hour.")
    daily_weekdays: str = Field(
        default="MON-FRI", description="In cron's words; on a holiday the first state sees that and ends the run."
    )
    weekly_hour: int = Field(default=2, ge=0, le=23, description="At night: nothing else asks the sources.")
    weekly_minute: int = Field(default=0, ge=0, le=59, description="Of the weekly hour.")
    weekly_weekday: str = Field(default="SUN", description="In cron's words; Friday's prices are settled by then.")
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
    max_concurrency_folds: int = Field(
        default=20, ge=1, le=1000, description="Functions side by side; an account's default limit is 1,000 of all."
    )

    @model_validator(mode="after")
    def _inline_limit(self) -> Self:
        if self.mode == "INLINE" and self.max_concurrency_folds > 40:
            raise ValueError("map.max_concurrency_folds: an INLINE Map runs at most 40 at a time; set mode DISTRIBUTED")
        return self


class RetentionSettings(Group):
    """How long stored things live. Reports and records of verdicts are never expired."""

    logs_days: int = Field(default=30, description="Logs of functions, machines and the network, and access logs.")
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

    base_image: str = Field(
        default="python:3.11-slim-bookworm", description="Debian with Python 3.11; a company's mirror of it."
    )
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

    environment: str = Field(description="Name of the file, and part of the names of stacks and dashboards.")
    account: Annotated[str, Field(pattern=r"^[0-9]{12}$")] | None = Field(
        default=None, description="None: the account of the credentials at deploy time."
    )
    region: str = Field(default="us-east-1", description="Where everything is; price settings are this Region's.")
    name_suffix: Annotated[str, Field(pattern=r"^(-[a-z0-9-]{1,15})?$")] = Field(
        default="", description="Behind every physical name; two environments in one account and Region need it."
    )
    tags: dict[str, str] = Field(default_factory=dict, description="Beside Application and Environment.")

    network: Literal["vpc", "none"] = Field(default="vpc", description="none: functions run outside of any VPC.")
    vpc_cidr: str = Field(
        default="10.42.0.0/20",
        description="The functions get a /23 in each zone. Another one where networks are peered.",
    )
    availability_zones: tuple[str, ...] = Field(
        default=("us-east-1a", "us-east-1b"), min_length=1, max_length=3, description="Explicit: synth asks nobody."
    )
    nat: Literal["single", "per_az", "instance", "none"] = Field(
        default="single",
        description="single: one NAT gateway. per_az: one a zone, survives a zone's outage. instance: a small EC2 "
        "instance, a tenth of the price, patched and watched by you. none: no way out but AWS's own endpoints, for "
        "data that is on S3. What each costs a month is in the README.",
    )

    data_source: Literal["yahoo", "sample", "simulated"] | S3Uri = Field(
        default="yahoo", description="Where a run takes its data from unless its input says otherwise."
    )
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
    tuning_timeout_hours: int = Field(
        default=6,
        ge=1,
        le=48,
        description="Of a weekly run; most of it is room for sources that limit the rate of requests.",
    )
    assessment_timeout_hours: int = Field(
        default=1, ge=1, le=12, description="Of a daily run: later than the open its recommendations are stale."
    )

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
    alarm_email: Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$")] | None = Field(
        default=None, description="Subscribed to the topic; AWS asks it to confirm. None: subscribe by hand."
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="Of the functions. Logs hold run ids and numbers, never market data."
    )
    image: ImageSettings = ImageSettings()
    prices: Prices = Prices()

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

    @model_validator(mode="after")
    def _a_way_to_the_source(self) -> Self:
        if self.network == "vpc" and self.nat == "none" and self.data_source == "yahoo":
            raise ValueError(
                "nat: without a way out the source yahoo cannot be reached; set nat to single, or data_source to s3://..."
            )
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
