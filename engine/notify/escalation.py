"""The jobs `escalate` and `remind`: while nobody has acknowledged an alert, the next ones are told, and all once more.

Owns the chains of each workspace in memory; the store owns them for good. A step is a job with a key of its own, so it
survives a restart and there is never a second one; its messages have keys as well, so it is told once. The job asks
when it runs: an alert that was acknowledged, is over, or whose chain was taken away needs it no more; one that is quiet
waits. Decided against: taking jobs back when somebody acknowledges (a job more to lose, and the question is cheap).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

from actors.ports import Clock
from engine.core.escalating import BEGINS, Place, chain_of, first, following, has_begun, since_of, version_of
from engine.core.routing import Action, News, Routed, heard, route
from engine.jobs.kinds import Kind, NotNeeded, PutOff, Result
from engine.notify.book import NotifyBook
from engine.notify.facts import Facts
from engine.notify.jobs import ESCALATE, REMIND, StepArgs, step_job
from engine.notify.outcome import Outcome, line_of
from engine.shelf.live import Listener
from engine.stores import Store
from engine.stores.objects import ObjectNews, StoredObject
from protocol.escalation import REMINDERS_MAX, Escalation
from protocol.jobs import Claimed, NewJob, Queue
from protocol.model import Alert, AlertState, ChannelKey
from protocol.notify import TOLD, Change, Delivery, Noted
from protocol.times import SECOND_US, parse_rfc3339, rfc3339

# A quiet alert whose quiet has no known end is looked at again so often.
QUIET_US = 60 * SECOND_US
ReadChain = Callable[[StoredObject], Escalation | None]


class Escalations:
    """The chains of all workspaces, and who carries them out."""

    def __init__(self, store: Store, book: NotifyBook, clock: Clock) -> None:
        self._store = store
        self._book = book
        self._facts = Facts(store)
        self._clock = clock
        self._chains: defaultdict[str, dict[str, Escalation]] = defaultdict(dict)

    @property
    def kinds(self) -> list[Kind[StepArgs]]:
        """Its kinds of jobs."""
        return [
            Kind(name=ESCALATE, queue=Queue.NOTIFICATION, args=StepArgs, run=self.escalate),
            Kind(name=REMIND, queue=Queue.NOTIFICATION, args=StepArgs, run=self.remind),
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
        chain = chain_of(alert, self._chains.get(key.workspace, {}).values())
        if chain is None:
            return []
        since = since_of(alert)
        if has_begun(told, str(since), chain.id):
            return []
        # A beginning that is looked at late belongs to the present one: its chain has the same keys.
        at = max(parse_rfc3339(noted.at), since)
        args = StepArgs(alert_id=alert.id, chain=chain.id, since=str(since))
        place, jobs = first(chain), []
        if place is not None:
            jobs.append(_next(key.workspace, args, place, at))
        if chain.remind_every_s:
            jobs.append(step_job(key.workspace, args, at + int(chain.remind_every_s * SECOND_US), REMIND))
        return jobs

    async def escalate(self, claimed: Claimed, args: StepArgs) -> Result:
        """One step: whoever it names is told."""
        found = await self._waiting(claimed, args)
        if not isinstance(found, tuple):
            return found
        chain, alert = found
        workspace, now = claimed.workspace, self._clock()
        if args.step >= len(chain.steps):
            return NotNeeded("the chain is shorter now")
        step = chain.steps[args.step]
        on_call = await self._facts.on_call_of(workspace, step.teams, now)
        people = await self._facts.people(workspace, [*step.users, *on_call.values()])
        endpoints = [each for each in self._book.endpoints(workspace) if each.is_named(step.endpoints)]
        news = News(change=Change.ESCALATED, alert=alert, rule_notify=step.endpoints)
        told = await self._store.deliveries_of(workspace, [alert.id])
        outcome, version = Outcome(), version_of(f"e{args.round}.{args.step}", args.since, chain.id)
        for routed in route(news, endpoints, list(people.values()), heard(told.get(alert.id, ())), now):
            line = line_of(workspace, alert, routed, Change.ESCALATED, version, rfc3339(now), now)
            outcome.add(routed, line, alert, None, f"Nobody has acknowledged it: step {args.step + 1} of {chain.id}.")
        place = following(chain, args.round, args.step)
        if place is not None:
            outcome.jobs.append(_next(workspace, args, place, now))
        return outcome.done

    async def remind(self, claimed: Claimed, args: StepArgs) -> Result:
        """Everybody who was told is told once more."""
        found = await self._waiting(claimed, args)
        if not isinstance(found, tuple):
            return found
        chain, alert = found
        workspace, now = claimed.workspace, self._clock()
        if not chain.remind_every_s:
            return NotNeeded("the chain reminds no more")
        told = (await self._store.deliveries_of(workspace, [alert.id])).get(alert.id, [])
        outcome, number = Outcome(), args.step + 1
        for channel, recipient in dict.fromkeys((line.channel, line.recipient) for line in told if line.state in TOLD):
            routed = Routed(channel=channel, recipient=recipient, action=Action.SEND)
            version = version_of(f"r{args.step}", args.since, chain.id)
            line = line_of(workspace, alert, routed, Change.REMINDER, version, rfc3339(now), now)
            outcome.add(routed, line, alert, None, f"Nobody has acknowledged it: reminder {number}.")
        if number < REMINDERS_MAX:
            place = Place(args.round, number, chain.remind_every_s)
            outcome.jobs.append(_next(workspace, args, place, now, REMIND))
        return outcome.done

    async def _waiting(self, claimed: Claimed, args: StepArgs) -> tuple[Escalation, Alert] | Result:
        """The chain and the alert, if there is still reason for the step."""
        found = await self._store.alert(claimed.workspace, args.alert_id)
        chain = self._chains.get(claimed.workspace, {}).get(args.chain)
        if found is None or found[1].state is not AlertState.ACTIVE:
            return NotNeeded("there is no such alert" if found is None else f"it is {found[1].state.value}")
        if args.since != str(since_of(found[1])):
            return NotNeeded("somebody had taken it on meanwhile, or it was over: it has begun anew")
        if chain is None or not chain.enabled:
            return NotNeeded(f"the chain {args.chain!r} is not there any more")
        alert = found[1]
        if alert.quieted_by is not None:
            until = None if alert.quieted_until is None else parse_rfc3339(alert.quieted_until)
            return PutOff(max(self._clock() + SECOND_US, until or self._clock() + QUIET_US))
        return chain, alert


def _next(workspace: str, args: StepArgs, place: Place, now: int, kind: str = ESCALATE) -> NewJob:
    after = StepArgs(alert_id=args.alert_id, chain=args.chain, since=args.since, step=place.step, round=place.round)
    return step_job(workspace, after, now + int(place.wait_s * SECOND_US), kind)
