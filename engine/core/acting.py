"""What people do about alerts: a step of the life cycle's table, an event, and a line of the audit trail."""

from __future__ import annotations

from engine.core.ledger import Ledger
from engine.core.lifecycle import TABLE, Action
from engine.core.ringing import UNKNOWN_ALERT
from engine.core.turn import Turn
from protocol.commands import AcknowledgeAlert, ResolveAlert
from protocol.effects import Audit
from protocol.messages import ItemResult


class Acts:
    """Carries out what people ask for in one channel."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def act(self, turn: Turn, command: AcknowledgeAlert | ResolveAlert) -> ItemResult:
        """A change of one alert; idempotent."""
        standing = self._ledger.by_id.get(command.alert_id)
        if standing is None:
            return UNKNOWN_ALERT
        action = Action.ACKNOWLEDGE if isinstance(command, AcknowledgeAlert) else Action.RESOLVE
        step = TABLE[standing.current().state, action]
        if not step.changes:
            if not standing.is_open:
                self._ledger.hear(turn, standing, is_bad=False)
            return ItemResult(status=step.status, reason=step.reason, alert_id=command.alert_id, message=step.message)
        if self._ledger.room(turn) < 1:
            return self._ledger.no_room(turn)
        turn.audits.append(
            Audit(at=turn.now, by=command.by, verb=action.value, alert_id=command.alert_id, notes=command.notes)
        )
        return self._ledger.step(turn, standing, step, command.by, command.notes)
