"""The dashboard of the business: what the models were worth, beside what they were measured against."""

from __future__ import annotations

from typing import Any, get_args

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from cdk_app.settings import AppSettings, FunctionName
from lambdas.contracts.metrics import NAMESPACE, Metric
from lambdas.core.values import GateName

LINE_COLOR = "#d13212"
LIVE_WINDOW_DAYS = (30, 90, 365)
TARGET_COLOR = "#1d8102"


class PerformanceDashboard(Construct):
    """Gates and targets as lines, runs as points. A run is a point a week, so the range is half a year."""

    def __init__(self, scope: Construct, id: str, *, settings: AppSettings) -> None:
        super().__init__(scope, id)
        self._environment = settings.environment
        gates = settings.model.gates
        judged: FunctionName = "backtesting-engine"
        validated: FunctionName = "market-validation-engine"
        self.dashboard = cloudwatch.Dashboard(
            self,
            "Dashboard",
            dashboard_name=settings.named(f"amts-{settings.environment}-performance"),
            default_interval=cdk.Duration.days(180),
        )
        self.dashboard.add_widgets(
            self._graph(
                "Hit rate out of sample, beside what no skill scores",
                self._metrics(judged, Metric.HIT_RATE, Metric.BASE_RATE),
                gate=gates.hit_rate,
                target=gates.target_hit_rate,
            ),
            self._graph(
                "Return over the S&P 500, holdout",
                self._metrics(validated, Metric.MARKET_OUTPERFORMANCE),
                gate=gates.market_outperformance,
                target=gates.target_outperformance,
            ),
        )
        self.dashboard.add_widgets(
            self._graph(
                "Sharpe ratio, last 252 sessions",
                self._metrics(validated, Metric.SHARPE_RATIO),
                gate=gates.sharpe_ratio,
            ),
            self._graph(
                "Drawdown, last 252 sessions", self._metrics(validated, Metric.MAX_DRAWDOWN), gate=gates.max_drawdown
            ),
        )
        self.dashboard.add_widgets(
            self._graph(
                "Live hit rate of issued recommendations, beside its base rate",
                self._metrics(judged, Metric.LIVE_HIT_RATE, Metric.LIVE_BASE_RATE),
            ),
            self._graph(
                "Skill against stocks of the same volatility", self._metrics(judged, Metric.MATCHED_SKILL), gate=0.0
            ),
        )
        limits = settings.model.live
        for title, name, gate in (
            ("Live hit rate, outcomes of the last 30, 90, 365 days", "LiveHitRate", None),
            ("Base rate of the same outcomes", "LiveBaseRate", None),
            ("Live return over the S&P 500", "LiveOutperformance", 0.0),
            ("Live Sharpe ratio", "LiveSharpeRatio", None),
            ("Live drawdown", "LiveMaxDrawdown", limits.max_drawdown),
            ("Live calibration error", "LiveCalibrationError", None),
        ):
            windows = (Metric(f"{name}{days}") for days in LIVE_WINDOW_DAYS)
            self.dashboard.add_widgets(self._graph(title, self._metrics(judged, *windows), gate=gate))
        self.dashboard.add_widgets(
            self._graph(
                "Inputs unlike the training data: share that drifted, share outside its range",
                self._metrics(judged, Metric.DRIFTED_FEATURES, Metric.INPUTS_OUTSIDE_TRAINING),
                gate=limits.drifted_features,
            ),
            self._graph(
                "Probabilities unlike those of the holdout: PSI",
                self._metrics(judged, Metric.SCORE_PSI),
                gate=limits.score_psi,
            ),
        )
        self.dashboard.add_widgets(
            self._number(
                "Distance to the targets: hit rate, outperformance",
                [
                    *self._metrics(judged, Metric.HIT_RATE_TARGET_DISTANCE),
                    *self._metrics(validated, Metric.OUTPERFORMANCE_TARGET_DISTANCE),
                ],
            ),
            self._number("Competitive score, 0 to 100", self._metrics(validated, Metric.COMPETITIVE_SCORE)),
            self._number(
                "Data: coverage, sessions late",
                self._metrics("fundamental-data-enrichment", Metric.SYMBOL_COVERAGE, Metric.STALENESS_SESSIONS),
            ),
        )
        coordinator: FunctionName = "advanced-model-tuning-service"
        self.dashboard.add_widgets(
            self._graph("Verdicts of the gates: 1 pass, 0.5 too little evidence, 0 fail", self._verdicts(coordinator)),
            self._graph(
                "Trials: configurations scored in a week",
                self._metrics("ensemble-model-engine", Metric.TRIALS, statistic="Sum", days=7),
            ),
        )
        self.dashboard.add_widgets(
            self._number("Champion's age, days", self._metrics(coordinator, Metric.CHAMPION_AGE_DAYS)),
            self._number("Days since the last tuning run", self._metrics(coordinator, Metric.TUNING_AGE_DAYS)),
            self._number(
                "Tuning runs in a row without a new champion",
                self._metrics(coordinator, Metric.REJECTIONS_IN_A_ROW),
            ),
        )
        self.dashboard.add_widgets(
            self._graph(
                "How runs ended",
                self._metrics(
                    "advanced-model-tuning-service",
                    Metric.PROMOTIONS,
                    Metric.REJECTIONS,
                    Metric.ROLLBACKS,
                    Metric.FAILURES,
                    Metric.LIVE_GATE_FAILURES,
                    statistic="Sum",
                ),
            ),
            self._graph(
                "Recommendations",
                self._metrics(
                    judged,
                    Metric.RECOMMENDATIONS_PUBLISHED,
                    Metric.RECOMMENDATIONS_SETTLED,
                    Metric.OUTCOMES_CORRECTED,
                    Metric.RECOMMENDATIONS_UNRESOLVED,
                    statistic="Sum",
                ),
            ),
        )

    def _verdicts(self, service: FunctionName) -> list[cloudwatch.IMetric]:
        """Return the verdicts of each gate, a point a run."""
        return [
            cloudwatch.Metric(
                namespace=NAMESPACE,
                metric_name=Metric.GATE_VERDICT,
                dimensions_map={"service": service, "environment": self._environment, "gate": gate},
                statistic="Minimum",
                period=cdk.Duration.days(1),
                label=gate,
            )
            for gate in get_args(GateName)
            if gate != "live"
        ]

    def _metrics(
        self, service: FunctionName, *names: Metric, statistic: str = "Maximum", days: int = 1
    ) -> list[cloudwatch.IMetric]:
        """Return one point a day: a run publishes each number once, so the maximum is the number."""
        return [
            cloudwatch.Metric(
                namespace=NAMESPACE,
                metric_name=name,
                dimensions_map={"service": service, "environment": self._environment},
                statistic=statistic,
                period=cdk.Duration.days(days),
                label=name,
            )
            for name in names
        ]

    def _graph(
        self, title: str, metrics: list[cloudwatch.IMetric], *, gate: float | None = None, target: float | None = None
    ) -> cloudwatch.GraphWidget:
        lines: list[Any] = []
        if gate is not None:
            lines.append(cloudwatch.HorizontalAnnotation(value=gate, label="gate", color=LINE_COLOR))
        if target is not None:
            lines.append(cloudwatch.HorizontalAnnotation(value=target, label="target", color=TARGET_COLOR))
        return cloudwatch.GraphWidget(title=title, left=metrics, left_annotations=lines, width=12, height=6)

    def _number(self, title: str, metrics: list[cloudwatch.IMetric]) -> cloudwatch.SingleValueWidget:
        return cloudwatch.SingleValueWidget(title=title, metrics=metrics, width=8, height=4, full_precision=False)
