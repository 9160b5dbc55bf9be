"""The state machine `daily-assessment`: the champion's recommendations of the day, and how it really does."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_stepfunctions as sfn
from aws_cdk import aws_stepfunctions_tasks as tasks
from constructs import Construct

from cdk_app.constructs.alert_topic import AlertTopic
from cdk_app.constructs.pipeline_step import RUN_ID, PipelineStep
from cdk_app.constructs.retry_policy import retry_transient_errors
from cdk_app.settings import AppSettings
from cdk_app.workflow.engines import Engines
from cdk_app.workflow.enrichment import Enrichment
from cdk_app.workflow.failure import Failure
from cdk_app.workflow.gate import says
from cdk_app.workflow.machine import Workflow
from cdk_app.workflow.planning import EXPLAINED_OUTCOME, Planning
from lambdas.contracts.backtesting import SettleRequest
from lambdas.contracts.ensemble import RecommendRequest
from lambdas.contracts.tuning_run import RejectRequest


class DailyWorkflow(Workflow):
    """08:00 on trading days, before the market opens."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        engines: Engines,
        tuning: sfn.IStateMachine,
        announcements: AlertTopic,
        settings: AppSettings,
    ) -> None:
        super().__init__(scope, id)
        self._engines = engines
        self._failure = Failure(self, "Failure", engines=engines, workflow="daily-assessment")
        planning = Planning(
            self,
            "Planning",
            engines=engines,
            failure=self._failure,
            workflow="daily-assessment",
            sentence="Plan daily assessment",
            hours=settings.assessment_timeout_hours,
        )
        enrichment = Enrichment(
            self,
            "Enrichment",
            engines=engines,
            failure=self._failure,
            settings=settings,
            sentence="Collect newest data",
        )
        nothing = self._ended("Nothing", "Nothing to assess", "NOTHING", "{% $plan.explanation %}")
        champion = sfn.Choice.jsonata(
            self,
            "Champion",
            state_name="Is there a champion",
            comment="Without one nothing is recommended.",
        )

        planning.route(assess=enrichment, nothing=nothing)
        enrichment.gate.route(passed=champion, stopped=self._hold_back())
        champion.when(
            sfn.Condition.jsonata("{% $type($plan.champion) = 'string' %}"),
            self._recommend(self._live_gate(tuning, announcements)),
            comment="yes",
        ).otherwise(
            self._ended(
                "NoChampion", "No champion, no recommendations", "NOTHING", "No champion: nothing is recommended."
            )
        )
        self._deploy(
            planning,
            name="daily-assessment",
            comment="Publishes the champion's recommendations of the day, settles matured ones, measures live skill.",
            hours=settings.assessment_timeout_hours,
            engines=(engines.service, engines.enrichment, engines.ensemble, engines.backtesting),
            settings=settings,
        )

    def _hold_back(self) -> sfn.IChainable:
        hold = PipelineStep(
            self,
            "HoldBack",
            sentence="Publish nothing today",
            comment="The data is too thin or too old to recommend anything: recorded and announced.",
            function=self._engines.service,
            request=RejectRequest,
            event={"run_id": RUN_ID, "version": "{% $plan.champion %}", "stopped_by": "{% $stopped_by %}"},
        )
        self._failure.catches(hold)
        return hold

    def _recommend(self, after: sfn.IChainable) -> sfn.IChainable:
        """Score the newest session, publish, settle. Assigns ``$scored`` and ``$live``."""
        score = PipelineStep(
            self,
            "Score",
            sentence="Score newest session",
            comment="The champion's artefact, its hashes verified before it is loaded.",
            function=self._engines.ensemble,
            request=RecommendRequest,
            event={
                "run_id": RUN_ID,
                "dataset_uri": "{% $dataset.dataset_uri %}",
                "version": "{% $plan.champion %}",
            },
            assign="scored",
        )
        settle = PipelineStep(
            self,
            "Settle",
            sentence="Publish and settle recommendations",
            comment="Today's go to `stock-recommendations`; those whose outcome has matured get it.",
            function=self._engines.backtesting,
            request=SettleRequest,
            event={
                "run_id": RUN_ID,
                "dataset_uri": "{% $dataset.dataset_uri %}",
                "predictions_uri": "{% $scored.predictions_uri %}",
                "version": "{% $plan.champion %}",
            },
            assign="live",
        )
        self._failure.catches(score, settle)
        return score.next(settle).next(after)

    def _live_gate(self, tuning: sfn.IStateMachine, announcements: AlertTopic) -> sfn.IChainable:
        """Go on quietly, or announce that live skill is gone and start a tuning run."""
        summary = "'Published ' & $live.n_published & ' recommendations, settled ' & $live.n_settled"
        assessed = self._ended("Assessed", "Assessment done", "ASSESSED", f"{{% {summary} & '.' %}}")
        started = self._ended(
            "Retuning",
            "Assessment done, tuning started",
            "ASSESSED",
            f"{{% {summary} & '; a tuning run was started.' %}}",
        )
        announce = tasks.SnsPublish.jsonata(
            self,
            "Announce",
            state_name="Announce failing live gate",
            comment="The champion's recommendations no longer do better than the market they are taken from.",
            topic=announcements.topic,
            subject="AMTS: the live gate fails",
            message=sfn.TaskInput.from_text(
                "{% 'Champion ' & $plan.champion & ': ' & $live.gate.reason & ' A tuning run is being started.' %}"
            ),
            task_timeout=sfn.Timeout.duration(cdk.Duration.seconds(60)),
        )
        start = tasks.StepFunctionsStartExecution.jsonata(
            self,
            "StartTuning",
            state_name="Start tuning",
            comment="Named after this run: a repeated request starts no second one.",
            state_machine=tuning,
            integration_pattern=sfn.IntegrationPattern.REQUEST_RESPONSE,
            name="{% 'live-gate-' & $substring($states.context.Execution.Name, 0, 60) %}",
            input=sfn.TaskInput.from_object(
                {
                    "data": "{% $plan.data %}",
                    "reason": "{% $substring('The live gate failed: ' & $live.gate.reason, 0, 200) %}",
                }
            ),
            task_timeout=sfn.Timeout.duration(cdk.Duration.seconds(60)),
        )
        for task in (announce, start):
            retry_transient_errors(task)
        self._failure.catches(announce, start)
        return (
            sfn.Choice.jsonata(
                self,
                "LiveGate",
                state_name="Live gate: the champion still has skill",
                comment="Fails when the upper bound of its live skill lies below zero; too few outcomes never fail.",
            )
            .when(
                sfn.Condition.jsonata(f"{{% {says('$live.gate', 'FAIL')} %}}"),
                announce.next(start).next(started),
                comment="FAIL",
            )
            .otherwise(assessed)
        )

    def _ended(self, id: str, sentence: str, outcome: str, message: str) -> sfn.Pass:
        return sfn.Pass.jsonata(
            self,
            id,
            state_name=sentence,
            comment="The output of the execution: how it ended, in one sentence.",
            outputs={**EXPLAINED_OUTCOME, "outcome": outcome, "message": message},
        )
