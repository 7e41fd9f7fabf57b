"""What must be known before something can begin is asked until the store answers; an outage is no crash."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock

from actors.patience import answered
from actors.registry import Registry
from engine.keepers.unsettled import start_unsettled
from protocol.errors import StoreUnavailable
from protocol.model import ChannelKey
from tests.support.actors import KEY, OTHER, FakeStore, Machines, Recorder, a_kit


@pytest.fixture(autouse=True)
def logs() -> Iterator[list[Any]]:
    with capture_logs() as entries:
        yield entries


class Owing:
    """A store that is away for some questions, then names channels."""

    def __init__(self, away: int, keys: Sequence[ChannelKey]) -> None:
        self._away = away
        self._keys = keys

    async def unsettled(self) -> Sequence[ChannelKey]:
        if self._away:
            self._away -= 1
            raise StoreUnavailable("gone")
        return self._keys


def a_registry(**limits: Any) -> Registry:
    return Registry(a_kit(FakeStore(), Machines(), Recorder()), **limits)


async def test_a_store_that_is_away_for_a_minute_is_asked_until_it_answers(
    autojump_clock: MockClock, logs: list[Any]
) -> None:
    began = trio.current_time()

    async def ask() -> int:
        if trio.current_time() < began + 60:
            raise StoreUnavailable("gone")
        return 7

    assert await answered(ask, "a number") == 7
    assert trio.current_time() < began + 62
    assert 50 < len(logs) < 80  # once a second, after the first few


async def test_channels_that_owe_something_are_started_when_the_store_is_back(autojump_clock: MockClock) -> None:
    registry = a_registry()
    await start_unsettled(Owing(10, [KEY, OTHER]), registry)  # type: ignore[arg-type]
    assert [cell.key for cell in registry.cells()] == [KEY, OTHER]


async def test_more_channels_than_there_is_room_for_wait_for_their_next_use(logs: list[Any]) -> None:
    registry = a_registry(channels_max=1)
    await start_unsettled(Owing(0, [KEY, OTHER]), registry)  # type: ignore[arg-type]
    assert [cell.key for cell in registry.cells()] == [KEY]
    assert [(entry["event"], entry["started"], entry["waiting"]) for entry in logs] == [
        ("unsettled_channels_wait", 1, 1)
    ]


async def test_a_workspace_without_room_keeps_no_channel_of_another_one_waiting(logs: list[Any]) -> None:
    registry = a_registry(per_workspace_max=1)
    foreign = ChannelKey("umbrella", "web")
    one_more = ChannelKey(KEY.workspace, "web")
    await start_unsettled(Owing(0, [KEY, OTHER, one_more, foreign]), registry)  # type: ignore[arg-type]
    assert [cell.key for cell in registry.cells()] == [KEY, foreign]
    assert [(entry["started"], entry["waiting"]) for entry in logs] == [(2, 2)]
