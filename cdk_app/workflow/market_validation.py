"""Judging the candidate against the market, its risk limits and the champion: three gates in a row."""

from __future__ import annotations

from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from cdk_app.constructs.pipeline_step import RUN_ID, PipelineStep
from cdk_app.settings import AppSettings
from cdk_app.workflow.engines import Engines
from cdk_app.workflow.failure import Failure
from cdk_app.workflow.fragment import Stage
from cdk_app.workflow.gate import Gate, is_true, number, percent, says
from lambdas.contracts.market_validation import ValidateRequest


class MarketValidation(Stage):
    """Validate, then the market, risk and deployment gates. Assigns ``$validation``."""

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
        required = gates.evidence == "required"
        validate = PipelineStep(
            self,
            "Validate",
            sentence="Validate against the market",
            comment="Holdout against the benchmarks, risk of the last 252 sessions, the champion on the same dates.",
            function=engines.validation,
            request=ValidateRequest,
            event={
                "run_id": RUN_ID,
                "dataset_uri": "{% $dataset.dataset_uri %}",
                "predictions_uris": "{% [$fitted.predictions_uri] %}",
                "holdout_predictions_uri": "{% $candidate.predictions_uri %}",
                "evaluation_uri": "{% $evaluation.evaluation_uri %}",
                "version": "{% $candidate.version %}",
                "champion": "{% $plan.champion %}",
                "champion_predictions_uri": "{% $candidate.champion_predictions_uri %}",
                "champion_not_scorable": "{% $candidate.champion_not_scorable %}",
            },
            assign="validation",
        )
        failure.catches(validate)
        self._market = Gate(
            self,
            "MarketGate",
            sentence=f"Market gate: beats the S&P 500 by more than {percent(gates.market_outperformance)}",
            comment=f"Holdout return above SPY's by more than {percent(gates.market_outperformance)}"
            + (", and the pooled active return is above 0 with confidence." if required else "."),
            record="$validation.market_gate",
            threshold=(number("$validation.market_outperformance", ">", gates.market_outperformance),),
            evidence=(number("$validation.active_return_lower", ">", 0),) if required else (),
        )
        self._risk = Gate(
            self,
            "RiskGate",
            sentence=f"Risk gate: Sharpe above {gates.sharpe_ratio}, drawdown below {percent(gates.max_drawdown)}",
            comment=f"Last 252 sessions: Sharpe ratio above {gates.sharpe_ratio}, drawdown below "
            f"{percent(gates.max_drawdown)}"
            + (f"; the deflated Sharpe ratio is at least {gates.deflated_sharpe}." if required else "."),
            record="$validation.risk_gate",
            threshold=(
                number("$validation.sharpe_ratio", ">", gates.sharpe_ratio),
                number("$validation.max_drawdown", "<", gates.max_drawdown),
            ),
            evidence=(number("$validation.deflated_sharpe", ">=", gates.deflated_sharpe),) if required else (),
        )
        earlier = ("$dataset.gate", "$evaluation.gate", "$validation.market_gate", "$validation.risk_gate")
        self._deployment = Gate(
            self,
            "DeploymentGate",
            sentence="Deployment gate: every gate passed",
            comment="Every record says PASS, and the candidate is not worse than the champion on the same dates"
            + (", and the target is met." if gates.require_target else "."),
            record="$validation.deployment_gate",
            threshold=(
                *(says(record, "PASS") for record in earlier),
                # That a candidate is shown to be worse is no missing evidence: `advisory` does not waive it either.
                is_true("$validation.champion_not_worse"),
                *((is_true("$validation.target_met"),) if gates.require_target else ()),
            ),
            evidence=(says("$validation.deployment_gate", "PASS"),),
        )
        validate.next(self._market)
        self.first = validate

    def route(self, *, passed: sfn.IChainable, stopped: sfn.IChainable) -> MarketValidation:
        """Say where a candidate goes that passed all three gates, and where one that did not."""
        self._market.route(passed=self._risk, stopped=stopped)
        self._risk.route(passed=self._deployment, stopped=stopped)
        self._deployment.route(passed=passed, stopped=stopped)
        return self
