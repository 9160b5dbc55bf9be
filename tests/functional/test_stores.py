"""What the stores promise: written once, verified, never outside the deployment, never a lost count."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from threading import Lock
from typing import Any, cast

import boto3
import pytest
from botocore.client import BaseClient
from hypothesis import given
from hypothesis import strategies as st
from in_memory_account import NAMES, Account

from lambdas.adapters.dynamodb import Table, from_item, to_item
from lambdas.adapters.errors import TransientStoreError
from lambdas.adapters.objects import INDEX
from lambdas.core.errors import ArtefactIntegrityError, InvalidRequestError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "prices.parquet").write_bytes(b"prices")
    (folder / "quality.json").write_bytes(b"{}")
    return folder


class TestObjects:
    @pytest.mark.parametrize(
        "uri",
        [
            "s3://somebody-else/key",
            f"s3://{NAMES['datasets_bucket']}.evil.example/key",
            f"https://{NAMES['datasets_bucket']}/key",
            f"s3://{NAMES['datasets_bucket']}",
            f"{NAMES['datasets_bucket']}/key",
        ],
    )
    def test_only_the_buckets_of_the_deployment(self, account: Account, uri: str) -> None:
        for use in (account.stores.objects.read, account.stores.objects.names):
            with pytest.raises(InvalidRequestError, match="not in a bucket of this deployment"):
                use(uri)
        with pytest.raises(InvalidRequestError):
            account.stores.objects.write(uri, b"")

    def test_written_once(self, account: Account) -> None:
        uri = f"s3://{NAMES['performance_bucket']}/tuning/a.json"
        assert account.stores.objects.write_once(uri, b"first")
        assert not account.stores.objects.write_once(uri, b"second")
        assert account.stores.objects.read(uri) == b"first"

    def test_the_earlier_search_stands(self, account: Account) -> None:
        uri = account.stores.tuning.uri("key")
        assert account.stores.tuning.save(uri, {"trials": 1}) == {"trials": 1}
        assert account.stores.tuning.save(uri, {"trials": 2}) == {"trials": 1}

    def test_nan_is_not_written(self, account: Account) -> None:
        with pytest.raises(ValueError, match="JSON compliant"):
            account.stores.tuning.save(account.stores.tuning.uri("key"), {"sharpe": float("nan")})


class TestDatasets:
    def test_a_folder_comes_back_as_it_went(self, account: Account, folder: Path) -> None:
        copy = account.stores.datasets.folder(account.stores.datasets.save(folder, "a" * 16, "b" * 8))
        assert {file.name: file.read_bytes() for file in copy.iterdir()} == {
            "prices.parquet": b"prices",
            "quality.json": b"{}",
        }

    def test_the_same_folder_is_written_once(self, account: Account, folder: Path) -> None:
        account.stores.datasets.save(folder, "a" * 16, "b" * 8)
        before = account.contents()
        account.stores.datasets.save(folder, "a" * 16, "b" * 8)
        assert account.contents() == before

    def test_an_interrupted_upload_is_finished(self, account: Account, folder: Path) -> None:
        """The leftover of the first attempt differs in its bytes: the index records what really lies there."""
        uri = f"s3://{NAMES['datasets_bucket']}/datasets/{'c' * 16}-{'b' * 8}"
        account.stores.objects.write(f"{uri}/prices.parquet", b"same prices, written by another version")
        assert account.stores.datasets.save(folder, "c" * 16, "b" * 8) == uri
        copy = account.stores.datasets.folder(uri)
        assert (copy / "prices.parquet").read_bytes() == b"same prices, written by another version"

    @pytest.mark.parametrize("name", ["prices.parquet", "quality.json"])
    def test_an_altered_file_is_noticed(self, account: Account, folder: Path, name: str) -> None:
        uri = account.stores.datasets.save(folder, "d" * 16, "b" * 8)
        account.stores.objects.write(f"{uri}/{name}", b"altered")
        with pytest.raises(ArtefactIntegrityError, match=name):
            account.stores.datasets.folder(uri)

    def test_a_missing_file_is_noticed(self, account: Account, folder: Path) -> None:
        uri = account.stores.datasets.save(folder, "e" * 16, "b" * 8)
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        boto3.client("s3").delete_object(Bucket=bucket, Key=f"{key}/prices.parquet")
        with pytest.raises(InvalidRequestError, match=r"prices\.parquet does not exist"):
            account.stores.datasets.folder(uri)

    def test_an_uploaded_folder_needs_no_index(self, account: Account) -> None:
        uri = f"s3://{NAMES['datasets_bucket']}/uploads/mine"
        account.stores.objects.write(f"{uri}/prices.parquet", b"mine")
        account.stores.objects.write(f"{uri}/deeper/other.parquet", b"not this one")
        assert [file.name for file in account.stores.datasets.folder(uri).iterdir()] == ["prices.parquet"]

    def test_an_empty_folder_says_so(self, account: Account) -> None:
        with pytest.raises(InvalidRequestError, match="holds no files"):
            account.stores.datasets.folder(f"s3://{NAMES['datasets_bucket']}/uploads/nothing")

    def test_data_lies_in_the_datasets_bucket_only(self, account: Account) -> None:
        with pytest.raises(InvalidRequestError, match="not in the datasets bucket"):
            account.stores.datasets.folder(f"s3://{NAMES['artefacts_bucket']}/models/x")


class TestModels:
    def artefact(self, tmp_path: Path, content: bytes = b"{}") -> Path:
        folder = tmp_path / "model"
        (folder / "learners").mkdir(parents=True)
        (folder / "learners" / "tree.json").write_bytes(content)
        manifest = {"files": {"learners/tree.json": sha256(content).hexdigest()}}
        (folder / "manifest.json").write_text(json.dumps(manifest))
        return folder

    def test_round_trip(self, account: Account, tmp_path: Path) -> None:
        account.stores.models.save(self.artefact(tmp_path), "v20260101-000000000001")
        copy = account.stores.models.download("v20260101-000000000001")
        assert (copy / "learners" / "tree.json").read_bytes() == b"{}"
        account.stores.models.verify("v20260101-000000000001")

    def test_without_a_manifest_there_is_no_model(self, account: Account, tmp_path: Path) -> None:
        uri = account.stores.models.uri("v20260101-000000000001")
        account.stores.objects.write(f"{uri}/learners/tree.json", b"half an upload")
        assert not account.stores.models.exists("v20260101-000000000001")
        with pytest.raises(ArtefactIntegrityError, match="no complete model"):
            account.stores.models.download("v20260101-000000000001")
        account.stores.models.save(self.artefact(tmp_path), "v20260101-000000000001")
        account.stores.models.verify("v20260101-000000000001")

    def test_another_model_in_the_folder_of_a_version_is_refused(self, account: Account, tmp_path: Path) -> None:
        """Its hashes are right, its own name tells it: the name of a version is made of them."""
        folder = self.artefact(tmp_path)
        manifest = json.loads((folder / "manifest.json").read_text())
        (folder / "manifest.json").write_text(json.dumps(manifest | {"version": "v20250101-00000000000f"}))
        account.stores.models.save(folder, "v20260101-000000000001")
        for read in (account.stores.models.verify, account.stores.models.download):
            with pytest.raises(ArtefactIntegrityError, match="is that of 'v20250101-00000000000f'"):
                read("v20260101-000000000001")

    def test_a_file_that_vanished_is_noticed(self, account: Account, tmp_path: Path) -> None:
        uri = account.stores.models.save(self.artefact(tmp_path), "v20260101-000000000001")
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        boto3.client("s3").delete_object(Bucket=bucket, Key=f"{key}/learners/tree.json")
        for read in (account.stores.models.verify, account.stores.models.download):
            with pytest.raises(ArtefactIntegrityError, match="is missing"):
                read("v20260101-000000000001")


class TestLedger:
    def test_a_search_counts_once(self, account: Account) -> None:
        ledger = account.stores.ledger
        assert ledger.total() == 0
        assert ledger.add("search-1", trials=24, run_id="run-1") == 24
        assert ledger.add("search-1", trials=24, run_id="run-2") == 24
        assert ledger.add("search-2", trials=8, run_id="run-2") == 32

    def test_no_count_is_lost_among_concurrent_runs(self, account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
        """Every search arrives twice, from eight threads at once, as retries and parallel runs do.

        moto does not lock its tables as DynamoDB does, so one call is made at a time; what a caller does with several
        calls still interleaves, and reading a total to write it back would lose counts here.
        """
        lock, real = Lock(), BaseClient._make_api_call
        monkeypatch.setattr(BaseClient, "_make_api_call", lambda *args: _locked(lock, real, *args))
        searches = [(f"search-{number}", number) for number in range(1, 41)] * 2
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda s: account.stores.ledger.add(s[0], trials=s[1], run_id="r"), searches))
        assert account.stores.ledger.total() == sum(range(1, 41))


def _locked(lock: Lock, call: Callable[..., Any], *args: Any) -> Any:
    time.sleep(0.001)  # lets another thread go first
    with lock:
        return call(*args)


class TestRecommendations:
    def test_published_once(self, account: Account) -> None:
        assert account.stores.recommendations.publish("AAPL", "2026-11-20#v1", {"probability": 0.61})
        assert not account.stores.recommendations.publish("AAPL", "2026-11-20#v1", {"probability": 0.99})

    def test_items_of_others_are_never_changed(self, account: Account) -> None:
        dynamodb = boto3.client("dynamodb")
        theirs = {"symbol": {"S": "AAPL"}, "recommendation_id": {"S": "2026-11-20#v1"}, "status": {"S": "open"}}
        dynamodb.put_item(TableName=NAMES["recommendations_table"], Item=theirs)
        before = account.contents()
        assert not account.stores.recommendations.publish("AAPL", "2026-11-20#v1", {"probability": 0.61})
        assert not account.stores.recommendations.settle("AAPL", "2026-11-20#v1", {"hit": True})
        assert account.contents() == before

    def test_settled_once(self, account: Account) -> None:
        account.stores.recommendations.publish("AAPL", "id", {})
        assert account.stores.recommendations.settle("AAPL", "id", {"net_return": 0.02})
        assert not account.stores.recommendations.settle("AAPL", "id", {"net_return": 0.5})
        assert not account.stores.recommendations.settle("MSFT", "id", {"net_return": 0.5})


numbers = st.floats(allow_nan=False, allow_infinity=False, min_value=-1e100, max_value=1e100).map(
    lambda x: 0.0 if abs(x) < 1e-100 else x
)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | numbers | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(min_size=1), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text(min_size=1), values, max_size=5))
def test_items_come_back_equal(plain: dict[str, object]) -> None:
    assert from_item(to_item(plain)) == plain


class ShortOfThroughput:
    """A table that reads at most so many items at a request, and lists the others as unprocessed."""

    def __init__(self, client: Any, at_once: int) -> None:
        self.client, self.at_once = client, at_once

    def batch_get_item(self, RequestItems: Any) -> Any:  # noqa: N803 - as boto3 calls it
        (name, request), *_ = RequestItems.items()
        assert request["ConsistentRead"]
        read, left = request["Keys"][: self.at_once], request["Keys"][self.at_once :]
        if not read:
            return {"Responses": {}, "UnprocessedKeys": RequestItems}
        answer = self.client.batch_get_item(RequestItems={name: {**request, "Keys": read}})
        return answer | {"UnprocessedKeys": {name: {"Keys": left}} if left else {}}


class TestManyItems:
    @pytest.fixture
    def table(self, account: Account) -> Table:
        table = account.stores.analytics_table
        for number in range(130):
            table.put({"PK": f"RUN#{number}", "SK": "META", "number": number})
        return table

    def test_items_come_once_in_the_order_of_their_keys_and_missing_ones_are_left_out(self, table: Table) -> None:
        asked = [129, 3, 500, 7, 129, *range(20, 125)]
        found = table.get_all([{"PK": f"RUN#{number}", "SK": "META"} for number in asked])
        assert [item["number"] for item in found] == [129, 3, 7, *range(20, 125)]
        assert table.get_all([]) == []

    def test_what_a_table_leaves_out_is_asked_for_again(self, table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
        waited: list[float] = []
        monkeypatch.setattr("lambdas.adapters.dynamodb.time.sleep", waited.append)
        slow = Table(cast(Any, ShortOfThroughput(table.client, 40)), table.name)
        keys = [{"PK": f"RUN#{number}", "SK": "META"} for number in range(100)]
        assert [item["number"] for item in slow.get_all(keys)] == list(range(100))
        assert waited == [0.0, 0.1, 0.2]
        with pytest.raises(TransientStoreError, match="100 items unread"):
            Table(cast(Any, ShortOfThroughput(table.client, 0)), table.name).get_all(keys)


def test_the_index_is_no_file_of_the_data(account: Account, folder: Path) -> None:
    uri = account.stores.datasets.save(folder, "f" * 16, "b" * 8)
    assert INDEX in account.stores.objects.names(uri)
    assert not (account.stores.datasets.folder(uri) / INDEX).exists()
