"""What people do about alerts: steps of the life cycle's table, an event, and a line of the audit trail for each.

One command is one word about one alert or many. Those that it changes are told together: one alert as it is
afterwards, several by their ids and the change, so that ten thousand alerts are twenty events and not ten thousand.

A closed alert that was forgotten comes with the command, as the store has it; what we remember ourselves goes before
that. Open alerts are never forgotten: one that is unknown here and does not come along has been closed since the
store was asked, and whoever asked is told to ask again.
"""

from __future__ import annotations

from dataclasses import dataclass

from msgspec.structs import replace

from engine.core.hushing import Hush
from engine.core.ledger import Ledger
from engine.core.lifecycle import TABLE, Step, change_of
from engine.core.suppression import Standing
from engine.core.turn import UNKNOWN_ALERT, Turn, rejected
from protocol.changes import Action, changed
from protocol.commands import Act
from protocol.effects import Audit
from protocol.items import ItemResult
from protocol.limits import Limit
from protocol.model import Alert, Change, Reason, Status
from protocol.rows import Row

JUST_CLOSED = rejected(Reason.BUSY, "this alert has changed this very moment; send it again")


@dataclass(slots=True)
class _Done:
    """An alert that was changed, and what it was before."""

    standing: Standing
    before: Alert


class Acts:
    """Carries out what people ask for in one channel."""

    def __init__(self, ledger: Ledger, hush: Hush) -> None:
        self._ledger = ledger
        self._hush = hush

    def act(self, turn: Turn, act: Act) -> list[ItemResult]:
        """A change of each alert that it names; idempotent. One result for each, in order."""
        if act.identity is not None:
            standing = self._ledger.standings.get(act.identity)
            if standing is None:
                return [UNKNOWN_ALERT]
            act = replace(act, alert_ids=(standing.alert_id,))
        closed = {row.alert.id: row for row in act.closed}
        done: list[_Done] = []
        answers = [self._one(turn, act, alert_id, closed.get(alert_id), done) for alert_id in act.alert_ids]
        if done:
            self._tell(turn, act, done)
        return [
            answer if isinstance(answer, ItemResult) else _answered(answer, alert_id, self._ledger.offset)
            for alert_id, answer in zip(act.alert_ids, answers, strict=True)
        ]

    def _one(self, turn: Turn, act: Act, alert_id: str, row: Row | None, done: list[_Done]) -> ItemResult | Step:
        """One alert of those that are named: its step, or the answer if that changes nothing."""
        standing = self._ledger.by_id.get(alert_id)
        if standing is None:
            if row is None or row.alert.state.is_open:
                return JUST_CLOSED
            standing = self._ledger.standing_for(row)
        before = standing.current()
        step = TABLE[before.state, act.action]
        if not step.changes:
            if act.action is Action.RESOLVE and alert_id in self._ledger.by_id:
                self._ledger.hear(turn, standing, is_bad=False)
            return _answered(_judged_too_late(step, act, before), alert_id)
        after = changed(before, step.event, _change(turn, act, step))
        if after == before:
            return ItemResult(status=step.status, reason=Reason.ALREADY, alert_id=alert_id)
        if act.action is Action.REOPEN and (refusal := self._make_way(turn, standing)) is not None:
            return refusal
        standing.become(after)
        if act.action is Action.REOPEN:
            # Its mark is that of when it ended; what kept it quiet then may be over.
            self._hush.mark(turn, standing)
        self._ledger.remember(standing)
        if step.state is not None:
            self._ledger.hear(turn, standing, is_bad=standing.is_open)
        done.append(_Done(standing, before))
        return step

    def _make_way(self, turn: Turn, standing: Standing) -> ItemResult | None:
        """One alert stands for an identity: a closed one in the way is forgotten, an open one means refusal."""
        ledger = self._ledger
        rival = ledger.standings.get(standing.identity)
        if rival is standing:
            return None
        if rival is None:
            used, limit = len(ledger.standings), ledger.policy.windows_max
            if used < limit:
                return None
            return turn.busy(Limit.CHANNEL_WINDOWS, used, limit, "open alerts and windows in this channel")
        if rival.is_open:
            message = f"a newer alert of the same thing is open: {rival.alert_id}"
            return ItemResult(
                status=Status.REJECTED, reason=Reason.ALREADY, alert_id=standing.alert_id, message=message
            )
        # Its coming and going is the identity's, whatever alert stands for it.
        standing.flaps = rival.flaps
        ledger.supersede(turn, rival)
        return None

    def _tell(self, turn: Turn, act: Act, done: list[_Done]) -> None:
        for one in done:
            turn.audits.append(_audit(turn, act, one.before, one.standing.current()))
        step = TABLE[done[0].before.state, act.action]
        concerned = [one.before.assigned_to for one in done] + [one.standing.current().assigned_to for one in done]
        people = tuple(dict.fromkeys(user for user in concerned if user))
        if len(done) == 1:
            self._ledger.emit(turn, done[0].standing, step.event, act.by, also=people)
            return
        self._ledger.emit_many(turn, [one.standing for one in done], step.event, _change(turn, act, step), people)


def _change(turn: Turn, act: Act, step: Step) -> Change:
    return change_of(step, turn.at, act.by, act.notes, act.assignee, act.noise)


def _judged_too_late(step: Step, act: Act, before: Alert) -> Step:
    """What is done already is not judged along the way: others would be told of a change that is none."""
    if act.noise is None or act.noise is before.noise or step.message:
        return step
    return replace(step, message="nothing was said of noise, it was so already: comment with noise instead")


def _answered(step: Step, alert_id: str, offset: int | None = None) -> ItemResult:
    return ItemResult(status=step.status, reason=step.reason, alert_id=alert_id, offset=offset, message=step.message)


def _audit(turn: Turn, act: Act, before: Alert, after: Alert) -> Audit:
    was: dict[str, str | None] = {}
    now: dict[str, str | None] = {}
    if before.state is not after.state:
        was["state"], now["state"] = before.state.value, after.state.value
    if before.assigned_to != after.assigned_to:
        was["assigned_to"], now["assigned_to"] = before.assigned_to, after.assigned_to
    if before.noise is not after.noise:
        was["noise"], now["noise"] = str(before.noise).lower(), str(after.noise).lower()
    return Audit(
        at=turn.now,
        by=act.by,
        verb=act.action.value,
        alert_id=before.id,
        notes=act.notes,
        address=act.address,
        before=was,
        after=now,
    )
