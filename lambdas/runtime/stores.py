"""The stores of one invocation, each built when a step first asks for it."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache, cached_property
from typing import Any

from pydantic import ValidationError

from lambdas.adapters.analytics import Analytics
from lambdas.adapters.aws import Clients
from lambdas.adapters.datasets import DatasetStore
from lambdas.adapters.dynamodb import Table
from lambdas.adapters.errors import StoreAccessError
from lambdas.adapters.executions import Executions
from lambdas.adapters.ledger import TrialLedger
from lambdas.adapters.lock import RunLock
from lambdas.adapters.models import ModelStore
from lambdas.adapters.notifier import Notifier
from lambdas.adapters.objects import ObjectStore
from lambdas.adapters.recommendations import Recommendations
from lambdas.adapters.registry import ChampionRegistry
from lambdas.adapters.results import PredictionStore, ReportStore, TuningStore
from lambdas.adapters.shadow import ShadowSeat
from lambdas.contracts.environment import FunctionEnvironment
from lambdas.core.settings import ModelSettings


def unlimited() -> float:
    """Seconds that remain where nothing ends the process: outside Lambda."""
    return math.inf


class Stores:
    """Everything a step may reach, and how long it still has.

    Attributes
    ----------
    environment : FunctionEnvironment
        Names of buckets, tables, topic and machines, and the effective settings.
    remaining_seconds : callable
        Seconds until the function is stopped.
    request_id : str
        Identifies the invocation; the same when Lambda repeats it.
    """

    def __init__(
        self,
        environment: FunctionEnvironment,
        clients: Clients,
        *,
        remaining_seconds: Callable[[], float] = unlimited,
        request_id: str = "",
    ) -> None:
        self.environment = environment
        self.remaining_seconds = remaining_seconds
        self.request_id = request_id
        self._clients = clients

    @property
    def settings(self) -> ModelSettings:
        """The effective settings: what, with the data and the code, decides every number."""
        return self.environment.model

    @cached_property
    def objects(self) -> ObjectStore:
        """Return the three buckets of the deployment."""
        names = self.environment
        buckets = {names.artefacts_bucket, names.performance_bucket, names.datasets_bucket}
        return ObjectStore(self._clients.s3, buckets)

    @cached_property
    def datasets(self) -> DatasetStore:
        """Return the datasets bucket."""
        return DatasetStore(self.objects, self.environment.datasets_bucket)

    @cached_property
    def tuning(self) -> TuningStore:
        """Return the results of searches."""
        return TuningStore(self.objects, self.environment.performance_bucket)

    @cached_property
    def predictions(self) -> PredictionStore:
        """Return the predictions."""
        return PredictionStore(self.objects, self.environment.performance_bucket)

    @cached_property
    def reports(self) -> ReportStore:
        """Return the reports of runs."""
        return ReportStore(self.objects, self.environment.performance_bucket)

    @cached_property
    def models(self) -> ModelStore:
        """Return the model artefacts."""
        return ModelStore(self.objects, self.environment.artefacts_bucket)

    @cached_property
    def analytics_table(self) -> Table:
        """Return the table `ai-performance-analytics`."""
        return Table(self._clients.dynamodb, self.environment.analytics_table)

    @cached_property
    def analytics(self) -> Analytics:
        """Return runs, verdicts, judged models and live performance."""
        return Analytics(self.analytics_table)

    @cached_property
    def ledger(self) -> TrialLedger:
        """Return the trial ledger."""
        return TrialLedger(self.analytics_table)

    @cached_property
    def registry(self) -> ChampionRegistry:
        """Return the champion pointer."""
        return ChampionRegistry(self.analytics_table)

    @cached_property
    def shadow(self) -> ShadowSeat:
        """Return the seat of the shadow."""
        return ShadowSeat(self.analytics_table)

    @cached_property
    def lock(self) -> RunLock:
        """Return the locks of the workflows."""
        return RunLock(self.analytics_table)

    @cached_property
    def recommendations(self) -> Recommendations:
        """Return the issued recommendations."""
        return Recommendations(Table(self._clients.dynamodb, self.environment.recommendations_table))

    @cached_property
    def notifier(self) -> Notifier:
        """Return the alert topic."""
        return Notifier(self._clients.sns, self.environment.topic_arn)

    @cached_property
    def executions(self) -> Executions:
        """Return the state machines."""
        return Executions(self._clients.step_functions)


@cache
def _clients() -> Clients:
    return Clients()


def stores_of_invocation(context: Any) -> Stores:
    """Return the stores of one invocation: clients live as long as the process, the deadline as the invocation.

    Raises
    ------
    StoreAccessError
        If an environment variable that the CDK app should have set is missing or malformed.
    """
    try:
        environment = FunctionEnvironment()
    except ValidationError as error:
        problems = "; ".join(f"AMTS_{'.'.join(map(str, e['loc'])).upper()}: {e['msg']}" for e in error.errors())
        raise StoreAccessError(f"The function's environment is incomplete: {problems}. Deploy again.") from None
    if context is None:
        return Stores(environment, _clients())
    return Stores(
        environment,
        _clients(),
        remaining_seconds=lambda: context.get_remaining_time_in_millis() / 1000,
        request_id=context.aws_request_id,
    )


def forget_clients() -> None:
    """Build new clients next time; for tests, whose AWS ends with each of them."""
    _clients.cache_clear()
