"""The promises, checked: while it runs (bounds, the engine's own log) and when peace has come (everything else).

P1 acked ⊆ stored, and one alert for each thing asked for; P3 in the views, and all of them level; P5 bytes that wait;
P6 restarts exactly as often as something crashed, parked exactly when it was due; and when faults stop, all drains.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec
import trio

from engine.core.channel import ChannelMachine
from engine.core.turn import Policy
from engine.stores.readings import ReadingQuery
from protocol.errors import StoreUnavailable
from protocol.model import ChannelKey, EventKind
from protocol.orders import Orders
from tests.simulation.images import OUTBOX_MAX_BYTES, SUMS
from tests.simulation.producers import METRIC
from tests.simulation.trace import Trace, Violation

if TYPE_CHECKING:
    from tests.simulation.simulation import Simulation

# Who keeps up may get one batch beyond the bound: at most so many events of our longest alert.
BATCH_MAX_BYTES = 12 * 5_000
LOOK_EVERY_S = 0.5
# Pings that an idle producer has not read yet.
SMALL_TALK_BYTES = 500
GONE_S = 5.0
# What the engine may say aloud when we break things. Anything else at these levels is a bug that it swallowed.
LOUD = frozenset({"error", "critical", "exception"})
EXPECTED = frozenset({"channel_machine_raised", "channel_crashed", "channel_parked", "dead_letter", "child_crashed",
                      "accept_without_resources"})  # fmt: skip


def listener(trace: Trace) -> Callable[[str, dict[str, Any]], None]:
    """Hears the engine's log: it belongs to the story. Raises Violation for what nobody has caused."""

    def hear(level: str, fields: dict[str, Any]) -> None:
        event = str(fields["event"]).split()[0]
        trace("log", f"{level} {event} {fields.get('channel', fields.get('child', ''))}".rstrip())
        if level in LOUD and event not in EXPECTED:
            raise Violation(f"the engine logged {event}: {fields!r}") from _fault(fields)

    return hear


def _fault(fields: dict[str, Any]) -> BaseException | None:
    fault = fields.get("exc_info")
    return fault if isinstance(fault, BaseException) else None


async def watch_bounds(simulation: Simulation) -> None:
    """P5, looked at all the time."""
    while True:
        await trio.sleep(LOOK_EVERY_S)
        try:
            gateway = simulation.images.statistics()["gateway"]
        except StoreUnavailable:
            continue
        if gateway:
            most = gateway["connected_clients"] * (OUTBOX_MAX_BYTES + BATCH_MAX_BYTES)
            _must(gateway["outbox_bytes"] <= most, f"{gateway['outbox_bytes']} bytes wait in outboxes")


async def reckon(simulation: Simulation) -> None:
    """Everything is calm: what was promised must be true now."""
    for watcher in simulation.watchers:
        for view in watcher.views:
            at = view.position.offset if view.position else None
            _must(view.is_level(), f"{watcher.name} is not level on {view.channel}: at {at}")
    await _stored_once(simulation)
    await _summed_up(simulation)
    _restarted_as_wanted(simulation)
    await _received_by_whom(simulation)
    statistics = simulation.images.statistics()
    channels, gateway = statistics["channels"], statistics["gateway"]
    _must(channels["mailbox_commands"] == 0, f"{channels['mailbox_commands']} commands wait")
    _must(channels["channels_parked"] == 0, f"{channels['channels_parked']} channels are parked")
    _must(channels["channels_away"] == 0, f"{channels['channels_away']} channels think that the store is away")
    _must(gateway["outbox_bytes"] <= SMALL_TALK_BYTES, f"{gateway['outbox_bytes']} bytes wait in outboxes")
    views = sum(len(watcher.views) for watcher in simulation.watchers)
    _must(gateway["total_subscribers"] == views, f"{gateway['total_subscribers']} subscriptions, wanted {views}")
    _must(gateway["connected_clients"] == len(simulation.clients), f"{gateway['connected_clients']} clients")


