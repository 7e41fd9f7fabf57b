"""What a slow peer is not sent, and that it is told so: lanes, gaps, and that nothing is silently missing."""

from __future__ import annotations

import ctypes
import errno
from collections import defaultdict
from dataclasses import dataclass, field
from unittest import mock

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from actors import outbox as outbox_module
from actors.audience import Audience, channel_offset
from actors.drain import Drain
from actors.frames import AlertFrame, Frame, Frames, PositionFrame, lane_of
from actors.lanes import Lanes
from actors.outbox import Outbox, OutboxLimits
from protocol import messages as m
from protocol.codec import WireForm, decode_server, frame_message
from protocol.model import Severity
from protocol.stream import Arrival, Follower
from tests.support.actors import AT, Recorder, an_event
from tests.support.examples import examples

JSON = WireForm.JSON
INFO, WARNING, ERROR, CRITICAL = Severity
A, B = "alerts:acme:a", "alerts:acme:b"
ROOMY = 10**9
# Instead of 64 KiB, so that a few short messages fill several.
PIECE = 1_000


def an_audience(name: str = A) -> Audience:
    return Audience(name, "e1", 0, 0, channel_offset)


def told(severities: list[Severity], name: str = A, first: int = 1, form: WireForm = JSON) -> list[AlertFrame]:
    """The frames of alerts of these severities, in this order."""
    events = [an_event(first + n, severity=severity) for n, severity in enumerate(severities)]
    return an_audience(name).frames(events, form, INFO, first - 1)[0]


def proof(offset: int, name: str = A, at: str = AT) -> PositionFrame:
    message = m.PositionMessage(channel=name, epoch="e1", offset=offset, at=at)
    return PositionFrame(frame_message(message, JSON), 5, name)


def payloads(data: bytes) -> list[bytes]:
    """The payloads of whole frames, one after the other."""
    found = []
    while data:
        head, size = {126: (4, int.from_bytes(data[2:4], "big")), 127: (10, int.from_bytes(data[2:10], "big"))}.get(
            data[1], (2, data[1])
        )
        assert len(data) >= head + size, "a torn frame"
        found.append(data[head : head + size])
        data = data[head + size :]
    return found


def heard(lanes: Lanes, form: WireForm = JSON) -> list[m.ServerMessage]:
    return [decode_server(payload, form) for frame in lanes.take(ROOMY) for payload in payloads(frame.data)]


def brief(messages: list[m.ServerMessage]) -> list[object]:
    """Offsets of alerts, (from, to, count) of gaps, and what the rest is called."""
    short: list[object] = []
    for message in messages:
        match message:
            case m.AlertMessage():
                short.append(message.offset)
            case m.GapMessage():
                short.append((message.from_, message.to, message.count))
            case m.PositionMessage():
                short.append(f"position {message.offset}")
            case _:
                short.append(type(message).__name__)
    return short


def lanes_with(frames: list[AlertFrame] | list[Frame]) -> Lanes:
    lanes = Lanes([0] * 6)
    offer(lanes, frames, ROOMY)
    return lanes


def offer(lanes: Lanes, frames: list[AlertFrame] | list[Frame], soft_bytes: int = 0) -> bool:
    return lanes.offer(Frames(frames), soft_bytes, ROOMY)


def test_below_the_soft_bound_everything_waits_in_order() -> None:
    lanes = lanes_with(told([INFO, WARNING]))
    assert offer(lanes, told([INFO, CRITICAL], first=3), ROOMY)
    assert brief(heard(lanes)) == [1, 2, 3, 4]
    assert (lanes.bytes, len(lanes), sum(lanes.dropped)) == (0, 0, 0)


def test_past_it_waiting_and_arriving_info_gives_way_first() -> None:
    lanes = lanes_with(told([INFO, WARNING, INFO, INFO, ERROR]))
    offer(lanes, told([INFO, WARNING], first=6), lanes.bytes)
    assert brief(heard(lanes)) == [(1, 1, 1), 2, (3, 4, 2), 5, (6, 6, 1), 7]
    assert [lanes.dropped[lane_of(each)] for each in Severity] == [4, 0, 0, 0]


