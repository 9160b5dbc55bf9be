"""What is kept for the figures of the evidence report: light to import, small to store."""

from __future__ import annotations

import datetime as dt

from pydantic import Field

from lambdas.core.values import FiniteOrNone, Reliability, Value


class FoldInterval(Value):
    """How sure the hit rate of one fold is: two-sided, so that each bound alone has the confidence of the settings."""

    fold: int
    lower: FiniteOrNone
    upper: FiniteOrNone
    effective_n: FiniteOrNone = Field(description="Its matured recommendations over the inflation of the pooled rate.")


class RandomBand(Value):
    """Quantiles, session by session, of the equity of portfolios that pick by lot. Series as in `DailySeries`."""

    n_portfolios: int
    lower: tuple[float, ...] = Field(description="5 % of the portfolios are below.")
    median: tuple[float, ...]
    upper: tuple[float, ...] = Field(description="5 % of the portfolios are above.")


class RankICSeries(Value):
    """Rank IC of each matured decision date, for a line over time."""

    sessions: tuple[dt.date, ...]
    values: tuple[float, ...]


class Exhibits(Value):
    """What the figures of a report need beyond the metrics."""

    fold_intervals: tuple[FoldInterval, ...] = Field(default=(), description="Empty if the predictions name no folds.")
    random_band: RandomBand | None = Field(default=None, description="None if nothing could be drawn.")
    calibration: Reliability | None = Field(default=None, description="None if no outcome is known.")
    rank_ic: RankICSeries


class TrialPoint(Value):
    """One configuration that a search scored."""

    learner: str
    number: int
    sharpe_ratio: FiniteOrNone
    pruned: bool = False
    failed: bool = False


class SearchHistory(Value):
    """One search for hyper-parameters, without the returns of its trials."""

    point: int
    first_session: dt.date
    last_session: dt.date
    trials: int
    inner_sharpe_ratio: FiniteOrNone
    deadline_reached: bool = False
    log: tuple[TrialPoint, ...] = Field(description="In the order in which they were scored.")
    chosen: dict[str, dict[str, bool | int | float]] = Field(description="Parameters by learner.")


class FoldDrops(Value):
    """Rank IC that one fold's model loses on each of some dates of its test window: see `importance.rank_ic_drops`."""

    families: dict[str, str] = Field(description="Family of each feature.")
    by_feature: dict[str, tuple[FiniteOrNone, ...]]
    by_family: dict[str, tuple[FiniteOrNone, ...]]


class FeatureImportance(Value):
    """How much mean daily rank IC a feature, or a family of them, is worth to the models of the walk-forward."""

    name: str
    family: str
    drop: float = Field(description="Rank IC as it is less the rank IC with the values shuffled within each date.")
    lower: FiniteOrNone = None
    upper: FiniteOrNone = None


class ImportanceExhibit(Value):
    """Importance over the folds of a walk-forward, the largest first."""

    n_dates: int
    by_feature: tuple[FeatureImportance, ...]
    by_family: tuple[FeatureImportance, ...]


class Voice(Value):
    """One feature that spoke for or against a recommendation, with everything that is made of it."""

    feature: str
    effect: float = Field(description="Probability less what it would be with the feature at its median of that date.")


class Explanation(Value):
    """The features that moved the probability of one symbol most."""

    symbol: str
    voices: tuple[Voice, ...]


class CandidateExhibits(Value):
    """What is told of the fitted candidate itself."""

    combination: str | None = None
    left_out: tuple[str, ...] = ()
    explanations: tuple[Explanation, ...] = ()
