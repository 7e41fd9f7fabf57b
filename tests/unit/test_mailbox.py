"""A channel's mailbox: bounds, pinned batches, and commands that make the machine raise."""

from __future__ import annotations

import pytest
import trio

from actors.mailbox import FAILED, PARKED, Envelope, Mailbox, Receipt
from protocol.commands import Batch, Ring
from protocol.errors import Busy
from protocol.items import ItemResult
from protocol.model import Reason, Status
from protocol.orders import NO_ORDERS
from tests.support.actors import FIRED, Answers, Ids, envelopes, titles


def filled(answers: Answers, *names: str, limit: int = 10) -> Mailbox:
    mailbox = Mailbox(limit)
    mailbox.put_all(envelopes(answers, *names))
    return mailbox


def pin(mailbox: Mailbox, limit: int = 10, ids: Ids | None = None) -> Batch:
    return mailbox.pin(limit, lambda: 7, ids or Ids(), NO_ORDERS)


async def test_a_request_that_does_not_fit_as_a_whole_is_refused_as_a_whole() -> None:
    answers = Answers()
    mailbox = filled(answers, "a", "b", limit=3)
    with pytest.raises(Busy, match="limit 3"):
        mailbox.put_all(envelopes(answers, "c", "d"))
    mailbox.put_all(envelopes(answers, "c"))
    assert len(mailbox) == 3


async def test_a_pinned_batch_still_takes_room() -> None:
    answers = Answers()
    mailbox = filled(answers, "a", "b", limit=2)
    pin(mailbox)
    with pytest.raises(Busy):
        mailbox.put_all(envelopes(answers, "c"))
    mailbox.settle([FIRED, FIRED])
    mailbox.put_all(envelopes(answers, "c"))


async def test_a_request_of_nothing_is_answered_at_once_with_nothing() -> None:
    answers: list[list[ItemResult]] = []
    Receipt(0, lambda results: answers.append(list(results)))
    assert answers == [[]]


async def test_commands_are_handed_out_in_order_up_to_the_limit() -> None:
    mailbox = filled(Answers(), "a", "b", "c")
    batch = pin(mailbox, limit=2)
    assert (batch.id, batch.now, titles(batch.commands)) == ("b1", 7, ["a", "b"])
    assert len(mailbox) == 3


async def test_a_pinned_batch_is_met_again_under_its_id_until_it_is_settled() -> None:
    answers, ids = Answers(), Ids()
    mailbox = filled(answers, "a", "b", limit=10)
    assert mailbox.pinned_id is None
    first = pin(mailbox, 1, ids)
    assert mailbox.pinned_id == "b1"
    assert pin(mailbox, 10, ids) is first
    mailbox.settle([FIRED])
    assert mailbox.pinned_id is None
    assert titles(pin(mailbox, 10, ids).commands) == ["b"]
    assert answers.all == [[FIRED]]


async def test_commands_without_a_result_come_first_in_the_next_batch() -> None:
    answers = Answers()
    mailbox = filled(answers, "a", "b", "c")
    pin(mailbox)
    mailbox.put_all(envelopes(answers, "d"))
    assert mailbox.settle([FIRED]) == 1
    assert (len(mailbox), answers.all) == (3, [[FIRED]])
    assert titles(pin(mailbox).commands) == ["b", "c", "d"]
    assert mailbox.settle([FIRED] * 3) == 3
    assert answers.all == [[FIRED]] * 4


@pytest.mark.parametrize("results", [1, 4])
async def test_results_that_do_not_fit_their_commands_answer_nothing_and_leave_the_batch_pinned(results: int) -> None:
    answers, ids = Answers(), Ids()
    mailbox = Mailbox(10)
    mailbox.put_all([Envelope(Ring(title="a"), Receipt(3, answers), 0, 1, 2)])
    first = pin(mailbox, 10, ids)
    with pytest.raises(ValueError, match=f"{results} results"):
        mailbox.settle([FIRED] * results)
    assert (answers.all, len(mailbox)) == ([], 3)
    assert pin(mailbox, 10, ids) is first
    mailbox.refuse_all(FAILED)
    assert (answers.reasons, len(mailbox)) == ([Reason.FAILED], 0)


