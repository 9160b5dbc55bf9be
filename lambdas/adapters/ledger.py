"""The trial ledger: every configuration ever scored for this model family, counted once, never reset by a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from lambdas.adapters.dynamodb import Table, to_item
from lambdas.adapters.errors import cancelled_by_condition
from lambdas.contracts.storage import AnalyticsKey

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import TransactWriteItemTypeDef

TOTAL = {"PK": AnalyticsKey.LEDGER, "SK": AnalyticsKey.LEDGER_TOTAL}


class TrialLedger:
    """Counts in the table `ai-performance-analytics` (definitions, section 7)."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def add(self, search_key: str, *, trials: int, run_id: str) -> int:
        """Count the trials of a search, unless that search was counted before, and return the total.

        The item of the search and the total are one transaction: a retry counts nothing twice, and of two runs at the
        same moment neither is lost.
        """
        item = {
            "PK": AnalyticsKey.LEDGER,
            "SK": f"{AnalyticsKey.LEDGER_SEARCH}{search_key}",
            "trials": trials,
            "run_id": run_id,
        }
        transaction: list[TransactWriteItemTypeDef] = [
            {
                "Put": {
                    "TableName": self._table.name,
                    "Item": to_item(item),
                    "ConditionExpression": "attribute_not_exists(PK)",
                }
            },
            {
                "Update": {
                    "TableName": self._table.name,
                    "Key": to_item(TOTAL),
                    "UpdateExpression": "ADD trials :n",
                    "ExpressionAttributeValues": to_item({":n": trials}),
                }
            },
        ]
        try:
            self._table.client.transact_write_items(TransactItems=transaction)
        except ClientError as error:
            if not cancelled_by_condition(error):
                raise
        return self.total()

    def total(self) -> int:
        """Return the number of configurations that were ever scored."""
        total = self._table.get(TOTAL)
        return 0 if total is None else int(total["trials"])
