"""Alpha158 of pyqlib on given prices; run by the environment of pyqlib, prints one JSON document."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import qlib
from qlib.contrib.data.handler import Alpha158

COMPARED = ("ROC5", "MA20", "STD20")
"""Enough to recompute reversal_5 and bollinger_percent_b."""


def main() -> None:
    """Build the handler once, with one process and without caches, and save the columns that are compared."""
    given, answer = np.load(sys.argv[1]), sys.argv[2]
    sessions, symbols = [str(day) for day in given["sessions"]], [str(name) for name in given["symbols"]]
    with tempfile.TemporaryDirectory() as folder:
        write_qlib_format(Path(folder), sessions, symbols, given)
        qlib.init(provider_uri=folder, region="us", kernels=1, expression_cache=None, dataset_cache=None)
        wall, cpu = time.perf_counter(), time.process_time()
        handler = Alpha158(
            instruments="all",
            start_time=sessions[0],
            end_time=sessions[-1],
            infer_processors=[],
            learn_processors=[],
        )
        features = handler.fetch(col_set="feature")
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    compared = {}
    for name in COMPARED:
        wide = features[name].unstack("instrument").reindex(columns=symbols)
        compared[name] = wide.reindex(index=np.array(sessions, dtype="datetime64[ns]")).to_numpy()
    np.savez(answer, **compared)
    report = {"version": qlib.__version__, "cpu": cpu, "wall": wall, "n_features": features.shape[1]}
    print(json.dumps({**report, "n_values": int(features.shape[0] * features.shape[1])}))


def write_qlib_format(folder: Path, sessions: list[str], symbols: list[str], given: np.lib.npyio.NpzFile) -> None:
    """Write what qlib's own `dump_bin.py` writes: float32 from the symbol's first session on, led by its number."""
    (folder / "calendars").mkdir()
    (folder / "calendars" / "day.txt").write_text("\n".join(sessions) + "\n")
    (folder / "instruments").mkdir()
    lines = []
    for column, symbol in enumerate(symbols):
        known = np.flatnonzero(~np.isnan(given["close"][:, column]))
        first, last = int(known[0]), int(known[-1])
        lines.append(f"{symbol}\t{sessions[first]}\t{sessions[last]}\n")
        place = folder / "features" / symbol.lower()
        place.mkdir(parents=True)
        for name in ("open", "high", "low", "close", "volume", "vwap"):
            values = given[name][first : last + 1, column]
            np.hstack([first, values]).astype("<f").tofile(place / f"{name}.day.bin")
    (folder / "instruments" / "all.txt").write_text("".join(lines))


if __name__ == "__main__":
    main()
