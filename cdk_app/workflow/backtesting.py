"""Cutting time into folds, judging the pooled predictions of all of them, and the gate on the hit rate."""

from __future__ import annotations

from constructs import Construct

from cdk_app.constructs.pipeline_step import RUN_ID, PipelineStep
from cdk_app.settings import AppSettings
from cdk_app.workflow.engines import Engines
from cdk_app.workflow.failure import Failure
from cdk_app.workflow.fragment import Stage
from cdk_app.workflow.gate import Gate, number, percent
from lambdas.contracts.backtesting import EvaluateRequest, PlanFoldsRequest


class FoldPlanning(Stage):
    """Cut the data set into walk-forward folds, tuning points and the holdout. Assigns ``$folds``."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        engines: Engines,
        failure: Failure,
    ) -> None:
        super().__init__(scope, id)
        plan = PipelineStep(
            self,
            "PlanFolds",
            sentence="Plan walk-forward folds",
            comment="A training outcome must be known before the first decision of its test window.",
            function=engines.backtesting,
            request=PlanFoldsRequest,
            event={
                "run_id": RUN_ID,
                "dataset_uri": "{% $dataset.dataset_uri %}",
                "lookback_days": "{% $plan.lookback_days %}",
                "benchmark_period_days": "{% $plan.benchmark_period_days %}",
            },
            assign="folds",
        )
        failure.catches(plan)
        self.first = self.last = plan


class Backtesting(Stage):
    """Backtest the pooled predictions. Assigns ``$evaluation``; ends in `gate`."""

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
        gates = settings.model.gates
        evaluate = PipelineStep(
            self,
            "Evaluate",
            sentence="Backtest out-of-sample predictions",
            comment="Portfolio, hit rate beside its base rate, and the evidence, with the trials of this run counted.",
            function=engines.backtesting,
            request=EvaluateRequest,
            event={
                "run_id": RUN_ID,
                "dataset_uri": "{% $dataset.dataset_uri %}",
                # Brackets: JSONata makes one element of a list with one element.
                "predictions_uris": "{% [$fitted.predictions_uri] %}",
                "hyperparameters_uris": "{% [$tuned.hyperparameters_uri] %}",
            },
            assign="evaluation",
        )
        failure.catches(evaluate)
        required = gates.evidence == "required"
        self.gate = Gate(
            self,
            "Gate",
            sentence=f"Backtesting gate: hit rate above {percent(gates.hit_rate)}",
            comment=f"Pooled walk-forward hit rate above {percent(gates.hit_rate)}"
            + (", and skill against stocks of the same volatility is above 0 with confidence." if required else "."),
            record="$evaluation.gate",
            threshold=(number("$evaluation.hit_rate", ">", gates.hit_rate),),
            evidence=(number("$evaluation.matched_skill_lower", ">", 0),) if required else (),
        )
        evaluate.next(self.gate)
        self.first = evaluate
