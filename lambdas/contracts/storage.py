"""Where things lie: prefixes of the buckets and keys of the tables, as the CDK app grants and the steps write them."""

from __future__ import annotations

from enum import StrEnum


class DatasetsPrefix(StrEnum):
    """Folders of the datasets bucket.

    ===================================  ===============================================================================
    uploads/<name>/                      data sets that people put there
    raw/<source>/<symbol>/<hash>         what live sources answered, never changed; ``index.json`` names the current one
    batches/<hash>/                      one collected batch of symbols, on its way to the data set
    datasets/<hash>-<key>/               data sets with their features
    ===================================  ===============================================================================
    """

    UPLOADS = "uploads/"
    RAW = "raw/"
    BATCHES = "batches/"
    DATASETS = "datasets/"


class PerformancePrefix(StrEnum):
    """Folders of the performance bucket."""

    TUNING = "tuning/"
    PREDICTIONS = "predictions/"
    REPORTS = "reports/"


class ArtefactsPrefix(StrEnum):
    """Folders of the artefacts bucket."""

    MODELS = "models/"


class AnalyticsKey(StrEnum):
    """Partitions of the table `ai-performance-analytics` (partition key `PK`, sort key `SK`, both strings).

    ===========  ==============================  ===========================================================
    PK           SK                              item
    ===========  ==============================  ===========================================================
    RUN#<id>     META                            the run: kind, request, settings hash, outcome, message
    RUN#<id>     GATE#<n>#<gate>                 the verdict of one gate, n in the order of the machine
    RUN#<id>     SHADOW_GATE#<n>#<gate>          the same of the shadow, where a run judged it
    RUNS         <started at>#<run id>           so that the last runs are found without a scan
    CHAMPION     POINTER                         version, previous, run, since when
    CHAMPION     CHANGE#<changed at>#<run id>    every change of the pointer: what happened, who asked for it, why
    SHADOW       POINTER                         the model that is scored daily and published nowhere, if there is one
    SHADOW       CHANGE#<changed at>#<run id>    every change of the shadow, and why
    MODEL        <version>                       what was judged: outcome, run, artefact, champion it replaced
    LEDGER       TOTAL                           trials of all searches
    LEDGER       SEARCH#<key>                    trials of one search, counted once, and the run that did it
    LIVE         <decision date>#<version>       what a model recommended for a session, and how it went
    PERFORMANCE  <decision date>#<track>         live numbers as of a session: of all that was published, of a model
    LOCK         <workflow>                      the run under way: its id, and until when it may hold the lock
    ONCE         <what>                          when something was last done that is done once a week at most
    ===========  ==============================  ===========================================================
    """

    RUN = "RUN#"
    RUN_META = "META"
    RUN_GATE = "GATE#"
    RUN_SHADOW_GATE = "SHADOW_GATE#"
    RUNS = "RUNS"
    CHAMPION = "CHAMPION"
    CHAMPION_POINTER = "POINTER"
    CHAMPION_CHANGE = "CHANGE#"
    SHADOW = "SHADOW"
    MODEL = "MODEL"
    LEDGER = "LEDGER"
    LEDGER_TOTAL = "TOTAL"
    LEDGER_SEARCH = "SEARCH#"
    LIVE = "LIVE"
    PERFORMANCE = "PERFORMANCE"
    LOCK = "LOCK"
    ONCE = "ONCE"


WRITTEN_BY = "amts"
"""Attribute `written_by` of the recommendations that are ours; items of others are read, never written."""
