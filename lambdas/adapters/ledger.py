"""The trial ledger: every configuration ever scored for this model family, counted once, never reset by a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from lambdas.adapters.dynamodb import Table, to_item
from lambdas.adapters.errors import TransientStoreError, cancelled_by_condition
from lambdas.contracts.storage import AnalyticsKey

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import TransactWriteItemTypeDef

ATTEMPTS = 5
TOTAL = {"PK": AnalyticsKey.LEDGER, "SK": AnalyticsKey.LEDGER_TOTAL}


class TrialLedger:
    """Counts in the table `ai-performance-analytics` (definitions, section 7)."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def add(self, search_key: str, *, trials: int, run_id: str) -> int:
        """Count the trials of a search, those that were not counted before, and return the total.

        A search that was cut by its deadline, or failed, may be counted with what it had scored and again when it is
        done: the difference is added. The item of the search and the total are one transaction: a retry counts nothing
        twice, and of two runs at the same moment neither is lost.
        """
        key = {"PK": AnalyticsKey.LEDGER, "SK": f"{AnalyticsKey.LEDGER_SEARCH}{search_key}"}
        for _ in range(ATTEMPTS):
            found = self._table.get(key)
            counted = 0 if found is None else int(found["trials"])
            if trials <= counted and found is not None:
                break
            transaction: list[TransactWriteItemTypeDef] = [
                {
                    "Put": {
                        "TableName": self._table.name,
                        "Item": to_item({**key, "trials": trials, "run_id": run_id}),
                        "ConditionExpression": "attribute_not_exists(PK) OR trials = :counted",
                        "ExpressionAttributeValues": to_item({":counted": counted}),
                    }
                },
                {
                    "Update": {
                        "TableName": self._table.name,
                        "Key": to_item(TOTAL),
                        "UpdateExpression": "ADD trials :n",
                        "ExpressionAttributeValues": to_item({":n": trials - counted}),
                    }
                },
            ]
            try:
                self._table.client.transact_write_items(TransactItems=transaction)
            except ClientError as error:
                if not cancelled_by_condition(error):
                    raise
                continue  # somebody counted it in between: look again
            break
        else:
            raise TransientStoreError(f"The trials of search {search_key} are being counted elsewhere; try again.")
        return self.total()

    def total(self) -> int:
        """Return the number of configurations that were ever scored."""
        total = self._table.get(TOTAL)
        return 0 if total is None else int(total["trials"])
