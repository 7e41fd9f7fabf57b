"""An alert goes to the next ones in its chain of escalation: said on its stream, once for each step.

When and to whom is the chain's (`engine.notify.escalation`), which asks here first: the channel alone knows whether
somebody has taken the alert on this very moment. What it answers holds for good, because it is stored with the event:
asked again after a crash for the step that was the last one, it says that it is so already, and nothing is said twice.
"""

from __future__ import annotations

from msgspec.structs import replace

from engine.core.escalating import since_of
from engine.core.ledger import Ledger
from engine.core.turn import UNKNOWN_ALERT, Turn, rejected
from protocol.commands import Escalate
from protocol.items import ItemResult
from protocol.model import AlertState, Escalated, EventKind, Reason, Status


def hand_on(ledger: Ledger, turn: Turn, command: Escalate) -> ItemResult:
    """One step: an event, or why there is none any more."""
    standing = ledger.by_id.get(command.alert_id)
    if standing is None:
        return UNKNOWN_ALERT
    alert = standing.current()
    if alert.state is not AlertState.ACTIVE:
        return rejected(Reason.ALREADY, f"it is {alert.state.value}")
    if since_of(alert) != command.since:
        return rejected(Reason.ALREADY, "somebody had taken it on meanwhile, or it was over: it has begun anew")
    last = alert.escalated
    if last is not None and last.chain == command.chain:
        if (last.round, last.step) == (command.round, command.step):
            return ItemResult(status=Status.ESCALATED, reason=Reason.ALREADY, alert_id=alert.id)
        if (last.round, last.step) > (command.round, command.step):
            return rejected(Reason.ALREADY, "its chain has come further already")
    reached = Escalated(chain=command.chain, step=command.step, round=command.round, at=turn.at)
    standing.become(replace(alert, escalated=reached))
    ledger.emit(turn, standing, EventKind.ESCALATED)
    return ItemResult(status=Status.ESCALATED, reason=Reason.ESCALATED, alert_id=alert.id, offset=ledger.offset)
