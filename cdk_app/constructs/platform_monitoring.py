"""The dashboard and the alarms of the platform: machines, functions, queue, tables."""

from __future__ import annotations

import aws_cdk as cdk
import cdk_monitoring_constructs as monitoring
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sqs as sqs
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from cdk_app.settings import AppSettings
from cdk_app.workflow.engines import Engines

# A retried error is no news, a run that failed is: the machine's own alarm rings then. These ring before it.
ERRORS_AN_HOUR = 5
THROTTLES_AN_HOUR = 20
SILENT_DAYS = 4
"""From Friday's assessment to Monday's are three days; the fourth day without one means that nothing starts it."""


class PlatformMonitoring(Construct):
    """Everything that rings goes to one topic."""

    def __init__(self, scope: Construct, id: str, *, topic: sns.ITopic, settings: AppSettings) -> None:
        super().__init__(scope, id)
        name = settings.named(f"amts-{settings.environment}")
        self._topic = topic
        self._facade = monitoring.MonitoringFacade(
            self,
            "Facade",
            dashboard_factory=monitoring.DefaultDashboardFactory(
                self,
                "Dashboards",
                dashboard_name_prefix=f"{name}-platform",
                create_summary_dashboard=False,
                create_alarm_dashboard=False,
                detail_dashboard_range=cdk.Duration.days(14),
            ),
            alarm_factory_defaults=monitoring.AlarmFactoryDefaults(
                actions_enabled=True,
                alarm_name_prefix=name,
                action=monitoring.SnsAlarmActionStrategy(on_alarm_topic=topic, on_ok_topic=topic),
                datapoints_to_alarm=1,
                evaluation_periods=1,
            ),
        )

    def watch_machine(self, machine: sfn.IStateMachine, name: str) -> None:
        """Ring when an execution fails, times out, is aborted, or is throttled."""
        once = monitoring.ErrorCountThreshold(max_error_count=0, period=cdk.Duration.minutes(5))
        self._facade.monitor_step_function(
            state_machine=machine,
            human_readable_name=name,
            alarm_friendly_name=name,
            add_failed_execution_count_alarm={"Failed": once},
            add_timed_out_execution_count_alarm={"TimedOut": once},
            add_aborted_execution_count_alarm={"Aborted": once},
            add_throttled_execution_count_alarm={"Throttled": once},
        )

    def watch_engines(self, engines: Engines) -> None:
        """Ring when a function keeps failing or is kept from running."""
        hour = cdk.Duration.hours(1)
        for name, engine in vars(engines).items():
            self._facade.monitor_lambda_function(
                lambda_function=engine.function,
                human_readable_name=name,
                alarm_friendly_name=name,
                add_fault_count_alarm={
                    "Errors": monitoring.ErrorCountThreshold(max_error_count=ERRORS_AN_HOUR, period=hour)
                },
                add_throttles_count_alarm={
                    "Throttles": monitoring.ErrorCountThreshold(max_error_count=THROTTLES_AN_HOUR, period=hour)
                },
            )

    def watch_dead_letters(self, queue: sqs.IQueue) -> None:
        """Ring when a schedule could not start its machine."""
        self._facade.monitor_sqs_queue(
            queue=queue,
            human_readable_name="Schedules that could not start",
            alarm_friendly_name="schedules",
            add_queue_max_size_alarm={"DeadLetters": monitoring.MaxMessageCountThreshold(max_message_count=0)},
        )

    def watch_tables(self, **tables: dynamodb.ITable) -> None:
        """Show consumption, latency and errors; DynamoDB on demand needs no alarm of its own."""
        for name, table in tables.items():
            self._facade.monitor_dynamo_table(table=table, human_readable_name=name, alarm_friendly_name=name)

    def watch_silence(self, machine: sfn.IStateMachine) -> None:
        """Ring when the daily assessment has not succeeded for days: a schedule that is off fails nothing."""
        alarm = cloudwatch.Alarm(
            self,
            "Silence",
            alarm_description=f"No daily assessment has succeeded for {SILENT_DAYS} days: is its schedule enabled?",
            metric=machine.metric_succeeded(period=cdk.Duration.days(1), statistic="Sum"),
            comparison_operator=cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD,
            threshold=1,
            evaluation_periods=SILENT_DAYS,
            datapoints_to_alarm=SILENT_DAYS,
            treat_missing_data=cloudwatch.TreatMissingData.BREACHING,
        )
        alarm.add_alarm_action(actions.SnsAction(self._topic))
