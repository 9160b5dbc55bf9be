"""What a dry run tries: one cheap call to everything that the run would need."""

from __future__ import annotations

import http.client

from lambdas.contracts.tuning_run import PlanResult
from lambdas.core.errors import InvalidRequestError, TransientMarketDataError
from lambdas.runtime.stores import Stores

YAHOO = "query2.finance.yahoo.com"
TIMEOUT_SECONDS = 10


def check_access(planned: PlanResult, stores: Stores) -> None:
    """Touch buckets, tables, the champion's artefact and the source.

    Raises
    ------
    StoreAccessError
        If a bucket or table is missing or may not be used (named by the step that calls this).
    ArtefactIntegrityError
        If the champion's artefact is missing or altered.
    InvalidRequestError, TransientMarketDataError
        If the source is empty, lacks the contact that it wants, or cannot be reached.
    """
    stores.objects.check_access()
    stores.ledger.total()
    stores.recommendations.check_access()
    if planned.champion is not None:
        stores.models.verify(planned.champion)
    if planned.data.startswith("s3://") and not stores.objects.names(planned.data):
        raise InvalidRequestError(f"{planned.data} holds no files; upload a data set folder there.")
    if planned.data == "yahoo":
        if "@" not in stores.environment.edgar_contact:
            raise InvalidRequestError(
                "edgar_contact is not set, and the SEC wants a contact in each request: set it to an e-mail address "
                "(AMTS_EDGAR_CONTACT, or the file of the environment in cdk_app/environments) and deploy."
            )
        _reach(YAHOO)


def _reach(host: str) -> None:
    """Any answer will do, a refusal too: it says that the network lets the functions out."""
    connection = http.client.HTTPSConnection(host, timeout=TIMEOUT_SECONDS)
    try:
        connection.request("HEAD", "/")
        connection.getresponse()
    except OSError as error:
        raise TransientMarketDataError(
            f"{host} cannot be reached: {error}. Check the network of the functions (NAT gateway, security group)."
        ) from error
    finally:
        connection.close()
