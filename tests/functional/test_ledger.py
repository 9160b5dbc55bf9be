"""A search that is counted before it is over, by whom and how often it may be."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Any

import pytest
from botocore.client import BaseClient
from in_memory_account import Account


def test_a_search_that_goes_on_adds_what_is_new(account: Account) -> None:
    ledger = account.stores.ledger
    assert ledger.add("search-1", trials=3, run_id="run-1") == 3
    assert ledger.add("search-1", trials=8, run_id="run-1") == 8
    assert ledger.add("search-1", trials=8, run_id="run-2") == 8
    assert ledger.add("search-2", trials=5, run_id="run-2") == 13


def test_what_was_counted_is_never_taken_back(account: Account) -> None:
    ledger = account.stores.ledger
    ledger.add("search-1", trials=8, run_id="run-1")
    assert ledger.add("search-1", trials=2, run_id="run-1") == 8
    assert ledger.add("search-3", trials=0, run_id="run-1") == 8


def test_no_trial_is_lost_or_counted_twice_while_searches_grow(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Five searches, each told ten times by eight threads in any order; one call at a time, as DynamoDB keeps them."""
    lock, real = Lock(), BaseClient._make_api_call

    def one_at_a_time(*args: Any) -> Any:
        time.sleep(0.001)  # lets another thread go first
        with lock:
            return real(*args)

    monkeypatch.setattr(BaseClient, "_make_api_call", one_at_a_time)
    told = [(f"search-{search}", scored) for scored in range(1, 11) for search in range(5)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda item: account.stores.ledger.add(item[0], trials=item[1], run_id="r"), told))
    assert account.stores.ledger.total() == 50
