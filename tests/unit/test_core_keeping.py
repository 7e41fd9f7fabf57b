"""When rule states are written: not with every reading, and early enough that a restart has little to hear again."""

from __future__ import annotations

from engine.core.agenda import NEVER
from engine.core.keeping import REPLAY_MAX_HEARINGS, STATE_AGE_S, StateKeeper
from engine.core.log import ReadingLog
from engine.core.turn import ROWS_MAX, Turn
from protocol.commands import Batch
from protocol.effects import Recalled
from protocol.readings import RuleState
from protocol.times import SECOND_US

NOW = 1_700_000_000 * SECOND_US
AGE_US = STATE_AGE_S * SECOND_US


class Kept:
    """A keeper of states that are called by a letter, and its log."""

    def __init__(self, seq: int = 0) -> None:
        self.log = ReadingLog(Recalled(epoch="e", offset=0, seq=seq), 10)
        self.keeper: StateKeeper[str] = StateKeeper(self.log)

    def heard(self, *names: str, now: int = NOW, by: int = 1) -> None:
        """One row of the log, a reading that was held against so many rules and changes these."""
        turn = Turn(Batch("", now, ()))
        turn.values.append(1.0)
        turn.heard = by
        for name in names:
            self.keeper.changed(name, now)
        self.log.close(turn)

    def written(self, now: int = NOW, *, everything: bool = False) -> str:
        turn = Turn(Batch("", now, ()))
        self.keeper.write(turn, state, everything=everything)
        assert all(each.seq == self.log.seq for each in turn.states)
        return "".join(each.rule for each in turn.states)


def state(name: str, seq: int) -> RuleState:
    return RuleState(rule=name, labels={}, essence="", seq=seq, body=b"x")


def test_nothing_is_ahead_at_first() -> None:
    kept = Kept(seq=5)
    assert (kept.keeper.settled(), kept.keeper.next_due(), kept.written()) == (5, NEVER, "")


def test_a_state_waits_for_its_age_and_holds_the_log_back_meanwhile() -> None:
    kept = Kept(seq=2)
    kept.heard("a")
    kept.heard("b", now=NOW + 1)
    kept.heard("a", now=NOW + 2)
    assert kept.written(NOW + AGE_US - 1) == ""
    assert (kept.keeper.settled(), kept.keeper.next_due()) == (2, NOW + AGE_US)
    assert kept.written(NOW + AGE_US) == "a"
    assert (kept.keeper.settled(), kept.keeper.next_due()) == (3, NOW + 1 + AGE_US)


def test_a_clock_that_was_set_back_makes_states_old() -> None:
    kept = Kept()
    kept.heard("a")
    assert kept.written(NOW - 1) == "a"


def test_states_are_written_when_a_restart_would_hear_too_many_readings_again() -> None:
    kept = Kept()
    kept.heard("a")
    kept.log.heard += REPLAY_MAX_HEARINGS - 2
    assert kept.written() == ""
    kept.heard("b")
    assert kept.written() == "a"


def test_a_reading_counts_for_each_rule_that_hears_it_and_one_that_nobody_hears_counts_once() -> None:
    kept = Kept()
    kept.heard("a", by=REPLAY_MAX_HEARINGS - 1)
    assert kept.written() == ""
    kept.heard(by=0)
    assert kept.written() == "a"


def test_what_the_log_would_not_tell_is_written_at_once() -> None:
    kept = Kept()
    kept.heard("a", "b")
    kept.keeper.at_once("b")
    assert kept.keeper.next_due() == 0
    assert kept.written() == "b"
    assert (kept.keeper.settled(), kept.written()) == (0, "")


def test_what_the_store_has_never_seen_is_written_whatever_the_room() -> None:
    kept = Kept()
    new = "".join(map(chr, range(1_000, 1_000 + ROWS_MAX)))
    kept.heard("a", *new)
    for name in new:
        kept.keeper.begin(name)
    kept.keeper.at_once("a")
    assert [kept.written(), kept.written()] == [new, "a"]


def test_at_the_end_everything_is_written_once() -> None:
    kept = Kept()
    kept.heard("a", "b")
    kept.keeper.at_once("b")
    assert kept.written(everything=True) == "ba"
    assert kept.written(everything=True) == ""


def test_a_decision_takes_no_more_states_than_it_has_room_for() -> None:
    kept = Kept()
    kept.heard(*map(chr, range(1_000, 1_001 + ROWS_MAX)))
    assert len(kept.written(everything=True)) == ROWS_MAX
    assert kept.keeper.settled() == 0
    assert len(kept.written(everything=True)) == 1
    assert kept.keeper.settled() == 1


def test_what_is_dropped_is_never_written() -> None:
    kept = Kept()
    kept.heard("a")
    kept.keeper.at_once("a")
    kept.keeper.drop("a")
    kept.keeper.drop("b")
    assert kept.written(everything=True) == ""
