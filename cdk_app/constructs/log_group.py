"""A log group of a fixed name that forgets after the configured time."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_logs as logs
from constructs import Construct

from cdk_app.settings import LOG_RETENTION_DAYS, AppSettings

_RETENTION = dict(
    zip(
        LOG_RETENTION_DAYS,
        (
            logs.RetentionDays.ONE_WEEK,
            logs.RetentionDays.TWO_WEEKS,
            logs.RetentionDays.ONE_MONTH,
            logs.RetentionDays.TWO_MONTHS,
            logs.RetentionDays.THREE_MONTHS,
            logs.RetentionDays.SIX_MONTHS,
            logs.RetentionDays.ONE_YEAR,
            logs.RetentionDays.TWO_YEARS,
        ),
        strict=True,
    )
)


def log_group(scope: Construct, id: str, *, name: str, settings: AppSettings) -> logs.LogGroup:
    """Make the log group before anything writes to it, so that nothing is kept for ever by accident."""
    return logs.LogGroup(
        scope,
        id,
        log_group_name=name,
        retention=_RETENTION[settings.retention.logs_days],
        removal_policy=cdk.RemovalPolicy.DESTROY,
    )
