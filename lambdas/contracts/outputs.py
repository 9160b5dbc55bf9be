"""Names by which a deployment is found again: what the pipeline stack exports and the command line reads."""

from __future__ import annotations

from enum import StrEnum


class StackOutput(StrEnum):
    """Keys of the outputs of the pipeline stack."""

    TUNING_MACHINE_ARN = "TuningMachineArn"
    ASSESSMENT_MACHINE_ARN = "AssessmentMachineArn"
    ARTEFACTS_BUCKET = "ArtefactsBucket"
    PERFORMANCE_BUCKET = "PerformanceBucket"
    DATASETS_BUCKET = "DatasetsBucket"
    ANALYTICS_TABLE = "AnalyticsTable"
    RECOMMENDATIONS_TABLE = "RecommendationsTable"
    ALERT_TOPIC_ARN = "AlertTopicArn"


def pipeline_stack_name(environment: str) -> str:
    """CloudFormation name of the stack that carries the outputs.

    Examples
    --------
    >>> pipeline_stack_name("dev")
    'amts-dev-pipeline'
    """
    return f"amts-{environment}-pipeline"
