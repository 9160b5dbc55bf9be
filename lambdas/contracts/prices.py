"""What AWS charges: the table that the cost of a run is estimated with."""

from __future__ import annotations

import datetime as dt

from pydantic import Field

from lambdas.contracts.base import Contract


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
