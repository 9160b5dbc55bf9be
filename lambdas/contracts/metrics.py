"""Names of the metrics that the functions emit: what the dashboards and alarms of the CDK app are made of.

All lie in one namespace, with the dimensions `service` (the function's name, without the environment) and
`environment`. They are emitted when `POWERTOOLS_METRICS_DISABLED` is not true.
"""

from __future__ import annotations

from enum import StrEnum

NAMESPACE = "AMTS"


class Metric(StrEnum):
    """Name of a metric; the comment says which function emits it, and its unit."""

    STEP_DURATION = "StepDuration"  # every function, milliseconds, with the extra dimension `action`
    STEP_MEMORY = "StepMemory"  # every function, peak in percent of its memory, with the extra dimension `action`
    STEP_ERRORS = "StepErrors"  # every function, count, with the extra dimension `action`

    SYMBOL_COVERAGE = "SymbolCoverage"  # fundamental-data-enrichment, fraction
    STALENESS_SESSIONS = "StalenessSessions"  # fundamental-data-enrichment, sessions

    TRIALS = "Trials"  # ensemble-model-engine, count of scored configurations
    FOLDS_REUSED = "FoldsReused"  # ensemble-model-engine, count

    HIT_RATE = "HitRate"  # backtesting-engine, pooled out of sample, fraction
    BASE_RATE = "BaseRate"  # backtesting-engine
    MATCHED_SKILL = "MatchedSkill"  # backtesting-engine
    HIT_RATE_TARGET_DISTANCE = "HitRateTargetDistance"  # backtesting-engine, hit rate less target
    LIVE_HIT_RATE = "LiveHitRate"  # backtesting-engine
    LIVE_BASE_RATE = "LiveBaseRate"  # backtesting-engine
    # Of all that was published, by window in days; backtesting-engine, daily.
    LIVE_HIT_RATE_30 = "LiveHitRate30"
    LIVE_HIT_RATE_90 = "LiveHitRate90"
    LIVE_HIT_RATE_365 = "LiveHitRate365"
    LIVE_BASE_RATE_30 = "LiveBaseRate30"
    LIVE_BASE_RATE_90 = "LiveBaseRate90"
    LIVE_BASE_RATE_365 = "LiveBaseRate365"
    LIVE_OUTPERFORMANCE_30 = "LiveOutperformance30"
    LIVE_OUTPERFORMANCE_90 = "LiveOutperformance90"
    LIVE_OUTPERFORMANCE_365 = "LiveOutperformance365"
    LIVE_SHARPE_RATIO_30 = "LiveSharpeRatio30"
    LIVE_SHARPE_RATIO_90 = "LiveSharpeRatio90"
    LIVE_SHARPE_RATIO_365 = "LiveSharpeRatio365"
    LIVE_MAX_DRAWDOWN_30 = "LiveMaxDrawdown30"
    LIVE_MAX_DRAWDOWN_90 = "LiveMaxDrawdown90"
    LIVE_MAX_DRAWDOWN_365 = "LiveMaxDrawdown365"
    LIVE_CALIBRATION_ERROR_30 = "LiveCalibrationError30"
    LIVE_CALIBRATION_ERROR_90 = "LiveCalibrationError90"
    LIVE_CALIBRATION_ERROR_365 = "LiveCalibrationError365"
    DRIFTED_FEATURES = "DriftedFeatures"  # backtesting-engine, share of the champion's inputs
    SCORE_PSI = "ScorePsi"  # backtesting-engine
    INPUTS_OUTSIDE_TRAINING = "InputsOutsideTraining"  # backtesting-engine, share
    OUTCOMES_CORRECTED = "OutcomesCorrected"  # backtesting-engine, count
    RECOMMENDATIONS_UNRESOLVED = "RecommendationsUnresolved"  # backtesting-engine, count
    RECOMMENDATIONS_PUBLISHED = "RecommendationsPublished"  # backtesting-engine, count
    RECOMMENDATIONS_SETTLED = "RecommendationsSettled"  # backtesting-engine, count

    MARKET_OUTPERFORMANCE = "MarketOutperformance"  # market-validation-engine, holdout against SPY, fraction
    OUTPERFORMANCE_TARGET_DISTANCE = "OutperformanceTargetDistance"  # market-validation-engine
    SHARPE_RATIO = "SharpeRatio"  # market-validation-engine, last 252 sessions
    MAX_DRAWDOWN = "MaxDrawdown"  # market-validation-engine, fraction
    COMPETITIVE_SCORE = "CompetitiveScore"  # market-validation-engine, 0 to 100

    RUN_COST = "RunCost"  # advanced-model-tuning-service, US dollars at list price
    RUN_GB_SECONDS = "RunGigabyteSeconds"  # advanced-model-tuning-service

    GATE_VERDICT = "GateVerdict"  # advanced-model-tuning-service, with the extra dimension `gate`: `GATE_VALUES`
    CHAMPION_AGE_DAYS = "ChampionAgeDays"  # advanced-model-tuning-service, daily
    TUNING_AGE_DAYS = "TuningAgeDays"  # advanced-model-tuning-service, daily: since the last tuning run began
    REJECTIONS_IN_A_ROW = "RejectionsInARow"  # advanced-model-tuning-service, count of tuning runs
    LIVE_GATE_FAILURES = "LiveGateFailures"  # advanced-model-tuning-service, count

    PROMOTIONS = "Promotions"  # advanced-model-tuning-service, count
    REJECTIONS = "Rejections"  # advanced-model-tuning-service, count
    ROLLBACKS = "Rollbacks"  # advanced-model-tuning-service, count
    FAILURES = "Failures"  # advanced-model-tuning-service, count


GATE_VALUES = {"PASS": 1.0, "INSUFFICIENT_EVIDENCE": 0.5, "FAIL": 0.0}
"""How a verdict is drawn on a dashboard."""
