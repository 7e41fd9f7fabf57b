"""Hints beside the streams: to all who follow, without an offset, and not to who does not keep up."""

from __future__ import annotations

from actors.audience import Audience, channel_offset
from actors.frames import IDLE_LANE, LANES, Frames, HintFrame
from actors.lanes import Lanes
from protocol.codec import WireForm, frame_message
from protocol.hints import AlertsRefresh, RefreshHint
from protocol.model import Severity
from tests.support.actors import Receiver, some_events

REFRESH = AlertsRefresh(channel="alerts:acme:42", data=RefreshHint(project_id="42"))
ROOMY = 10**9


def a_hint() -> HintFrame:
    return HintFrame(frame_message(REFRESH, WireForm.JSON), IDLE_LANE, REFRESH.channel)


def alerts(count: int) -> Frames:
    """Alerts that are never left out."""
    audience = Audience("alerts:acme:42", "e1", 0, 0, channel_offset)
    frames, _ = audience.frames(some_events(1, count, severity=Severity.CRITICAL), WireForm.JSON, Severity.INFO, 0)
    return Frames(frames)


def test_a_hint_reaches_every_follower_in_his_form_whatever_his_filter_and_moves_no_offset() -> None:
    audience = Audience("alerts:acme:42", "e1", 7, 0, channel_offset)
    text, binary = Receiver(), Receiver(WireForm.MSGPACK)
    audience.attach(text, WireForm.JSON, Severity.INFO)
    group = audience.attach(binary, WireForm.MSGPACK, Severity.CRITICAL)
    audience.hint([REFRESH, REFRESH])
    assert text.messages == binary.messages == [REFRESH, REFRESH]
    assert (audience.told, group.last, group.told) == (7, 7, 2)


def test_who_keeps_up_gets_hints_in_their_turn() -> None:
    lanes = Lanes([0] * LANES)
    first = alerts(1)
    assert lanes.offer(first, ROOMY, ROOMY)
    assert lanes.offer(Frames([a_hint()]), ROOMY, ROOMY)
    assert [type(frame).__name__ for frame in lanes.take(ROOMY)] == ["AlertFrame", "HintFrame"]


def test_past_the_soft_bound_hints_are_left_out_and_counted_without_a_gap() -> None:
    totals = [0] * LANES
    lanes, waiting = Lanes(totals), alerts(3)
    for _ in range(2):
        lanes.offer(waiting, 1, ROOMY)
        lanes.offer(Frames([a_hint(), a_hint()]), 1, ROOMY)
    assert {type(frame).__name__ for frame in lanes.take(ROOMY)} == {"AlertFrame"}
    assert totals[IDLE_LANE] == lanes.dropped[IDLE_LANE] == 4
    assert lanes.gaps == {}


def test_a_hint_never_makes_a_peer_too_slow() -> None:
    lanes, waiting = Lanes([0] * LANES), alerts(3)
    full = waiting.size
    assert lanes.offer(waiting, 1, full)
    assert lanes.offer(Frames([a_hint()]), 1, full), "it is left out, so it takes no room"
    assert not lanes.offer(alerts(1), 1, full)