def test_if_that_is_not_enough_warnings_give_way_and_nothing_else_ever_does() -> None:
    lanes = lanes_with(told([INFO, WARNING, ERROR, CRITICAL, WARNING, INFO]))
    offer(lanes, told([INFO, CRITICAL, WARNING], first=7))
    assert brief(heard(lanes)) == [(1, 2, 2), 3, 4, (5, 7, 3), 8, (9, 9, 1)]
    assert [lanes.dropped[lane_of(each)] for each in Severity] == [3, 3, 0, 0]


def test_a_gap_grows_while_nothing_of_its_channel_waits_behind_it() -> None:
    lanes = lanes_with(told([INFO]))
    offer(lanes, told([INFO, INFO], B))
    offer(lanes, told([INFO], first=2))
    offer(lanes, told([ERROR], first=3))
    offer(lanes, told([INFO], first=4))
    messages = heard(lanes)
    assert brief(messages) == [(1, 2, 2), (1, 2, 2), 3, (4, 4, 1)]
    assert [message.channel for message in messages] == [A, B, A, A]


def test_two_gaps_become_one_when_what_stood_between_them_gives_way() -> None:
    lanes = lanes_with(told([INFO, WARNING, INFO]))
    full = lanes.bytes
    offer(lanes, told([INFO], first=4), full)
    offer(lanes, told([ERROR] * 9, first=5), full)
    assert brief(heard(lanes)) == [(1, 4, 4), 5, 6, 7, 8, 9, 10, 11, 12, 13]


def test_marks_count_up_to_the_oldest_that_was_left_out_though_a_younger_and_milder_one_gave_way_before() -> None:
    lanes = lanes_with(told([ERROR, WARNING, INFO]))
    full = lanes.bytes + 20
    offer(lanes, told([WARNING], first=4), full)
    assert lanes.gaps == {A: 2}
    offer(lanes, told([ERROR] * 2, first=5), full)
    assert lanes.gaps == {A: 1}
    assert brief(heard(lanes)) == [1, (2, 4, 3), 5, 6]


def test_a_gap_says_where_it_begins_in_a_filtered_stream_and_in_each_wire_form() -> None:
    events = [an_event(offset, severity=WARNING if offset % 3 == 0 else INFO) for offset in range(1, 10)]
    for form in WireForm:
        lanes = Lanes([0] * 6)
        offer(lanes, an_audience().frames(events, form, WARNING, 0)[0])
        (gap,) = heard(lanes, form)
        assert gap == m.GapMessage(channel=A, epoch="e1", prev=0, from_=3, to=9, count=3, reason="slow")


def test_a_gap_that_was_sent_is_not_grown_any_more() -> None:
    lanes = Lanes([0] * 6)
    offer(lanes, told([INFO]))
    assert brief(heard(lanes)) == [(1, 1, 1)]
    offer(lanes, told([INFO], first=2))
    assert brief(heard(lanes)) == [(2, 2, 1)]


def test_history_and_answers_are_never_left_out_and_no_gap_reaches_over_them() -> None:
    subscribed = m.Subscribed(channel=A, epoch="e1", offset=2, recovered=True, reason="ok")
    lanes = Lanes([0] * 6)
    offer(lanes, told([INFO]))
    offer(lanes, [Frame(frame_message(subscribed, JSON), stream=A)])
    offer(lanes, [frame.promised() for frame in told([INFO, INFO])])
    offer(lanes, told([INFO], first=3))
    offer(lanes, [Frame(frame_message(m.Pong(), JSON))])
    assert brief(heard(lanes)) == [(1, 1, 1), "Subscribed", 1, 2, (3, 3, 1), "Pong"]


def test_of_the_proofs_of_silence_only_the_newest_waits_and_none_hides_a_gap() -> None:
    lanes = Lanes([0] * 6)
    offer(lanes, [proof(0)])
    offer(lanes, [proof(0, B)])
    offer(lanes, told([INFO]))
    offer(lanes, [proof(1)])
    offer(lanes, told([ERROR], first=2))
    offer(lanes, [proof(2)])
    assert brief(heard(lanes)) == ["position 0", (1, 1, 1), 2, "position 2"]
    assert lanes.bytes == 0


