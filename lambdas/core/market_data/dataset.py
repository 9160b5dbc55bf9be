"""The data set folder (definitions, section 10): read and checked, written whole or not at all, cut, merged."""

from __future__ import annotations

import datetime as dt
import difflib
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from lambdas.core.errors import InvalidDatasetError, UnknownSymbolError
from lambdas.core.market_data import tables
from lambdas.core.market_data.calendar import sessions_in, sessions_late
from lambdas.core.market_data.content_hash import content_hash
from lambdas.core.market_data.panel import FIELDS, MarketDataset, PricePanel
from lambdas.core.market_data.panel_file import read_panel, stored_notes, write_panel
from lambdas.core.market_data.point_in_time import ANNOUNCED_COLUMNS, information_times
from lambdas.core.market_data.tables import DATASET_FILES, TableSchema

MARKET_BENCHMARK = "SPY"
LATE_SESSIONS_ACCEPTED = 5
"""An as_of up to a week after the newest price is a late feed, which the data-quality gate judges; one further away
asks for a period that the data does not have."""


def read_dataset(
    folder: Path, *, symbols: Sequence[str] | None = None, as_of: dt.date | None = None, allow_empty: bool = False
) -> MarketDataset:
    """Read a data set folder and check everything that later steps rely on.

    Parameters
    ----------
    folder : Path
        Holds the files of definitions, section 10. Only `prices.parquet` and `benchmarks.parquet` must be there.
    symbols : sequence of str, optional
        Read these only; None reads all.
    as_of : date, optional
        Nothing that became known after the close of this day is returned (see `cut_dataset`).
    allow_empty : bool
        Accept prices without a row: a collected batch may be one, a data set may not.

    Raises
    ------
    InvalidDatasetError
        If a file, a column, a value or `as_of` cannot be used; the message names it and the remedy.
    UnknownSymbolError
        If one of `symbols` has no prices.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InvalidDatasetError(f"{folder}: there is no such folder")
    wanted = None if symbols is None else sorted(set(symbols))
    notes: list[str] = []
    prices = read_panel(folder, tables.PRICES, notes, symbols=wanted, allow_empty=allow_empty)
    if wanted is not None and (unknown := sorted(set(wanted) - set(prices.symbols))):
        raise UnknownSymbolError(_unknown_symbols(folder, unknown))
    benchmarks = read_panel(folder, tables.BENCHMARKS, notes)
    if MARKET_BENCHMARK not in benchmarks.symbols:
        raise InvalidDatasetError(
            f"{folder / tables.BENCHMARKS.file}: symbol {MARKET_BENCHMARK} is missing; every verdict is against it"
        )
    frames = {
        schema.file.removesuffix(".parquet"): _read_optional(folder, schema, wanted)
        for schema in tables.OPTIONAL_TABLES
    }
    if prices.symbols:
        benchmarks = benchmarks.on(prices.sessions)
        if np.isnan(benchmarks.adj_close[:, benchmarks.symbols.index(MARKET_BENCHMARK)]).all():
            raise InvalidDatasetError(
                f"{folder / tables.BENCHMARKS.file}: {MARKET_BENCHMARK} has no price between "
                f"{prices.sessions[0].date()} and {prices.sessions[-1].date()}, the dates of {tables.PRICES.file}"
            )
    else:
        prices = prices.on(benchmarks.sessions)
    if (macro := frames["macro"]) is not None:
        frames["macro"] = macro.set_index("date").reindex(prices.sessions).rename_axis("date").reset_index()
    dataset = MarketDataset(prices, benchmarks, **frames, notes=(*stored_notes(folder / tables.PRICES.file), *notes))
    if as_of is None or not prices.symbols:
        return dataset
    check_as_of(str(folder / tables.PRICES.file), as_of, prices.sessions)
    return cut_dataset(dataset, as_of)


def write_dataset(dataset: MarketDataset, folder: Path) -> None:
    """Write `dataset` as a folder: complete, or not at all.

    It is written beside the target under another name and moved there in one step. A data set that is already there
    is replaced; any other content is not.

    Raises
    ------
    InvalidDatasetError
        If `folder` exists and holds anything but the files of a data set.
    """
    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or {entry.name for entry in folder.iterdir()} - set(DATASET_FILES)):
        raise InvalidDatasetError(f"{folder}: exists and is no data set folder; choose another one or empty it")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as scratch:
        fresh, stale = Path(scratch) / "fresh", Path(scratch) / "stale"
        fresh.mkdir()
        write_panel(dataset.prices, fresh / tables.PRICES.file, dataset.notes)
        write_panel(dataset.benchmarks, fresh / tables.BENCHMARKS.file)
        for schema in tables.OPTIONAL_TABLES:
            frame = getattr(dataset, schema.file.removesuffix(".parquet"))
            if frame is not None:
                pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), fresh / schema.file)
        if folder.exists():
            shutil.move(folder, stale)
        fresh.rename(folder)


def cut_dataset(dataset: MarketDataset, as_of: dt.date) -> MarketDataset:
    """Keep what of `dataset` was known after the close of `as_of`.

    Rows of prices and of macro series up to that date, symbols that had a price by then, and fundamentals by their
    information time: a row whose earnings are announced and whose report is not filed yet keeps `eps` and `eps_est`
    and loses the rest. Cutting twice is the same as cutting once.

    Raises
    ------
    InvalidDatasetError
        If there is no session of the data set up to `as_of`.
    """
    day = np.datetime64(pd.Timestamp(as_of).date(), "D")
    n_sessions = int(dataset.sessions.searchsorted(pd.Timestamp(day), side="right"))
    if n_sessions == 0:
        raise InvalidDatasetError(f"as_of {day} lies before the data, which begins {dataset.sessions[0].date()}")
    prices = dataset.prices.first_sessions(n_sessions)
    priced = ~np.isnan(prices.adj_close).all(axis=0)
    prices = prices.select(np.flatnonzero(priced))
    if prices.symbols:
        n_sessions = int(np.flatnonzero(~np.isnan(prices.adj_close).all(axis=1))[-1]) + 1
        prices = prices.first_sessions(n_sessions)
    fundamentals = dataset.fundamentals
    if fundamentals is not None:
        fundamentals = _known_fundamentals(fundamentals, day)
    membership = dataset.membership
    if membership is not None:
        membership = membership[membership["start"] <= pd.Timestamp(day)].reset_index(drop=True)
    macro = None if dataset.macro is None else dataset.macro.iloc[:n_sessions]
    return replace(
        dataset,
        prices=prices,
        benchmarks=dataset.benchmarks.first_sessions(n_sessions),
        macro=macro,
        fundamentals=fundamentals,
        membership=membership,
    )


def dataset_hash(data: MarketDataset | Path) -> str:
    """First 16 hex digits of a hash of the content of a data set or its folder (see `content_hash`)."""
    return content_hash(data if isinstance(data, MarketDataset) else read_dataset(data))


def symbols_in(folder: Path) -> tuple[str, ...]:
    """Symbols with prices in a folder, ascending; only that column is read."""
    schema = TableSchema(tables.PRICES.file, {"symbol": "symbol"})
    frame = tables.frame_of(tables.open_table(folder, schema), schema)
    return tuple(str(name) for name in frame["symbol"].cat.categories)


def select_symbols(dataset: MarketDataset, symbols: Sequence[str]) -> MarketDataset:
    """Keep those of `symbols` that have prices, on the sessions from their first to their last price."""
    kept = sorted(set(symbols) & set(dataset.prices.symbols))
    prices = dataset.prices.select(np.array([dataset.prices.symbols.index(symbol) for symbol in kept], dtype=np.int64))
    priced = np.flatnonzero(~np.isnan(prices.adj_close).all(axis=1))
    sessions = dataset.sessions[priced[0] : priced[-1] + 1] if len(priced) else dataset.sessions

    def of_kept(frame: pd.DataFrame | None) -> pd.DataFrame | None:
        return None if frame is None else frame[frame["symbol"].isin(kept)].reset_index(drop=True)

    macro = dataset.macro
    if macro is not None:
        macro = macro[macro["date"].isin(sessions)].reset_index(drop=True)
    return replace(
        dataset,
        prices=prices.on(sessions),
        benchmarks=dataset.benchmarks.on(sessions),
        macro=macro,
        fundamentals=of_kept(dataset.fundamentals),
        securities=of_kept(dataset.securities),
    )


def merge_datasets(datasets: Sequence[MarketDataset]) -> MarketDataset:
    """Join batches of symbols of one source into one data set.

    Its sessions reach from the first to the last price of any batch. Benchmarks and macro series come from the first
    batch that has a value; batches without symbols add nothing else.

    Raises
    ------
    InvalidDatasetError
        If no batch has a price, or two batches hold the same symbol: one of them would be dropped silently.
    """
    priced = [dataset for dataset in datasets if dataset.prices.symbols]
    if not priced:
        raise InvalidDatasetError("none of the collected batches has a price; check the symbols and the source")
    sessions = sessions_in(
        min(dataset.sessions[0] for dataset in priced), max(dataset.sessions[-1] for dataset in priced)
    )
    owners: dict[str, int] = {}
    for number, dataset in enumerate(priced):
        for symbol in dataset.prices.symbols:
            if symbol in owners:
                raise InvalidDatasetError(
                    f"symbol {symbol} is in batches {owners[symbol]} and {number}; collect each symbol once"
                )
            owners[symbol] = number
    macro = [dataset.macro.set_index("date") for dataset in priced if dataset.macro is not None]
    joined_macro = None
    if macro:
        joined = macro[0].reindex(sessions)
        for frame in macro[1:]:
            joined = joined.combine_first(frame.reindex(sessions))
        joined_macro = joined.rename_axis("date").reset_index()
    return MarketDataset(
        prices=_side_by_side([dataset.prices.on(sessions) for dataset in priced]),
        benchmarks=_first_of_each([dataset.benchmarks.on(sessions) for dataset in priced]),
        macro=joined_macro,
        fundamentals=_stacked([dataset.fundamentals for dataset in priced], ["symbol", "period_end"]),
        securities=_stacked([dataset.securities for dataset in priced], ["symbol"]),
        membership=_stacked([dataset.membership for dataset in priced], ["symbol", "start"]),
        notes=tuple(dict.fromkeys(note for dataset in datasets for note in dataset.notes)),
    )


def _read_optional(folder: Path, schema: TableSchema, symbols: Sequence[str] | None) -> pd.DataFrame | None:
    path = folder / schema.file
    if not path.exists():
        return None
    # All of the membership: who is missing from the prices is what the survivorship warning counts.
    by_symbol = schema in (tables.FUNDAMENTALS, tables.SECURITIES)
    return tables.read_frame(folder, schema, symbols if by_symbol else None)


def _unknown_symbols(folder: Path, unknown: Sequence[str]) -> str:
    known = symbols_in(folder)
    near = difflib.get_close_matches(unknown[0], known, n=3, cutoff=0.5)
    hint = f"; did you mean {' or '.join(near)}?" if near else ""
    listed = ", ".join(unknown[:10]) + (f" and {len(unknown) - 10} more" if len(unknown) > 10 else "")
    return f"{folder / tables.PRICES.file}: no prices of symbol {listed} among its {len(known)} symbols{hint}"


def check_as_of(place: str, as_of: dt.date, sessions: pd.DatetimeIndex) -> None:
    """Refuse an `as_of` that asks for a period of which `place` has no data."""
    first, last = sessions[0].date(), sessions[-1].date()
    if pd.Timestamp(as_of) < sessions[0] or sessions_late(last, as_of) > LATE_SESSIONS_ACCEPTED:
        raise InvalidDatasetError(f"{place}: as_of {as_of} lies outside the data, which reaches from {first} to {last}")


def _known_fundamentals(fundamentals: pd.DataFrame, day: np.datetime64) -> pd.DataFrame:
    times = information_times(fundamentals)
    announced, filed = times.announced <= day, times.filed <= day
    known = fundamentals.copy()
    of_announcement = [*ANNOUNCED_COLUMNS, "announced", "release_time"]
    for name in known.columns.difference(["symbol", "period_end"]):
        known.loc[~(announced if name in of_announcement else filed), name] = None
    return known[announced | filed].reset_index(drop=True)


def _side_by_side(panels: Sequence[PricePanel]) -> PricePanel:
    symbols = [symbol for panel in panels for symbol in panel.symbols]
    order = np.argsort(np.array(symbols))
    fields = {name: np.hstack([getattr(panel, name) for panel in panels])[:, order] for name in FIELDS}
    return PricePanel(
        panels[0].sessions,
        tuple(symbols[column] for column in order),
        **{name: np.ascontiguousarray(values) for name, values in fields.items()},
    )


def _first_of_each(panels: Sequence[PricePanel]) -> PricePanel:
    """Join panels that hold the same symbols: a session's bar is that of the first panel which has one."""
    symbols = tuple(sorted({symbol for panel in panels for symbol in panel.symbols}))
    shape = len(panels[0].sessions), len(symbols)
    fields = {name: np.full(shape, np.nan) for name in FIELDS}
    for panel in panels:
        for source, symbol in enumerate(panel.symbols):
            column = symbols.index(symbol)
            missing = np.isnan(fields["adj_close"][:, column]) & ~np.isnan(panel.adj_close[:, source])
            for name in FIELDS:
                fields[name][missing, column] = getattr(panel, name)[missing, source]
    return PricePanel(panels[0].sessions, symbols, **fields)


def _stacked(frames: Sequence[pd.DataFrame | None], key: Sequence[str]) -> pd.DataFrame | None:
    """Rows of all frames; securities and memberships that a source adds to every batch are kept once."""
    present = [frame for frame in frames if frame is not None and len(frame)]
    if not present:
        return next((frame for frame in frames if frame is not None), None)
    return (
        pd.concat(present).drop_duplicates(ignore_index=True).sort_values(list(key), kind="stable", ignore_index=True)
    )
