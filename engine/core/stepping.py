"""A step of a workflow is done: its alert is over, and it may ring again as soon as it is current again."""

from __future__ import annotations

from engine.core.identity import identity_of_step
from engine.core.ledger import Ledger
from engine.core.lifecycle import TABLE
from engine.core.turn import Turn
from protocol.changes import Action
from protocol.commands import CompleteStep
from protocol.effects import Audit
from protocol.items import ItemResult
from protocol.model import AlertState, Reason, Status

NOTHING_OPEN = ItemResult(status=Status.RESOLVED, reason=Reason.ALREADY)


def complete_step(ledger: Ledger, turn: Turn, command: CompleteStep) -> ItemResult:
    """Resolves the step's alert, if one is open, and ends its window; what the window has swallowed is told then."""
    standing = ledger.standings.get(identity_of_step(ledger.framework, command.step_id))
    if standing is None:
        return NOTHING_OPEN
    standing.until = min(standing.until, turn.now)
    if not standing.is_open:
        # Somebody resolved it by hand; its window would keep the step silent when it is current again.
        turn.touched[standing] = None
        ledger.agenda.put(standing)
        return NOTHING_OPEN
    before = standing.current().state
    step = TABLE[before, Action.RESOLVE]
    turn.audits.append(
        Audit(
            at=turn.now,
            by=command.by,
            verb=Action.RESOLVE.value,
            alert_id=standing.alert_id,
            notes=command.notes,
            address=command.address,
            before={"state": before.value},
            after={"state": AlertState.RESOLVED.value},
        )
    )
    return ledger.step(turn, standing, step, command.by, command.notes)
