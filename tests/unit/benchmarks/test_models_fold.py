"""What the timed fold says about its limits, and about growth."""

from __future__ import annotations

import pytest

from benchmarks.models import fold, tables


def part(**changed):
    plain = {"name": "a fold", "n_rows": 1000, "n_features": 7, "cpu": 50.0, "wall": 70.0, "peak_mb": 900.0}
    return {**plain, "fit_mb": 800.0, **changed}


@pytest.mark.parametrize(
    ("cpu", "peak_mb", "said"),
    [
        (60.0, 2048.0, "yes"),
        (61.0, 900.0, "not told here"),  # 30.5 s at best on two cores, 61 s at worst
        (121.0, 900.0, "**no**"),
        (10.0, 2049.0, "**no**"),
        (61.0, 2049.0, "**no**"),
    ],
)
def test_a_limit_is_told_from_processor_time_and_memory(cpu, peak_mb, said):
    judged = {**part(cpu=cpu, peak_mb=peak_mb), **fold._limit(part(cpu=cpu, peak_mb=peak_mb), 60)}
    found = {
        "sentence": "S.",
        "memory": "M.",
        "parts": [part(), judged],
        **fold.growth([part(), part(n_rows=2000), part(n_rows=4000)]),
    }
    lines = tables.fold_table(found).splitlines()
    assert lines[4].endswith("|  |  |")
    assert lines[5].split("|")[-2].strip() == said


def test_linear_growth_shows_as_equal_slopes():
    parts = [part(n_rows=n, cpu=3 + n / 100, fit_mb=500 + n / 10) for n in (1000, 2000, 4000)]
    found = fold.growth(parts)
    assert found["cpu_per_million_rows_low"] == found["cpu_per_million_rows_high"] == pytest.approx(10_000)
    assert found["mb_per_million_rows_low"] == found["mb_per_million_rows_high"] == pytest.approx(100_000)
    parts[2]["fit_mb"] += 100  # a copy that larger data needs
    assert fold.growth(parts)["mb_per_million_rows_high"] > 1.4 * fold.growth(parts)["mb_per_million_rows_low"]


def test_extrapolated_trials_are_called_so():
    found = fold.extrapolated(part(cpu=50.0), part(cpu=150.0), 5)
    assert found["cpu"] == 450.0
    assert "extrapolated" in found["name"]


def test_a_small_fold_is_measured_as_the_lambda_runs_it(tmp_path, monkeypatch):
    monkeypatch.setattr(fold, "ROOT", tmp_path)
    folder = fold.prepare(12)
    stamp = (folder / "features.parquet").stat().st_mtime_ns
    assert fold.prepare(12) == folder
    assert (folder / "features.parquet").stat().st_mtime_ns == stamp
    found = fold.one_part(folder, stride=40, trials=1, n_threads=1)
    assert found["trials"] == 3
    assert 200 < found["n_rows"] <= 12 * 1260 / 40
    assert 0 < found["fit_cpu"] <= found["cpu"]
    assert found["peak_mb"] == max(found["data_mb"], found["search_mb"], found["fit_mb"]) > 50
    assert f"the fit after it {found['fit_mb']:,.0f} MB" in fold.memory_sentence(found)
