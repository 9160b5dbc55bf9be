"""Two dashboards, one of the business, one of the platform, and the alarms."""

from __future__ import annotations

from typing import Any

import aws_cdk as cdk
from constructs import Construct

from cdk_app.constructs.performance_dashboard import PerformanceDashboard
from cdk_app.constructs.platform_monitoring import PlatformMonitoring
from cdk_app.settings import AppSettings
from cdk_app.stacks.data import DataStack
from cdk_app.stacks.pipeline import PipelineStack


class ObservabilityStack(cdk.Stack):
    """What people look at, and what calls them."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        settings: AppSettings,
        data: DataStack,
        pipeline: PipelineStack,
        **kwargs: Any,
    ) -> None:
        super().__init__(scope, id, **kwargs)
        PerformanceDashboard(self, "Performance", settings=settings)
        platform = PlatformMonitoring(self, "Platform", topic=pipeline.announcements.topic, settings=settings)
        platform.watch_machine(pipeline.tuning.machine, "advanced-model-tuning")
        platform.watch_machine(pipeline.assessment.machine, "daily-assessment")
        platform.watch_engines(pipeline.engines)
        platform.watch_dead_letters(pipeline.dead_letters)
        platform.watch_tables(analytics=data.analytics.table, recommendations=data.recommendations.table)
        platform.watch_usage()
        platform.watch_evidence()
        if settings.schedule.enabled:
            platform.watch_silence(pipeline.assessment.machine)
