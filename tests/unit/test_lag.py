"""How long a peer is behind: from marks, not from a time per message."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from actors.lag import MARKS_MAX, Lag


def test_a_peer_that_takes_nothing_is_behind_since_it_stopped() -> None:
    assert Lag(10.0).seconds(12.5) == 2.5


def test_a_peer_that_has_taken_what_had_come_by_then_is_behind_since_then() -> None:
    lag = Lag(0.0)
    lag.note(sent=0, waiting=100, now=1.0)
    lag.note(sent=99, waiting=51, now=2.0)
    assert lag.seconds(3.0) == 3.0
    lag.note(sent=1, waiting=50, now=3.0)
    assert lag.seconds(3.0) == 2.0, "the oldest byte came after the first second"


@given(st.lists(st.tuples(st.integers(0, 500), st.integers(0, 500)), min_size=1, max_size=200))
def test_it_is_never_too_little_and_remembers_little(steps: list[tuple[int, int]]) -> None:
    lag, waiting, sent = Lag(0.0), 0, 0
    came_at: list[float] = []
    for now, (comes, taken) in enumerate(steps, 1):
        came_at += [now] * comes
        waiting += comes
        taken = min(taken, waiting)
        waiting, sent = waiting - taken, sent + taken
        lag.note(taken, waiting, now)
        if waiting:
            assert lag.seconds(now) >= now - came_at[sent]
        assert len(lag._marks) <= MARKS_MAX
