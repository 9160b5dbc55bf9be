"""Whether there is anything to do on the day of a run: the exchange's calendar decides."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from lambdas.contracts.backtesting import CalendarRequest, CalendarResult
from lambdas.core.market_data.calendar import is_session, next_session
from lambdas.runtime.step import step
from lambdas.runtime.stores import Stores

EXCHANGE_TIME = ZoneInfo("America/New_York")
LIVE_SOURCE = "yahoo"


@step(CalendarRequest, CalendarResult)
def calendar(request: CalendarRequest, stores: Stores) -> CalendarResult:
    """Say whether the exchange trades today, and end the run if it does not; history can be assessed on any day."""
    day = request.started_at.astimezone(EXCHANGE_TIME).date()
    if request.data != LIVE_SOURCE or request.as_of is not None or is_session(day):
        return CalendarResult(open=True, message=f"{day} is a day to assess.")
    message = f"The exchange is closed on {day}: nothing is assessed. The next session is {next_session(day)}."
    champion = stores.registry.champion()
    stores.analytics.close_run(request.run_id, {"outcome": "NOTHING", "message": message, "champion": champion})
    return CalendarResult(open=False, message=message)
