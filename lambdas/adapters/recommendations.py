"""The table `stock-recommendations`: one item for each issued recommendation, with its outcome.

It may be a table that others write to as well. Items of ours say so in `written_by`; no other item is ever changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lambdas.adapters.dynamodb import Table, from_item, to_item
from lambdas.contracts.storage import WRITTEN_BY


def recommendation_id(decision_session: str, version: str) -> str:
    """Return the sort key of a recommendation.

    Examples
    --------
    >>> recommendation_id("2026-11-20", "v20261120-0123456789ab")
    '2026-11-20#v20261120-0123456789ab'
    """
    return f"{decision_session}#{version}"


class Recommendations:
    """Issued recommendations by symbol."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def publish(self, symbol: str, identity: str, values: Mapping[str, Any]) -> bool:
        """Write a recommendation unless there is one with its key; say whether it was written."""
        item = {"symbol": symbol, "recommendation_id": identity, "written_by": WRITTEN_BY, "status": "open", **values}
        return self._table.put_once(item, "symbol")

    def settle(self, symbol: str, identity: str, values: Mapping[str, Any]) -> bool:
        """Add the outcome to an open recommendation of ours; say whether it was one."""
        return self._table.update(
            {"symbol": symbol, "recommendation_id": identity},
            {**values, "status": "settled"},
            condition={"written_by": WRITTEN_BY, "status": "open"},
        )

    def close(self, symbol: str, identity: str, values: Mapping[str, Any]) -> bool:
        """Close an open recommendation of ours that will have no outcome; say whether it was one."""
        return self._table.update(
            {"symbol": symbol, "recommendation_id": identity},
            {**values, "status": "unresolved"},
            condition={"written_by": WRITTEN_BY, "status": "open"},
        )

    def correct(self, symbol: str, identity: str, values: Mapping[str, Any]) -> bool:
        """Replace the outcome of a settled recommendation of ours; say whether it was one."""
        return self._table.update(
            {"symbol": symbol, "recommendation_id": identity},
            values,
            condition={"written_by": WRITTEN_BY, "status": "settled"},
        )

    def portfolio(self) -> tuple[str, ...]:
        """Return the symbols that others keep in this table, sorted.

        What this system recommended is left out: a model whose universe is what it recommended before would only
        ever narrow it.
        """
        pages = self._table.client.get_paginator("scan").paginate(
            TableName=self._table.name,
            FilterExpression="attribute_not_exists(written_by) OR written_by <> :us",
            ExpressionAttributeValues=to_item({":us": WRITTEN_BY}),
            ProjectionExpression="symbol",
        )
        return tuple(sorted({str(from_item(item)["symbol"]) for page in pages for item in page["Items"]}))

    def check_access(self) -> None:
        """Read one item: a refusal or a missing table is an error."""
        self._table.client.scan(TableName=self._table.name, Limit=1)