def test_what_fits_not_even_without_the_mild_ones_is_refused_as_a_whole() -> None:
    lanes = lanes_with(told([INFO, ERROR]))
    severe = told([ERROR, INFO], first=3)
    assert not lanes.offer(Frames(severe), 100, len(severe[0].data) + 200)
    assert brief(heard(lanes)) == [(1, 1, 1), 2], "the mild ones have given way all the same"


def test_mild_alerts_alone_never_fill_an_outbox() -> None:
    lanes = lanes_with(told([ERROR]))
    for first in range(2, 1_000, 3):
        assert lanes.offer(Frames(told([INFO, WARNING, INFO], first=first)), 100, lanes.bytes)
    assert len(lanes) == 2


@dataclass
class Push:
    """What reached the outbox, in the order of one channel (or of the answers, under no name)."""

    kind: str
    offset: int = 0
    prev: int = 0
    is_mild: bool = False
    at: str = ""


@dataclass
class World:
    """A real outbox and drain before a kernel that takes as much as the test lets it."""

    limits: OutboxLimits
    room: int = 0
    data: bytes = b""
    is_slow: bool = False
    pushed: dict[str, list[Push]] = field(default_factory=lambda: defaultdict(list))
    offsets: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    largest: int = 0
    proofs: int = 0
    piece: bytes = b""
    unsent: bytes = b""

    def send(self, fd: int, data: bytes, size: int, flags: int) -> int:
        taken = min(self.room, size)
        if not taken:
            ctypes.set_errno(errno.EAGAIN)
            return -1
        self.data += data[:taken]
        self.room -= taken
        return taken

    def send_in_pieces(self, fd: int, data: bytes, size: int, flags: int) -> int:
        """As TLS sends: a piece counts once all of it is out, and must be offered again until then."""
        done = 0
        while done < size or self.piece:
            if not self.piece:
                self.piece = self.unsent = data[done : done + PIECE]
            taken = min(self.room, len(self.unsent))
            self.data += self.unsent[:taken]
            self.room -= taken
            self.unsent = self.unsent[taken:]
            if self.unsent:
                ctypes.set_errno(errno.EAGAIN)
                return done or -1
            assert data[done:].startswith(self.piece), "what was on its way was not offered again"
            done += len(self.piece)
            self.piece = b""
        return done

    def slow(self) -> None:
        self.is_slow = True

    def push(self, frames: list[AlertFrame] | list[Frame], pushes: list[Push], name: str = "") -> None:
        """Pushes, and keeps in mind what must come out of it unless the outbox was too full for it."""
        batch = Frames(frames)
        self.largest = max(self.largest, batch.size)
        if not self.is_slow:
            self.outbox.push_all(batch)
        if not self.is_slow:
            self.pushed[name] += pushes
        bound = self.limits.max_bytes + self.largest + 200 * len(frames)
        assert self.outbox.waiting_bytes <= bound

    def tell(self, name: str, severities: list[Severity], live: bool) -> None:
        first = self.offsets[name] + 1
        frames = told(severities, name, first)
        self.offsets[name] += len(frames)
        pushes = [Push("alert", f.offset, f.prev, live and f.lane >= lane_of(WARNING)) for f in frames]
        self.push(frames if live else [frame.promised() for frame in frames], pushes, name)

    def step(self, step: tuple[str, str, list[Severity]]) -> None:
        kind, name, severities = step
        offset = self.offsets[name]
        match kind:
            case "live" | "history":
                self.tell(name, severities, kind == "live")
            case "position":
                self.proofs += 1
                at = str(self.proofs)
                self.push([proof(offset, name, at)], [Push("position", offset, at=at)], name)
            case "subscribed":
                message = m.Subscribed(channel=name, epoch="e1", offset=offset, recovered=False, reason="fresh")
                self.push([Frame(frame_message(message, JSON), stream=name)], [Push("subscribed", offset)], name)
            case _:
                self.push([Frame(frame_message(m.Pong(), JSON))], [Push("pong")])


