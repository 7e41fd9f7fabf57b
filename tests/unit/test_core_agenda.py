"""Who of many is due when."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from engine.core.agenda import NEVER, Agenda


class Thing:
    """Something that is due at `until`."""

    def __init__(self, until: int) -> None:
        self.until, self.timer = until, NEVER

    def due(self) -> int:
        return self.until


def test_the_agenda_gives_what_is_due_the_earliest_first() -> None:
    agenda = Agenda[Thing]()
    late, early = Thing(20), Thing(10)
    agenda.put(late)
    agenda.put(early)
    agenda.put(early)
    assert agenda.next_due() == 10
    assert agenda.pop(9) is None
    assert [agenda.pop(30), agenda.pop(30), agenda.pop(30)] == [early, late, None]
    assert agenda.next_due() == NEVER


def test_the_agenda_forgets_what_was_dropped_and_follows_what_moved() -> None:
    agenda = Agenda[Thing]()
    gone, moved = Thing(10), Thing(11)
    agenda.put(gone)
    agenda.put(moved)
    agenda.drop(gone)
    moved.until = 15
    assert agenda.next_due() == 15
    moved.until = 12
    agenda.put(moved)
    assert agenda.pop(12) is moved
    assert agenda.pop(99) is None


def test_the_agenda_stays_small_however_often_due_times_move_forward() -> None:
    agenda = Agenda[Thing]()
    crowd = [Thing(10**9) for _ in range(10)]
    for step in range(1, 2_000):
        for one in crowd:
            one.until = 10**9 - step
            agenda.put(one)
    assert len(agenda) <= 2 * len(crowd) + 65
    assert sum(agenda.pop(10**9) is not None for _ in range(20)) == 10


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 50)), max_size=40))
def test_the_agenda_is_never_late_and_never_idle(moves: list[tuple[int, int]]) -> None:
    agenda = Agenda[Thing]()
    crowd = [Thing(1_000) for _ in range(4)]
    for which, until in moves:
        crowd[which].until = until
        agenda.put(crowd[which])
    wanted = sorted(one.until for one in crowd if one.until < 1_000)
    taken = []
    while (one := agenda.pop(999)) is not None:
        taken.append(one.until)
    assert taken == wanted
