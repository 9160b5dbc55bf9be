"""What the stages of a workflow share: a start, an end, and the way to the failure fragment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from cdk_app.settings import AppSettings


class Stage(sfn.StateMachineFragment):
    """A stage of a workflow, between its first state and its last."""

    first: sfn.State
    last: sfn.INextable | None = None

    @property
    def start_state(self) -> sfn.State:
        """Where the stage begins."""
        return self.first

    @property
    def end_states(self) -> list[sfn.INextable]:
        """Where the stage ends, if it does not end in a gate or for good."""
        return [self.last] if self.last is not None else []


def fan_out(
    scope: Construct,
    id: str,
    *,
    sentence: str,
    comment: str,
    items: str,
    item: Mapping[str, Any],
    step: sfn.IChainable,
    assign: str,
    max_concurrency: int,
    settings: AppSettings,
) -> sfn.Map | sfn.DistributedMap:
    """Run `step` for each of `items`, inline or as child executions, and keep the results in order.

    `item` builds the step's input, and must hold all the step needs: a child execution sees no outer variable, and
    has another name than the run.
    """
    kind = sfn.DistributedMap if settings.map.mode == "DISTRIBUTED" else sfn.Map
    fan: sfn.Map | sfn.DistributedMap = kind.jsonata(
        scope,
        id,
        state_name=sentence,
        comment=comment,
        items=sfn.ProvideItems.jsonata(f"{{% {items} %}}"),
        item_selector=dict(item),
        max_concurrency=max_concurrency,
        assign={assign: "{% $states.result %}"},
    )
    fan.item_processor(step)
    return fan