def check_channel(pushes: list[Push], messages: list[m.ServerMessage]) -> None:
    """No reordering, no silent hole, each gap exact; a proof of silence may only be missing if a newer one follows."""
    rest = list(pushes)

    def following(kind: str, at: str = "") -> Push:
        while rest[0].kind == "position" and rest[0].at != at:
            assert any(push.kind == "position" for push in rest[1:]), "the newest proof is missing"
            rest.pop(0)
        assert rest[0].kind == kind
        return rest.pop(0)

    for message in messages:
        match message:
            case m.AlertMessage():
                push = following("alert")
                assert (push.prev, push.offset) == (message.prev, message.offset)
            case m.GapMessage():
                run = [following("alert") for _ in range(message.count)]
                assert all(push.is_mild for push in run)
                assert (run[0].prev, run[0].offset, run[-1].offset) == (message.prev, message.from_, message.to)
            case m.PositionMessage():
                assert following("position", message.at).offset == message.offset
            case m.Subscribed():
                assert following("subscribed").offset == message.offset
            case _:
                following("pong")
    assert rest == [], "silently missing"


STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.sampled_from(["live", "live", "live", "history", "position", "subscribed", "pong"]),
            st.sampled_from([A, B]),
            st.lists(st.sampled_from(list(Severity)), min_size=1, max_size=5),
        ),
        st.tuples(st.just("room"), st.integers(0, 2_000), st.integers(1, 3)),
    ),
    min_size=20,
    max_size=60,
)


@examples(100)
@given(steps=STEPS, soft=st.integers(300, 5_000), more=st.integers(0, 20_000), in_pieces=st.booleans())
def test_whatever_comes_and_whatever_the_kernel_takes_nothing_is_silently_missing(
    steps: list[tuple[str, str, list[Severity]]], soft: int, more: int, in_pieces: bool
) -> None:
    world = World(OutboxLimits(soft, soft + more))
    send = world.send_in_pieces if in_pieces else world.send

    async def run() -> None:
        drain = Drain(Recorder())
        near, far = trio.socket.socketpair()
        with near, far:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(drain.run)
                world.outbox = Outbox(near, drain, nursery, world.limits, send)
                world.outbox.on_trouble(world.slow, pytest.fail)
                for step in steps:
                    if step[0] == "room":
                        world.room += step[1]
                        for _ in range(step[2]):
                            await trio.lowlevel.checkpoint()
                    else:
                        world.step(step)
                world.room = ROOMY
                for _ in range(1_000):  # a flusher's turns; not `wait_below`, which a lost byte would keep for ever
                    await trio.lowlevel.checkpoint()
                nursery.cancel_scope.cancel()
        assert (world.outbox.waiting_bytes, world.outbox.lag_s) == (0, 0.0)

    with mock.patch.object(outbox_module, "PIECE_MAX_BYTES", PIECE):
        trio.run(run)
    messages = [decode_server(payload, JSON) for payload in payloads(world.data)]
    for name, pushes in world.pushed.items():
        check_channel(pushes, [message for message in messages if getattr(message, "channel", "") == name])
    gaps = [message.count for message in messages if isinstance(message, m.GapMessage)]
    assert sum(gaps) == sum(world.outbox.statistics().dropped.values())


def test_who_follows_gaps_keeps_its_place_and_needs_no_reconnect() -> None:
    """The words alone are enough: `prev` of what follows a gap is at most its `to`."""
    follower, lanes = Follower("e1", 0), lanes_with(told([ERROR, INFO, WARNING]))
    offer(lanes, told([INFO, ERROR, WARNING], first=4))
    for message in heard(lanes):
        if isinstance(message, m.GapMessage):
            assert follower.arrive("e1", message.to, message.prev) is Arrival.NEXT
        else:
            assert isinstance(message, m.AlertMessage)
            assert follower.arrive("e1", message.offset, message.prev) is Arrival.NEXT
    assert follower.offset == 6