async def _stored_once(simulation: Simulation) -> None:
    """P1: what was acked is there, once; the store and the ledger agree."""
    storage = simulation.storage
    fired: Counter[str] = Counter()
    for key, events in storage.ledger.channels.items():
        stored = await storage.stored(key)
        kept = events[-len(stored) :] if simulation.images.trims and stored else events
        # A channel's history does not say where its events stand in people's streams.
        kept = [msgspec.structs.replace(event, user_offsets={}) for event in kept]
        _must(list(stored) == kept, f"{key.name}: the store and what it told of its commits differ")
        fired.update(event.alert.title for event in events if event.kind is EventKind.FIRED)
    twice = [title for title, count in fired.items() if count > 1]
    _must(not twice, f"fired twice: {twice}")
    for producer in simulation.producers:
        lost = [wish.title for wish in producer.plan.acked if not fired[wish.title]]
        _must(not lost, f"{producer.name} was acked what is not stored: {lost}")
    duplicates = await storage.inner.duplicates()
    _must(duplicates == 0, f"{duplicates} duplicates are stored")


async def _summed_up(simulation: Simulation) -> None:
    """P1 for readings: what was acked is stored; and a rule, rebuilt from what is stored, has heard each just once."""
    for rule in SUMS:
        key = ChannelKey(rule.workspace, rule.framework)
        recalled = await simulation.storage.inner.recall(key)
        query = ReadingQuery(
            workspace=key.workspace, framework=key.framework, metric=METRIC, since_us=0, until_us=2**60, limit=5_000
        )
        stored = len((await simulation.storage.inner.readings(query)).items)
        acked = sum(wish.key == key for producer in simulation.producers for wish in producer.plan.read)
        # More may be stored: those that were sent again, and those of a batch that was decided anew behind a stranger.
        _must(acked <= stored, f"{key.name}: {acked} readings were acked, {stored} are stored")
        machine = ChannelMachine(key, recalled, Orders(rules=(rule,)), Policy())
        for _ in machine.restore():
            pass
        known = [series for watch in machine._watcher.series.watches.values() for series in watch.series.values()]
        summed = sum(series.evaluator.value() or 0.0 for series in known)
        _must(summed == stored, f"{key.name}: {stored} readings are stored, and its rule has heard {summed:g}")


async def _received_by_whom(simulation: Simulation) -> None:
    """The delivery ledger names nobody who was not told, and everybody who said so of the last alerts."""
    known = {watcher.name: set[str]().union(*(view.known for view in watcher.views)) for watcher in simulation.watchers}
    for key, events in simulation.storage.ledger.channels.items():
        for alert in {event.alert.id: event.alert for event in events}.values():
            page = await simulation.storage.inner.recipients(key.workspace, alert.id, None, 100)
            named = {recipient.user for recipient in page.items}
            told = {who for who, alerts in known.items() if alert.id in alerts}
            _must(named <= told, f"{alert.title} is marked as received by {named - told}, who were not told")
            missing = {watcher.name for watcher in simulation.watchers if alert.id in watcher.marked} - named
            _must(not missing, f"{missing} said to have received {alert.title}, and that is not on record")


def _restarted_as_wanted(simulation: Simulation) -> None:
    """P6: whoever crashed was restarted, nobody else, and the sixth crash in 30 s led to a pause."""
    machines = simulation.images.machines
    restarts = simulation.images.statistics()["channels"]["channel_restarts"]
    _must(restarts == machines.crashes, f"{restarts} restarts of channels after {machines.crashes} crashes")
    parked = sum("critical channel_parked" in line for line in simulation.trace.lines)
    _must(parked == machines.parks_due, f"channels were parked {parked} times, {machines.parks_due} were due")


async def everybody_gone(simulation: Simulation) -> None:
    """The clients have closed: the engine lets go of them."""
    await trio.sleep(GONE_S)
    gateway = simulation.images.statistics()["gateway"]
    _must(gateway["connected_clients"] == 0, f"{gateway['connected_clients']} clients are still there")


def _must(is_so: bool, otherwise: str) -> None:
    if not is_so:
        raise Violation(otherwise)
