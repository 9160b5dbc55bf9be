"""Announcements on SNS: a subject and a text that a person can act on, and attributes that a filter can read."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_sns import SNSClient

MAX_SUBJECT = 100
"""SNS refuses longer subjects, and line breaks and control characters in them."""


class Notifier:
    """Publishes to the alert topic; without one it says nothing, and the run record still holds the message."""

    def __init__(self, client: SNSClient, topic_arn: str) -> None:
        self._client = client
        self._topic_arn = topic_arn

    def announce(self, subject: str, text: str, **attributes: str) -> None:
        """Publish one message. Subscribers can filter on the attributes, for example on `outcome`."""
        if not self._topic_arn:
            return
        printable = "".join(c if " " <= c <= "~" else " " for c in subject)
        self._client.publish(
            TopicArn=self._topic_arn,
            Subject=printable[:MAX_SUBJECT].strip(),
            Message=text,
            MessageAttributes={
                name: {"DataType": "String", "StringValue": value} for name, value in attributes.items() if value
            },
        )
