"""One target under atheris (libFuzzer): inputs that reach new code are kept and changed further.

`python -m benchmarks.fuzz.guided TARGET RUNS`, in an environment that has atheris; `benchmarks.fuzz` makes one.
"""

from __future__ import annotations

import json
import os
import random
import resource
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("POWERTOOLS_LOG_LEVEL", "CRITICAL")
os.environ.setdefault("POWERTOOLS_METRICS_DISABLED", "true")

import atheris

MEMORY_BYTES = 4 << 30
"""Of address space: what needs more is a failure, not a slow machine."""

MAX_LENGTH = 1 << 16
WITH_SELECTOR = ("events", "stored records", "data set files", "predictions")
"""Targets whose first byte chooses."""


def main() -> None:
    """Fuzz until `RUNS` inputs were tried; the last line says how many, and how much memory was the most."""
    name, runs = sys.argv[1], int(sys.argv[2])
    with atheris.instrument_imports(include=["lambdas", "cli"]):
        from benchmarks.fuzz import targets
        from benchmarks.fuzz.mutation import mutated_json, mutated_table
        from benchmarks.fuzz.seeds import seeds

        folder = Path(tempfile.mkdtemp(prefix="amts-fuzz-"))
        os.environ["TMPDIR"] = str(folder)
        target = targets.quiet(targets.TARGETS[name](folder))
    corpus = folder / "corpus"
    corpus.mkdir()
    for number, seed in enumerate(seeds(name, folder)):
        (corpus / f"seed-{number}").write_bytes(seed)
        target(seed)  # imports what is imported late, before writes are watched
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, resource.RLIM_INFINITY))
    tried = 0

    def one(data: bytes) -> None:
        nonlocal tried
        tried += 1
        if data:
            target(data)
        if tried == runs:
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
            print(json.dumps({"target": name, "inputs": tried, "peak_mb": peak}), flush=True)

    def mutate(data: bytes, max_size: int, seed: int) -> bytes:
        """Change half of the inputs as what they are, JSON or Parquet; the rest byte by byte."""
        rng = random.Random(seed)  # noqa: S311 - no secret
        skip = 1 if name in WITH_SELECTOR else 0
        changed = None
        if rng.random() < 0.5:
            is_table = data[skip:].startswith(b"PAR1")
            changed = mutated_table(data[skip:], rng) if is_table else mutated_json(data[skip:], rng)
        if changed is None or len(changed) + skip > max_size:
            return bytes(atheris.Mutate(data, max_size))
        return data[:skip] + changed

    arguments = [f"-runs={runs}", "-seed=1", f"-max_len={MAX_LENGTH}", "-rss_limit_mb=0", "-print_final_stats=1"]
    atheris.Setup([sys.argv[0], *arguments, f"-artifact_prefix={folder}/", str(corpus)], one, custom_mutator=mutate)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
