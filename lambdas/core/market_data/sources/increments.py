"""Series that grow by a row a day: only what is new is fetched, and a history that has changed is fetched again.

Yahoo adjusts the whole history for every split and dividend, and corrects bars for a few days. So what is asked for
begins a few rows before the newest stored one, and those rows must come back as they are stored. Where they do not,
or a new row carries a split or a dividend, all of it is fetched again. What the vendor repairs further back is noticed
by the complete fetch that is due every four weeks.

Rows that were stored are never given up for an answer that lacks them: a partial answer, and a symbol that the source
has forgotten, leave the series as it was.
"""

from __future__ import annotations

import datetime as dt
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from lambdas.core.market_data.sources.raw_store import Kept, RawStore

OVERLAP_ROWS = 10
WHOLE_AFTER = dt.timedelta(days=28)
EVENTS = ("dividends", "stock_splits")
"""Columns in which a value other than zero tells that the vendor rewrites the rows before."""


class NoDataError(Exception):
    """The source answered, and has nothing of the symbol; asking again cannot help."""


@dataclass(frozen=True)
class Answer:
    """What a source answered: rows by day, and facts about the whole series.

    Attributes
    ----------
    rows : DataFrame
        Index: days, ascending, without repetition; columns of float64.
    facts : dict of str to str
        Kept beside the rows.
    """

    rows: pd.DataFrame
    facts: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Series:
    """A series as far as it is known.

    Attributes
    ----------
    rows : DataFrame
        From the first day asked for, if there is that much, to the newest.
    facts : dict of str to str
    trouble : str
        Why `rows` are only what was stored before; empty if the source confirmed them.
    error : Exception, optional
        What the source raised, where that is the reason.
    """

    rows: pd.DataFrame
    facts: dict[str, str]
    trouble: str = ""
    error: Exception | None = None


Ask = Callable[[dt.date], Answer]


@dataclass(frozen=True)
class Growing:
    """The series of one source.

    Attributes
    ----------
    store : RawStore
    source : str
        First part of the keys.
    passing : tuple of exception types
        What `ask` raises where nothing could be had: with something stored, that is used.
    """

    store: RawStore
    source: str
    passing: tuple[type[Exception], ...]

    def upto(self, symbol: str, first: dt.date, needed: dt.date, closed: dt.date, ask: Ask) -> Series:
        """Return the rows of `symbol` from `first` on, and store what is new.

        Parameters
        ----------
        symbol : str
        first : date
            Nothing earlier is returned.
        needed : date
            A stored series that reaches this day is not asked for.
        closed : date
            The newest day that is over: later rows may still change and are left out.
        ask : callable
            Asks the source for everything from a day on.

        Raises
        ------
        Exception
            Those of `passing`, if there is nothing stored to fall back on.
        """
        kept = self.store.find(self.source, symbol)
        if kept is None:
            answer = _complete(ask(first), closed)
            if answer.rows.empty:
                raise NoDataError(f"no rows from {first} to {closed}")
            self._keep(symbol, answer, None, first, is_whole=True)
            return Series(answer.rows, answer.facts)
        stored = Answer(_decoded(kept.content), kept.index.facts)
        asked_from = min(first, kept.index.asked_from or first)
        reaches_back = kept.index.asked_from is not None and kept.index.asked_from <= first
        try:
            known, trouble = self._renewed(
                symbol, kept, stored, ask, asked_from=asked_from, needed=needed, closed=closed, far_enough=reaches_back
            )
            error = None
        except self.passing as raised:
            known, trouble, error = stored, f"{raised}; {_stored_words(stored.rows)}", raised
        return Series(known.rows[known.rows.index >= pd.Timestamp(first)], known.facts, trouble, error)

    def _renewed(
        self,
        symbol: str,
        kept: Kept,
        stored: Answer,
        ask: Ask,
        *,
        asked_from: dt.date,
        needed: dt.date,
        closed: dt.date,
        far_enough: bool,
    ) -> tuple[Answer, str]:
        if far_enough and stored.rows.index[-1] >= pd.Timestamp(needed):
            return stored, ""
        if far_enough and self.store.age(kept.index.whole) <= WHOLE_AFTER:
            since: dt.date = stored.rows.index[-min(OVERLAP_ROWS, len(stored.rows))].date()
            fresh = _complete(ask(since), closed)
            if not _history_changed(stored.rows, fresh.rows, since):
                new = fresh.rows[fresh.rows.index > stored.rows.index[-1]]
                if new.empty:
                    return stored, ""
                joined = Answer(pd.concat([stored.rows, new]), {**stored.facts, **fresh.facts})
                self._keep(symbol, joined, kept, asked_from, is_whole=False)
                return joined, ""
        whole = _complete(ask(asked_from), closed)
        expected = stored.rows.index[stored.rows.index >= pd.Timestamp(asked_from)]
        if len(missing := expected.difference(whole.rows.index)):
            return stored, (
                f"an answer of {len(whole.rows)} rows lacks {len(missing)} that are stored, for example "
                f"{missing[0]:%Y-%m-%d}; {_stored_words(stored.rows)}"
            )
        self._keep(symbol, whole, kept, asked_from, is_whole=True)
        return whole, ""

    def _keep(self, symbol: str, answer: Answer, kept: Kept | None, asked_from: dt.date, *, is_whole: bool) -> None:
        days = answer.rows.index
        self.store.keep(
            self.source,
            symbol,
            _encoded(answer.rows),
            "parquet",
            kept,
            rows=len(days),
            first=days[0].date(),
            last=days[-1].date(),
            asked_from=asked_from,
            facts=answer.facts,
            is_whole=is_whole,
        )


def _complete(answer: Answer, closed: dt.date) -> Answer:
    """Leave out what is still going on."""
    return Answer(answer.rows[answer.rows.index <= pd.Timestamp(closed)], answer.facts)


def _history_changed(stored: pd.DataFrame, fresh: pd.DataFrame, since: dt.date) -> bool:
    """Whether rows from `since` to the newest stored one came back otherwise, or new ones announce a change."""
    before = stored[stored.index >= pd.Timestamp(since)]
    again = fresh[fresh.index <= stored.index[-1]]
    new = fresh[fresh.index > stored.index[-1]]
    if any((new[name].fillna(0.0) != 0.0).any() for name in EVENTS if name in new):
        return True
    same = before.index.equals(again.index) and list(before.columns) == list(again.columns)
    return not (same and np.array_equal(before.to_numpy(), again.to_numpy(), equal_nan=True))


def _stored_words(rows: pd.DataFrame) -> str:
    return f"what was stored up to {rows.index[-1]:%Y-%m-%d} is used"


def _encoded(rows: pd.DataFrame) -> bytes:
    columns: Mapping[str, pa.Array] = {
        "date": pa.array(rows.index.to_numpy().astype("datetime64[ms]")),
        **{str(name): pa.array(rows[name].to_numpy(dtype=np.float64)) for name in rows},
    }
    sink = io.BytesIO()
    pq.write_table(pa.table(dict(columns)), sink, compression="zstd")
    return sink.getvalue()


def _decoded(content: bytes) -> pd.DataFrame:
    table = pq.read_table(io.BytesIO(content))
    days = pd.DatetimeIndex(table["date"].to_numpy().astype("datetime64[ns]"), name=None)
    return pd.DataFrame({name: table[name].to_numpy() for name in table.column_names if name != "date"}, index=days)
