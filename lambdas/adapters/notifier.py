"""Announcements on SNS: a subject and a text that a person can act on, and attributes that a filter can read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mypy_boto3_sns import SNSClient

MAX_SUBJECT = 100
"""SNS refuses longer subjects, and line breaks and control characters in them."""

MAX_TEXT, MAX_DETAILS = 100_000, 100_000
"""A message and its attributes have 256 KB together."""


class Notifier:
    """Publishes to the alert topic; without one it says nothing, and the run record still holds the message."""

    def __init__(self, client: SNSClient, topic_arn: str) -> None:
        self._client = client
        self._topic_arn = topic_arn

    def announce(self, subject: str, text: str, details: Mapping[str, Any], **attributes: str) -> None:
        """Publish one message.

        Parameters
        ----------
        subject, text : str
            What a person reads.
        details : mapping
            The same for machines: JSON in the attribute `details`, cut to what SNS takes by leaving out the longest.
        **attributes : str
            Subscribers can filter on them, for example on `outcome`.
        """
        if not self._topic_arn:
            return
        printable = "".join(c if " " <= c <= "~" else " " for c in subject)
        strings = {name: value for name, value in attributes.items() if value} | {"details": _json(details)}
        self._client.publish(
            TopicArn=self._topic_arn,
            Subject=printable[:MAX_SUBJECT].strip(),
            Message=text[:MAX_TEXT],
            MessageAttributes={name: {"DataType": "String", "StringValue": value} for name, value in strings.items()},
        )


def _json(details: Mapping[str, Any]) -> str:
    """Return JSON of at most `MAX_DETAILS` characters, without the longest values where it would be longer."""
    kept = dict(details)
    while len(text := json.dumps(kept, sort_keys=True)) > MAX_DETAILS:
        longest = max(kept, key=lambda name: len(json.dumps(kept[name])))
        kept[longest] = None
        kept["left_out"] = [*kept.get("left_out", []), longest]
    return text
