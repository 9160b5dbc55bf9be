from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from lambdas.core.features import build_features
from lambdas.core.market_data.dataset import read_dataset, select_symbols
from lambdas.core.market_data.quality import QualityReport, quality_report


def test_a_clean_folder(frames, write_folder):
    frames["membership"] = frames["membership"].query("symbol == 'AAA'")
    report = quality_report(read_dataset(write_folder(frames)), ["AAA", "BBB", "CCC"], {}, None)
    assert report.symbol_coverage == 1.0
    assert report.staleness_sessions == 0
    assert report.absent_families == ()
    assert (report.first_session, report.last_session) == (dt.date(2019, 1, 2), dt.date(2019, 1, 31))
    assert report.counts == {"symbols_with_short_history": 3, "reports": 2, "symbols_without_reports": 1}
    assert report.warnings == ()


def test_coverage_and_staleness_are_those_of_the_gate(frames, write_folder):
    dataset = read_dataset(write_folder(frames))
    report = quality_report(dataset, ["AAA", "BBB", "CCC", "DDD"], {"DDD": "delisted"}, dt.date(2019, 2, 5))
    assert report.symbol_coverage == 0.75
    assert report.staleness_sessions == 3
    assert report.problems == {"DDD": "delisted"}
    assert quality_report(dataset, None, {"DDD": "delisted"}, None).symbol_coverage == 0.75
    assert quality_report(select_symbols(dataset, []), ["DDD"], {"DDD": "delisted"}, None).symbol_coverage == 0.0


def test_what_is_absent_is_named(frames, write_folder):
    bare = {name: frames[name] for name in ("prices", "benchmarks")}
    spy = bare["benchmarks"].query("symbol == 'SPY'")
    bare["benchmarks"] = spy[spy["date"] != pd.Timestamp("2019-01-08")]
    report = quality_report(read_dataset(write_folder(bare)), None, {}, None)
    assert report.absent_families == ("macro", "sector", "fundamental")
    told = " ".join(report.warnings)
    for fact in ("benchmark QQQ is missing", "benchmark IWM is missing", "SPY has no price on 1 of 21", "membership",
                 "no macro features: all"):  # fmt: skip
        assert fact in told


def test_part_of_a_family_is_no_absent_family(frames, write_folder):
    frames["macro"] = frames["macro"].drop(columns=["dxy", "ust3m"])
    report = quality_report(read_dataset(write_folder(frames)), None, {}, None)
    assert "macro" not in report.absent_families
    assert {"dollar_change_63", "curve_10y_3m", "curve_10y_2y", "asset_growth"} <= set(report.absent_features)
    assert "vix_level" not in report.absent_features


def test_defects_are_counted(frames, write_folder):
    prices = frames["prices"]
    prices = prices[~((prices["symbol"] == "BBB") & (prices["date"] == "2019-01-10"))]
    prices = prices[~((prices["symbol"] == "CCC") & (prices["date"] > "2019-01-25"))].reset_index(drop=True)
    prices.loc[5, "high"] = 1.0
    prices.loc[7, "volume"] = 0
    prices.loc[12, ["open", "high", "low", "close", "adj_close"]] *= 2.0
    frames["prices"] = prices
    reports = frames["fundamentals"]
    extra = pd.DataFrame(
        {"symbol": ["CCC", "CCC", "AAA"], "period_end": pd.to_datetime(["2018-09-30", "2018-06-30", "2018-11-30"]),
         "announced": pd.to_datetime([None, "2018-06-01", "2019-01-28"])}
    )  # fmt: skip
    frames["fundamentals"] = pd.concat([reports, extra])
    report = quality_report(read_dataset(write_folder(frames)), None, {}, None)
    assert report.counts == {
        "symbols_ended": 1,
        "symbols_with_short_history": 3,
        "missing_prices_within_life": 1,
        "open_or_close_outside_high_low": 1,
        "sessions_without_volume": 1,
        "suspicious_moves": 1,
        "suspected_splits": 2,
        "reports": 5,
        "reports_without_release_date": 2,
        "reports_of_unknown_hour": 2,
        "release_dates_before_period_end": 1,
        "restated_periods": 1,
    }
    assert any("2 reports have no release date" in warning for warning in report.warnings)


def test_survivorship_is_counted_from_the_membership(frames, write_folder):
    report = quality_report(read_dataset(write_folder(frames), symbols=["AAA"]), None, {}, None)
    assert any("of the 2 members on 2019-01-02 only 1" in warning for warning in report.warnings)


