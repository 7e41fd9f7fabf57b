"""The jobs that send: one message, or what was put aside for somebody as one digest. What came of it goes into the
ledger with the job's own end.

Owns nothing. A line is in the ledger before its job is, and its key goes with the message: if we are killed
between sending and settling, the target gets the same key once more. Messages about one alert go to one recipient in
their order: a later one waits until the job of the earlier one has ended, and costs nothing meanwhile.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import takewhile
from typing import NamedTuple

import structlog
from msgspec.structs import replace

from actors.ports import Clock
from engine.core.gathering import by_weight, gather
from engine.core.turns import ahead_of
from engine.jobs.kinds import Again, Done, Hopeless, Kind, NotNeeded, PutOff, Result
from engine.notify.facts import Facts
from engine.notify.jobs import SEND, SendArgs, digest_job, key_of_job
from engine.notify.ports import NotAsked, Outcome, Refused, Renderer, Sender, Sent, TryLater
from engine.notify.raised import cause_of, trace_of
from engine.stores import Store
from engine.stores.deliveries import DIGEST_MAX
from protocol.errors import StoreUnavailable
from protocol.jobs import Claimed, Queue
from protocol.notify import (
    DIGEST,
    DIGEST_LISTED_MAX,
    TOLD,
    Change,
    Channel,
    Delivery,
    DeliveryState,
    DigestArgs,
    Outgoing,
    Why,
    delivery_key,
)
from protocol.times import SECOND_US

# While an earlier message to the same recipient is on its way, a later one waits for the end of its job. If that has no
# job (it has ended in this very moment, or the next look for digests makes it one), the later one looks again after a
# quarter of the time that it has waited, within these bounds.
AFTER_EARLIER_US = SECOND_US
AFTER_EARLIER_MAX_US = 30 * SECOND_US
# A target that says "later" uses up no attempt; who has said so for a day is given up. Counted from the first time that
# it said so: however long the job was put aside, paused or failed before, the target was not asked then.
PATIENCE_US = 86_400 * SECOND_US
# Who waits is told to come again within the hour; at the end of a full line before a slow target, within three.
ASKS_WITHIN_US = 3 * 3_600 * SECOND_US
# Why somebody waits is written down again when it has changed, but not more often: there may be thousands who wait.
CAUSE_FRESH_US = 600 * SECOND_US
log = structlog.get_logger()


class Tools(NamedTuple):
    """What sending needs."""

    store: Store
    senders: Mapping[Channel, Sender]
    renderer: Renderer
    clock: Clock


class Sending:
    """Does jobs of the kinds `send` and `digest`."""

    def __init__(self, tools: Tools) -> None:
        self._store, self._senders, self._renderer, self._clock = tools
        self._facts = Facts(tools.store)

    @property
    def kinds(self) -> list[Kind[SendArgs] | Kind[DigestArgs]]:
        """Its kinds of jobs."""
        return [
            Kind(name=SEND, queue=Queue.NOTIFICATION, args=SendArgs, run=self.send),
            Kind(name=DIGEST, queue=Queue.NOTIFICATION, args=DigestArgs, run=self.send_digest),
        ]

    async def send(self, claimed: Claimed, args: SendArgs) -> Result:
        """One message."""
        found = await self._store.to_send(claimed.workspace, args.key)
        if found is None:
            return NotNeeded("the ledger has no such line")
        line, alert, same = found
        if line.state is not DeliveryState.QUEUED:
            return NotNeeded(f"it is {line.state.value} already")
        if alert is None:
            return self._suppressed([line], Why.OVER)
        earlier = list(takewhile(lambda each: each.key != line.key, same))
        now = self._clock()
        if (ahead := ahead_of(earlier, now)) is not None:
            wait_us = min(AFTER_EARLIER_MAX_US, max(AFTER_EARLIER_US, (now - line.updated_at) // 4))
            # Behind the last of them: when the first one ends, one job comes to look, and not all.
            return PutOff(now + wait_us, behind=key_of_job(ahead))
        if not line.change.is_start and not any(each.state in TOLD for each in earlier):
            return self._suppressed([line], Why.NOT_TOLD)
        message = Outgoing(
            key=line.key,
            workspace=line.workspace,
            channel=line.channel,
            recipient=line.recipient,
            change=line.change,
            alerts=(alert,),
            at=line.at,
            by=args.by,
            # A digest speaks of others as well: it does not follow this one.
            previous=next((each.reference for each in reversed(earlier) if each.reference and each.due is None), None),
            text=args.text,
        )
        return await self._hand_over(claimed, message, [line])

    def _suppressed(self, lines: Sequence[Delivery], why: Why) -> Result:
        """Nothing is to be sent, and nobody has failed."""
        return Done(deliveries=tuple(_moved(line, DeliveryState.SUPPRESSED, self._clock(), why) for line in lines))

    async def send_digest(self, claimed: Claimed, args: DigestArgs) -> Result:
        """What was put aside for a recipient until a moment, as one message."""
        workspace, place = claimed.workspace, (args.channel, args.recipient.name)
        lines = await self._store.put_aside(workspace, place, args.until, DIGEST_MAX)
        if not lines:
            return NotNeeded("nothing is put aside any more")
        ids = list(dict.fromkeys(line.alert_id for line in lines))
        alerts = await self._facts.alerts(workspace, ids)
        told, dropped = gather(lines, await self._store.deliveries_of(workspace, ids), alerts)
        result: Result = Done()
        if told:
            shown = by_weight([alerts[name] for name in dict.fromkeys(line.alert_id for line in told)])
            message = Outgoing(
                key=delivery_key(workspace, "digest", args.channel, args.recipient, str(claimed.lease.job)),
                workspace=workspace,
                channel=args.channel,
                recipient=args.recipient,
                change=Change.DIGEST,
                alerts=tuple(shown[:DIGEST_LISTED_MAX]),
                more=len(shown[DIGEST_LISTED_MAX:]),
                at=args.until,
                why=next(iter(reasons)) if len(reasons := {line.why for line in told}) == 1 else None,
            )
            result = await self._hand_over(claimed, message, told)
        if isinstance(result, Done) and len(lines) == DIGEST_MAX:
            # There may be more of it. The key of this job is free once it has ended, and what follows comes after that.
            result = replace(result, follow=(digest_job(workspace, args.channel, args.recipient, args.until),))
        gone = [_moved(line, DeliveryState.SUPPRESSED, self._clock(), why) for line, why in dropped]
        return replace(result, deliveries=(*result.deliveries, *gone))

    async def _hand_over(self, claimed: Claimed, message: Outgoing, lines: Sequence[Delivery]) -> Result:
        sender = self._senders.get(message.channel)
        if sender is None:
            return self._suppressed(lines, Why.NO_SENDER)
        addressed = await self._addressed(message)
        if addressed is None:
            return self._suppressed(lines, Why.NO_ADDRESS)
        if message.channel is Channel.IN_APP:
            # Saved before told: who is told looks at his list at once.
            await self._store.keep_deliveries(self._sent(lines, DeliveryState.SENT))
        try:
            outcome = await sender.send(replace(addressed, rendered=await self._renderer.render(addressed)))
        except StoreUnavailable:
            raise
        except Exception as fault:
            return self._raised(claimed, lines, fault)
        return self._result(claimed, lines, outcome)

    def _raised(self, claimed: Claimed, lines: Sequence[Delivery], fault: Exception) -> Result:
        """A bug, or what nobody has thought of: the ledger says so, and the job has the traceback.

        After the last attempt the job fails, and its lines with it.
        """
        cause, trace = cause_of(fault), trace_of(fault)
        log.warning("sender_raised", job=claimed.lease.job, channel=lines[0].channel.value, cause=cause, trace=trace)
        return Again(cause, tuple(replace(line, cause=cause) for line in self._tried(lines)), trace)

    async def _addressed(self, message: Outgoing) -> Outgoing | None:
        """With where a person is, and in which zone he reads times. None: nowhere. An endpoint knows that itself."""
        user = message.recipient.user
        if user is None:
            return message
        if message.channel is Channel.IN_APP:
            return replace(message, address=user)
        person = (await self._facts.people(message.workspace, [user])).get(user)
        if person is None or not (address := person.address(message.channel)):
            return None
        return replace(message, address=address, zone=person.reads_in)

    def _result(self, claimed: Claimed, lines: Sequence[Delivery], outcome: Outcome) -> Result:
        if isinstance(outcome, Sent):
            state = DeliveryState.DELIVERED if outcome.is_delivered else DeliveryState.SENT
            sent = [replace(line, reference=outcome.reference) for line in self._sent(lines, state)]
            return Done(deliveries=tuple(sent))
        if isinstance(outcome, NotAsked):
            return self._suppressed(lines, outcome.why)
        if isinstance(outcome, Refused):
            return self._failed(self._tried(lines), Why.REFUSED, outcome.cause)
        return self._later(claimed, lines, outcome)

    def _later(self, claimed: Claimed, lines: Sequence[Delivery], outcome: TryLater) -> Result:
        if outcome.after_s is not None:
            return self._held(lines, outcome.after_s, outcome.cause)
        if claimed.attempt >= claimed.attempts_max:
            return self._failed(self._tried(lines), Why.GAVE_UP, outcome.cause)
        return Again(outcome.cause, tuple(replace(line, cause=outcome.cause) for line in self._tried(lines)))

    def _held(self, lines: Sequence[Delivery], after_s: float, cause: str) -> Result:
        """The target was not asked, or said when to come again: no attempt, and nothing that is written each time."""
        now = self._clock()
        since = _held_since(lines, now)
        if now - since > PATIENCE_US:
            return self._failed(lines, Why.GAVE_UP, f"a day of: {cause}")
        news = [
            replace(line, cause=cause, held_since=since, updated_at=now)
            for line in lines
            if line.held_since is None
            or since == now
            or (line.cause != cause and now - line.updated_at >= CAUSE_FRESH_US)
        ]
        # The job's few last errors are for what has failed: the same wait each time would push those out.
        return PutOff(now + int(after_s * SECOND_US), cause if news else None, tuple(news))

    def _failed(self, lines: Sequence[Delivery], why: Why, cause: str) -> Result:
        now = self._clock()
        failed = [replace(_moved(line, DeliveryState.FAILED, now, why), cause=cause) for line in lines]
        return Hopeless(cause, tuple(failed))

    def _tried(self, lines: Sequence[Delivery]) -> list[Delivery]:
        now = self._clock()
        return [replace(line, attempts=line.attempts + 1, updated_at=now) for line in lines]

    def _sent(self, lines: Sequence[Delivery], state: DeliveryState) -> list[Delivery]:
        return [replace(line, state=state, cause=None) for line in self._tried(lines)]


def _held_since(lines: Sequence[Delivery], now: int) -> int:
    """Since when these wait for their target.

    Since now, if that was in the future, or longer ago than anybody waits without asking: the clock was set, or nothing
    was sent meanwhile, and the target has not been away for a day.
    """
    since = min((line.held_since for line in lines if line.held_since is not None), default=now)
    return since if since <= now <= since + PATIENCE_US + ASKS_WITHIN_US else now


def _moved(line: Delivery, state: DeliveryState, now: int, why: Why) -> Delivery:
    return replace(line, state=state, why=why, updated_at=now)
