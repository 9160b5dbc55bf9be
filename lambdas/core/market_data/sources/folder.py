"""A data set folder as a source."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lambdas.core.market_data.dataset import read_dataset, symbols_in
from lambdas.core.market_data.sources.protocol import Collected


@dataclass(frozen=True)
class FolderSource:
    """Reads `folder` (definitions, section 10); unknown symbols become problems."""

    folder: Path
    name: str = "folder"

    def load(self, symbols: Sequence[str] | None, *, as_of: dt.date | None, first: dt.date | None = None) -> Collected:
        """Read the symbols that the folder has; see `read_dataset` for what it refuses."""
        if symbols is None:
            dataset = read_dataset(self.folder, as_of=as_of)
            return Collected(dataset, {}, dataset.notes)
        known = set(symbols_in(self.folder))
        problems = {symbol: f"no prices in {self.folder}" for symbol in symbols if symbol not in known}
        present = [symbol for symbol in symbols if symbol in known]
        dataset = read_dataset(self.folder, symbols=present, as_of=as_of, allow_empty=True)
        priced = set(dataset.prices.symbols)
        problems |= {symbol: f"no price up to {as_of}" for symbol in present if symbol not in priced}
        return Collected(dataset, problems, dataset.notes)
