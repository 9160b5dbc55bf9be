"""Plain values to DynamoDB items and back: floats travel as Decimal, exactly as they print."""

from __future__ import annotations

import datetime as dt
import json
import time
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.exceptions import ClientError

from lambdas.adapters.errors import TransientStoreError, error_code

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

Item = dict[str, Any]

EXACT_INTEGERS = 2**53
"""Up to here a float holds every integer; a larger number without a fraction was a float that was printed shortly."""


MOST_AT_ONCE = 100
"""Items that DynamoDB returns to one request."""
PAUSES = (0.1, 0.2, 0.4, 0.8, 1.6)
"""Seconds before asking again for what a throttled table has left out: botocore retries only what it refuses whole."""


def to_item(values: Mapping[str, Any]) -> Item:
    """Return values as DynamoDB's typed attributes.

    Dates become ISO text, None becomes NULL. NaN and infinity are refused: DynamoDB has no such numbers.
    """
    text = json.dumps(values, allow_nan=False, default=_as_json)
    plain: Mapping[str, Any] = json.loads(text, parse_float=Decimal)
    serializer = TypeSerializer()
    return {name: serializer.serialize(value) for name, value in plain.items()}


def from_item(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return DynamoDB's typed attributes as plain values; a number without a fraction becomes an int."""
    deserializer = TypeDeserializer()
    return {name: _plain(deserializer.deserialize(value)) for name, value in item.items()}


def _as_json(value: object) -> str:
    if isinstance(value, dt.date):  # datetime is a date, too
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no place in an item")


def _plain(value: Any) -> Any:
    match value:
        case Decimal():
            whole = abs(value) <= EXACT_INTEGERS and value == value.to_integral_value()
            return int(value) if whole else float(value)
        case dict():
            return {name: _plain(entry) for name, entry in value.items()}
        case list():
            return [_plain(entry) for entry in value]
        case _:
            return value


class Table:
    """One table by its name, with the few calls that the stores are made of. Keys are plain values."""

    def __init__(self, client: DynamoDBClient, name: str) -> None:
        self.client = client
        self.name = name

    def get(self, key: Mapping[str, str]) -> dict[str, Any] | None:
        """Return an item, read consistently, or None."""
        item = self.client.get_item(TableName=self.name, Key=to_item(key), ConsistentRead=True).get("Item")
        return None if item is None else from_item(item)

    def get_all(self, keys: Sequence[Mapping[str, str]]) -> list[dict[str, Any]]:
        """Return the items that there are of some keys, read consistently, in the order of the keys, each once.

        Raises
        ------
        TransientStoreError
            If the table still leaves some out, for want of throughput, after waiting for them again and again.
        """
        asked = {canonical_key(key, key): key for key in keys}
        items = [to_item(key) for key in asked.values()]
        found: dict[str, dict[str, Any]] = {}
        for begin in range(0, len(items), MOST_AT_ONCE):
            left: Any = items[begin : begin + MOST_AT_ONCE]
            for pause in (0.0, *PAUSES):
                time.sleep(pause)
                answer = self.client.batch_get_item(RequestItems={self.name: {"Keys": left, "ConsistentRead": True}})
                for item in map(from_item, answer["Responses"].get(self.name, [])):
                    found[canonical_key(item, keys[0])] = item
                unread = answer["UnprocessedKeys"]
                left = unread[self.name]["Keys"] if self.name in unread else []
                if not left:
                    break
            else:
                raise TransientStoreError(f"{self.name} left {len(left)} items unread; it is short of throughput.")
        return [found[text] for text in asked if text in found]

    def put(self, values: Mapping[str, Any]) -> None:
        """Write an item, replacing what is there."""
        self.client.put_item(TableName=self.name, Item=to_item(values))

    def put_once(self, values: Mapping[str, Any], key_attribute: str) -> bool:
        """Write an item unless there is one with its key; say whether it was written."""
        try:
            self.client.put_item(
                TableName=self.name,
                Item=to_item(values),
                ConditionExpression="attribute_not_exists(#key)",
                ExpressionAttributeNames={"#key": key_attribute},
            )
        except ClientError as error:
            if error_code(error) == "ConditionalCheckFailedException":
                return False
            raise
        return True

    def update(self, key: Mapping[str, str], values: Mapping[str, Any], *, condition: Mapping[str, Any]) -> bool:
        """Set attributes of an item whose attributes equal `condition`; say whether it was so."""
        try:
            self.client.update_item(TableName=self.name, **update_arguments(key, values, condition=condition))
        except ClientError as error:
            if error_code(error) == "ConditionalCheckFailedException":
                return False
            raise
        return True

    def query(self, partition: str, prefix: str = "", *, newest_first: bool = False, limit: int = 1000) -> list[Any]:
        """Return items of a partition whose sort key begins with `prefix`, in its order."""
        pages = self.client.get_paginator("query").paginate(
            TableName=self.name,
            KeyConditionExpression="PK = :pk" + (" AND begins_with(SK, :sk)" if prefix else ""),
            ExpressionAttributeValues=to_item({":pk": partition} | ({":sk": prefix} if prefix else {})),
            ScanIndexForward=not newest_first,
            ConsistentRead=True,
            PaginationConfig={"MaxItems": limit},
        )
        return [from_item(item) for page in pages for item in page["Items"]]


def canonical_key(item: Mapping[str, Any], key: Mapping[str, str]) -> str:
    """Return the values that an item has of a key's attributes, as text that equal keys share."""
    return json.dumps([item[name] for name in sorted(key)])


def update_arguments(
    key: Mapping[str, str], values: Mapping[str, Any], *, condition: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return the arguments of an update that sets `values`, on the condition that attributes equal `condition`.

    A condition of None asks that the attribute is not there. Without values they are those of a condition check.
    """
    condition = condition or {}
    names = {f"#s{i}": name for i, name in enumerate(values)} | {f"#c{i}": name for i, name in enumerate(condition)}
    arguments = {f":s{i}": value for i, value in enumerate(values.values())} | {
        f":c{i}": value for i, value in enumerate(condition.values()) if value is not None
    }
    checks = [
        f"attribute_not_exists(#c{i})" if value is None else f"#c{i} = :c{i}"
        for i, value in enumerate(condition.values())
    ]
    changes = ", ".join(f"#s{i} = :s{i}" for i in range(len(values)))
    return (
        {"Key": to_item(key), "ExpressionAttributeNames": names, "ExpressionAttributeValues": to_item(arguments)}
        | ({"UpdateExpression": f"SET {changes}"} if values else {})
        | ({"ConditionExpression": " AND ".join(checks)} if checks else {})
    )
