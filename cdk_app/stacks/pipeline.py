"""Everything stateless: five functions, two state machines, the schedules, the notices of their end, the topic."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_lambda_destinations as destinations
from aws_cdk import aws_scheduler as scheduler
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from cdk_app.constructs.acknowledge import acknowledge
from cdk_app.constructs.alert_topic import AlertTopic
from cdk_app.constructs.engine_function import EngineFunction, Placement
from cdk_app.constructs.start_schedule import StartSchedule
from cdk_app.constructs.stop_notice import StopNotice
from cdk_app.settings import AppSettings
from cdk_app.stacks.data import DataStack
from cdk_app.workflow.daily import DailyWorkflow
from cdk_app.workflow.engines import Engines
from cdk_app.workflow.tuning import TuningWorkflow
from lambdas.contracts.outputs import StackOutput
from lambdas.contracts.storage import AnalyticsKey, ArtefactsPrefix, DatasetsPrefix, PerformancePrefix


class PipelineStack(cdk.Stack):
    """Wires the engines to their stores, the workflows to the engines, the clock to the workflows."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        settings: AppSettings,
        data: DataStack,
        placement: Placement | None,
        **kwargs: Any,
    ) -> None:
        super().__init__(scope, id, **kwargs)
        self.announcements = AlertTopic(self, "Announcements", settings=settings)
        self.engines = self._engines(settings, data, placement)
        self._grant(settings, data)
        self.tuning = TuningWorkflow(self, "Tuning", engines=self.engines, settings=settings)
        self.assessment = DailyWorkflow(
            self,
            "Assessment",
            engines=self.engines,
            tuning=self.tuning.machine,
            settings=settings,
        )
        self.dead_letters = sqs.Queue(
            self,
            "DeadLetters",
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
            retention_period=cdk.Duration.days(14),
        )
        acknowledge(self.dead_letters, "SQS3", "This is the dead-letter queue of schedules and notices.")
        self._schedule(settings)
        self._notice()
        self._outputs(data)

    def _engines(self, settings: AppSettings, data: DataStack, placement: Placement | None) -> Engines:
        everywhere = {
            "environment": settings.environment,
            "artefacts_bucket": data.artefacts.bucket.bucket_name,
            "performance_bucket": data.performance.bucket.bucket_name,
            "datasets_bucket": data.datasets.bucket.bucket_name,
            "analytics_table": data.analytics.table.table_name,
            "recommendations_table": data.recommendations.table.table_name,
            "model": settings.model.model_dump_json(),
        }
        sizes = settings.functions
        planning = {
            "topic_arn": self.announcements.topic.topic_arn,
            "tuning_machine_arn": self._machine_arn("advanced-model-tuning", settings),
            "assessment_machine_arn": self._machine_arn("daily-assessment", settings),
            "data_source": settings.data_source,
            "universe": json.dumps(settings.universe, separators=(",", ":")),
            "batch_size": str(settings.batch_size),
            "prices": _prices(settings),
            "memory_mb": json.dumps(
                {
                    settings.named(name): size.memory_mb
                    for name, size in (
                        ("advanced-model-tuning-service", sizes.service),
                        ("fundamental-data-enrichment", sizes.enrichment),
                        ("ensemble-model-engine", sizes.ensemble),
                        ("backtesting-engine", sizes.backtesting),
                        ("market-validation-engine", sizes.validation),
                    )
                },
                separators=(",", ":"),
            ),
        }
        collecting = {
            "edgar_contact": settings.edgar_contact or "",
            "edgar_requests_per_second": str(settings.edgar_requests_per_second),
        }
        return Engines(
            service=EngineFunction(
                self,
                "Service",
                name="advanced-model-tuning-service",
                description="AMTS: plans runs, promotes, rejects, rolls back; invoke it to start a run",
                target="base",
                size=sizes.service,
                environment=everywhere | planning,
                settings=settings,
                placement=placement,
            ),
            enrichment=EngineFunction(
                self,
                "Enrichment",
                name="fundamental-data-enrichment",
                description="AMTS: collects market data and builds the feature set",
                target="data",
                size=sizes.enrichment,
                environment=everywhere | collecting,
                settings=settings,
                placement=placement,
            ),
            ensemble=EngineFunction(
                self,
                "Ensemble",
                name="ensemble-model-engine",
                description="AMTS: tunes, fits and predicts with the ensemble",
                target="ml",
                size=sizes.ensemble,
                environment=everywhere,
                settings=settings,
                placement=placement,
            ),
            backtesting=EngineFunction(
                self,
                "Backtesting",
                name="backtesting-engine",
                description="AMTS: plans folds, backtests predictions, settles live recommendations",
                target="data",
                size=sizes.backtesting,
                environment=everywhere,
                settings=settings,
                placement=placement,
            ),
            validation=EngineFunction(
                self,
                "Validation",
                name="market-validation-engine",
                description="AMTS: judges a candidate against the market and the champion",
                target="data",
                size=sizes.validation,
                environment=everywhere,
                settings=settings,
                placement=placement,
            ),
        )

    def _grant(self, settings: AppSettings, data: DataStack) -> None:
        """Each function by itself: what it reads, what it writes. Only the service deletes, and only old models."""
        service, enrichment, ensemble = self.engines.service, self.engines.enrichment, self.engines.ensemble
        backtesting, validation = self.engines.backtesting, self.engines.validation
        runs = f"{AnalyticsKey.RUN}*"

        data.datasets.allow_read(service, DatasetsPrefix.UPLOADS)
        data.performance.allow_write(service, PerformancePrefix.REPORTS)
        data.artefacts.allow_delete(service, ArtefactsPrefix.MODELS)
        data.analytics.allow(service, "GetItem", "BatchGetItem", "Query", "PutItem", "UpdateItem", "ConditionCheckItem")
        data.recommendations.allow(service, "Scan")
        self.announcements.allow_publish(service)
        machines = [self._machine_arn(name, settings) for name in ("advanced-model-tuning", "daily-assessment")]
        service.allow(("states:StartExecution",), machines)
        self._allow_history(service, machines, settings)

        data.datasets.allow_read(enrichment, DatasetsPrefix.UPLOADS)
        data.datasets.allow_write(enrichment, DatasetsPrefix.RAW, DatasetsPrefix.BATCHES, DatasetsPrefix.DATASETS)
        data.analytics.allow(enrichment, "PutItem", partitions=(runs,))

        data.datasets.allow_read(ensemble, DatasetsPrefix.DATASETS)
        data.performance.allow_write(ensemble, PerformancePrefix.TUNING, PerformancePrefix.PREDICTIONS)
        data.performance.allow_read(ensemble, PerformancePrefix.REPORTS)
        data.artefacts.allow_write(ensemble, ArtefactsPrefix.MODELS)

        data.datasets.allow_read(backtesting, DatasetsPrefix.DATASETS)
        data.performance.allow_read(backtesting, PerformancePrefix.TUNING, PerformancePrefix.PREDICTIONS)
        data.performance.allow_write(backtesting, PerformancePrefix.REPORTS)
        data.artefacts.allow_read(backtesting, ArtefactsPrefix.MODELS)
        kept = (AnalyticsKey.LIVE, AnalyticsKey.PERFORMANCE, AnalyticsKey.MODEL, AnalyticsKey.SHADOW)
        counted = (runs, AnalyticsKey.LEDGER, AnalyticsKey.CHAMPION, *kept)
        data.analytics.allow(backtesting, "GetItem", "Query", "PutItem", "UpdateItem", partitions=counted)
        data.recommendations.allow(backtesting, "PutItem", "UpdateItem")

        data.datasets.allow_read(validation, DatasetsPrefix.DATASETS)
        data.performance.allow_read(validation, PerformancePrefix.PREDICTIONS)
        data.performance.allow_write(validation, PerformancePrefix.REPORTS)
        data.analytics.allow(validation, "Query", "PutItem", partitions=(runs,))

    def _allow_history(self, service: EngineFunction, machines: Sequence[str], settings: AppSettings) -> None:
        """Let the service read what executions did, and the children of their Maps: its report says what it cost."""
        executions = [f"{machine.replace(':stateMachine:', ':execution:')}:*" for machine in machines]
        service.allow(("states:GetExecutionHistory", "states:DescribeStateMachineForExecution"), executions)
        if settings.map.mode == "DISTRIBUTED":
            runs = [f"{machine.replace(':stateMachine:', ':mapRun:')}/*" for machine in machines]
            service.allow(("states:ListExecutions",), [*machines, *runs])
            executions += runs
        for execution in executions:
            # A finding names a resource as it is synthesized, what only AWS knows in angle brackets.
            match self.resolve(execution):
                case {"Fn::Join": [_, parts]}:
                    found = "".join(part if isinstance(part, str) else f"<{part['Ref']}>" for part in parts)
                case whole:
                    found = str(whole)
            acknowledge(
                service.role,
                f"IAM5[Resource::{found}]",
                "Executions of this machine and of its Maps: named when they start.",
            )

    def _schedule(self, settings: AppSettings) -> None:
        clock = settings.schedule
        group = scheduler.ScheduleGroup(
            self,
            "Schedules",
            schedule_group_name=settings.named(f"amts-{settings.environment}"),
            removal_policy=cdk.RemovalPolicy.DESTROY,
        )
        common: dict[str, Any] = {
            "time_zone": clock.time_zone,
            "dead_letters": self.dead_letters,
            "group": group,
            "enabled": clock.enabled,
        }
        StartSchedule(
            self,
            "Daily",
            description="Daily assessment, before the market opens",
            cron={
                "minute": str(clock.daily_minute),
                "hour": str(clock.daily_hour),
                "week_day": clock.daily_weekdays,
            },
            machine=self.assessment.machine,
            execution_input={"mode": "daily", "reason": "daily schedule"},
            **common,
        )
        weekly = {"minute": str(clock.weekly_minute), "hour": str(clock.weekly_hour), "week_day": clock.weekly_weekday}
        StartSchedule(
            self,
            "Weekly",
            description="Weekly tuning run",
            cron=weekly,
            machine=self.tuning.machine,
            execution_input={"reason": "weekly schedule"},
            **common,
        )
        if clock.spring_forward:
            StartSchedule(
                self,
                "SpringForward",
                description="Weekly tuning run of the day on which its hour does not exist",
                cron=weekly | {"hour": str(clock.weekly_hour + 1), "week_day": "SUN#2", "month": "3"},
                machine=self.tuning.machine,
                execution_input={"reason": "weekly schedule, clocks went forward"},
                **common,
            )

    def _notice(self) -> None:
        """Have executions noted that did not end well. EventBridge only hands over: what fails then is Lambda's."""
        service = self.engines.service
        to: dict[str, Any] = {"service": service, "dead_letters": self.dead_letters}
        StopNotice(self, "TuningStopped", workflow="advanced-model-tuning", machine=self.tuning.machine, **to)
        StopNotice(self, "AssessmentStopped", workflow="daily-assessment", machine=self.assessment.machine, **to)
        service.function.configure_async_invoke(
            retry_attempts=2,
            max_event_age=cdk.Duration.hours(6),
            on_failure=destinations.SqsDestination(self.dead_letters),
        )

    def _machine_arn(self, name: str, settings: AppSettings) -> str:
        """Address of a machine by its name: the service's variables cannot wait for a machine that waits for it."""
        return self.format_arn(
            service="states",
            resource="stateMachine",
            resource_name=settings.named(name),
            arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
        )

    def _outputs(self, data: DataStack) -> None:
        values = {
            StackOutput.TUNING_MACHINE_ARN: self.tuning.machine.state_machine_arn,
            StackOutput.ASSESSMENT_MACHINE_ARN: self.assessment.machine.state_machine_arn,
            StackOutput.ARTEFACTS_BUCKET: data.artefacts.bucket.bucket_name,
            StackOutput.PERFORMANCE_BUCKET: data.performance.bucket.bucket_name,
            StackOutput.DATASETS_BUCKET: data.datasets.bucket.bucket_name,
            StackOutput.ANALYTICS_TABLE: data.analytics.table.table_name,
            StackOutput.RECOMMENDATIONS_TABLE: data.recommendations.table.table_name,
            StackOutput.ALERT_TOPIC_ARN: self.announcements.topic.topic_arn,
        }
        for key, value in values.items():
            cdk.CfnOutput(self, key, value=value)


def _prices(settings: AppSettings) -> str:
    """Spell the prices; what does not go through a NAT gateway does not cost by the gigabyte."""
    by_gateway = settings.network == "vpc" and settings.nat in ("single", "per_az")
    prices = settings.prices if by_gateway else settings.prices.model_copy(update={"nat_gb": 0.0})
    return prices.model_dump_json()