async def test_an_empty_batch_can_be_pinned_and_settled() -> None:
    mailbox = Mailbox(10)
    assert pin(mailbox).commands == ()
    mailbox.settle([])
    assert len(mailbox) == 0


async def test_one_that_raises_is_set_aside_after_three_tries_and_its_neighbours_are_handled() -> None:
    answers, ids = Answers(), Ids()
    mailbox = filled(answers, "a", "poison", "c", "d")
    handled, set_aside = [], []
    while mailbox:
        names = titles(pin(mailbox, 10, ids).commands)
        if "poison" in names:
            command = mailbox.machine_raised()
            set_aside += titles([command]) if command else []
        else:
            handled.append(names)
            mailbox.settle([FIRED] * len(names))
    assert set_aside == ["poison"]
    assert handled == [["a"], ["c"], ["d"]]
    assert answers.reasons == [Reason.FIRED, Reason.FAILED, Reason.FIRED, Reason.FIRED]
    assert answers.all[1] == [FAILED]


async def test_after_the_suspects_commands_come_together_again() -> None:
    answers = Answers()
    mailbox = filled(answers, "a", "b", limit=10)
    pin(mailbox)
    assert mailbox.machine_raised() is None
    mailbox.put_all(envelopes(answers, "c", "d"))
    sizes = []
    while mailbox:
        sizes.append(len(pin(mailbox).commands))
        mailbox.settle([FIRED] * sizes[-1])
    assert sizes == [1, 1, 2]


async def test_an_empty_batch_that_raises_blames_no_command() -> None:
    mailbox = Mailbox(10)
    pin(mailbox)
    assert mailbox.machine_raised() is None
    mailbox.put_all(envelopes(Answers(), "a", "b"))
    assert titles(pin(mailbox).commands) == ["a", "b"]


async def test_a_parked_mailbox_answers_everything_pinned_and_waiting() -> None:
    answers = Answers()
    mailbox = filled(answers, "a", "b", "c")
    pin(mailbox, limit=1)
    mailbox.refuse_all(PARKED)
    assert answers.all == [[PARKED]] * 3
    assert (len(mailbox), mailbox.pinned_id) == (0, None)


async def test_waiting_ends_with_the_first_command(autojump_clock: trio.testing.MockClock) -> None:
    mailbox = Mailbox(10)
    found: list[bool] = []

    async def wait() -> None:
        found.append(await mailbox.wait(60))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait)
        await trio.testing.wait_all_tasks_blocked()
        mailbox.put_all(envelopes(Answers(), "a"))
    assert (found, trio.current_time()) == ([True], 0)


async def test_a_wake_behind_a_pinned_batch_is_kept_until_that_batch_is_settled() -> None:
    mailbox = filled(Answers(), "a")
    pin(mailbox)
    mailbox.wake()
    assert await mailbox.wait(60)
    mailbox.settle([FIRED])
    # The pinned batch kept its orders: nobody has decided under those that the wake was about.
    assert mailbox.is_woken
    assert await mailbox.wait(60)
    assert not mailbox.is_woken


async def test_waiting_ends_when_its_time_is_over(autojump_clock: trio.testing.MockClock) -> None:
    assert await Mailbox(10).wait(60) is False
    assert trio.current_time() == 60


async def test_a_reader_with_plenty_to_do_still_lets_others_run() -> None:
    mailbox = filled(Answers(), "a")
    ran = []
    async with trio.open_nursery() as nursery:

        async def other() -> None:
            ran.append(len(mailbox))

        nursery.start_soon(other)
        while not ran:
            assert await mailbox.wait(60)


def test_a_request_is_answered_once_when_all_its_items_have_a_result() -> None:
    answers = Answers()
    other = ItemResult(status=Status.SUPPRESSED, reason=Reason.DUPLICATE)
    receipt = Receipt(2, answers)
    receipt.settle(1, other)
    receipt.settle(1, FIRED)
    assert answers.all == []
    receipt.settle(0, FIRED)
    receipt.settle(0, other)
    assert answers.all == [[FIRED, other]]
