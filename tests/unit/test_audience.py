"""Who follows one stream: groups, filters, `prev`, and what a subscriber may rely on."""

from __future__ import annotations

import pytest

from actors import audience as module
from actors.audience import Audience, channel_offset, workspace_offset
from actors.frames import IDLE_LANE, Frames, lane_of
from protocol.codec import WireForm, frame_message
from protocol.messages import PositionMessage, ServerMessage
from protocol.model import Severity, Suppressed
from tests.support.actors import AT, Receiver, an_event, some_events

JSON, MSGPACK = WireForm.JSON, WireForm.MSGPACK
INFO, CRITICAL = Severity.INFO, Severity.CRITICAL


def an_audience(told: int = 0) -> Audience:
    return Audience("alerts:acme:checkout", "e1", told, 0, channel_offset)


def test_everybody_in_a_group_gets_the_very_same_bytes() -> None:
    audience, receivers = an_audience(), [Receiver() for _ in range(3)]
    for receiver in receivers:
        audience.attach(receiver, JSON, INFO)
    audience.tell(some_events(1, 2))
    assert [receiver.heard for receiver in receivers] == [[(0, 1), (1, 2)]] * 3
    assert len({id(frame) for receiver in receivers for frame in receiver.frames}) == 2


def test_each_wire_form_has_its_own_bytes_for_the_same_event() -> None:
    audience, text, binary = an_audience(), Receiver(JSON), Receiver(MSGPACK)
    audience.attach(text, JSON, INFO)
    audience.attach(binary, MSGPACK, INFO)
    audience.tell(some_events(1, 1))
    assert text.messages == binary.messages
    assert text.frames[0].data != binary.frames[0].data


def test_a_filtered_message_moves_the_offset_but_is_not_a_gap() -> None:
    audience, everything, loud = an_audience(), Receiver(), Receiver()
    audience.attach(everything, JSON, INFO)
    audience.attach(loud, JSON, CRITICAL)
    audience.tell([an_event(1, severity=CRITICAL), an_event(2), an_event(3)])
    audience.tell([an_event(4, severity=CRITICAL)])
    assert everything.heard == [(0, 1), (1, 2), (2, 3), (3, 4)]
    assert loud.heard == [(0, 1), (1, 4)]


def test_who_comes_between_two_events_gets_the_second_and_misses_nothing() -> None:
    audience, early, late = an_audience(), Receiver(), Receiver()
    audience.attach(early, JSON, INFO)
    audience.tell(some_events(1, 1))
    audience.attach(late, JSON, INFO)
    audience.tell(some_events(2, 2))
    assert late.heard == [(1, 2)]


def test_a_late_subscriber_of_a_filtered_group_meets_a_prev_that_it_has() -> None:
    audience, early, late = an_audience(), Receiver(), Receiver()
    audience.attach(early, JSON, CRITICAL)
    audience.tell([an_event(1, severity=CRITICAL), an_event(2)])
    audience.attach(late, JSON, CRITICAL)
    audience.tell([an_event(3, severity=CRITICAL)])
    assert late.heard == [(1, 3)]
    assert late.heard[0][0] <= 2, "it was subscribed at offset 2"


def test_what_was_told_is_not_told_again() -> None:
    audience, receiver = an_audience(told=2), Receiver()
    audience.attach(receiver, JSON, INFO)
    audience.tell(some_events(1, 3))
    audience.tell(some_events(1, 3))
    assert receiver.heard == [(2, 3)]
    assert audience.told == 3


def test_the_ring_keeps_what_was_told_for_those_who_come_back() -> None:
    audience = an_audience()
    audience.tell(some_events(1, 5))
    assert [event.offset for event in audience.ring.after(3, 10) or ()] == [4, 5]


def test_no_more_for_who_has_left_and_leaving_twice_does_no_harm() -> None:
    audience, left, came = an_audience(), Receiver(), Receiver()
    old = audience.attach(left, JSON, INFO)
    audience.detach(left, old)
    audience.attach(came, JSON, INFO)
    audience.detach(left, old)
    audience.tell(some_events(1, 1))
    assert (left.heard, came.heard) == ([], [(0, 1)])


