"""Who received and saw an alert, and pages of open alerts: what every store must answer."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pytest

from engine.stores import Retention, Store
from protocol.effects import FROM_SNAPSHOT, RecipientMark
from protocol.errors import BadRequest
from protocol.model import Alert, AlertState, ChannelKey, DerivedKey, Severity, StreamKey
from protocol.times import SECOND_US, rfc3339
from tests.support.stores import FOREIGN, KEY, NOW, OTHER, StoreFactory, a_commit, a_row, an_alert, committed, fill

ACME = DerivedKey("acme")
ANN = DerivedKey("acme", "ann")
EVERY = [KEY, ACME, ANN]


def a_mark(user: str = "ann", stream: StreamKey = KEY, after: int = 0, until: int = 1, **more: object) -> RecipientMark:
    fields = {"is_seen": False, "min_severity": Severity.INFO, "at": NOW} | more
    return RecipientMark(user=user, stream=stream, after=after, until=until, **fields)  # type: ignore[arg-type]


async def told(store: Store, *alerts: Alert, key: ChannelKey = KEY, base: int = 0) -> None:
    """These alerts fired, in one commit."""
    await committed(store, a_commit(key, base, [a_row(alert) for alert in alerts]))


async def who_received(store: Store, alert: Alert) -> list[tuple[str, int | None, int | None]]:
    """Name, and the seconds after NOW at which it was received and seen."""
    page = await store.recipients("acme", alert.id, None, 100)
    seconds = {rfc3339(NOW + n * SECOND_US): n for n in range(100)}
    return [
        (item.user, item.received_at and seconds[item.received_at], item.seen_at and seconds[item.seen_at])
        for item in page.items
    ]


@pytest.mark.parametrize("stream", EVERY, ids=lambda stream: stream.name)
async def test_an_alert_was_received_by_whoever_marked_its_place_in_one_of_its_streams(
    factory: StoreFactory, stream: StreamKey
) -> None:
    async with factory.open() as store:
        first, second = an_alert(assigned_to="ann"), an_alert(assigned_to="ann")
        await told(store, first, second)
        await store.recipient_marks([a_mark(stream=stream, until=1, at=NOW + 3 * SECOND_US)])
        assert await who_received(store, first) == [("ann", 3, None)]
        assert await who_received(store, second) == []


async def test_the_first_mark_at_or_beyond_the_alert_says_when(factory: StoreFactory) -> None:
    async with factory.open() as store:
        await fill(store, KEY, 4)
        alert = an_alert()
        await told(store, alert, base=4)
        for n, (after, until) in enumerate([(0, 4), (4, 7), (7, 9)], 1):
            await store.recipient_marks([a_mark(after=after, until=until, at=NOW + n * SECOND_US)])
        assert await who_received(store, alert) == [("ann", 2, None)]


async def test_what_was_seen_was_received(factory: StoreFactory) -> None:
    async with factory.open() as store:
        alert = an_alert()
        await told(store, alert)
        await store.recipient_marks(
            [
                a_mark("bob", is_seen=True, at=NOW + 5 * SECOND_US),
                a_mark("ann", at=NOW + 1 * SECOND_US),
                a_mark("ann", is_seen=True, at=NOW + 9 * SECOND_US),
            ]
        )
        assert await who_received(store, alert) == [("ann", 1, 9), ("bob", 5, 5)]


async def test_who_came_later_has_not_received_what_was_before(factory: StoreFactory) -> None:
    async with factory.open() as store:
        alert = an_alert()
        await told(store, alert)
        await fill(store, KEY, 5, base=1)
        await store.recipient_marks([a_mark(after=3, until=6)])
        assert await who_received(store, alert) == []


async def test_who_filters_has_not_received_what_is_below_the_filter(factory: StoreFactory) -> None:
    async with factory.open() as store:
        quiet, loud = an_alert(), an_alert(severity=Severity.ERROR)
        await told(store, quiet, loud)
        await store.recipient_marks([a_mark(until=2, min_severity=Severity.ERROR)])
        assert (await who_received(store, quiet), await who_received(store, loud)) == ([], [("ann", 0, None)])


async def test_a_snapshot_shows_what_was_open_then(factory: StoreFactory) -> None:
    async with factory.open() as store:
        is_open, over = an_alert(), an_alert(state=AlertState.RESOLVED, resolved_at=rfc3339(NOW + 2 * SECOND_US))
        await told(store, is_open, over)
        mark = a_mark(after=FROM_SNAPSHOT, until=2, at=NOW + 5 * SECOND_US)
        await store.recipient_marks([mark])
        assert await who_received(store, is_open) == [("ann", 5, None)]
        assert await who_received(store, over) == []
        await store.recipient_marks([msgspec.structs.replace(mark, user="bob", at=NOW + 1 * SECOND_US)])
        assert await who_received(store, over) == [("bob", 1, None)]


async def test_a_mark_that_says_nothing_new_changes_nothing(factory: StoreFactory) -> None:
    async with factory.open() as store:
        alert = an_alert()
        await told(store, alert)
        for n in range(3):
            await store.recipient_marks([a_mark(at=NOW + n * SECOND_US)] * 2)
        assert await who_received(store, alert) == [("ann", 0, None)]


async def test_a_mark_of_a_stream_that_there_is_not_is_left_out(factory: StoreFactory) -> None:
    async with factory.open() as store:
        alert = an_alert()
        await told(store, alert)
        nowhere = [ChannelKey("acme", "nowhere"), DerivedKey("nowhere"), DerivedKey("acme", "nobody")]
        await store.recipient_marks([a_mark(stream=stream) for stream in [*nowhere, KEY]])
        assert await who_received(store, alert) == [("ann", 0, None)]


async def test_another_workspaces_marks_and_alerts_are_not_here(factory: StoreFactory) -> None:
    async with factory.open() as store:
        ours, theirs = an_alert(), an_alert()
        await told(store, ours)
        await told(store, theirs, key=FOREIGN)
        await store.recipient_marks([a_mark("eve", stream) for stream in (FOREIGN, DerivedKey("umbrella"))])
        assert await who_received(store, ours) == []
        assert await who_received(store, theirs) == [], "asked for in our workspace"


async def test_recipients_come_in_pages_by_name(factory: StoreFactory) -> None:
    async with factory.open() as store:
        alert = an_alert()
        await told(store, alert)
        await fill(store, KEY, 2, base=1)
        names = [f"user {n:02}" for n in range(25)]
        streams: Sequence[StreamKey] = (KEY, ACME)
        await store.recipient_marks([a_mark(name, streams[n % 2]) for n, name in enumerate(names)])
        # These have made marks, but not of this alert.
        await store.recipient_marks([a_mark(f"user {n:02}x", after=1, until=3) for n in range(25)])
        found, cursor = [], None
        while True:
            page = await store.recipients("acme", alert.id, cursor, 10)
            found += [item.user for item in page.items]
            cursor = page.next_cursor
            if cursor is None:
                break
            assert len(page.items) == 10
        assert found == names
        with pytest.raises(BadRequest):
            await store.recipients("acme", alert.id, "a", 10)


async def test_marks_go_with_the_events_that_they_are_about(factory: StoreFactory) -> None:
    async with factory.open(retention=Retention(events_s=3_600, events_per_channel=1)) as store:
        alert = an_alert(assigned_to="ann")
        await told(store, alert)
        await fill(store, KEY, 1, base=1)
        await store.recipient_marks([a_mark(stream=stream) for stream in EVERY])
        assert await who_received(store, alert) == [("ann", 0, None)]
        await store.trim(NOW + 7_200 * SECOND_US)
        assert await who_received(store, alert) == []


# Open alerts in pages


async def test_open_alerts_come_newest_first_with_the_streams_offset(factory: StoreFactory) -> None:
    async with factory.open() as store:
        alerts = [an_alert(assigned_to="ann" if n % 2 else None) for n in range(7)]
        await told(store, *alerts)
        await told(store, an_alert(framework_id="search"), key=OTHER)
        await told(store, an_alert(), key=FOREIGN)
        newest = [alert.id for alert in reversed(alerts)]
        first = await store.open_alerts(KEY, Severity.INFO, None, 4)
        assert ([alert.id for alert in first.alerts], first.offset, first.last) == (newest[:4], 7, False)
        rest = await store.open_alerts(KEY, Severity.INFO, newest[3], 4)
        assert ([alert.id for alert in rest.alerts], rest.last) == (newest[4:], True)
        everything = await store.open_alerts(ACME, Severity.INFO, None, 100)
        assert (len(everything.alerts), everything.offset) == (8, 8)
        hers = await store.open_alerts(ANN, Severity.INFO, None, 100)
        assert ([alert.id for alert in hers.alerts], hers.offset) == (newest[1::2], 3)


async def test_of_the_open_alerts_only_those_as_severe_as_asked(factory: StoreFactory) -> None:
    async with factory.open() as store:
        states = {AlertState.RESOLVED, AlertState.EXPIRED}
        alerts = [an_alert(state=state, severity=severity) for state in AlertState for severity in Severity]
        await told(store, *alerts)
        found = await store.open_alerts(ACME, Severity.ERROR, None, 100)
        expected = [a.id for a in reversed(alerts) if a.severity.rank >= 2 and a.state not in states]
        assert [alert.id for alert in found.alerts] == expected


@pytest.mark.parametrize("stream", EVERY, ids=lambda stream: stream.name)
async def test_where_nothing_is_the_only_page_is_empty(factory: StoreFactory, stream: StreamKey) -> None:
    async with factory.open() as store:
        found = await store.open_alerts(stream, Severity.INFO, None, 10)
        assert (found.alerts, found.offset, found.last) == ((), 0, True)
