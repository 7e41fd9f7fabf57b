"""A firing becomes an alert, is told again, or is swallowed: suppression's verdict, carried out.

Triggers by hand and program, what re-sending sources report, and whatever a rule rings for all end here.
"""

from __future__ import annotations

from engine.core import suppression
from engine.core.hushing import Hush, quieted
from engine.core.ledger import Ledger
from engine.core.lifecycle import TABLE, born, has_ended, label_set, merged, raised, told_again
from engine.core.rules.book import Firing, RuleBook, dressed, fill, identity_under
from engine.core.suppression import Standing, Verdict, window_us
from engine.core.turn import UNKNOWN_ALERT, Turn, rejected
from protocol.changes import Action
from protocol.commands import Ring
from protocol.items import ItemResult
from protocol.limits import Limit
from protocol.model import EventKind, Reason, Status
from protocol.rows import Row, SourceReport, SuppressionWindow

BELOW = ItemResult(status=Status.BELOW_THRESHOLD, reason=Reason.BELOW_THRESHOLD)


class Ringer:
    """Carries out what is to ring in one channel."""

    def __init__(self, ledger: Ledger, hush: Hush) -> None:
        self._ledger = ledger
        self._hush = hush

    def ring(self, turn: Turn, ring: Ring, book: RuleBook) -> ItemResult:
        """A trigger by hand or program, or what a source reports."""
        rule = None if ring.rule_id is None else book.by_id.get(ring.rule_id)
        identity = identity_under(self._ledger.framework, ring, rule)
        if ring.source is not None and has_ended(ring.source, turn.now):
            # Whatever became of its rule meanwhile: an end must be heard.
            return self._source_ended(turn, identity, ring.source)
        if rule is None and ring.rule_id is not None:
            return rejected(Reason.UNKNOWN_RULE, f"there is no rule {ring.rule_id!r} on this channel")
        if rule is not None and not rule.enabled:
            known = self._ledger.standings.get(identity)
            alert_id = known.alert_id if known and known.is_open else None
            return ItemResult(status=Status.SUPPRESSED, reason=Reason.DISABLED, alert_id=alert_id)
        firing = fill(ring, rule, None if rule is None else book.texts(rule))
        return BELOW if firing.is_below else self.judge(turn, firing, identity)

    def judge(self, turn: Turn, firing: Firing, identity: str) -> ItemResult:
        """Suppression's verdict on a firing, carried out."""
        standing = self._ledger.standings.get(identity)
        source = firing.ring.source
        is_resent = False
        if source is not None and standing is not None:
            is_resent = label_set(source) in standing.sources
            if not is_resent and len(standing.sources) >= self._ledger.policy.sources_max:
                # No use to try again: it is this alert that is full, until one of its sets ends.
                count, limit = len(standing.sources), self._ledger.policy.sources_max
                return rejected(
                    Reason.INVALID, f"this alert has {count} label sets, sources_max ({limit}) is the limit"
                )
        verdict = suppression.decide(standing, firing.severity, turn.now, is_resent)
        if standing is not None and verdict.status is Status.SUPPRESSED:
            return self._swallow(turn, standing, firing, verdict)
        used, limit = len(self._ledger.standings) + self._ledger.others, self._ledger.policy.windows_max
        if standing is None and used >= limit:
            return turn.busy(Limit.CHANNEL_WINDOWS, used, limit, "open alerts and windows in this channel")
        if standing is None or verdict is suppression.FIRED:
            return self._fire(turn, identity, standing, firing)
        return self._tell(turn, standing, firing, verdict)

    def _swallow(self, turn: Turn, standing: Standing, firing: Firing, verdict: Verdict) -> ItemResult:
        if verdict is not suppression.REFRESHED:
            standing.swallow(turn.now, firing.ring.current_value, firing.comparison)
            if standing.count == 1:
                self._ledger.agenda.put(standing)
        if standing.is_open:
            standing.seen_at = turn.at
            standing.occurrences += verdict is suppression.DUPLICATE
            if firing.ring.source is not None:
                self._hear_source(turn, standing, firing.ring.source)
        else:
            self._ledger.hear(turn, standing, is_bad=True)
        self._ledger.counted(turn, standing)
        return ItemResult(status=verdict.status, reason=verdict.reason, alert_id=standing.alert_id)

    def _fire(self, turn: Turn, identity: str, before: Standing | None, firing: Firing) -> ItemResult:
        """A new alert. One alert stands for an identity: the one before gets its receipt and is forgotten."""
        # Its coming and going is the identity's, whatever alert stands for it.
        flaps = None if before is None else before.flaps
        if before is not None:
            self._ledger.supersede(turn, before)
        source, firing = firing.ring.source, dressed(firing)
        row = Row(
            alert=born(turn.new_id(), self._ledger.framework, firing, turn.at),
            identity=identity,
            window=SuppressionWindow(until=self._window_end(turn, firing)),
            sources=() if source is None else (source,),
            flaps=flaps,
        )
        standing = self._ledger.standing_for(row)
        self._ledger.remember(standing)
        self._ledger.hear(turn, standing, is_bad=True)
        return self._say(turn, standing, EventKind.FIRED, suppression.FIRED)

    def _say(self, turn: Turn, standing: Standing, kind: EventKind, verdict: Verdict) -> ItemResult:
        """Told in any case; whether it rings is the answer."""
        mark = self._hush.mark(turn, standing, is_new=verdict is suppression.FIRED)
        self._ledger.emit(turn, standing, kind)
        return self._ledger.told(verdict, standing) if mark is None else quieted(mark, standing, self._ledger.offset)

    def _tell(self, turn: Turn, standing: Standing, firing: Firing, verdict: Verdict) -> ItemResult:
        """An open alert is told once more, as repeated or as raised."""
        firing = dressed(firing)
        if standing.count and standing.until <= turn.now:
            self._ledger.receipt(turn, standing)
        if firing.ring.source is not None:
            self._hear_source(turn, standing, firing.ring.source)
        alert, kind = standing.current(), EventKind.REPEATED
        if verdict is suppression.RAISED:
            step = TABLE[alert.state, Action.RAISE]
            kind = step.event
            standing.become(raised(alert, firing, step, turn.at))
        else:
            standing.become(told_again(alert, firing, turn.at))
        standing.until = self._window_end(turn, firing)
        return self._say(turn, standing, kind, verdict)

    def _window_end(self, turn: Turn, firing: Firing) -> int:
        seconds = self._ledger.policy.suppression_s if firing.suppression_s is None else firing.suppression_s
        return turn.now + window_us(seconds)

    def _hear_source(self, turn: Turn, standing: Standing, source: SourceReport) -> None:
        """News of a label set. A new one is written at once: an alert must not end while one of its sets lives."""
        labels = label_set(source)
        known = standing.sources.get(labels)
        standing.sources[labels] = merged(known, source)
        if known is None:
            turn.touched[standing] = None
        self._ledger.agenda.put(standing)

    def _source_ended(self, turn: Turn, identity: str, source: SourceReport) -> ItemResult:
        standing = self._ledger.standings.get(identity)
        if standing is None:
            return UNKNOWN_ALERT
        labels = label_set(source)
        if not standing.is_open:
            self._ledger.hear(turn, standing, is_bad=False)
        if labels not in standing.sources:
            return ItemResult(status=Status.SUPPRESSED, reason=Reason.ALREADY, alert_id=standing.alert_id)
        if len(standing.sources) > 1:
            del standing.sources[labels]
            turn.touched[standing] = None
            return ItemResult(status=Status.SUPPRESSED, reason=Reason.REFRESHED, alert_id=standing.alert_id)
        return self._ledger.step(turn, standing, TABLE[standing.current().state, Action.RESOLVE], "source")
