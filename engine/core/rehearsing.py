"""A small copy of a channel, to see what a list of triggers or readings would come to, one after the other.

Each is previewed and then really done, in the copy: so the second of two equal ones is the first one's duplicate, and a
reading is heard where the one before it has left the series. The copy is made of the same parts as the channel, from
what the list can reach and nothing else: the rules that it names or that watch its metrics, their series, the alerts of
those identities, the storm and who waits first in it. Decided against: undoing what was done (each part would need to
know how), and a copy of the whole channel (a hundred thousand alerts for one question).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from engine.core.hushing import Hush
from engine.core.ledger import Ledger
from engine.core.log import ReadingLog
from engine.core.previewing import Previewer
from engine.core.ringing import Ringer
from engine.core.rules.book import identity_under
from engine.core.rules.milestone import mileposts_of
from engine.core.rules.series import LabelKey, Series, label_key
from engine.core.showing import milepost_identity, silent_identity
from engine.core.turn import Turn
from engine.core.watching import Watcher
from protocol.commands import Batch, Observe, Preview, Ring
from protocol.effects import Recalled
from protocol.orders import Orders
from protocol.previews import Previewed
from protocol.readings import RuleState
from protocol.rules import MilestoneRule, Rule


class Channel:
    """What a rehearsal is of: the parts of one channel, and what holds for it."""

    def __init__(self, ledger: Ledger, hush: Hush, watcher: Watcher, orders: Orders) -> None:
        self.ledger, self.hush, self.watcher, self.orders = ledger, hush, watcher, orders


class _Rehearsal(Turn):
    """A decision that is never stored. Its new alerts have no ids, only the item that they would be of."""

    item = 0
    _alerts = 0

    def begin(self, item: int) -> None:
        """What follows is about this item."""
        self.item, self._alerts = item, 0

    def new_id(self) -> str:
        """One reading may ring several rules: their alerts must not pass for one another."""
        self._alerts += 1
        return f"of item {self.item}" + (f" ({self._alerts})" if self._alerts > 1 else "")


def rehearsed(channel: Channel, turn: Turn, preview: Preview) -> list[Previewed]:
    """What would become of each command, in order, if they came together now. Changes nothing in the channel."""
    small = _copy(channel, turn, preview.commands)
    ringer, previewer = Ringer(small.ledger, small.hush), Previewer(small.ledger, small.hush, small.watcher)
    trial = _Rehearsal(Batch("", turn.now, ()))
    found = []
    for item, command in enumerate(preview.commands, 1):
        trial.begin(item)
        previewed = _known(previewer.preview(trial, command), channel.ledger)
        if isinstance(command, Ring):
            real = ringer.ring(trial, command, small.watcher.book)
        else:
            real = small.watcher.observe(trial, command)
        # One reading may ring several alerts, of which the first spends what the others are judged by.
        found.append(replace(previewed, status=real.status, reason=real.reason))
    return found


def _known(previewed: Previewed, ledger: Ledger) -> Previewed:
    """The same; an alert that only the rehearsal has is not named."""
    alert_id = previewed.alert_id if previewed.alert_id in ledger.by_id else None
    return replace(previewed, alert_id=alert_id, rules=tuple([_known(each, ledger) for each in previewed.rules]))


def _copy(channel: Channel, turn: Turn, commands: Sequence[Ring | Observe]) -> Channel:
    """As much of the channel as the commands can reach."""
    ledger, storm = channel.ledger, channel.hush.storm
    rules: dict[str, Rule] = {}
    # Several commands may be of one series.
    states: dict[tuple[str, LabelKey], RuleState] = {}
    identities: dict[str, None] = {}
    for command in commands:
        if isinstance(command, Ring):
            rule = None if command.rule_id is None else channel.watcher.book.by_id.get(command.rule_id)
            rules |= {} if rule is None else {rule.id: rule}
            identities[identity_under(ledger.framework, command, rule)] = None
            continue
        for series, state in channel.watcher.series.reached(command, turn.now):
            rules[series.watch.rule.id] = series.watch.rule
            states[state.rule, label_key(state.labels)] = state
            identities |= dict.fromkeys(_identities(ledger.framework, series))
    found = [ledger.standings.get(identity) for identity in identities]
    # Who waits for its turn goes before whatever is new.
    found.append(storm.first())
    rows = tuple([standing.row() for standing in dict.fromkeys(found) if standing is not None])
    recalled = Recalled(epoch="", offset=0, rows=rows, storm=storm.state, states=tuple(states.values()))
    return _built(channel, Orders(rules=tuple(rules.values()), quieting=channel.orders.quieting), recalled)


def _built(channel: Channel, orders: Orders, recalled: Recalled) -> Channel:
    policy = channel.ledger.policy
    ledger = Ledger(channel.ledger.framework, recalled, policy)
    hush = Hush(ledger, orders, recalled.storm)
    log = ReadingLog(recalled, policy.reading_series_max)
    watcher = Watcher(ledger, Ringer(ledger, hush), log, orders)
    watcher.restore(recalled)
    return Channel(ledger, hush, watcher, orders)


def _identities(framework: str, series: Series) -> Iterator[str]:
    """Of all alerts that a reading of this series may be about."""
    yield series.identity
    yield silent_identity(framework, series)
    if isinstance(series.watch.rule, MilestoneRule):
        for milepost in mileposts_of(series.watch.rule):
            yield milepost_identity(framework, series, milepost.name)
