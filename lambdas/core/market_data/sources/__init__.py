"""Where market data comes from: one module a source, one function that opens a source by its name."""

from __future__ import annotations

from pathlib import Path

from lambdas.core.errors import InvalidRequestError
from lambdas.core.market_data.sources.folder import FolderSource
from lambdas.core.market_data.sources.live import LiveSource
from lambdas.core.market_data.sources.live_access import LiveAccess, first_needed
from lambdas.core.market_data.sources.protocol import Collected, Finding, Findings, Source
from lambdas.core.market_data.sources.raw_store import FolderObjects, RawObjects
from lambdas.core.market_data.sources.sample import SampleSource
from lambdas.core.market_data.sources.simulated import SimulatedSource

__all__ = [
    "Collected",
    "Finding",
    "Findings",
    "FolderObjects",
    "FolderSource",
    "LiveAccess",
    "LiveSource",
    "RawObjects",
    "SampleSource",
    "SimulatedSource",
    "Source",
    "first_needed",
    "open_source",
]


def open_source(data: str, folder: Path | None = None, *, live: LiveAccess | None = None) -> Source:
    """Open a source by the name that requests and commands use.

    Parameters
    ----------
    data : str
        ``yahoo``, ``sample``, ``simulated``, or the path of a data set folder.
    folder : Path, optional
        Where the folder lies on this machine, when `data` names it by an address on S3.
    live : LiveAccess, optional
        What ``yahoo`` needs: a contact for EDGAR, and how its servers are asked.

    Raises
    ------
    InvalidRequestError
        If there is no such source, or ``yahoo`` is asked for without a contact.
    """
    if folder is not None:
        return FolderSource(folder)
    match data:
        case "sample":
            return SampleSource()
        case "simulated":
            return SimulatedSource()
        case "yahoo":
            return (live or LiveAccess(edgar_contact="")).source()
    if Path(data).is_dir():
        return FolderSource(Path(data))
    raise InvalidRequestError(f"data {data!r} is neither yahoo, sample nor simulated, nor a folder on this machine")
