"""How the slots of a queue are shared among those whom jobs wait for."""

from __future__ import annotations

from engine.core.sharing import Room, Waiting
from protocol.jobs import Held, Queue, Shares

NOTIFY = Queue.NOTIFICATION


def waiting(*targets: str) -> list[Waiting]:
    return [Waiting(place, place, target.partition("/")[0], target) for place, target in enumerate(targets)]


def chosen(room: Room, *targets: str) -> list[str]:
    return [one.target for one in room.choose(waiting(*targets))]


def test_of_one_target_only_a_few_are_chosen_and_those_behind_it_come_forward() -> None:
    room = Room(NOTIFY, Shares(each=2), 10)
    assert chosen(room, "a/1", "a/1", "a/1", "a/1", "a/2") == ["a/1", "a/1", "a/2"]
    assert (room.is_full("a/1"), room.is_full("a/2"), room.left) == (True, False, 7)


def test_what_is_in_hand_already_counts_for_its_queue_alone() -> None:
    shares = Shares(each=2, in_hand={Held(NOTIFY, "a", "a/1"): 1, Held(Queue.ALERT, "a", "a/2"): 2})
    assert chosen(Room(NOTIFY, shares, 10), "a/1", "a/1", "a/2") == ["a/1", "a/2"]


def test_a_workspace_with_many_targets_has_its_part_of_the_slots() -> None:
    shares = Shares(of_workspace={NOTIFY: 3}, in_hand={Held(NOTIFY, "a", "a/0"): 1})
    assert chosen(Room(NOTIFY, shares, 10), "a/1", "a/2", "a/3", "b/1") == ["a/1", "a/2", "b/1"]


def test_all_that_wait_for_somebody_leave_slots_to_what_waits_for_nobody() -> None:
    shares = Shares(of_all={NOTIFY: 3}, in_hand={Held(NOTIFY, "a", "a/0"): 2})
    assert chosen(Room(NOTIFY, shares, 10), "a/1", "b/1") == ["a/1"]
    more = Shares(of_all={NOTIFY: 1}, in_hand={Held(NOTIFY, "a", "a/0"): 2})
    assert chosen(Room(NOTIFY, more, 10), "b/1") == []


def test_no_more_are_chosen_than_are_wanted() -> None:
    assert chosen(Room(NOTIFY, Shares(), 1), "a/1", "b/1") == ["a/1"]
