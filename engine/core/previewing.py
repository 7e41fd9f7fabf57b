"""What would happen to this trigger, or this reading, now, and why? Asked of a copy of the machine (`rehearsing`).

    unknown_rule ─▶ disabled ─▶ below_threshold ─▶ duplicate, cooldown ─▶ maintenance … storm ─▶ it would ring

Each reason is asked by the same function as when it counts (`suppression.decide`, `Hush.reasons`, `Storm.would_admit`);
here all of them are, also those behind the first that holds. A reading is heard by a copy of each series.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from engine.core import suppression
from engine.core.flapping import said
from engine.core.hushing import Hush, explained
from engine.core.ledger import Ledger
from engine.core.lifecycle import TABLE, born, raised, told_again
from engine.core.rules.book import Firing, RuleBook, dressed, fill, identity_under
from engine.core.suppression import Standing, Verdict
from engine.core.turn import Turn
from engine.core.watching import UNWATCHED, Watcher, loudness
from protocol.changes import Action
from protocol.commands import Observe, Ring
from protocol.items import ItemResult
from protocol.model import Alert, QuietedBy, Reason, Severity, Status
from protocol.previews import Check, Previewed
from protocol.times import rfc3339


class _Stage(NamedTuple):
    """What a firing would meet."""

    firing: Firing
    standing: Standing | None
    verdict: Verdict
    alert: Alert


class Previewer:
    """Answers what would happen in one channel. Changes nothing."""

    def __init__(self, ledger: Ledger, hush: Hush, watcher: Watcher) -> None:
        self._ledger = ledger
        self._hush = hush
        self._watcher = watcher

    def preview(self, turn: Turn, command: Ring | Observe) -> Previewed:
        """What would become of a command."""
        return self._of_ring(turn, command) if isinstance(command, Ring) else self._of_reading(turn, command)

    def _of_ring(self, turn: Turn, ring: Ring) -> Previewed:
        book = self._watcher.book
        rule = None if ring.rule_id is None else book.by_id.get(ring.rule_id)
        is_unknown = ring.rule_id is not None and rule is None
        named = "it names no rule" if ring.rule_id is None else f"rule {ring.rule_id}"
        checks = [_check(Reason.UNKNOWN_RULE, is_unknown, f"{named}: unknown" if is_unknown else named)]
        if is_unknown:
            return _answered(Status.REJECTED, Reason.UNKNOWN_RULE, checks, ring)
        is_disabled = rule is not None and not rule.enabled
        checks.append(_check(Reason.DISABLED, is_disabled, f"{named}: disabled" if is_disabled else "enabled"))
        return self._of_firing(turn, self._filled(ring, book), checks)

    def _filled(self, ring: Ring, book: RuleBook) -> Firing:
        rule = None if ring.rule_id is None else book.by_id[ring.rule_id]
        return fill(ring, rule, None if rule is None else book.texts(rule))

    def _of_firing(self, turn: Turn, firing: Firing, checks: list[Check]) -> Previewed:
        ring, value, limit = firing.ring, firing.ring.current_value, firing.threshold
        compared = value is not None and limit is not None
        text = f"{value:g} {firing.comparison.value} {limit:g}" if compared else "there are no two values to compare"
        checks.append(_check(Reason.BELOW_THRESHOLD, firing.is_below, f"{text}: no" if firing.is_below else text))
        stage = self._stage(turn, firing)
        swallowed = stage.verdict.status is Status.SUPPRESSED
        checks.append(_check(stage.verdict.reason if swallowed else Reason.DUPLICATE, swallowed, _window(stage)))
        checks += self._quiet(turn, stage)
        first = next((check for check in checks if check.holds), None)
        # A new alert has no id yet.
        alert_id = None if stage.standing is None or stage.verdict is suppression.FIRED else stage.standing.alert_id
        if first is None:
            return _answered(*stage.verdict, checks, ring, alert_id)
        if first.reason is Reason.BELOW_THRESHOLD:
            return _answered(Status.BELOW_THRESHOLD, first.reason, checks, ring)
        return _answered(Status.SUPPRESSED, first.reason, checks, ring, alert_id)

    def _stage(self, turn: Turn, firing: Firing) -> _Stage:
        ledger, ring = self._ledger, firing.ring
        rule = None if ring.rule_id is None else self._watcher.book.by_id[ring.rule_id]
        standing = ledger.standings.get(identity_under(ledger.framework, ring, rule))
        verdict = suppression.decide(standing, firing.severity, turn.now)
        if standing is None or not standing.is_open:
            return _Stage(firing, standing, verdict, born("new", ledger.framework, dressed(firing), turn.at))
        alert = standing.current()
        if verdict is suppression.RAISED:
            return _Stage(
                firing, standing, verdict, raised(alert, dressed(firing), TABLE[alert.state, Action.RAISE], turn.at)
            )
        return _Stage(firing, standing, verdict, told_again(alert, dressed(firing), turn.at))

    def _quiet(self, turn: Turn, stage: _Stage) -> Iterator[Check]:
        """All that would keep it quiet: in force or not."""
        figures = self._ledger.policy.flapping
        flaps = None if stage.standing is None else stage.standing.flaps
        if figures is not None and flaps is not None:
            flaps = said(flaps, True, turn.now, figures)
        found = {mark.by: mark for mark, _ in self._hush.reasons(stage.alert, flaps, turn) if mark is not None}
        for by in QuietedBy:
            if by is not QuietedBy.STORM:
                mark = found.get(by)
                yield _check(Reason(by.value), mark is not None, "no" if mark is None else explained(mark))
        rings_already = stage.standing is not None and stage.standing.is_open and stage.alert.quieted_by is None
        held = not rings_already and stage.firing.severity is not Severity.CRITICAL
        held = held and not self._hush.storm.would_admit(turn.now)
        yield _check(Reason.STORM, held, "the budget of new alerts is spent" if held else "no")

    def _of_reading(self, turn: Turn, reading: Observe) -> Previewed:
        outcomes = [
            self._of_outcome(turn, rule_id, outcome) for rule_id, outcome in self._watcher.foresee(turn, reading)
        ]
        loudest = max(outcomes, key=loudness, default=Previewed(status=UNWATCHED.status, reason=UNWATCHED.reason))
        return Previewed(
            status=loudest.status,
            reason=loudest.reason,
            alert_id=loudest.alert_id,
            rule_id=loudest.rule_id,
            checks=loudest.checks,
            rules=tuple(outcomes),
        )

    def _of_outcome(self, turn: Turn, rule_id: str, outcome: Ring | ItemResult) -> Previewed:
        if isinstance(outcome, Ring):
            return self._of_firing(turn, self._filled(outcome, self._watcher.book), [])
        return Previewed(status=outcome.status, reason=outcome.reason, alert_id=outcome.alert_id, rule_id=rule_id)


def _window(stage: _Stage) -> str:
    standing = stage.standing
    if standing is None:
        return "nothing is known of it"
    state = "is open" if standing.is_open else "is over"
    return f"alert {standing.alert_id} {state}, its window ends at {rfc3339(standing.until)}"


def _check(reason: Reason, holds: bool, text: str) -> Check:
    return Check(reason=reason, holds=holds, text=text)


def _answered(
    status: Status, reason: Reason, checks: list[Check], ring: Ring, alert_id: str | None = None
) -> Previewed:
    return Previewed(status=status, reason=reason, alert_id=alert_id, rule_id=ring.rule_id, checks=tuple(checks))
