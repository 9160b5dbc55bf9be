"""What AWS charges: the table that the cost of a run is estimated with."""

from __future__ import annotations

import datetime as dt

from pydantic import Field

from lambdas.contracts.base import Contract

GIGABYTE = 1e9
"""What storage and traffic are charged by."""


class Prices(Contract):
    """Dollars at list price, of one Region and one day. The defaults are those of us-east-1."""

    as_of: dt.date = Field(default=dt.date(2026, 11, 22), description="The day from which on the prices are held true.")
    lambda_gb_second: float = Field(default=0.0000166667, ge=0.0, description="A gigabyte of memory for a second, x86.")
    lambda_request: float = Field(default=0.0000002, ge=0.0, description="An invocation.")
    state_transition: float = Field(default=0.000025, ge=0.0, description="A state that is entered, or tried again.")
    s3_gb_month: float = Field(default=0.023, ge=0.0, description="A gigabyte on S3 for a month.")
    nat_gb: float = Field(
        default=0.045, ge=0.0, description="A gigabyte through a NAT gateway; without one it is free."
    )


class RunCost(Contract):
    """What a run used, and what that costs at list price, or would, were it not on a local AWS.

    Counted up to the moment at which the run records its end; what is written about it afterwards costs a cent's
    hundredth. Storage is what the run's results lie in, those that were found and not made again included, for a month.
    Through the NAT gateway goes what live sources answered: S3 and DynamoDB have endpoints of their own.
    """

    lambda_gb_seconds: float | None = Field(description="None where it is not known which functions ran.")
    invocations: int
    state_transitions: int
    stored_bytes: int
    nat_bytes: int
    usd: float | None
    prices_as_of: dt.date

    @classmethod
    def of(
        cls,
        prices: Prices,
        *,
        lambda_gb_seconds: float | None,
        invocations: int,
        state_transitions: int,
        stored_bytes: int,
        nat_bytes: int,
    ) -> RunCost:
        """Return what this much costs.

        Examples
        --------
        >>> used = {"invocations": 60, "state_transitions": 80, "stored_bytes": 2 * 10**9, "nat_bytes": 10**9}
        >>> round(RunCost.of(Prices(), lambda_gb_seconds=3600.0, **used).usd, 4)
        0.153
        """
        usd = None
        if lambda_gb_seconds is not None:
            usd = (
                lambda_gb_seconds * prices.lambda_gb_second
                + invocations * prices.lambda_request
                + state_transitions * prices.state_transition
                + stored_bytes / GIGABYTE * prices.s3_gb_month
                + nat_bytes / GIGABYTE * prices.nat_gb
            )
        return cls(
            lambda_gb_seconds=lambda_gb_seconds,
            invocations=invocations,
            state_transitions=state_transitions,
            stored_bytes=stored_bytes,
            nat_bytes=nat_bytes,
            usd=usd,
            prices_as_of=prices.as_of,
        )