def test_real_data_shows_its_survivorship(shared_data):
    report = quality_report(read_dataset(shared_data), None, {}, None)
    assert any("of the 499 members on 2010-01-04 only 300" in warning for warning in report.warnings)
    assert any("of the 505 members on 2019-12-31 only 466" in warning for warning in report.warnings)


def test_missed_splits_are_told_from_adjusted_ones_and_from_crashes(frames, write_folder):
    prices = frames["prices"]
    columns = ["open", "high", "low", "close", "adj_close"]
    late = prices["date"] >= "2019-01-15"
    prices.loc[late & (prices["symbol"] == "AAA"), columns] /= 4.0  # four for one, adjusted by nobody
    prices.loc[late & (prices["symbol"] == "BBB"), columns[:-1]] /= 4.0  # adj_close has it
    prices.loc[late & (prices["symbol"] == "CCC"), columns] *= 0.55  # a crash
    report = quality_report(read_dataset(write_folder(frames)), None, {}, None)
    assert [split.model_dump() for split in report.suspected_splits] == [
        {"symbol": "AAA", "session": dt.date(2019, 1, 15), "ratio": 4.0}
    ]
    assert any("1 moves of close and adjusted close alike" in warning for warning in report.warnings)


def test_quotes_that_stand_still_bars_that_repeat_and_gaps_are_named(frames, write_folder):
    prices = frames["prices"]
    sessions = sorted(prices["date"].unique())
    of = {symbol: prices["symbol"] == symbol for symbol in ("AAA", "BBB", "CCC")}
    still = of["AAA"] & prices["date"].isin(sessions[3:9])
    prices.loc[still, ["close", "adj_close"]] = [11.0, 10.5]
    again = of["BBB"] & (prices["date"] == sessions[5])
    fields = ["open", "high", "low", "close", "adj_close", "volume"]
    prices.loc[again, fields] = prices.loc[of["BBB"] & (prices["date"] == sessions[4]), fields].to_numpy()
    hole = of["CCC"] & prices["date"].isin([sessions[2], *sessions[7:10]])
    report = quality_report(read_dataset(write_folder({**frames, "prices": prices[~hole]})), None, {}, None)
    assert report.frozen == {"AAA": 6}
    assert report.counts["repeated_bars"] == 1
    assert {symbol: gap.model_dump() for symbol, gap in report.gaps.items()} == {"CCC": {"sessions": 4, "longest": 3}}
    assert report.counts["missing_prices_within_life"] == 4


def test_what_ended_is_named_with_its_day(frames, write_folder):
    prices = frames["prices"]
    gone = (prices["symbol"] == "BBB") & (prices["date"] > "2019-01-18")
    report = quality_report(read_dataset(write_folder({**frames, "prices": prices[~gone]})), None, {}, None)
    assert report.ended == {"BBB": dt.date(2019, 1, 18)}
    assert "1 symbols end before the data does" in report.warnings


def test_coverage_is_counted_by_family_and_symbol(frames, write_folder):
    frames["prices"] = frames["prices"].query("symbol != 'CCC' or date >= '2019-01-20'")
    dataset = read_dataset(write_folder(frames))
    features = build_features(dataset)
    report = quality_report(dataset, None, {}, None, features=features)
    assert set(report.coverage) == {"AAA", "BBB", "CCC"}
    for column, symbol in enumerate(features.symbols):
        listed = np.isfinite(dataset.prices.close[:, column])
        for family, share in report.coverage[symbol].items():
            names = [name for name in features.names if features.families[name] == family]
            slow = np.mean([np.isfinite(features.of(name)[listed, column]).mean() for name in names])
            assert share == pytest.approx(slow, abs=1e-4)
    assert report.coverage["CCC"]["fundamental"] < report.coverage["AAA"]["fundamental"]


def test_findings_of_the_source_are_counted_and_a_symbol_that_was_not_renewed_is_not_covered(frames, write_folder):
    findings = {"prices_not_renewed": {"AAA": "timeout"}, "no_sector": {"BBB": "none", "CCC": "none"}}
    report = quality_report(read_dataset(write_folder(frames)), ["AAA", "BBB", "CCC"], {}, None, findings=findings)
    assert report.symbol_coverage == pytest.approx(2 / 3)
    assert (report.counts["prices_not_renewed"], report.counts["no_sector"]) == (1, 2)
    assert report.findings == findings
    assert "2 symbols have no sector" in report.warnings
    assert QualityReport.model_validate_json(report.model_dump_json()) == report


def test_yields_as_fractions_are_suspected(frames, write_folder):
    frames["macro"]["ust10y"] = np.linspace(0.026, 0.027, 21)
    report = quality_report(read_dataset(write_folder(frames)), None, {}, None)
    assert any("look like fractions" in warning for warning in report.warnings)
