"""The state machine `daily-assessment`: the champion's recommendations of the day, and how it really does."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_stepfunctions as sfn
from aws_cdk import aws_stepfunctions_tasks as tasks
from constructs import Construct

from cdk_app.constructs.pipeline_step import RUN_ID, PipelineStep
from cdk_app.constructs.retry_policy import retry_transient_errors
from cdk_app.settings import AppSettings
from cdk_app.workflow.engines import Engines
from cdk_app.workflow.enrichment import Enrichment
from cdk_app.workflow.failure import Failure
from cdk_app.workflow.gate import says
from cdk_app.workflow.machine import Workflow
from cdk_app.workflow.planning import EXPLAINED_OUTCOME, Planning
from lambdas.contracts.backtesting import CalendarRequest, SettleRequest
from lambdas.contracts.ensemble import RecommendRequest
from lambdas.contracts.tuning_run import AlarmRequest, RejectRequest


class DailyWorkflow(Workflow):
    """08:00 on trading days, before the market opens."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        engines: Engines,
        tuning: sfn.IStateMachine,
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
        planning.route(assess=self._open_today(enrichment), nothing=nothing)
        enrichment.gate.route(passed=self._score(self._settle(self._live_gate(tuning))), stopped=self._hold_back())
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
            event={
                "run_id": RUN_ID,
                "version": "{% $plan.champion %}",
                "stopped_by": "{% $stopped_by %}",
                "predictions_uris": [],
                "holdout_predictions_uri": "{% null %}",
            },
        )
        self._failure.catches(hold)
        return hold

    def _open_today(self, enrichment: Enrichment) -> sfn.IChainable:
        """Ask the exchange's calendar first: on a holiday nothing is collected."""
        look = PipelineStep(
            self,
            "Calendar",
            sentence="Look at the calendar",
            comment="The schedule knows weekdays, the exchange's calendar knows holidays.",
            function=self._engines.backtesting,
            request=CalendarRequest,
            event={
                "run_id": RUN_ID,
                "data": "{% $plan.data %}",
                "as_of": "{% $plan.as_of %}",
                "started_at": "{% $states.context.Execution.StartTime %}",
            },
            assign="today",
        )
        self._failure.catches(look)
        opened = sfn.Choice.jsonata(
            self, "OpenToday", state_name="Is the exchange open today", comment="On a holiday the run says so and ends."
        )
        holiday = self._ended("Holiday", "The exchange is closed", "NOTHING", "{% $today.message %}")
        opened.when(sfn.Condition.jsonata("{% $today.open = false %}"), holiday, comment="no").otherwise(enrichment)
        return look.next(opened)

    def _score(self, after: PipelineStep) -> sfn.IChainable:
        """Score the newest session with the champion, if there is one, and with the shadow, if there is one."""
        champion = sfn.Choice.jsonata(
            self, "Champion", state_name="Is there a champion", comment="Without one nothing is recommended."
        )
        shadow = sfn.Choice.jsonata(
            self, "Shadow", state_name="Is there a shadow", comment="Scored beside the champion, published nowhere."
        )
        by_champion, by_shadow = (
            PipelineStep(
                self,
                id,
                sentence=sentence,
                comment=comment,
                function=self._engines.ensemble,
                request=RecommendRequest,
                event={
                    "run_id": RUN_ID,
                    "dataset_uri": "{% $dataset.dataset_uri %}",
                    "version": f"{{% $plan.{role} %}}",
                },
                assign=assign,
            )
            for id, sentence, comment, role, assign in (
                (
                    "Score",
                    "Score newest session",
                    "The champion's artefact, its hashes verified before it is loaded.",
                    "champion",
                    "scored",
                ),
                (
                    "ScoreShadow",
                    "Score newest session with the shadow",
                    "A model whose evidence did not suffice earns its record here.",
                    "shadow",
                    "scored_shadow",
                ),
            )
        )
        self._failure.catches(by_champion)
        # What users get does not wait for a model that they do not: the day goes on, and says that it was not scored.
        by_shadow.add_catch(after, errors=["States.ALL"])
        champion.when(sfn.Condition.jsonata("{% $type($plan.champion) = 'string' %}"), by_champion, comment="yes")
        champion.otherwise(shadow)
        by_champion.next(shadow)
        shadow.when(sfn.Condition.jsonata("{% $type($plan.shadow) = 'string' %}"), by_shadow, comment="yes")
        shadow.otherwise(after)
        by_shadow.next(after)
        return champion

    def _settle(self, after: sfn.IChainable) -> PipelineStep:
        """Publish, settle, measure. Assigns ``$live``."""
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
                "version": "{% $plan.champion %}",
                "predictions_uri": "{% $scored.predictions_uri %}",
                "shadow": "{% $plan.shadow %}",
                "shadow_predictions_uri": "{% $scored_shadow.predictions_uri %}",
            },
            assign="live",
        )
        self._failure.catches(settle)
        settle.next(after)
        return settle

    def _live_gate(self, tuning: sfn.IStateMachine) -> sfn.IChainable:
        """Go on quietly, or announce that the champion is no longer what it was and start a tuning run."""
        summary = "'Published ' & $live.n_published & ' recommendations, settled ' & $live.n_settled"
        assessed = self._ended("Assessed", "Assessment done", "ASSESSED", f"{{% {summary} & '.' %}}")
        started = self._ended(
            "Retuning",
            "Assessment done, tuning started",
            "ASSESSED",
            f"{{% {summary} & '; a tuning run was started.' %}}",
        )
        announce = PipelineStep(
            self,
            "Announce",
            sentence="Announce failing live gate",
            comment="No skill, too deep a fall, or inputs unlike the training data. Announced once a week at most.",
            function=self._engines.service,
            request=AlarmRequest,
            event={
                "run_id": RUN_ID,
                "version": "{% $plan.champion %}",
                "gate": "{% $live.gate %}",
                "started_at": "{% $states.context.Execution.StartTime %}",
            },
            assign="alarm",
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
        retry_transient_errors(start)
        self._failure.catches(announce, start)
        once_a_week = sfn.Choice.jsonata(
            self,
            "OnceAWeek",
            state_name="Was tuning started in the last week",
            comment="By this route one tuning run a week at most.",
        )
        once_a_week.when(
            sfn.Condition.jsonata("{% $alarm.start_tuning = true %}"), start.next(started), comment="no"
        ).otherwise(assessed)
        announce.next(once_a_week)
        return (
            sfn.Choice.jsonata(
                self,
                "LiveGate",
                state_name="Live gate: the champion still has skill",
                comment="Fails for skill below zero, a drawdown at the limit, or drift; too few outcomes never fail.",
            )
            .when(
                sfn.Condition.jsonata(f"{{% {says('$live.gate', 'FAIL')} %}}"),
                announce,
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
