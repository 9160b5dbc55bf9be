"""How a run ends without a failure: promoted, rejected, or rolled back."""

from __future__ import annotations

from constructs import Construct

from cdk_app.constructs.pipeline_step import RUN_ID, PipelineStep
from cdk_app.settings import AppSettings
from cdk_app.workflow.engines import Engines
from cdk_app.workflow.failure import Failure
from lambdas.contracts.errors import CHAMPION_CHANGED
from lambdas.contracts.tuning_run import PromoteRequest, RejectRequest, RetireRequest, RollBackRequest


class Promotion(Construct):
    """The states in which the champion changes or stays. Each records and announces; each ends in success.

    The output of the last one, which deletes what is too old, is that of the state before it.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        engines: Engines,
        failure: Failure,
        settings: AppSettings,
    ) -> None:
        super().__init__(scope, id)
        self.promote = PipelineStep(
            self,
            "Promote",
            sentence="Promote candidate",
            comment="One transaction, on the condition that the champion is still the one that was compared with.",
            function=engines.service,
            request=PromoteRequest,
            event={
                "run_id": RUN_ID,
                "version": "{% $candidate.version %}",
                "expected_champion": "{% $plan.champion %}",
                "judged": "candidate",
                "holdout_predictions_uri": "{% $candidate.predictions_uri %}",
                "left_behind": "{% null %}",
            },
        )
        self.promote_shadow = PipelineStep(
            self,
            "PromoteShadow",
            sentence="Promote shadow",
            comment="Its live record was the evidence that was missing. The same transaction, the same conditions.",
            function=engines.service,
            request=PromoteRequest,
            event={
                "run_id": RUN_ID,
                "version": "{% $plan.shadow %}",
                "expected_champion": "{% $plan.champion %}",
                "judged": "shadow",
                "holdout_predictions_uri": "{% $shadow.holdout_predictions_uri %}",
                "left_behind": "{% $candidate.version %}",
            },
        )
        self.keep = PipelineStep(
            self,
            "Keep",
            sentence="Keep champion",
            comment="A rejected model is a result: the gate that stopped it is recorded and announced.",
            function=engines.service,
            request=RejectRequest,
            event={
                "run_id": RUN_ID,
                "version": "{% $candidate.version %}",
                "stopped_by": "{% $stopped_by %}",
                "predictions_uris": "{% [$fitted.predictions_uri] %}",
                "holdout_predictions_uri": "{% $candidate.predictions_uri %}",
            },
        )
        self.roll_back = PipelineStep(
            self,
            "RollBack",
            sentence="Roll back to an earlier champion",
            comment="The artefact's hashes are verified first; recorded like a promotion.",
            function=engines.service,
            request=RollBackRequest,
            event={
                "run_id": RUN_ID,
                "version": "{% $plan.rollback_to %}",
                "reason": "{% $exists($states.context.Execution.Input.reason) "
                "? $states.context.Execution.Input.reason : 'on demand' %}",
                "requested_by": "{% $exists($states.context.Execution.Input.requested_by) "
                "? $states.context.Execution.Input.requested_by : '' %}",
            },
        )
        retire = PipelineStep(
            self,
            "Retire",
            sentence="Retire old models",
            comment=f"Artefacts beyond the newest {settings.retention.models_kept} go, never those of the champion, "
            "the one before it, or the shadow.",
            function=engines.service,
            request=RetireRequest,
            event={"run_id": RUN_ID, "keep": settings.retention.models_kept},
        )
        self.promote.next(retire)
        self.promote_shadow.next(retire)
        self.keep.next(retire)
        # Another run was promoted meanwhile: the comparison is stale, and this run ends superseded.
        for promotion in (self.promote, self.promote_shadow):
            promotion.add_catch(self.keep, errors=[CHAMPION_CHANGED], assign={"stopped_by": "{% null %}"})
        failure.catches(self.promote, self.promote_shadow, self.keep, self.roll_back, retire)
