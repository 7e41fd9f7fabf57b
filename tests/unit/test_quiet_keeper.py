"""The keeper: which channels it starts, when there is no room, and when the store is away."""

from __future__ import annotations

from collections import Counter

import pytest
import trio
from structlog.testing import capture_logs

from engine.core.agenda import NEVER
from engine.orders import StandingOrders
from engine.quiet.quiet_keeper import STARTED_AT_ONCE, QuietKeeper
from protocol.errors import Busy
from protocol.model import ChannelKey
from protocol.quieting import Maintenance, Matcher, Silence
from protocol.rules import ActiveHours
from protocol.times import rfc3339
from tests.support.actors import START_US, clock

SECOND = 1_000_000
ALWAYS = Maintenance(id="m", title="Move", weekly=ActiveHours())


class FakeStore:
    """Which frameworks have open alerts."""

    def __init__(self) -> None:
        self.open = {"acme": ["web"]}
        self.asked: list[str] = []

    async def open_frameworks(self, workspace: str) -> list[str]:
        await trio.lowlevel.checkpoint()
        self.asked.append(workspace)
        return self.open.get(workspace, [])


class FakeRegistry:
    """Notes who is started; full as long as it is told to be."""

    def is_ours(self, workspace: str) -> bool:
        return True

    def __init__(self) -> None:
        self.started: list[tuple[float, ChannelKey]] = []
        self.woken: list[str] = []
        self.is_full = False
        # How many more channels these workspaces have room for.
        self.room: dict[str, int] = {}

    def cell(self, key: ChannelKey) -> None:
        if self.is_full or not self.room.get(key.workspace, 1):
            raise Busy("all channels are in use")
        if key.workspace in self.room:
            self.room[key.workspace] -= 1
        self.started.append((trio.current_time(), key))

    def wake(self, workspace: str, framework: str | None = None) -> None:
        self.woken.append(workspace)


class Bench:
    """A keeper and what surrounds it."""

    def __init__(self) -> None:
        self.orders, self.store, self.registry = StandingOrders((), ""), FakeStore(), FakeRegistry()
        self.keeper = QuietKeeper(self.orders, self.store, self.registry, clock)  # type: ignore[arg-type]

    def silence(self, start: int, end: int) -> None:
        silence = Silence(
            id="s",
            matchers=(Matcher(name="a", value="b"),),
            starts_at=rfc3339(START_US + start * SECOND),
            ends_at=rfc3339(START_US + end * SECOND),
            comment="x",
        )
        self.orders.put_quiet("acme", {(Silence, "s"): silence}, clock())
        self.keeper.changed("acme")

    @property
    def times(self) -> list[int]:
        return [round(at) for at, _ in self.registry.started]


@pytest.fixture
def bench() -> Bench:
    return Bench()


async def test_channels_with_open_alerts_are_started_at_each_change_begin_and_end(
    bench: Bench, autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    nursery.start_soon(bench.keeper.run, trio.TASK_STATUS_IGNORED)
    bench.silence(100, 200)
    await trio.sleep(300)
    assert bench.times == [0, 100, 200]
    assert bench.registry.woken.count("acme") >= 3
    assert bench.orders.quiet.workspaces() == []


async def test_what_was_quieted_before_the_start_is_looked_at_once(
    bench: Bench, autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    bench.orders.put_quiet("acme", {(Maintenance, "m"): ALWAYS}, clock())
    nursery.start_soon(bench.keeper.run, trio.TASK_STATUS_IGNORED)
    await trio.sleep(300)
    assert bench.store.asked == ["acme"]
    assert bench.orders.quiet.next_change("acme", clock()) == NEVER


async def test_without_room_it_tries_again_a_little_later(
    bench: Bench, autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    bench.registry.is_full = True
    nursery.start_soon(bench.keeper.run, trio.TASK_STATUS_IGNORED)
    with capture_logs() as logs:
        bench.silence(0, 200)
        await trio.sleep(7)
        bench.registry.is_full = False
        await trio.sleep(7)
    assert {each["event"] for each in logs} == {"quiet_channels_wait"}
    assert bench.times == [10]


async def test_a_workspace_without_room_keeps_no_other_one_waiting(
    bench: Bench, autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    names = [f"w{number}" for number in range(10)]
    bench.store.open = {name: ["web"] for name in names}
    bench.registry.room = {"w0": 0, "w5": 0}
    for name in names:
        bench.keeper.changed(name)
    nursery.start_soon(bench.keeper.run, trio.TASK_STATUS_IGNORED)
    with capture_logs():
        await trio.sleep(1)
    assert {key.workspace for _, key in bench.registry.started} == set(names) - {"w0", "w5"}


async def test_where_there_is_no_room_for_all_each_has_its_turn(
    bench: Bench, autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    bench.store.open = {"acme": ["a", "b", "c", "d"]}
    bench.registry.room = {"acme": 2}
    bench.keeper.changed("acme")
    nursery.start_soon(bench.keeper.run, trio.TASK_STATUS_IGNORED)
    with capture_logs():
        await trio.sleep(1)
        # Those two have retired, and something else is quieted before the others had their turn.
        bench.registry.room = {"acme": 2}
        bench.keeper.changed("acme")
        await trio.sleep(7)
    assert [key.framework for _, key in bench.registry.started] == ["a", "b", "c", "d"]


async def test_a_multitude_is_started_some_at_a_time(
    bench: Bench, autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    bench.store.open = {"acme": [f"f{number}" for number in range(STARTED_AT_ONCE * 3)]}
    bench.keeper.changed("acme")
    nursery.start_soon(bench.keeper.run, trio.TASK_STATUS_IGNORED)
    await trio.sleep(1)
    assert sorted(Counter(at for at, _ in bench.registry.started).values()) == [STARTED_AT_ONCE] * 3


async def test_those_of_a_silence_that_was_the_last_one_are_started_when_it_is_taken_away(
    bench: Bench, autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    nursery.start_soon(bench.keeper.run, trio.TASK_STATUS_IGNORED)
    bench.silence(0, 200)
    await trio.sleep(50)
    bench.orders.put_quiet("acme", {(Silence, "s"): None}, clock())
    bench.keeper.changed("acme")
    await trio.sleep(1)
    assert bench.times == [0, 50]
