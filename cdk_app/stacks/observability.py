"""Dashboards and alarms."""

from __future__ import annotations

from typing import Any

import aws_cdk as cdk
from constructs import Construct

from cdk_app.settings import AppSettings
from cdk_app.stacks.pipeline import PipelineStack


class ObservabilityStack(cdk.Stack):
    """What people look at, and what calls them."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        settings: AppSettings,
        pipeline: PipelineStack,
        **kwargs: Any,
    ) -> None:
        super().__init__(scope, id, **kwargs)
