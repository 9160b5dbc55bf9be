"""The state machine `advanced-model-tuning`: from a request to a champion, or to the reason why not."""

from __future__ import annotations

from constructs import Construct

from cdk_app.settings import AppSettings
from cdk_app.workflow.backtesting import Backtesting, FoldPlanning
from cdk_app.workflow.engines import Engines
from cdk_app.workflow.enrichment import Enrichment
from cdk_app.workflow.failure import Failure
from cdk_app.workflow.machine import Workflow
from cdk_app.workflow.market_validation import MarketValidation
from cdk_app.workflow.planning import Planning
from cdk_app.workflow.promotion import Promotion
from cdk_app.workflow.shadow import ShadowJudgement
from cdk_app.workflow.training import CandidateTraining, FoldTraining


class TuningWorkflow(Workflow):
    """Weekly, on demand, or started by a failing live gate."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        engines: Engines,
        settings: AppSettings,
    ) -> None:
        super().__init__(scope, id)
        failure = Failure(self, "Failure", engines=engines, workflow="advanced-model-tuning")
        planning = Planning(
            self,
            "Planning",
            engines=engines,
            failure=failure,
            workflow="advanced-model-tuning",
            sentence="Plan tuning run",
            hours=settings.tuning_timeout_hours,
        )
        enrichment = Enrichment(
            self, "Enrichment", engines=engines, failure=failure, settings=settings, sentence="Collect market data"
        )
        folds = FoldPlanning(self, "Folds", engines=engines, failure=failure)
        training = FoldTraining(self, "Training", engines=engines, failure=failure, settings=settings)
        backtesting = Backtesting(self, "Backtesting", engines=engines, failure=failure, settings=settings)
        candidate = CandidateTraining(self, "Candidate", engines=engines, failure=failure)
        market = MarketValidation(self, "Market", engines=engines, failure=failure, settings=settings)
        shadow = ShadowJudgement(self, "Shadow", engines=engines, failure=failure, settings=settings)
        promotion = Promotion(self, "Promotion", engines=engines, failure=failure, settings=settings)

        planning.route(tune=enrichment, rollback=promotion.roll_back)
        enrichment.gate.route(passed=folds, stopped=promotion.keep)
        folds.next(training).next(backtesting)
        shadow.route(passed=promotion.promote_shadow, stopped=promotion.keep)
        backtesting.gate.route(passed=candidate, stopped=shadow)
        candidate.next(market)
        market.route(passed=promotion.promote, stopped=shadow)

        self._deploy(
            planning,
            name="advanced-model-tuning",
            comment="Retunes the stock model and lets it reach users only on evidence.",
            hours=settings.tuning_timeout_hours,
            engines=(engines.service, engines.enrichment, engines.ensemble, engines.backtesting, engines.validation),
            settings=settings,
        )
