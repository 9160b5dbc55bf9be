"""The daily step: publish the newest recommendations, settle what has matured, judge how the champion does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lambdas.adapters.analytics import now
from lambdas.adapters.errors import TransientStoreError
from lambdas.adapters.recommendations import recommendation_id
from lambdas.backtesting_engine.live import assess, emit
from lambdas.backtesting_engine.publishing import publish
from lambdas.contracts.backtesting import Correction, LiveSession, SettledOutcome, SettleRequest, SettleResult
from lambdas.contracts.metrics import Metric
from lambdas.core.live.settlement import Settlement, was_corrected
from lambdas.core.market_data.panel import MarketDataset
from lambdas.runtime.market import load_dataset
from lambdas.runtime.observability import count, logger
from lambdas.runtime.step import step
from lambdas.runtime.stores import Stores


@step(SettleRequest, SettleResult)
def settle(request: SettleRequest, stores: Stores) -> SettleResult:
    """Publish the champion's recommendations of the newest session, settle what has matured, measure live skill."""
    dataset = load_dataset(stores, request.dataset_uri)
    published = publish(request, dataset, stores)
    tally, unreadable = settle_matured(request, dataset, stores)
    live = assess(request, dataset, stores)
    stores.analytics.record_gate(request.run_id, live.gate, version=request.version)
    sentences = [published.explanation, str(tally)]
    if request.shadow is not None and request.shadow_predictions_uri is None:
        sentences.append(f"Shadow {request.shadow} could not be scored; the execution's history has the reason.")
    if unreadable:
        sentences.append(f"{len(unreadable)} live records cannot be read and were left alone: {unreadable[0]} …")
    stores.analytics.close_run(
        request.run_id,
        {
            "outcome": "ASSESSED",
            "message": " ".join([*sentences, live.gate.reason]),
            "champion": request.version,
            "version": request.version,
        },
    )
    emit(live)
    count(Metric.RECOMMENDATIONS_PUBLISHED, published.n_published)
    count(Metric.RECOMMENDATIONS_SETTLED, tally.settled)
    count(Metric.OUTCOMES_CORRECTED, tally.corrected)
    count(Metric.RECOMMENDATIONS_UNRESOLVED, tally.unresolved)
    return SettleResult(
        n_published=published.n_published,
        n_settled=tally.settled,
        n_corrected=tally.corrected,
        n_unresolved=tally.unresolved,
        **live.numbers(),
        gate=live.gate,
    )


@dataclass(frozen=True)
class Tally:
    """What a run did to recommendations of the champion and of those before it; the shadow's are not published."""

    settled: int = 0
    corrected: int = 0
    unresolved: int = 0

    def __add__(self, other: Tally) -> Tally:
        """Return the sum of both."""
        return Tally(self.settled + other.settled, self.corrected + other.corrected, self.unresolved + other.unresolved)

    def __str__(self) -> str:
        """Return one sentence, or two."""
        more = [f"{self.corrected} corrected"] * bool(self.corrected)
        more += [f"{self.unresolved} closed without an outcome"] * bool(self.unresolved)
        return f"Settled {self.settled}{''.join(f', {one}' for one in more)}."

    @classmethod
    def of(cls, session: LiveSession, run_id: str) -> Tally:
        """Count what a run did to a session, in this attempt or in an earlier one."""
        if session.role == "shadow":
            return cls()
        return cls(
            settled=sum(outcome.run_id == run_id for outcome in session.outcomes.values()),
            corrected=sum(correction.run_id == run_id for correction in session.corrections),
            unresolved=sum(reason.endswith(f"(run {run_id})") for reason in session.unresolved.values()),
        )


def settle_matured(request: SettleRequest, dataset: MarketDataset, stores: Stores) -> tuple[Tally, tuple[str, ...]]:
    """Write the outcome of everything of ours that has matured, and what prices changed since; say what was done."""
    settlement = Settlement.of(dataset, stores.settings.portfolio)
    sessions, unreadable = stores.analytics.live_sessions()
    tally = Tally()
    for session in sessions:
        since = settlement.sessions_since_maturity(session.decision_session)
        if since is not None and since >= 0:
            settled = settled_session(session, settlement, request.run_id)
            if settled != session:
                write_session(session, settled, settlement, request.run_id, stores)
            session = settled
        tally += Tally.of(session, request.run_id)
    if unreadable:
        logger.warning("live records cannot be read", extra={"keys": list(unreadable)})
    return tally, unreadable


def settled_session(session: LiveSession, settlement: Settlement, run_id: str) -> LiveSession:
    """Return a matured session with every outcome that the data set knows, corrected where prices were."""
    outcomes, corrections = dict(session.outcomes), list(session.corrections)
    unresolved, still_open = dict(session.unresolved), []
    for symbol in session.symbols:
        outcome = settlement.outcome(session.decision_session, symbol)
        known = outcomes.get(symbol)
        if outcome is None:
            if symbol in session.open:
                reason = settlement.unresolved(session.decision_session, symbol)
                if reason is None:
                    still_open.append(symbol)
                else:
                    unresolved[symbol] = f"{reason} (run {run_id})"
        elif symbol in session.open:
            outcomes[symbol] = _settled(outcome, run_id)
        elif known is not None and was_corrected(known.model_dump(), outcome):
            found = _settled(outcome, known.run_id)
            outcomes[symbol] = found
            corrections.append(
                Correction(
                    symbol=symbol,
                    run_id=run_id,
                    net_return_before=known.net_return,
                    net_return=found.net_return,
                    hit_before=known.hit,
                    hit=found.hit,
                )
            )
    return session.model_copy(
        update={
            "outcomes": outcomes,
            "corrections": tuple(corrections),
            "unresolved": unresolved,
            "open": tuple(still_open),
        }
    )


def write_session(before: LiveSession, after: LiveSession, settlement: Settlement, run_id: str, stores: Stores) -> None:
    """Write what changed, the recommendations first: a crash between the two finds them settled, which is no change.

    Raises
    ------
    TransientStoreError
        If another run wrote the session meanwhile.
    """
    if after.role == "champion":
        _write_recommendations(before, after, settlement, run_id, stores)
    if not stores.analytics.update_session(after):
        raise TransientStoreError(
            f"The live record of {after.decision_session} was written by another run meanwhile. The step is retried."
        )


def _write_recommendations(
    before: LiveSession, after: LiveSession, settlement: Settlement, run_id: str, stores: Stores
) -> None:
    identity = recommendation_id(after.decision_session.isoformat(), after.version)
    table = stores.recommendations
    for symbol in before.open:
        if symbol in after.outcomes:
            outcome = settlement.outcome(after.decision_session, symbol) or {}
            table.settle(symbol, identity, {**outcome, "settled_by": run_id, "settled_at": now()})
        elif symbol in after.unresolved:
            table.close(
                symbol, identity, {"reason": after.unresolved[symbol], "settled_by": run_id, "settled_at": now()}
            )
    for correction in after.corrections[len(before.corrections) :]:
        outcome = settlement.outcome(after.decision_session, correction.symbol) or {}
        noted: dict[str, Any] = {
            "corrected_by": run_id,
            "corrected_at": now(),
            "net_return_before": correction.net_return_before,
            "hit_before": correction.hit_before,
        }
        table.correct(correction.symbol, identity, {**outcome, **noted})


def _settled(outcome: dict[str, Any], run_id: str) -> SettledOutcome:
    return SettledOutcome(net_return=outcome["net_return"], hit=outcome["hit"], run_id=run_id)
