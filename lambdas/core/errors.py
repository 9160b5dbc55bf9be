"""Errors of the domain, by the names that Retry and Catch of the state machines use.

Every message says what was wrong, where, and what to do about it.
"""

from __future__ import annotations

from typing import ClassVar


class AmtsError(Exception):
    """Base of every error this system raises on purpose."""

    remedy: ClassVar[str] = "Read the message."
    """What a person does about it, where the message cannot know more; docs/errors.md is made of these."""


class InvalidInputError(AmtsError):
    """What a person or a file handed in cannot be used; running it again cannot help. Exit status 2."""


class InvalidRequestError(InvalidInputError):
    """An execution input or an event does not fit its contract."""

    remedy = "Mend the field that the message names and start again; the README has the table of fields."


class InvalidDatasetError(InvalidInputError):
    """A data set folder or one of its files breaks its schema."""

    remedy = (
        "Mend the file, column and row that the message names; docs/data_sources.md has the layout of a data "
        "set folder."
    )


class InvalidPredictionsError(InvalidInputError):
    """A predictions file breaks its schema or does not belong to the data set."""

    remedy = (
        "Mend the row that the message names: one row a date and symbol, dates that are sessions of the data "
        "set, probabilities from 0 to 1."
    )


class UnknownSymbolError(InvalidInputError):
    """A symbol that was asked for by name is not in the source."""

    remedy = "Leave the symbol out, spell it as the source does (BRK-B), or choose a source that has it."


class InsufficientHistoryError(InvalidInputError):
    """There are fewer sessions than the window, the training part or the horizon needs."""

    remedy = (
        "Take a later as_of, a shorter lookback_days, or data that begins earlier; the message has the number "
        "of sessions that are missing."
    )


class ArtefactIntegrityError(AmtsError):
    """A model file is missing, altered, or of a format this version does not read."""

    remedy = (
        "Roll back to another version (`amts rollback`), or restore the object's earlier version from the "
        "bucket; find out who wrote to it."
    )


class TrainingFailedError(AmtsError):
    """Fewer than two learners could be fitted."""

    remedy = (
        "Read each learner's reason in the message; with too few hits or misses to learn from, more symbols "
        "or a longer history help."
    )


class LookAheadError(AmtsError):
    """A feature changed when later data was taken away."""

    remedy = "Do not run this code: the message names feature, date and symbol."


class GateNotPassedError(AmtsError):
    """A promotion was asked for a candidate whose recorded gates do not all say PASS."""

    remedy = "Nothing: the promotion was refused as it should be. Look at `amts report RUN_ID`."


class ChampionChangedError(AmtsError):
    """The champion is no longer the one the candidate was compared with."""

    remedy = "Nothing: the run ends as SUPERSEDED. Start it again to compare with the champion of now."


class TransientMarketDataError(AmtsError):
    """A source answered with a fault that is likely to pass; the step is retried."""

    remedy = "Start again later if the retries were not enough; what was collected is found again."
