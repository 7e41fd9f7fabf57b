"""Requests between nodes: lost, repeated, of another version, too large."""

from __future__ import annotations

import msgspec
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from actors import forwarding
from actors.remote import RESEND_S
from protocol.forwarding import Answered, ForeignLetter, Forward, pack
from protocol.model import Reason
from tests.support.actors import FIRED, clock
from tests.support.nodes import a_pair

pytestmark = pytest.mark.usefixtures("logs")


async def test_a_request_that_was_lost_is_sent_again(autojump_clock: MockClock) -> None:
    async with a_pair() as pair:
        lost = iter([True])
        pair.wires.loses = lambda to, letter: next(lost, False)
        began = trio.current_time()
        await pair.b.ring("x")
        await trio.sleep(RESEND_S + 0.01)
        assert pair.b.answers.reasons == [Reason.FIRED]
        assert trio.current_time() - began < 2 * RESEND_S
        assert pair.store.titles() == ["x"]


async def test_a_request_whose_answer_was_lost_is_answered_again_and_not_done_again(autojump_clock: MockClock) -> None:
    async with a_pair() as pair:
        lost = iter([True])
        pair.wires.loses = lambda to, letter: isinstance(letter, Answered) and next(lost, False)
        await pair.b.ring("x")
        await trio.sleep(RESEND_S + 0.01)
        assert pair.b.answers.reasons == [Reason.FIRED]
        assert pair.store.titles() == ["x"]
        assert pair.a.forwarding.statistics()["again"] == 1


async def test_a_request_that_is_still_under_way_is_not_taken_twice(autojump_clock: MockClock) -> None:
    async with a_pair() as pair:
        pair.store.gate = trio.Event()
        await pair.b.ring("x")
        await trio.sleep(RESEND_S * 1.5)
        pair.store.gate.set()
        await wait_all_tasks_blocked()
        assert pair.b.answers.reasons == [Reason.FIRED]
        assert pair.store.titles() == ["x"]


async def test_answers_that_nobody_waits_for_are_counted(autojump_clock: MockClock) -> None:
    async with a_pair() as pair:
        pair.b.forwarding.answered(Answered(id="of yesterday"))
        assert pair.b.forwarding.statistics()["late"] == 1


async def test_only_so_many_results_are_remembered(autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forwarding, "REMEMBERED_MAX_ITEMS", 3)
    async with a_pair() as pair:
        for name in "abcdef":
            await pair.b.ring(name)
            await trio.sleep(0.1)
        assert len(pair.a.forwarding._taken) == 3


async def test_a_request_that_somebody_repeats_is_not_done_again_however_late(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forwarding, "REMEMBERED_MAX_ITEMS", 1)
    async with a_pair() as pair:
        for name in "ab":
            await pair.b.ring(name)
            await trio.sleep(1)
        first, second = [letter for letter in pair.wires.carried if isinstance(letter, Forward)]
        # While it is remembered it is answered; then it is too old, or whether it was done is not known any more.
        pair.a.forwarding.asked(second)
        with pytest.raises(ForeignLetter, match="not known any more"):
            pair.a.forwarding.asked(first)
        await trio.sleep(31)
        with pytest.raises(ForeignLetter, match="limit 30"):
            pair.a.forwarding.asked(second)
        await wait_all_tasks_blocked()
        assert pair.store.titles() == ["a", "b"]


async def test_a_request_that_is_under_way_is_known_however_many_others_were_done_meanwhile(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forwarding, "REMEMBERED_MAX_ITEMS", 1)
    async with a_pair() as pair:
        pair.store.gate = trio.Event()
        await pair.b.ring("slow")
        await wait_all_tasks_blocked()
        (slow,) = [letter for letter in pair.wires.carried if isinstance(letter, Forward)]
        await trio.sleep(0.1)
        # Two of another version: done at once, because nothing of them can be.
        for number in "12":
            nothing = ("Rung", msgspec.Raw(b"\x80"))
            other = msgspec.structs.replace(slow, id=number, at=clock() + int(number), commands=(nothing,))
            pair.a.forwarding.asked(other)
        pair.a.forwarding.asked(slow)
        pair.store.gate.set()
        await wait_all_tasks_blocked()
        assert pair.store.titles() == ["slow"]
        assert pair.b.answers.reasons == [Reason.FIRED]


@pytest.mark.parametrize("results", [0, 1, 3])
async def test_an_answer_with_another_number_of_results_ends_its_request_and_crashes_nothing(
    autojump_clock: MockClock, logs: list, results: int
) -> None:
    async with a_pair() as pair:
        pair.wires.loses = lambda to, letter: True
        await pair.b.ring("x", "y")
        await wait_all_tasks_blocked()
        pair.b.forwarding.answered(Answered(id="b-1", results=pack([FIRED] * results)))
        await wait_all_tasks_blocked()
        assert pair.b.answers.reasons == [Reason.BUSY] * 2
        assert pair.b.forwarding.statistics()["unknown"] == 2
        assert len(pair.b.cell.mailbox) == 0
        assert logs == []


async def test_a_request_that_makes_no_sense_is_foreign(autojump_clock: MockClock) -> None:
    async with a_pair() as pair:
        with pytest.raises(ForeignLetter):
            pair.a.forwarding.asked(
                Forward(origin="b", id="1", workspace="acme", framework="x", at=clock(), places=(1,))
            )


async def test_what_an_owner_of_another_version_does_not_know_is_refused_at_once_and_its_neighbours_are_done(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_pair() as pair:
        pack_of_today = forwarding.pack
        as_of_tomorrow = {"y": ("Rung", msgspec.Raw(b"\x80"))}
        monkeypatch.setattr(
            forwarding,
            "pack",
            lambda values: tuple(
                as_of_tomorrow.get(getattr(value, "title", ""), packed)
                for value, packed in zip(values, pack_of_today(values), strict=True)
            ),
        )
        await pair.b.ring(*"xyz")
        await wait_all_tasks_blocked()
        assert pair.store.titles() == ["x", "z"]
        assert pair.b.answers.reasons == [Reason.FIRED, Reason.BUSY, Reason.FIRED]
        assert pair.a.forwarding.statistics()["unknown"] == 1


async def test_an_answer_of_another_version_ends_its_request_and_crashes_nothing(
    autojump_clock: MockClock, logs: list
) -> None:
    async with a_pair() as pair:
        pair.wires.loses = lambda to, letter: True
        await pair.b.ring("x")
        await wait_all_tasks_blocked()
        pair.b.forwarding.answered(Answered(id="b-1", results=(("Sung", msgspec.Raw(b"\x80")),)))
        await wait_all_tasks_blocked()
        assert pair.b.answers.reasons == [Reason.BUSY]
        assert logs == []


async def test_what_is_too_large_for_a_letter_goes_in_several(autojump_clock: MockClock) -> None:
    async with a_pair() as pair:
        pair.wires.commands_max = 3
        await pair.b.ring(*"abcdefgh")
        await wait_all_tasks_blocked()
        assert pair.store.titles() == [*"abcdefgh"]
        assert pair.b.answers.reasons == [Reason.FIRED] * 8


async def test_a_command_that_is_too_large_by_itself_is_refused_and_the_next_one_done(
    autojump_clock: MockClock,
) -> None:
    async with a_pair() as pair:
        pair.wires.commands_max = 0
        await pair.b.ring("x")
        await wait_all_tasks_blocked()
        pair.wires.commands_max = 1
        await pair.b.ring("y")
        await wait_all_tasks_blocked()
        assert pair.b.answers.reasons == [Reason.BUSY, Reason.FIRED]
