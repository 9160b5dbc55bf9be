"""The data set that a step works on, read once a process: a warm function is asked for the same one many times."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from lambdas.adapters.datasets import FEATURES
from lambdas.core.settings import PortfolioSettings
from lambdas.runtime.stores import Stores

if TYPE_CHECKING:
    import pandas as pd

    from lambdas.core.features import FeatureSet
    from lambdas.core.market_data.panel import MarketDataset
    from lambdas.core.market_data.quality import QualityReport
    from lambdas.core.models.market_view import MarketView

QUALITY = "quality.json"


def load_dataset(stores: Stores, dataset_uri: str) -> MarketDataset:
    """Return a data set without its features, which are most of its bytes."""
    return _dataset(stores.datasets.folder(dataset_uri, without=(FEATURES,)))


def load_market(stores: Stores, dataset_uri: str) -> MarketView:
    """Return a data set with its features, and the outcome of every decision."""
    return _market(stores.datasets.folder(dataset_uri), stores.settings.portfolio)


def load_quality(stores: Stores, dataset_uri: str) -> QualityReport:
    """Return what the data-quality gate read."""
    from lambdas.core.market_data.quality import QualityReport

    folder = stores.datasets.folder(dataset_uri, without=(FEATURES,))
    return QualityReport.model_validate_json((folder / QUALITY).read_text())


def load_features(stores: Stores, dataset_uri: str) -> FeatureSet:
    """Return the features of a data set."""
    return _features(stores.datasets.folder(dataset_uri) / FEATURES)


def load_predictions(stores: Stores, uri: str) -> pd.DataFrame:
    """Return stored predictions: date, symbol, probability, and the fold where there are folds."""
    from lambdas.core.backtest.predictions import read_predictions

    return read_predictions(stores.predictions.download(uri))


@lru_cache(maxsize=1)
def _dataset(folder: Path) -> MarketDataset:
    from lambdas.core.market_data.dataset import read_dataset

    return read_dataset(folder)


@lru_cache(maxsize=1)
def _features(file: Path) -> FeatureSet:
    from lambdas.core.features import read_features

    return read_features(file)


@lru_cache(maxsize=1)
def _market(folder: Path, portfolio: PortfolioSettings) -> MarketView:
    from lambdas.core.models.market_view import market_view

    return market_view(_dataset(folder), _features(folder / FEATURES), portfolio)
