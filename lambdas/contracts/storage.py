"""Where things lie: prefixes of the buckets and keys of the tables, as the CDK app grants and the steps write them."""

from __future__ import annotations

from enum import StrEnum


class DatasetsPrefix(StrEnum):
    """Folders of the datasets bucket."""

    UPLOADS = "uploads/"
    RAW = "raw/"
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
    RUNS         <started at>#<run id>           so that the last runs are found without a scan
    CHAMPION     POINTER                         version, previous, run, since when
    CHAMPION     CHANGE#<changed at>#<run id>    every change of the pointer
    MODEL        <version>                       what was judged: outcome, run, artefact, champion it replaced
    LEDGER       TOTAL                           trials of all searches
    LEDGER       SEARCH#<key>                    trials of one search, counted once, and the run that did it
    LIVE         <decision date>#<version>       what was published for a session, and how it went
    ===========  ==============================  ===========================================================
    """

    RUN = "RUN#"
    RUN_META = "META"
    RUN_GATE = "GATE#"
    RUNS = "RUNS"
    CHAMPION = "CHAMPION"
    CHAMPION_POINTER = "POINTER"
    CHAMPION_CHANGE = "CHANGE#"
    MODEL = "MODEL"
    LEDGER = "LEDGER"
    LEDGER_TOTAL = "TOTAL"
    LEDGER_SEARCH = "SEARCH#"
    LIVE = "LIVE"


WRITTEN_BY = "amts"
"""Attribute `written_by` of the recommendations that are ours; items of others are read, never written."""
