"""The numbers on the bus, without a bus: what waits, what a frame is to a listener, and what is forgotten."""

from __future__ import annotations

import pytest

from engine.bus import NO_MARKS, Cause, Entries, Gap, Marks
from engine.bus.frames import FRAME_BYTES, FRAME_MAX_BYTES, Frame, Parcel, pack, unpack
from engine.bus.hearing import CATCH_UP_S, FORGOTTEN_S, PEERS_MAX, SILENT_S, Hearing
from engine.bus.outgoing import FORGET_BEATS, INBOX_BEATS, MARKS_MAX, Outgoing
from engine.bus.topics import EVENT_TOPICS, NEWS, events_of, inbox_of

ENOUGH = 1 << 24
INBOX = inbox_of("two")


def frames(parcels: list[Parcel], topic: str = NEWS) -> list[Frame]:
    found = [unpack(parcel.body) for parcel in parcels if parcel.topic == topic]
    assert None not in found
    return [frame for frame in found if frame is not None]


def a_frame(seq: int, *entries: bytes, node: str = "one", **more: object) -> Frame:
    return Frame(node=node, seq=seq, at=0.0, entries=list(entries), **more)  # type: ignore[arg-type]


def listening(at: float = 0.0) -> Hearing:
    hearing = Hearing(NEWS)
    assert list(hearing.begin(at)) == [Gap(NEWS, Cause.STARTED)]
    return hearing


def test_entries_that_follow_each_other_are_one_frame_up_to_its_size() -> None:
    outgoing = Outgoing("one", ENOUGH)
    outgoing.put(NEWS, [b"a", b"b"], NO_MARKS)
    outgoing.put(NEWS, [b"c" * FRAME_BYTES, b"d"], NO_MARKS)
    found = frames(outgoing.take(100.0, ENOUGH))

    assert [(frame.seq, len(frame.entries)) for frame in found] == [(1, 2), (3, 1), (4, 1), (5, 0)]
    assert outgoing.bytes == 0


def test_a_dropped_entry_keeps_its_number_so_the_frame_ends_before_it() -> None:
    outgoing = Outgoing("one", 300)
    assert outgoing.put(NEWS, [b"a", b"b" * 300, b"c"], NO_MARKS) == 1
    found = frames(outgoing.take(0.0, ENOUGH))

    assert [(frame.seq, frame.entries) for frame in found] == [(1, [b"a"]), (3, [b"c"])]


def test_a_flood_on_one_topic_is_not_in_the_way_of_another_nor_of_heartbeats() -> None:
    outgoing = Outgoing("one", ENOUGH)
    outgoing.put(NEWS, [b"a" * FRAME_BYTES] * 10, NO_MARKS)
    outgoing.put(INBOX, [b"command"], NO_MARKS)
    parcels = outgoing.take(100.0, FRAME_BYTES)

    assert [frame.entries for frame in frames(parcels, INBOX)] == [[b"command"], []]
    # What waits is still to come: the heartbeat does not make a hole of it.
    assert [frame.seq for frame in frames(parcels)] == [1, 2]


def test_marks_wait_for_what_they_are_marks_of_and_are_said_three_times() -> None:
    outgoing = Outgoing("one", ENOUGH)
    outgoing.put(NEWS, [b"a" * FRAME_BYTES] * 3, {"acme": 7})
    said = [frames(outgoing.take(now, 1))[-1].marks for now in range(100, 110)]

    assert said == [{}, {}, *[{"acme": 7}] * 3, *[{}] * 5]


def test_a_mark_never_goes_back_and_many_of_them_take_turns() -> None:
    outgoing = Outgoing("one", ENOUGH)
    outgoing.put(NEWS, [], {f"workspace-{number}": 1 for number in range(MARKS_MAX + 1)})
    outgoing.put(NEWS, [], {"workspace-5": 9})
    outgoing.put(NEWS, [], {"workspace-5": 8})
    first, second = (frames(outgoing.take(now, ENOUGH))[0].marks for now in (100.0, 101.0))

    assert len(first) == len(second) == MARKS_MAX
    assert (first | second)["workspace-5"] == 9
    assert len(first | second) == MARKS_MAX + 1


def test_an_inbox_has_heartbeats_for_a_minute_and_its_number_is_kept_until_its_reader_has_forgotten_it() -> None:
    outgoing = Outgoing("one", ENOUGH)
    outgoing.put(INBOX, [b"command"], NO_MARKS)
    outgoing.put(NEWS, [b"news"], NO_MARKS)
    beats = [frames(outgoing.take(float(now), ENOUGH), INBOX) for now in range(1, FORGET_BEATS)]
    is_last = [frame.is_last for found in beats for frame in found if not frame.entries]
    assert is_last == [*[False] * (INBOX_BEATS - 1), True]
    outgoing.put(INBOX, [b"command"], NO_MARKS)
    assert [frame.seq for frame in frames(outgoing.take(0.0, ENOUGH), INBOX)] == [2]
    for now in range(FORGET_BEATS + 1):
        assert frames(outgoing.take(1e6 + now, ENOUGH))
    outgoing.put(INBOX, [b"command"], NO_MARKS)

    assert [frame.seq for frame in frames(outgoing.take(0.0, ENOUGH), INBOX)] == [1]
    assert FORGET_BEATS > FORGOTTEN_S


