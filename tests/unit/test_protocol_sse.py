"""Messages as server-sent events."""

from __future__ import annotations

import pytest

from protocol import messages as m
from protocol.codec import WireForm, frame_message
from protocol.errors import BadRequest
from protocol.messages import Position
from protocol.sse import HEARTBEAT, as_event, event_id, parse_position, retry
from tests.support.actors import an_event

POSITION = m.PositionMessage(channel="alerts:acme:web", epoch="e1", offset=7, at="2026-01-01T00:00:00Z")


def event(message: m.ServerMessage) -> list[str]:
    return as_event(frame_message(message, WireForm.JSON)).decode().split("\n")


def test_an_event_has_the_messages_type_its_place_and_the_message():
    [kind, place, data, *rest] = event(POSITION)
    assert (kind, place, rest) == ("event: position", "id: e1:7", ["", ""])
    assert data.startswith('data: {"type":"position"')


@pytest.mark.parametrize("size", [10, 1_000, 70_000])
def test_an_alert_of_any_length_is_one_line_of_data(size: int):
    told = an_event(3, title="line\nbreak" + "x" * size)
    message = m.AlertMessage(
        channel="c", epoch="e1", offset=3, prev=2, event=told.kind, data=told.alert, timestamp=told.at
    )
    [kind, place, data, *rest] = event(message)
    assert (kind, place, rest) == ("event: alert", "id: e1:3", ["", ""])
    assert len(data) > size


def test_what_leads_back_has_no_place():
    fresh = m.Subscribed(channel="c", epoch="e1", offset=7, recovered=False, reason="fresh")
    level = m.Subscribed(channel="c", epoch="e1", offset=7, recovered=True, reason="ok")
    gap = m.GapMessage(channel="c", epoch="e1", prev=1, from_=2, to=4, count=3, reason="slow")
    assert event(fresh)[1] == "id: e1:7"
    assert [event(message)[1][:5] for message in (level, gap)] == ["data:", "data:"]


def test_a_ping_is_a_comment():
    assert as_event(b"\x89\x00") == HEARTBEAT == b": ping\n\n"


def test_a_place_is_read_as_it_was_written():
    assert parse_position(event_id(Position("a:b", 12)), "x") == Position("a:b", 12)
    assert retry(1500) == b"retry: 1500\n\n"


@pytest.mark.parametrize(
    "text",
    ["", "7", ":7", "e1:", "e1:-1", "e1:x", "e1:٣", "e1:99999999999999999", "e" * 65 + ":1", "e1:9007199254740992"],
)
def test_what_is_no_place_is_refused(text: str):
    with pytest.raises(BadRequest, match=r"Last-Event-ID: .* is no place in a stream"):
        parse_position(text, "Last-Event-ID")
