"""What a trigger, or what a rule rings, would meet now: every reason in its order, whether it holds or not.

    unknown_rule ─▶ disabled ─▶ below_threshold ─▶ duplicate, cooldown ─▶ maintenance … storm ─▶ it would ring

Each reason is asked by the same function as when it counts (`suppression.decide`, `Hush.reasons`, `Storm.would_admit`);
here all of them are, also those behind the first that holds. What then really becomes of it is not said here:
`engine.core.rehearsing` does it.
"""

from __future__ import annotations

from collections.abc import Iterator

from engine.core import suppression
from engine.core.flapping import said
from engine.core.hushing import Hush, explained
from engine.core.ledger import Ledger
from engine.core.lifecycle import TABLE, born, raised, told_again
from engine.core.rules.book import Firing, RuleBook, dressed, fill, identity_under
from engine.core.suppression import Standing, Verdict
from engine.core.turn import Turn
from protocol.changes import Action
from protocol.commands import Ring
from protocol.model import Alert, QuietedBy, Reason, Severity, Status
from protocol.previews import Check
from protocol.times import rfc3339


class Previewer:
    """Says what something would meet in one channel. Changes nothing."""

    def __init__(self, ledger: Ledger, hush: Hush) -> None:
        self._ledger = ledger
        self._hush = hush

    def of_trigger(self, turn: Turn, ring: Ring, book: RuleBook) -> tuple[Check, ...]:
        """What a trigger by hand or program would meet."""
        rule = None if ring.rule_id is None else book.by_id.get(ring.rule_id)
        is_unknown = ring.rule_id is not None and rule is None
        named = "it names no rule" if ring.rule_id is None else f"rule {ring.rule_id}"
        unknown = _check(Reason.UNKNOWN_RULE, is_unknown, f"{named}: unknown" if is_unknown else named)
        if is_unknown:
            return (unknown,)
        is_disabled = rule is not None and not rule.enabled
        disabled = _check(Reason.DISABLED, is_disabled, f"{named}: disabled" if is_disabled else "enabled")
        firing = fill(ring, rule, None if rule is None else book.texts(rule))
        identity = identity_under(self._ledger.framework, ring, rule)
        return (unknown, disabled, *self.of_firing(turn, firing, identity))

    def of_firing(self, turn: Turn, firing: Firing, identity: str) -> Iterator[Check]:
        """What a firing would meet, whoever brings it."""
        value, limit = firing.ring.current_value, firing.threshold
        compared = value is not None and limit is not None
        text = f"{value:g} {firing.comparison.value} {limit:g}" if compared else "there are no two values to compare"
        yield _check(Reason.BELOW_THRESHOLD, firing.is_below, f"{text}: no" if firing.is_below else text)
        standing = self._ledger.standings.get(identity)
        verdict = suppression.decide(standing, firing.severity, turn.now)
        swallowed = verdict.status is Status.SUPPRESSED
        yield _check(verdict.reason if swallowed else Reason.DUPLICATE, swallowed, _window(standing))
        alert = self._alert(turn, firing, standing, verdict)
        yield from self._quiet(turn, standing, alert)

    def _alert(self, turn: Turn, firing: Firing, standing: Standing | None, verdict: Verdict) -> Alert:
        """As it would be."""
        if standing is None or not standing.is_open:
            return born("new", self._ledger.framework, dressed(firing), turn.at)
        alert = standing.current()
        if verdict is suppression.RAISED:
            return raised(alert, dressed(firing), TABLE[alert.state, Action.RAISE], turn.at)
        return told_again(alert, dressed(firing), turn.at)

    def _quiet(self, turn: Turn, standing: Standing | None, alert: Alert) -> Iterator[Check]:
        """All that would keep it quiet: in force or not."""
        figures = self._ledger.policy.flapping
        flaps = None if standing is None else standing.flaps
        if figures is not None and flaps is not None:
            flaps = said(flaps, True, turn.now, figures)
        found = {mark.by: mark for mark, _ in self._hush.reasons(alert, flaps, turn) if mark is not None}
        for by in QuietedBy:
            if by is not QuietedBy.STORM:
                mark = found.get(by)
                yield _check(Reason(by.value), mark is not None, "no" if mark is None else explained(mark))
        rings_already = standing is not None and standing.is_open and alert.quieted_by is None
        held = not rings_already and alert.severity is not Severity.CRITICAL
        held = held and not self._hush.storm.would_admit(turn.now)
        yield _check(Reason.STORM, held, "the budget of new alerts is spent" if held else "no")


def _window(standing: Standing | None) -> str:
    if standing is None:
        return "nothing is known of it"
    state = "is open" if standing.is_open else "is over"
    return f"alert {standing.alert_id} {state}, its window ends at {rfc3339(standing.until)}"


def _check(reason: Reason, holds: bool, text: str) -> Check:
    return Check(reason=reason, holds=holds, text=text)