def test_frames_that_come_again_late_or_in_part_bring_only_what_is_new() -> None:
    hearing = listening()
    told = [list(hearing.hear(frame, 10.0)) for frame in (a_frame(1, b"a", b"b"), a_frame(1, b"a", b"b", b"c"))]
    told.append(list(hearing.hear(a_frame(2, b"b"), 10.0)))

    assert told == [[Entries(NEWS, "one", [b"a", b"b"])], [Entries(NEWS, "one", [b"c"])], []]
    assert hearing.repeated == 3


def test_a_hole_is_told_before_what_comes_after_it_and_what_was_in_it_is_late_for_ever() -> None:
    hearing = listening()
    list(hearing.hear(a_frame(1, b"a"), 10.0))

    assert list(hearing.hear(a_frame(3, b"c"), 10.0)) == [
        Gap(NEWS, Cause.HOLE, "one"),
        Entries(NEWS, "one", [b"c"]),
    ]
    assert list(hearing.hear(a_frame(2, b"b"), 10.0)) == []


def test_numbers_that_somebody_made_up_for_a_node_do_not_silence_it() -> None:
    hearing = listening()
    list(hearing.hear(a_frame(1, b"a"), 10.0))
    assert list(hearing.hear(a_frame(1 << 62), 11.0)) == [Gap(NEWS, Cause.HOLE, "one")]
    assert list(hearing.hear(a_frame(2, b"b"), 12.0)) == []
    told = list(hearing.hear(a_frame(3, b"c"), 11.0 + SILENT_S + 0.1))
    assert told == [Gap(NEWS, Cause.HOLE, "one"), Entries(NEWS, "one", [b"c"])]
    assert list(hearing.hear(a_frame(4, b"d"), 20.0)) == [Entries(NEWS, "one", [b"d"])]


def test_who_was_there_before_is_no_hole_and_who_comes_later_begins_at_one() -> None:
    hearing = listening()

    assert list(hearing.hear(a_frame(42, b"x"), 0.1)) == [Entries(NEWS, "one", [b"x"])]
    assert list(hearing.hear(a_frame(2, b"x", node="two"), CATCH_UP_S + 1)) == [
        Gap(NEWS, Cause.HOLE, "two"),
        Entries(NEWS, "two", [b"x"]),
    ]


def test_marks_come_after_entries() -> None:
    assert list(listening().hear(a_frame(1, b"x", marks={"acme": 3}), 0.0)) == [
        Entries(NEWS, "one", [b"x"]),
        Marks(NEWS, "one", {"acme": 3}),
    ]


def test_several_that_fall_silent_at_once_are_one_gap() -> None:
    hearing = listening()
    for node in ("one", "two"):
        list(hearing.hear(a_frame(1, node=node), 0.0))

    assert list(hearing.listen(SILENT_S, False)) == []
    assert list(hearing.listen(SILENT_S + 0.1, False)) == [Gap(NEWS, Cause.SILENT)]
    assert list(hearing.listen(SILENT_S + 5, False)) == []
    assert hearing.age_s(SILENT_S) == 0


def test_who_said_goodbye_is_not_missed_even_by_the_deaf() -> None:
    hearing = listening()
    list(hearing.hear(a_frame(1, is_last=True), 0.0))

    assert list(hearing.listen(100.0, True)) == []


def test_a_node_that_was_forgotten_and_speaks_again_may_have_said_more_meanwhile() -> None:
    hearing = listening()
    list(hearing.hear(a_frame(1, b"x"), 10.0))
    list(hearing.listen(10.0 + FORGOTTEN_S + 1, False))

    assert list(hearing.hear(a_frame(2), 10.0 + FORGOTTEN_S + 2)) == [Gap(NEWS, Cause.HOLE, "one")]


def test_made_up_nodes_are_forgotten_before_those_that_speak() -> None:
    hearing = listening()
    list(hearing.hear(a_frame(1, b"x"), 5.0))
    for number in range(PEERS_MAX + 10):
        list(hearing.hear(a_frame(1, node=f"made up {number}"), 5.0 + number / 1_000))
        list(hearing.hear(a_frame(2), 5.0 + number / 1_000))

    assert list(hearing.hear(a_frame(2, b"y"), 7.0)) == [Entries(NEWS, "one", [b"y"])]
    assert list(hearing.hear(a_frame(2, node="made up 0"), 7.0)) == [Gap(NEWS, Cause.HOLE, "made up 0")]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xc1",
        b"\x90",
        pack(a_frame(0)),
        pack(a_frame(1, node="")),
        b"\x91" * 100_000,
        b"x" * (FRAME_MAX_BYTES + 1),
    ],
    ids=["nothing", "no message pack", "a list", "number 0", "nobody's", "deep", "large"],
)
def test_what_is_no_frame_of_ours_is_none(body: bytes) -> None:
    assert unpack(body) is None


def test_a_frame_of_a_newer_version_is_read_as_far_as_it_is_known() -> None:
    newer = pack(a_frame(1, b"x")).replace(b"\x84", b"\x85", 1) + b"\xa3new\x01"

    assert unpack(newer) == a_frame(1, b"x")


def test_workspaces_are_spread_over_the_topics_of_events() -> None:
    used = {events_of(f"workspace-{number}") for number in range(200)}

    assert used == set(EVENT_TOPICS)
