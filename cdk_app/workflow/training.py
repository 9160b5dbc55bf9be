"""Searching hyper-parameters, fitting the folds, fitting the candidate."""

from __future__ import annotations

from constructs import Construct

from cdk_app.constructs.pipeline_step import RUN_ID, PipelineStep
from cdk_app.settings import AppSettings
from cdk_app.workflow.engines import Engines
from cdk_app.workflow.failure import Failure
from cdk_app.workflow.fragment import Stage, fan_out
from lambdas.contracts.ensemble import FitCandidateRequest, FitFoldRequest, TuneRequest


def _hyperparameters(tuning_point: str) -> str:
    """Path of the search whose hyper-parameters belong to a fold."""
    return f"{{% $tuned[point = {tuning_point}].hyperparameters_uri %}}"


class FoldTraining(Stage):
    """Search once a cadence, then fit and predict all folds in parallel. Assigns ``$tuned`` and ``$fitted``.

    Two Maps rather than one: the folds of a cadence share a search, so it must be done before any of them begins.
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
        tune = fan_out(
            self,
            "Tune",
            sentence="Tune hyper-parameters",
            comment="For the Sharpe ratio, on data that was known at each tuning point.",
            items="$folds.tuning_points",
            item={
                "run_id": RUN_ID,
                "dataset_uri": "{% $dataset.dataset_uri %}",
                "point": "{% $states.context.Map.Item.Value %}",
                "champion": "{% $plan.champion %}",
            },
            step=PipelineStep(
                self,
                "TunePoint",
                sentence="Search at one tuning point",
                comment="A search with the same data, settings and code is found again; one that was cut is continued.",
                function=engines.ensemble,
                request=TuneRequest,
                event={
                    name: f"{{% $states.input.{name} %}}" for name in ("run_id", "dataset_uri", "point", "champion")
                },
            ),
            assign="tuned",
            max_concurrency=settings.map.max_concurrency_folds,
            settings=settings,
        )
        fit = fan_out(
            self,
            "Fit",
            sentence="Tune and predict fold",
            comment="Three learners, voting and stacking; every prediction is out of sample.",
            items="$folds.folds",
            item={
                "run_id": RUN_ID,
                "dataset_uri": "{% $dataset.dataset_uri %}",
                "fold": "{% $states.context.Map.Item.Value %}",
                "hyperparameters_uri": _hyperparameters("$states.context.Map.Item.Value.tuning_point"),
            },
            step=PipelineStep(
                self,
                "FitFold",
                sentence="Fit and predict one fold",
                comment="A fold with the same data, settings and code is found again, not refitted.",
                function=engines.ensemble,
                request=FitFoldRequest,
                event={
                    name: f"{{% $states.input.{name} %}}"
                    for name in ("run_id", "dataset_uri", "fold", "hyperparameters_uri")
                },
            ),
            assign="fitted",
            max_concurrency=settings.map.max_concurrency_folds,
            settings=settings,
        )
        failure.catches(tune, fit)
        tune.next(fit)
        self.first, self.last = tune, fit


class CandidateTraining(Stage):
    """Fit the candidate on what precedes the holdout. Assigns ``$candidate``."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        engines: Engines,
        failure: Failure,
    ) -> None:
        super().__init__(scope, id)
        train = PipelineStep(
            self,
            "Train",
            sentence="Train candidate",
            comment="Fitted once; what is validated next is what would be deployed. It predicts the holdout, frozen.",
            function=engines.ensemble,
            request=FitCandidateRequest,
            event={
                "run_id": RUN_ID,
                "dataset_uri": "{% $dataset.dataset_uri %}",
                "holdout": "{% $folds.holdout %}",
                "hyperparameters_uri": _hyperparameters("$folds.holdout.tuning_point"),
                "champion": "{% $plan.champion %}",
            },
            assign="candidate",
        )
        failure.catches(train)
        self.first = self.last = train
