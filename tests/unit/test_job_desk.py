"""What a job means: its kind, its arguments, and what came of it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
import trio

from engine.jobs.desk import CAUSE_MAX_CHARS, CHECKED_AT_ONCE, PUT_OFF_MAX_US, UNKNOWN_AGAIN_US, UNKNOWN_US, Desk
from engine.jobs.kinds import Done, Hopeless, Kind, Kinds, NotNeeded, PutOff, Result
from protocol.jobs import ATTEMPTS, PRIO_HIGH, Claimed, Lease, NewJob, Queue, Settlement, Verdict
from tests.support.stores import NOW


class Mail(msgspec.Struct, frozen=True):
    to: str


def desk(result: Result) -> Desk:
    async def run(claimed: Claimed, args: Mail) -> Result:
        assert args == Mail("ann")
        return result

    return Desk(Kinds([Kind(name="mail", queue=Queue.NOTIFICATION, args=Mail, run=run)]), lambda: NOW)


def claimed(kind: str = "mail", args: str = '{"to":"ann"}', attempt: int = 1) -> Claimed:
    return Claimed(
        lease=Lease(7, 3),
        queue=Queue.NOTIFICATION,
        kind=kind,
        workspace="acme",
        framework=None,
        args=args,
        attempt=attempt,
        attempts_max=2,
        deadline_s=60,
        created_at=NOW,
        waiting_since=NOW,
    )


async def settled(result: Result) -> Settlement:
    return await desk(result).do(claimed())


async def test_what_is_done_has_its_result_and_what_follows() -> None:
    kind = Kind(name="next", queue=Queue.ALERT, args=Mail, run=desk(Done()).do)  # type: ignore[arg-type]
    follow = kind.job(Mail("bob"))
    settlement = await settled(Done(result={"sent": 1}, follow=(follow,)))
    assert (settlement.verdict, settlement.result, settlement.follow) == (
        Verdict.COMPLETED,
        '{"sent":1}',
        (follow,),
    )
    assert (await settled(Done())).result is None


async def test_what_is_put_off_says_until_when_and_why() -> None:
    settlement = await settled(PutOff(NOW + 5, "429: too many"))
    assert (settlement.verdict, settlement.run_at) == (Verdict.SNOOZED, NOW + 5)
    assert settlement.error is not None
    assert settlement.error.cause == "429: too many"
    assert (await settled(PutOff(NOW + 5))).error is None


async def test_what_is_not_needed_is_discarded_with_the_reason() -> None:
    settlement = await settled(NotNeeded("acknowledged meanwhile"))
    assert (settlement.verdict, settlement.result) == (Verdict.DISCARDED, '{"reason":"acknowledged meanwhile"}')


async def test_what_is_hopeless_fails_at_once_though_there_are_attempts_left() -> None:
    settlement = await settled(Hopeless("no such mailbox"))
    assert settlement.verdict is Verdict.FAILED
    assert settlement.error is not None
    assert settlement.error.cause == "no such mailbox"


async def test_a_kind_of_a_newer_version_is_left_to_a_node_of_that_version() -> None:
    settlement = await desk(Done()).do(claimed("fax"))
    assert (settlement.verdict, settlement.run_at) == (Verdict.SNOOZED, NOW + UNKNOWN_AGAIN_US)
    assert settlement.error is not None
    assert settlement.error.cause == "fax: no job of the kind 'fax' is known here; known: mail"


async def test_a_kind_that_nobody_has_known_for_a_day_fails() -> None:
    old = msgspec.structs.replace(claimed("fax"), created_at=NOW - UNKNOWN_US - 1)
    assert (await desk(Done()).do(old)).verdict is Verdict.FAILED


async def test_arguments_that_do_not_fit_fail_with_the_field() -> None:
    settlement = await desk(Done()).do(claimed(args='{"to":1}'))
    assert settlement.error is not None
    assert settlement.error.cause == "mail: Expected `str`, got `int` - at `$.to`"


def test_a_failed_attempt_is_followed_by_another_until_none_is_left() -> None:
    first, last = (desk(Done()).failed(claimed(attempt=attempt), "boom", "Traceback") for attempt in (1, 2))
    assert (first.verdict, last.verdict) == (Verdict.RETRY, Verdict.FAILED)
    assert first.run_at > NOW
    assert last.error is not None
    assert (last.error.attempt, last.error.traceback) == (2, "Traceback")


def test_a_cause_is_cut_and_made_text() -> None:
    error = desk(Done()).failed(claimed(), "\udcff" + "x" * 1_000).error
    assert error is not None
    assert (error.cause[:3], len(error.cause), error.traceback) == ("?xx", CAUSE_MAX_CHARS, None)


def test_a_job_is_as_its_queue_has_it_unless_its_kind_says_otherwise() -> None:
    plain = Kind(name="mail", queue=Queue.NOTIFICATION, args=Mail, run=desk(Done()).do)  # type: ignore[arg-type]
    job = plain.job(Mail("ann"), workspace="acme", key="k")
    attempts = ATTEMPTS[Queue.NOTIFICATION]
    assert (job.attempts_max, job.deadline_s, job.args) == (attempts.most, attempts.deadline_s, '{"to":"ann"}')
    own = msgspec.structs.replace(plain, attempts_max=1, deadline_s=9, prio=PRIO_HIGH).job(Mail("ann"))
    assert (own.attempts_max, own.deadline_s, own.prio) == (1, 9, PRIO_HIGH)


def test_two_kinds_of_one_name_are_a_bug() -> None:
    kind = Kind(name="mail", queue=Queue.ALERT, args=Mail, run=desk(Done()).do)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="'mail' already"):
        Kinds([kind, kind])


FOLLOWS = NewJob(queue=Queue.ALERT, kind="next")


@pytest.mark.parametrize(
    "nonsense",
    [
        None,
        {"ok": True},
        Done(result=object()),
        Done(result="\udcff"),
        Done(follow=("next",)),  # type: ignore[arg-type]
        Done(follow=(msgspec.structs.replace(FOLLOWS, prio="high"),)),
        Done(follow=(msgspec.structs.replace(FOLLOWS, run_at=2**62),)),
        Done(follow=(msgspec.structs.replace(FOLLOWS, run_at=2**70),)),
        Done(follow=(msgspec.structs.replace(FOLLOWS, prio=-1),)),
        Done(follow=(msgspec.structs.replace(FOLLOWS, args="\udcff"),)),
        Done(deliveries=({"key": "k"},)),  # type: ignore[arg-type]
        PutOff("tomorrow"),  # type: ignore[arg-type]
        PutOff(1.5),  # type: ignore[arg-type]
        NotNeeded("\udcff"),
    ],
    # Not their texts, which have addresses: two processes must find the same tests.
    ids=lambda nonsense: type(nonsense).__name__,
)
async def test_what_no_store_can_keep_is_a_failed_attempt(nonsense: Any) -> None:
    with pytest.raises((TypeError, ValueError, OverflowError)):
        await settled(nonsense)


async def test_others_have_their_turn_while_much_is_held_against_its_types() -> None:
    turns = 0

    async def take_turns() -> None:
        nonlocal turns
        while True:
            await trio.lowlevel.checkpoint()
            turns += 1

    async with trio.open_nursery() as nursery:
        nursery.start_soon(take_turns)
        await settled(Done(follow=(FOLLOWS,) * (5 * CHECKED_AT_ONCE)))
        nursery.cancel_scope.cancel()
    # Five times it lets others go on; in which order trio does that is chance, and may cost the first and the last.
    assert turns >= 3


async def test_nothing_is_put_off_for_longer_than_a_year() -> None:
    settlement = await settled(PutOff(2**80))
    assert settlement.run_at == NOW + PUT_OFF_MAX_US


async def test_a_cause_with_a_nul_can_be_stored() -> None:
    error = (await settled(Hopeless("its server said \0"))).error
    assert error is not None and error.cause == "its server said ?"
