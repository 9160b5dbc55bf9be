"""Names of the environment variables that the CDK app sets and the functions read, as one typed model."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from lambdas.contracts.base import Symbol
from lambdas.contracts.prices import Prices
from lambdas.core.settings import ModelSettings


class FunctionEnvironment(BaseSettings):
    """What a function knows of the world around it.

    Nested values are JSON: ``AMTS_MODEL='{"gates": {"hit_rate": 0.6}, ...}'``.
    """

    model_config = SettingsConfigDict(env_prefix="AMTS_", frozen=True, extra="ignore")

    environment: str = "local"
    artefacts_bucket: str
    performance_bucket: str
    datasets_bucket: str
    analytics_table: str
    recommendations_table: str
    topic_arn: str = ""
    tuning_machine_arn: str = ""
    assessment_machine_arn: str = ""
    data_source: str = "yahoo"
    universe: tuple[Symbol, ...] = ()
    batch_size: int = Field(default=50, ge=1, le=500)
    edgar_contact: str = Field(default="", description="In each request to the SEC; the live source needs one.")
    edgar_requests_per_second: float = Field(default=5.0, gt=0.0, le=10.0, description="Of this function's own.")
    memory_mb: dict[str, int] = Field(default={}, description="Of each function by its name.")
    prices: Prices = Field(default=Prices(), description="What a run costs.")
    model: ModelSettings = ModelSettings()
