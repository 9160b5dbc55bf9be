"""The dashboard and the alarms of the platform: machines, functions, queue, tables, cost.

The description of each alarm ends in the heading of its paragraph in docs/runbook.md.
"""

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

from cdk_app.settings import AppSettings, FunctionName
from cdk_app.workflow.engines import Engines
from lambdas.contracts.metrics import NAMESPACE, Metric

# A retried error is no news, a run that failed is: the machine's own alarm rings then. These ring before it.
ERRORS_AN_HOUR = 5
THROTTLES_AN_HOUR = 20
NEAR_THE_LIMIT = 0.9
"""Share of a function's time limit: one that needs so much today will need more than it has with more data."""

SILENT_DAYS = 4
"""From Friday's assessment to Monday's are three days; the fourth day without one means that nothing starts it."""

TUNING_DAYS = 8
"""A week, and a day for a run that ended late."""

REJECTIONS_IN_A_ROW = 6
"""No is the usual answer; six weeks of it are worth a look at the data and at the champion's age."""

SERVICE: FunctionName = "advanced-model-tuning-service"


def described(what: str, paragraph: str) -> str:
    """Return the description of an alarm: what happened, and where the runbook says what to do."""
    return f"{what} Runbook: {paragraph}."


class PlatformMonitoring(Construct):
    """Everything that rings goes to one topic."""

    def __init__(self, scope: Construct, id: str, *, topic: sns.ITopic, settings: AppSettings) -> None:
        super().__init__(scope, id)
        self._name = settings.named(f"amts-{settings.environment}")
        self._environment = settings.environment
        self._topic = topic
        self._facade = monitoring.MonitoringFacade(
            self,
            "Facade",
            dashboard_factory=monitoring.DefaultDashboardFactory(
                self,
                "Dashboards",
                dashboard_name_prefix=f"{self._name}-platform",
                create_summary_dashboard=False,
                create_alarm_dashboard=False,
                detail_dashboard_range=cdk.Duration.days(14),
            ),
            alarm_factory_defaults=monitoring.AlarmFactoryDefaults(
                actions_enabled=True,
                alarm_name_prefix=self._name,
                action=monitoring.SnsAlarmActionStrategy(on_alarm_topic=topic, on_ok_topic=topic),
                datapoints_to_alarm=1,
                evaluation_periods=1,
            ),
        )

    def watch_machine(self, machine: sfn.IStateMachine, name: str) -> None:
        """Ring when an execution fails, times out, is aborted, or is throttled."""

        def once(what: str, paragraph: str) -> monitoring.ErrorCountThreshold:
            return monitoring.ErrorCountThreshold(
                max_error_count=0,
                period=cdk.Duration.minutes(5),
                alarm_description_override=described(f"{name}: {what}", paragraph),
            )

        ended = "An execution did not end by itself"
        self._facade.monitor_step_function(
            state_machine=machine,
            human_readable_name=name,
            alarm_friendly_name=name,
            add_failed_execution_count_alarm={"Failed": once("an execution failed.", ended)},
            add_timed_out_execution_count_alarm={"TimedOut": once("an execution exceeded its time limit.", ended)},
            add_aborted_execution_count_alarm={"Aborted": once("somebody stopped an execution.", ended)},
            add_throttled_execution_count_alarm={
                "Throttled": once("an execution was kept from starting.", "Starts are throttled")
            },
        )

    def watch_engines(self, engines: Engines) -> None:
        """Ring when a function keeps failing, is kept from running, or needs nearly all of its time."""
        hour = cdk.Duration.hours(1)
        for name, engine in vars(engines).items():
            limit = engine.timeout_seconds
            self._facade.monitor_lambda_function(
                lambda_function=engine.function,
                human_readable_name=name,
                alarm_friendly_name=name,
                add_fault_count_alarm={
                    "Errors": monitoring.ErrorCountThreshold(
                        max_error_count=ERRORS_AN_HOUR,
                        period=hour,
                        alarm_description_override=described(
                            f"{name}: more than {ERRORS_AN_HOUR} errors in an hour, retried ones among them.",
                            "A function keeps failing",
                        ),
                    )
                },
                add_throttles_count_alarm={
                    "Throttles": monitoring.ErrorCountThreshold(
                        max_error_count=THROTTLES_AN_HOUR,
                        period=hour,
                        alarm_description_override=described(
                            f"{name}: more than {THROTTLES_AN_HOUR} invocations were turned away in an hour.",
                            "A function is throttled",
                        ),
                    )
                },
                add_max_latency_alarm={
                    "Duration": monitoring.LatencyThreshold(
                        max_latency=cdk.Duration.millis(round(limit * NEAR_THE_LIMIT * 1000)),
                        period=cdk.Duration.minutes(5),
                        alarm_description_override=described(
                            f"{name}: an invocation needed more than {NEAR_THE_LIMIT:.0%} of its {limit} s.",
                            "A function is close to its time limit",
                        ),
                    )
                },
            )

    def watch_dead_letters(self, queue: sqs.IQueue) -> None:
        """Ring when a schedule could not start its machine, or a stopped execution could not be noted."""
        self._facade.monitor_sqs_queue(
            queue=queue,
            human_readable_name="What could not be delivered",
            alarm_friendly_name="schedules",
            add_queue_max_size_alarm={
                "DeadLetters": monitoring.MaxMessageCountThreshold(
                    max_message_count=0,
                    alarm_description_override=described(
                        "A schedule gave up starting its machine, or a stopped execution could not be noted.",
                        "A message was given up",
                    ),
                )
            },
        )

    def watch_tables(self, **tables: dynamodb.ITable) -> None:
        """Show consumption, latency and errors; DynamoDB on demand needs no alarm of its own."""
        for name, table in tables.items():
            self._facade.monitor_dynamo_table(table=table, human_readable_name=name, alarm_friendly_name=name)

    def watch_usage(self) -> None:
        """Show what steps need of their time and memory, and what runs cost."""
        by_action = "AMTS,action,environment,service"
        self._facade.add_large_header("Steps and cost")
        self._facade.add_widget(
            self._search("Longest step by action, ms", by_action, Metric.STEP_DURATION, "Maximum"),
        )
        self._facade.add_widget(
            self._search("Most memory by action, % of the function's", by_action, Metric.STEP_MEMORY, "Maximum"),
        )
        cost = self._metric(Metric.RUN_COST, statistic="Sum", period=cdk.Duration.days(7))
        self._facade.add_widget(
            cloudwatch.GraphWidget(title="Cost of the runs of a week, estimated, USD", left=[cost], width=8, height=6)
        )

    def watch_evidence(self) -> None:
        """Ring when the live gate fails, and when nothing has passed the gates for weeks."""
        self._alarm(
            "LiveGate",
            described("The champion's live record fails the live gate.", "The live gate rings"),
            self._metric(Metric.LIVE_GATE_FAILURES, statistic="Sum", period=cdk.Duration.hours(1)),
            threshold=1,
        )
        self._alarm(
            "RejectionsInARow",
            described(
                f"{REJECTIONS_IN_A_ROW} tuning runs in a row have left the champion as it is.", "No candidate for weeks"
            ),
            self._metric(Metric.REJECTIONS_IN_A_ROW, statistic="Maximum", period=cdk.Duration.days(1)),
            threshold=REJECTIONS_IN_A_ROW,
        )

    def watch_silence(self, machine: sfn.IStateMachine) -> None:
        """Ring when no run was there though one was due: a schedule that is off fails nothing."""
        silence = cloudwatch.Alarm(
            self,
            "Silence",
            alarm_name=f"{self._name}-daily-assessment-Silence",
            alarm_description=described(
                f"No daily assessment has succeeded for {SILENT_DAYS} days.", "No run though one was due"
            ),
            metric=machine.metric_succeeded(period=cdk.Duration.days(1), statistic="Sum"),
            comparison_operator=cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD,
            threshold=1,
            evaluation_periods=SILENT_DAYS,
            datapoints_to_alarm=SILENT_DAYS,
            treat_missing_data=cloudwatch.TreatMissingData.BREACHING,
        )
        silence.add_alarm_action(actions.SnsAction(self._topic))
        # CloudWatch looks back seven days at most, so the daily run tells how long ago the weekly one began.
        self._alarm(
            "TuningSilence",
            described(f"No tuning run has begun for {TUNING_DAYS} days.", "No run though one was due"),
            self._metric(Metric.TUNING_AGE_DAYS, statistic="Maximum", period=cdk.Duration.days(1)),
            threshold=TUNING_DAYS,
        )

    def _alarm(self, id: str, description: str, metric: cloudwatch.IMetric, *, threshold: float) -> None:
        """Ring when a number reaches a threshold; where nothing is measured, nothing rings."""
        alarm = cloudwatch.Alarm(
            self,
            id,
            alarm_name=f"{self._name}-{id}",
            alarm_description=description,
            metric=metric,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
            threshold=threshold,
            evaluation_periods=1,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
        )
        alarm.add_alarm_action(actions.SnsAction(self._topic))

    def _metric(self, metric: Metric, *, statistic: str, period: cdk.Duration) -> cloudwatch.Metric:
        return cloudwatch.Metric(
            namespace=NAMESPACE,
            metric_name=metric,
            dimensions_map={"service": SERVICE, "environment": self._environment},
            statistic=statistic,
            period=period,
            label=metric,
        )

    def _search(self, title: str, dimensions: str, metric: Metric, statistic: str) -> cloudwatch.GraphWidget:
        """Return a graph of every action: searched, so that a new one needs no line here."""
        words = f'{{{dimensions}}} MetricName="{metric}" environment="{self._environment}"'
        found = cloudwatch.MathExpression(
            expression=f"SEARCH('{words}', '{statistic}', 3600)", label="", using_metrics={}
        )
        return cloudwatch.GraphWidget(title=title, left=[found], width=8, height=6)
