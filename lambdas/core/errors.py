"""Errors of the domain, by the names that Retry and Catch of the state machines use.

Every message says what was wrong, where, and what to do about it.
"""

from __future__ import annotations


class AmtsError(Exception):
    """Base of every error this system raises on purpose."""


class InvalidInputError(AmtsError):
    """What a person or a file handed in cannot be used; running it again cannot help. Exit status 2."""


class InvalidRequestError(InvalidInputError):
    """An execution input or an event does not fit its contract."""


class InvalidDatasetError(InvalidInputError):
    """A data set folder or one of its files breaks its schema."""


class InvalidPredictionsError(InvalidInputError):
    """A predictions file breaks its schema or does not belong to the data set."""


class UnknownSymbolError(InvalidInputError):
    """A symbol that was asked for by name is not in the source."""


class InsufficientHistoryError(InvalidInputError):
    """There are fewer sessions than the window, the training part or the horizon needs."""


class ArtefactIntegrityError(AmtsError):
    """A model file is missing, altered, or of a format this version does not read."""


class TrainingFailedError(AmtsError):
    """Fewer than two learners could be fitted."""


class LookAheadError(AmtsError):
    """A feature changed when later data was taken away."""


class GateNotPassedError(AmtsError):
    """A promotion was asked for a candidate whose recorded gates do not all say PASS."""


class ChampionChangedError(AmtsError):
    """The champion is no longer the one the candidate was compared with."""


class TransientMarketDataError(AmtsError):
    """A source answered with a fault that is likely to pass; the step is retried."""
