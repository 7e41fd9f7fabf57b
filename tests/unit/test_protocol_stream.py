"""The ring, the recovery decision, and what a client makes of `prev`."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.messages import Position, RecoveryOutcome
from protocol.model import Event, EventKind
from protocol.stream import RING_MAX_EVENTS, Arrival, EventRing, Follower, recovery
from tests.support.alerts import PLAIN_ALERT


def event(offset: int, workspace_offset: int = 0) -> Event:
    return Event(offset=offset, kind=EventKind.FIRED, alert=PLAIN_ALERT, at="", workspace_offset=workspace_offset)


def run(first: int, last: int) -> list[Event]:
    return [event(offset) for offset in range(first, last + 1)]


def a_ring(limit: int = RING_MAX_EVENTS) -> EventRing:
    return EventRing(lambda event: event.offset, limit)


# The ring


def test_an_empty_ring_knows_nothing():
    assert a_ring().after(0, 10) is None


def test_a_ring_gives_the_next_events_in_order_and_not_more_than_asked():
    ring = a_ring()
    ring.extend(run(5, 9))
    assert ring.after(4, 3) == run(5, 7)
    assert ring.after(7, 100) == run(8, 9)
    assert ring.after(9, 100) == []


def test_a_ring_that_lacks_the_first_event_gives_none_rather_than_a_part():
    ring = a_ring()
    ring.extend(run(5, 9))
    assert ring.after(3, 10) is None


def test_a_full_ring_forgets_the_oldest():
    ring = a_ring(3)
    ring.extend(run(1, 2))
    ring.extend(run(3, 4))
    assert ring.after(0, 10) is None
    assert ring.after(1, 10) == run(2, 4)


def test_a_gap_empties_the_ring_because_it_must_be_contiguous():
    ring = a_ring()
    ring.extend(run(1, 3))
    ring.extend(run(5, 6))
    assert ring.after(2, 10) is None
    assert ring.after(4, 10) == run(5, 6)


def test_no_events_change_nothing():
    ring = a_ring()
    ring.extend([])
    ring.extend(run(1, 2))
    ring.extend([])
    assert ring.after(0, 10) == run(1, 2)


def test_a_ring_counts_by_the_offset_that_it_is_told():
    ring = EventRing(lambda event: event.workspace_offset)
    ring.extend([event(7, 1), event(1, 2)])
    assert ring.after(1, 10) == [event(1, 2)]


@given(
    limit=st.integers(1, 6),
    batches=st.lists(st.tuples(st.sampled_from([0, 0, 0, 1, 3]), st.integers(0, 5)), max_size=8),
    asked=st.integers(0, 45),
    count=st.integers(0, 8),
)
def test_a_ring_is_a_list_of_the_newest_contiguous_events(limit, batches, asked, count):
    ring, model, last = a_ring(limit), [], 0
    for hole, size in batches:
        if size and hole:
            model = []
            last += hole
        events = run(last + 1, last + size)
        last += size
        ring.extend(events)
        model = (model + events)[-limit:]
    known = [each for each in model if each.offset > asked][:count]
    has_first = bool(model) and asked >= model[0].offset - 1
    assert ring.after(asked, count) == (known if has_first else None)


# Recovery


@pytest.mark.parametrize(
    ("wanted", "recovered", "reason"),
    [
        (None, False, "fresh"),
        (Position("other", 7), False, "epoch_changed"),
        (Position("other", 999), False, "epoch_changed"),
        (Position("", 0), False, "epoch_changed"),
        (Position("e", 11), False, "ahead"),
        (Position("e", 3), False, "trimmed"),
        (Position("e", 0), False, "trimmed"),
        (Position("e", 4), True, "ok"),
        (Position("e", 9), True, "ok"),
        (Position("e", 10), True, "ok"),
    ],
)
def test_a_recovery_is_all_or_nothing_with_its_reason(wanted, recovered, reason):
    assert recovery(wanted, epoch="e", offset=10, floor=4) == RecoveryOutcome(recovered, reason)


def test_an_empty_stream_can_be_recovered_from_its_beginning():
    assert recovery(Position("e", 0), epoch="e", offset=0, floor=0) == RecoveryOutcome(True, "ok")


# The follower


def test_a_new_follower_has_no_position_and_takes_nothing():
    follower = Follower()
    assert follower.position() is None
    assert follower.arrive("e", 1, 0) is Arrival.GAP


@pytest.mark.parametrize(
    ("epoch", "offset", "prev", "arrival", "after"),
    [
        ("e", 6, 5, Arrival.NEXT, 6),
        ("e", 9, 5, Arrival.NEXT, 9),  # 6-8 were filtered out
        ("e", 9, 3, Arrival.NEXT, 9),  # told before we came, to the group that we joined
        ("e", 5, 4, Arrival.DUPLICATE, 5),
        ("e", 1, 0, Arrival.DUPLICATE, 5),
        ("e", 8, 7, Arrival.GAP, 5),
        ("e", 8, 6, Arrival.GAP, 5),
        ("other", 6, 5, Arrival.GAP, 5),
        ("other", 1, 0, Arrival.GAP, 5),
    ],
)
def test_what_a_message_means_to_a_follower_at_offset_5(epoch, offset, prev, arrival, after):
    follower = Follower("e", 5)
    assert follower.arrive(epoch, offset, prev) is arrival
    assert follower.position() == Position("e", after)


def test_a_position_moves_a_follower_forward_only_and_only_in_its_epoch():
    follower = Follower("e", 5)
    follower.silence("e", 4)
    follower.silence("other", 9)
    assert follower.offset == 5
    follower.silence("e", 8)
    assert follower.arrive("e", 9, 8) is Arrival.NEXT


def test_a_restart_takes_the_place_that_the_server_says_also_a_lower_one():
    follower = Follower("e", 5)
    follower.restart("new", 2)
    assert follower.position() == Position("new", 2)


@pytest.mark.parametrize(
    ("epoch", "to", "prev", "arrival", "after"),
    [
        ("e", 9, 5, Arrival.NEXT, 9),
        ("e", 9, 2, Arrival.NEXT, 9),
        ("e", 5, 3, Arrival.DUPLICATE, 5),
        ("e", 9, 6, Arrival.GAP, 5),
        ("other", 9, 5, Arrival.GAP, 5),
    ],
)
def test_what_a_gap_means_to_a_follower_at_offset_5(epoch, to, prev, arrival, after):
    follower = Follower("e", 5)
    assert follower.left_out(epoch, to, prev) is arrival
    assert follower.position() == Position("e", after)


def test_what_was_left_out_and_is_wanted_after_all_is_taken_once_and_the_rest_is_not_taken_again():
    follower = Follower("e", 20)
    assert follower.reopen("e", 14, 16)
    assert follower.reopen("e", 3, 5)
    assert follower.position() == Position("e", 3)
    taken = [n for n in range(4, 23) if follower.arrive("e", n, n - 1) is Arrival.NEXT]
    assert taken == [4, 5, 15, 16, 21, 22]
    assert follower.position() == Position("e", 22)


def test_a_break_while_a_hole_is_filled_is_recovered_from_where_the_filling_stood():
    follower = Follower("e", 20)
    follower.reopen("e", 3, 9)
    assert follower.arrive("e", 4, 3) is Arrival.NEXT
    assert follower.position() == Position("e", 4)
    assert follower.arrive("e", 4, 3) is Arrival.DUPLICATE
    assert follower.arrive("e", 7, 6) is Arrival.GAP
    assert follower.position() == Position("e", 4)


def test_a_hole_in_another_store_cannot_be_filled():
    assert not Follower("e", 20).reopen("other", 3, 5)


def test_what_lies_beyond_the_place_ends_all_holes():
    follower = Follower("e", 20)
    follower.reopen("e", 3, 5)
    assert follower.arrive("e", 21, 20) is Arrival.NEXT
    assert follower.position() == Position("e", 21)
    assert not follower.forget_holes()


def test_holes_that_cannot_be_filled_are_forgotten_and_the_place_stays():
    follower = Follower("e", 20)
    follower.reopen("e", 3, 5)
    assert follower.forget_holes()
    assert follower.position() == Position("e", 20)


def test_what_cannot_be_read_is_skipped_without_going_back():
    follower = Follower("e", 20)
    follower.reopen("e", 3, 5)
    follower.reopen("e", 7, 9)
    follower.skip("e", 6)
    assert follower.position() == Position("e", 7)
    assert follower.arrive("e", 9, 8) is Arrival.GAP
    follower.skip("e", 8)
    assert follower.arrive("e", 9, 8) is Arrival.NEXT
    follower.skip("other", 2)
    assert (follower.position(), follower.offset) == (Position("other", 2), 2)


@given(
    passing=st.sets(st.integers(1, 30)),
    fates=st.lists(st.sampled_from(["once", "twice", "lost"]), min_size=30, max_size=30),
)
def test_a_follower_of_a_filtered_stream_takes_each_message_once_or_sees_the_gap(passing, fates):
    """Whatever is doubled or lost: what it takes is in order, without repetition, and complete up to its place."""
    follower, taken, prev = Follower("e", 0), [], 0
    for offset in sorted(passing):
        for _ in range({"once": 1, "twice": 2, "lost": 0}[fates[offset - 1]]):
            if follower.arrive("e", offset, prev) is Arrival.NEXT:
                taken.append(offset)
        prev = offset
    assert taken == [offset for offset in sorted(passing) if offset <= follower.offset]
