"""From symbols to one immutable feature set, and the gate on its quality."""

from __future__ import annotations

from constructs import Construct

from cdk_app.constructs.pipeline_step import RUN_ID, PipelineStep
from cdk_app.settings import AppSettings
from cdk_app.workflow.engines import Engines
from cdk_app.workflow.failure import Failure
from cdk_app.workflow.fragment import Stage, fan_out
from cdk_app.workflow.gate import Gate, number, percent
from lambdas.contracts.enrichment import BuildRequest, CollectRequest


class Enrichment(Stage):
    """Collect batch by batch, join, compute features. Assigns ``$dataset``; ends in `gate`."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        engines: Engines,
        failure: Failure,
        settings: AppSettings,
        sentence: str,
    ) -> None:
        super().__init__(scope, id)
        gates = settings.model.gates
        batch = PipelineStep(
            self,
            "CollectBatch",
            sentence="Collect one batch of symbols",
            comment="A symbol that cannot be had costs that symbol; the data quality gate counts them.",
            function=engines.enrichment,
            request=CollectRequest,
            event={
                name: f"{{% $states.input.{name} %}}"
                for name in ("run_id", "data", "symbols", "as_of", "lookback_days", "benchmark_period_days")
            },
        )
        collect = fan_out(
            self,
            "Collect",
            sentence=sentence,
            comment="Prices, fundamentals and macro series, a batch of symbols at a time.",
            items="$plan.batches",
            item={
                "run_id": RUN_ID,
                "data": "{% $plan.data %}",
                "symbols": "{% $states.context.Map.Item.Value %}",
                "as_of": "{% $plan.as_of %}",
                "lookback_days": "{% $plan.lookback_days %}",
                "benchmark_period_days": "{% $plan.benchmark_period_days %}",
            },
            step=batch,
            assign="collected",
            max_concurrency=settings.map.max_concurrency_collect,
            settings=settings,
        )
        build = PipelineStep(
            self,
            "Build",
            sentence="Build feature set",
            comment="Join the batches point in time, compute all features, write them once under their content hash.",
            function=engines.enrichment,
            request=BuildRequest,
            event={
                "run_id": RUN_ID,
                # Brackets: JSONata makes one element of a list with one element.
                "raw_uris": "{% [$collected.raw_uri] %}",
                "as_of": "{% $plan.as_of %}",
            },
            assign="dataset",
        )
        self.gate = Gate(
            self,
            "Gate",
            sentence=f"Data quality gate: at least {percent(gates.symbol_coverage)} of the symbols, fresh prices",
            comment=f"Coverage of at least {percent(gates.symbol_coverage)}, newest price no older than "
            f"{gates.max_staleness_sessions} sessions.",
            record="$dataset.gate",
            threshold=(
                number("$dataset.symbol_coverage", ">=", gates.symbol_coverage),
                number("$dataset.staleness_sessions", "<=", gates.max_staleness_sessions),
            ),
        )
        failure.catches(collect, build)
        collect.next(build)
        build.next(self.gate)
        self.first = collect