def test_a_group_stays_while_somebody_is_in_it() -> None:
    audience, stays, goes = an_audience(), Receiver(), Receiver()
    group = audience.attach(stays, JSON, INFO)
    assert audience.attach(goes, JSON, INFO) is group
    audience.detach(goes, group)
    audience.tell(some_events(1, 1))
    assert (stays.heard, goes.heard, len(audience)) == ([(0, 1)], [], 1)


def test_somebody_who_recovers_counts_as_a_follower() -> None:
    audience = an_audience()
    with pytest.raises(RuntimeError, match="gone"), audience.recovering():
        assert len(audience) == 1
        raise RuntimeError("gone")
    assert len(audience) == 0


def test_a_position_vouches_for_everything_told_and_leaves_last() -> None:
    audience, text, binary, loud = an_audience(told=4), Receiver(JSON), Receiver(MSGPACK), Receiver(JSON)
    audience.attach(text, JSON, INFO)
    audience.attach(binary, MSGPACK, INFO)
    audience.attach(loud, JSON, CRITICAL)
    audience.prove(AT)
    expected = PositionMessage(channel="alerts:acme:checkout", epoch="e1", offset=4, at=AT)
    assert [receiver.messages for receiver in (text, binary, loud)] == [[expected]] * 3
    assert text.frames[0].lane == IDLE_LANE
    assert text.frames[0] is loud.frames[0]


def test_an_event_that_cannot_be_encoded_is_told_to_nobody_and_nothing_comes_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    audience, text, binary = an_audience(), Receiver(JSON), Receiver(MSGPACK)
    audience.attach(text, JSON, INFO)
    audience.attach(binary, MSGPACK, INFO)

    def encode(message: ServerMessage, form: WireForm) -> bytes:
        if form is MSGPACK:
            raise ValueError("not in this form")
        return frame_message(message, form)

    with monkeypatch.context() as patch:
        patch.setattr(module, "frame_message", encode)
        with pytest.raises(ValueError, match="not in this form"):
            audience.tell([an_event(1)])
    assert (text.frames, audience.told) == ([], 0)
    audience.tell([an_event(1)])
    assert [receiver.heard for receiver in (text, binary)] == [[(0, 1)]] * 2


def test_events_that_do_not_follow_on_are_no_silent_gap_to_those_who_are_attached() -> None:
    audience, early, late = an_audience(told=2), Receiver(JSON), Receiver(JSON)
    lost: list[str] = []
    group = audience.attach(early, JSON, INFO, lambda: lost.append("early"))
    assert audience.tell([an_event(3), an_event(6), an_event(7)]) == 0
    assert (early.frames, lost, audience.told, audience.floor) == ([], ["early"], 7, 5)
    audience.detach(early, group)
    audience.attach(late, JSON, INFO)
    audience.tell([an_event(8)])
    assert (early.frames, late.heard, lost) == ([], [(7, 8)], ["early"])


def test_nobody_is_told_nothing() -> None:
    audience, binary = an_audience(), Receiver(MSGPACK)
    audience.attach(binary, MSGPACK, INFO)
    audience.tell([])
    audience.prove(AT)
    assert len(binary.frames) == 1, "the position, once, in its own form"


def test_an_alert_travels_in_the_lane_of_its_severity_with_its_receipt() -> None:
    audience = an_audience()
    swallowed = Suppressed(count=3, first_at=AT, last_at=AT, worst_value=99.0)
    frames, last = audience.frames([an_event(1, severity=CRITICAL, suppressed=swallowed)], JSON, INFO, 0)
    assert (last, frames[0].lane) == (1, lane_of(CRITICAL))
    receiver = Receiver()
    receiver.push_all(Frames(frames))
    assert receiver.messages[0].suppressed == swallowed


def test_a_workspace_counts_by_its_own_offsets() -> None:
    audience, receiver = Audience("alerts:acme:*", "e1", 6, 0, workspace_offset), Receiver()
    audience.attach(receiver, JSON, INFO)
    audience.tell([an_event(1, workspace_offset=7)])
    assert (receiver.heard, audience.told) == ([(6, 7)], 7)


def test_deliveries_are_counted_for_each_message_and_recipient() -> None:
    audience = an_audience(told=0)
    for _ in range(3):
        audience.attach(Receiver(JSON), JSON, INFO)
    audience.attach(Receiver(MSGPACK), MSGPACK, CRITICAL)
    events = [an_event(1, "a"), an_event(2, "b")]
    assert audience.tell(events) == 6
    assert audience.tell(events) == 0
