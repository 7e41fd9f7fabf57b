"""The jobs `escalate` and `remind`: while nobody has acknowledged an alert, the next ones are told, and all once more.

Owns the chains of each workspace in memory; the store owns them for good. A step is a job with a key of its own, so it
survives a restart and there is never a second one; its messages have keys as well, so it is told once. The job asks
when it runs: an alert that was acknowledged, is over, or that no chain means any more needs it no more; one that is
quiet waits; if another chain means it by then, that one begins. A step is said on the alert's stream before anybody is
sent for: its channel refuses if somebody has taken the alert on that very moment. A channel that does not answer keeps
nobody from being told: at the last attempt they are, without a word on the stream.

Decided against: taking jobs back when somebody acknowledges (a job more to lose, and the question is cheap).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

import structlog

from actors.ports import Clock
from engine.core.absent import Meant, absent
from engine.core.escalating import BEGINS, NextStep, chain_of, first, following, has_begun, since_of, version_of
from engine.core.routing import News, Routed, heard, is_named, route
from engine.core.turn import rejected
from engine.jobs.kinds import Again, Done, Kind, NotNeeded, PutOff, Result
from engine.notify.book import NotifyBook
from engine.notify.decided import Decided, line_of
from engine.notify.facts import Facts
from engine.notify.jobs import ESCALATE, REMIND, StepArgs, step_job
from engine.notify.stream_word import SayOnStream
from engine.shelf.live import Listener
from engine.stores import Store
from engine.stores.objects import ObjectNews, StoredObject
from protocol.commands import Escalate
from protocol.errors import Busy
from protocol.escalation import REMINDERS_MAX, Escalation
from protocol.jobs import Claimed, NewJob, Queue
from protocol.model import Alert, AlertState, ChannelKey, Reason, Status
from protocol.notify import TOLD, Change, Delivery, Noted
from protocol.times import SECOND_US, parse_rfc3339, rfc3339

# A quiet alert whose quiet has no known end is looked at again so often.
QUIET_US = 60 * SECOND_US
log = structlog.get_logger()
ReadChain = Callable[[StoredObject], Escalation | None]


class Escalations:
    """The chains of all workspaces, and who carries them out."""

    def __init__(self, store: Store, book: NotifyBook, say: SayOnStream, clock: Clock) -> None:
        self._store = store
        self._book = book
        self._say = say
        self._facts = Facts(store)
        self._clock = clock
        self._chains: defaultdict[str, dict[str, Escalation]] = defaultdict(dict)

    @property
    def kinds(self) -> list[Kind[StepArgs]]:
        """Its kinds of jobs."""
        return [
            Kind(name=ESCALATE, queue=Queue.ALERT, args=StepArgs, run=self.escalate),
            Kind(name=REMIND, queue=Queue.ALERT, args=StepArgs, run=self.remind),
        ]

    def follow(self, read: ReadChain) -> Listener:
        """Keeps chains as the store has them."""

        def told(news: Sequence[ObjectNews]) -> None:
            for each in news:
                is_there = each.now is not None and each.now.archived_at is None
                self.put(each.workspace, each.id, read(each.now) if is_there and each.now else None)

        return told

    def put(self, workspace: str, chain_id: str, chain: Escalation | None) -> None:
        """It is so from now on; None: there is none."""
        self._chains[workspace].pop(chain_id, None)
        if chain is not None:
            self._chains[workspace][chain_id] = chain
        if not self._chains[workspace]:
            del self._chains[workspace]

    def begin(self, key: ChannelKey, noted: Noted, alert: Alert, told: Iterable[Delivery]) -> list[NewJob]:
        """What a change of an alert sets going, if it has not begun; `told`: what the ledger says of the alert."""
        if noted.change not in BEGINS or alert.state is not AlertState.ACTIVE:
            return []
        chain, since = self._chain_of(key.workspace, alert), since_of(alert)
        if chain is None or has_begun(told, str(since), chain.id):
            return []
        # A beginning that is looked at late belongs to the present one: its chain has the same keys.
        return _begun(key.workspace, alert, chain, max(parse_rfc3339(noted.at), since))

    def _chain_of(self, workspace: str, alert: Alert) -> Escalation | None:
        return chain_of(alert, self._chains.get(workspace, {}).values())

    async def escalate(self, claimed: Claimed, args: StepArgs) -> Result:
        """One step: whoever it names is told."""
        found = await self._waiting(claimed, args)
        if not isinstance(found, tuple):
            return found
        chain, alert, framework = found
        workspace, now = claimed.workspace, self._clock()
        if args.step >= len(chain.steps):
            return NotNeeded("the chain is shorter now")
        if (why_not := await self._unsaid(claimed, framework, args)) is not None:
            return why_not
        step = chain.steps[args.step]
        answering = await self._facts.answering(workspace, step.teams, now)
        called = [user for those in answering.values() for user in those]
        people = await self._facts.people(workspace, [*step.users, *called])
        endpoints = [each for each in self._book.endpoints(workspace) if is_named(each, step.endpoints)]
        meant = Meant(step.users, step.teams, step.endpoints, answering)
        news = News(change=Change.ESCALATED, alert=alert, rule_notify=step.endpoints)
        told = await self._store.deliveries_of(workspace, [alert.id])
        decided, version = Decided(), version_of(f"e{args.round}.{args.step}", args.since, chain.id)
        answers = route(news, endpoints, list(people.values()), heard(told.get(alert.id, ())), now)
        for routed in (*answers, *absent(meant, people, endpoints)):
            line = line_of(workspace, alert, routed, Change.ESCALATED, version, rfc3339(now), now)
            decided.add(routed, line, alert, None, f"Nobody has acknowledged it: step {args.step + 1} of {chain.id}.")
        place = following(chain, args.round, args.step)
        if place is not None:
            decided.jobs.append(_next(workspace, args, place, now))
        return decided.done

    async def remind(self, claimed: Claimed, args: StepArgs) -> Result:
        """Everybody who was told is told once more, by each way that he was told by and that is still open."""
        found = await self._waiting(claimed, args)
        if not isinstance(found, tuple):
            return found
        chain, alert, _ = found
        workspace, now = claimed.workspace, self._clock()
        if not chain.remind_every_s:
            return NotNeeded("the chain reminds no more")
        told = (await self._store.deliveries_of(workspace, [alert.id])).get(alert.id, [])
        decided, number = Decided(), args.step + 1
        version = version_of(f"r{args.step}", args.since, chain.id)
        for routed in await self._to_remind(workspace, alert, [line for line in told if line.state in TOLD], now):
            line = line_of(workspace, alert, routed, Change.REMINDER, version, rfc3339(now), now)
            decided.add(routed, line, alert, None, f"Nobody has acknowledged it: reminder {number}.")
        if number < REMINDERS_MAX:
            place = NextStep(args.round, number, chain.remind_every_s)
            decided.jobs.append(_next(workspace, args, place, now, REMIND))
        return decided.done

    async def _to_remind(self, workspace: str, alert: Alert, told: Sequence[Delivery], now: int) -> list[Routed]:
        """What routing says of whoever was told, and of nobody else."""
        places = {(line.channel, line.recipient) for line in told}
        people = await self._facts.people(workspace, [line.recipient.user for line in told])
        news = News(change=Change.REMINDER, alert=alert)
        routed = route(news, self._book.endpoints(workspace), list(people.values()), heard(told), now)
        return [each for each in routed if (each.channel, each.recipient) in places]

    async def _unsaid(self, claimed: Claimed, framework: str, args: StepArgs) -> Result | None:
        """Says a step on the alert's stream; why the step is not to be taken, if it is not."""
        command = Escalate(
            alert_id=args.alert_id, chain=args.chain, since=int(args.since), step=args.step + 1, round=args.round + 1
        )
        try:
            result = await self._say(ChannelKey(claimed.workspace, framework), command)
        except Busy as fault:
            result = rejected(Reason.BUSY, fault.message)
        if result.status is Status.ESCALATED:
            return None
        cause = str(result.message)
        if result.reason not in (Reason.BUSY, Reason.FAILED):
            return NotNeeded(cause)
        if claimed.attempt < claimed.attempts_max:
            return Again(f"the alert's channel: {cause}")
        log.error("escalation_not_on_stream", workspace=claimed.workspace, alert=args.alert_id, cause=cause)
        return None

    async def _waiting(self, claimed: Claimed, args: StepArgs) -> tuple[Escalation, Alert, str] | Result:
        """The chain, the alert, and its framework, if there is still reason for the step."""
        found = await self._store.alert(claimed.workspace, args.alert_id)
        if found is None or found[1].state is not AlertState.ACTIVE:
            return NotNeeded("there is no such alert" if found is None else f"it is {found[1].state.value}")
        if args.since != str(since_of(found[1])):
            return NotNeeded("somebody had taken it on meanwhile, or it was over: it has begun anew")
        key, alert = found
        chain = self._chain_of(claimed.workspace, alert)
        if chain is None:
            return NotNeeded("no chain means it any more")
        if chain.id != args.chain:
            told = (await self._store.deliveries_of(claimed.workspace, [alert.id])).get(alert.id, [])
            is_new = not has_begun(told, args.since, chain.id)
            return Done(follow=tuple(_begun(claimed.workspace, alert, chain, self._clock())) if is_new else ())
        if alert.quieted_by is not None:
            until = None if alert.quieted_until is None else parse_rfc3339(alert.quieted_until)
            return PutOff(max(self._clock() + SECOND_US, until or self._clock() + QUIET_US))
        return chain, alert, key.framework


def _begun(workspace: str, alert: Alert, chain: Escalation, at: int) -> list[NewJob]:
    """A chain's first step and its first reminder."""
    args, place, jobs = StepArgs(alert_id=alert.id, chain=chain.id, since=str(since_of(alert))), first(chain), []
    if place is not None:
        jobs.append(_next(workspace, args, place, at))
    if chain.remind_every_s:
        jobs.append(_next(workspace, args, NextStep(0, 0, chain.remind_every_s), at, REMIND))
    return jobs


def _next(workspace: str, args: StepArgs, place: NextStep, now: int, kind: str = ESCALATE) -> NewJob:
    after = StepArgs(alert_id=args.alert_id, chain=args.chain, since=args.since, step=place.step, round=place.round)
    return step_job(workspace, after, now + int(place.wait_s * SECOND_US), kind)
