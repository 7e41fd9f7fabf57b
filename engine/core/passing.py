"""Whatever time alone brings: silent label sets go, alerts expire or are given back, windows end, and quiet does."""

from __future__ import annotations

from engine.core.hushing import Hush
from engine.core.ledger import Ledger
from engine.core.lifecycle import TABLE
from engine.core.suppression import Standing
from engine.core.turn import ROWS_MAX, TESTS_MAX, Turn
from protocol.changes import Action


def pass_time(ledger: Ledger, hush: Hush, turn: Turn) -> None:
    """What is due at the turn's time, as far as there is room; the rest stays due."""
    # Not what the commands have left over: under load these would never have their turn.
    turn.tests_left = TESTS_MAX
    for _ in range(ROWS_MAX - len(turn.touched)):
        standing = ledger.agenda.pop(turn.now) if ledger.room(turn) > 0 and turn.tests_left > 0 else None
        if standing is None:
            break
        _settle(ledger, hush, turn, standing)
    hush.pass_time(turn)


def _settle(ledger: Ledger, hush: Hush, turn: Turn, standing: Standing) -> None:
    """One thing that is due: silent label sets go, the alert with the last of them; it was taken on for too long; the
    window ends, or the quiet."""
    silent = [labels for labels, report in standing.sources.items() if report.ends_at <= turn.now]
    for labels in silent:
        del standing.sources[labels]
    if silent:
        turn.touched[standing] = None
        if not standing.sources:
            ledger.step(turn, standing, TABLE[standing.current().state, Action.EXPIRE], None)
    elif standing.lapses_at <= turn.now:
        ledger.step(turn, standing, TABLE[standing.current().state, Action.UNACKNOWLEDGE], None)
    elif standing.count and standing.until <= turn.now:
        ledger.receipt(turn, standing)
    elif standing.is_open:
        hush.look(turn, standing)
    else:
        ledger.forget(standing)
        return
    ledger.agenda.put(standing)
