from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd

from lambdas.core.market_data.dataset import read_dataset, select_symbols
from lambdas.core.market_data.quality import quality_report


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
                 "no macro features"):  # fmt: skip
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


def test_yields_as_fractions_are_suspected(frames, write_folder):
    frames["macro"]["ust10y"] = np.linspace(0.026, 0.027, 21)
    report = quality_report(read_dataset(write_folder(frames)), None, {}, None)
    assert any("look like fractions" in warning for warning in report.warnings)
