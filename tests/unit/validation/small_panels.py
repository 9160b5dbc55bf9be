"""Small markets of the tests of validation."""

from __future__ import annotations

import numpy as np
import pandas as pd

from lambdas.core.market_data.panel import PricePanel


def panel(close: np.ndarray, symbols: tuple[str, ...], opens: np.ndarray | None = None) -> PricePanel:
    """Prices on weekdays from 2015-01-05, unadjusted, without highs, lows and volumes."""
    nothing = np.full_like(close, np.nan)
    sessions = pd.bdate_range("2015-01-05", periods=len(close))
    return PricePanel(
        sessions, symbols, nothing if opens is None else opens, nothing, nothing, close, close.copy(), nothing
    )
