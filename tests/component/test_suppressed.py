"""The log says where and why triggers were not told: a line for each channel and reason, now and then, with a count."""

from __future__ import annotations

import pytest
import trio
from structlog.testing import capture_logs
from structlog.typing import EventDict

from engine.input.commands import to_ring
from engine.telemetry.suppressed import WRITE_EVERY_S, SuppressedLog
from protocol.items import ItemResult, ReadingInput, TriggerInput
from protocol.model import Reason, Status
from tocsin.testing.engines import an_engine

AGAIN = ItemResult(status=Status.SUPPRESSED, reason=Reason.DUPLICATE)
SILENCED = ItemResult(status=Status.SUPPRESSED, reason=Reason.SILENCED)
FIRED = ItemResult(status=Status.FIRED, reason=Reason.FIRED)
DISK = TriggerInput(framework_id="web", title="disk")


def told(lines: list[EventDict]) -> list[tuple[str, str, int]]:
    return [(line["channel"], line["reason"], line["count"]) for line in lines if line["event"] == "suppressed"]


def test_a_line_has_the_count_since_the_last_one_by_channel_and_reason() -> None:
    counts = SuppressedLog()
    with capture_logs() as lines:
        counts.count("main", ["web", "web", "db", "web", "db"], [AGAIN, SILENCED, AGAIN, AGAIN, FIRED])
        assert lines == [], "counting writes nothing"
        counts.write()
        assert told(lines) == [("web", "duplicate", 2), ("web", "silenced", 1), ("db", "duplicate", 1)]
        counts.write()
        assert len(lines) == 3, "nothing new, no line"
        counts.count("main", ["web"], [AGAIN])
        counts.write()
    assert told(lines)[3:] == [("web", "duplicate", 1)]
    assert {line["workspace"] for line in lines} == {"main"}


def test_what_goes_on_is_written_less_and_less_often_and_its_end_at_once() -> None:
    counts = SuppressedLog()
    with capture_logs() as lines:
        written: list[int] = []
        for writing in range(1, 200):
            counts.note("main", "web", "duplicate")
            counts.write()
            if len(lines) > len(written):
                written.append(writing)
        assert written == [1, 3, 7, 15, 31, 63, 95, 127, 159, 191]
        assert sum(count for _, _, count in told(lines)) == 191, "nothing is counted twice, nothing is left out"
        counts.write()
        assert told(lines)[-1] == ("web", "duplicate", 8), "the rest, when it is over"
        counts.note("main", "web", "duplicate")
        counts.write()
    assert told(lines)[-1] == ("web", "duplicate", 1), "what begins anew is written at once"


def test_channels_that_find_no_room_are_told_together_by_reason() -> None:
    counts = SuppressedLog(pairs_max=1)
    counts.count("main", ["web", "db", "web", "mail", "db"], [AGAIN, AGAIN, AGAIN, AGAIN, SILENCED])
    with capture_logs() as lines:
        counts.write()
    assert told(lines) == [("web", "duplicate", 2)]
    elsewhere = [(line["reason"], line["count"]) for line in lines if line["event"] == "suppressed_elsewhere"]
    assert elsewhere == [("duplicate", 2), ("silenced", 1)]


async def test_an_engine_writes_one_line_for_many_duplicates_and_none_behind_the_last_words_of_a_program(
    mock_clock: trio.testing.MockClock,
) -> None:
    with capture_logs() as lines:
        async with an_engine() as engine:
            service, who = engine.engine.service, engine.principal()
            await service.trigger(who, [DISK] * 6)
            await service.preview(who, [DISK])
            await engine.pass_time(2 * WRITE_EVERY_S)
            assert told(lines) == [("web", "duplicate", 5)]
            await service.trigger(who, [DISK])
    assert told(lines) == [("web", "duplicate", 5)]


async def test_triggers_of_a_source_and_readings_are_in_the_log_too(mock_clock: trio.testing.MockClock) -> None:
    rule = {"id": "hot", "kind": "threshold", "framework": "room", "metric": "temp", "threshold": 50}
    with capture_logs() as lines:
        async with an_engine() as engine:
            service, who = engine.engine.service, engine.principal()
            await engine.engine.shelves.rules.create(who, rule)
            await service.report(who, [("web", to_ring(DISK))] * 2)
            await service.read(who, [ReadingInput(framework_id="room", metric="temp", value=60)] * 2)
            await engine.pass_time(WRITE_EVERY_S)
    assert [(channel, count) for channel, _, count in told(lines)] == [("web", 1), ("room", 1)]


def test_each_item_must_have_its_channel() -> None:
    with pytest.raises(ValueError, match="argument"):
        SuppressedLog().count("main", ["web"], [AGAIN, AGAIN])
