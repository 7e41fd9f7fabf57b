"""The jobs that send: one message, or what was put aside for somebody as one digest. What came of it goes into the
ledger with the job's own end.

Owns nothing but counts. A line is in the ledger before its job is, and its key goes with the message: if we are killed
between sending and settling, the target gets the same key once more. Messages about one alert go to one recipient in
their order: a later one waits until the earlier one is out of our hands.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from msgspec.structs import replace
from prometheus_client.core import CounterMetricFamily, Metric

from actors.ports import Clock
from engine.jobs.kinds import Again, Done, Hopeless, Kind, NotNeeded, PutOff, Result
from engine.notify.facts import Facts
from engine.notify.jobs import DIGEST, SEND, DigestArgs, SendArgs, digest_job
from engine.notify.ports import Outcome, Refused, Renderer, Sender, Sent, TryLater
from engine.stores import Store
from engine.stores.deliveries import DIGEST_MAX
from protocol.jobs import Claimed, Queue
from protocol.model import Alert
from protocol.notify import (
    DIGEST_LISTED_MAX,
    TOLD,
    Change,
    Channel,
    Delivery,
    DeliveryState,
    Outgoing,
    Recipient,
    Why,
    delivery_key,
)
from protocol.times import SECOND_US

# An earlier message to the same recipient is still on its way.
AFTER_EARLIER_US = SECOND_US
# A target that says "later" uses up no attempt; who has said so for a day is given up.
PATIENCE_US = 86_400 * SECOND_US


class Tools(NamedTuple):
    """What sending needs."""

    store: Store
    senders: Mapping[Channel, Sender]
    renderer: Renderer
    clock: Clock


class SendCounts:
    """How many deliveries ended how, by channel: `notifications_sent_total`."""

    def __init__(self) -> None:
        self.ended: Counter[tuple[Channel, DeliveryState]] = Counter()

    def count(self, lines: Sequence[Delivery]) -> None:
        """These have ended, one way or another."""
        for line in lines:
            if line.state is not DeliveryState.QUEUED:
                self.ended[line.channel, line.state] += 1

    def families(self) -> Iterator[Metric]:
        """For Prometheus; the name and the labels are the reference's."""
        sent = CounterMetricFamily(
            "notifications_sent", "Notifications that ended, one way or another.", labels=("channel", "status")
        )
        for (channel, state), count in self.ended.items():
            sent.add_metric((channel.value, state.value), count)
        yield sent


class Sending:
    """Does jobs of the kinds `send` and `digest`."""

    def __init__(self, tools: Tools) -> None:
        self._store, self._senders, self._renderer, self._clock = tools
        self._facts = Facts(tools.store)
        self.counts = SendCounts()

    @property
    def kinds(self) -> list[Kind[SendArgs] | Kind[DigestArgs]]:
        """Its kinds of jobs."""
        return [
            Kind(name=SEND, queue=Queue.NOTIFICATION, args=SendArgs, run=self.send),
            Kind(name=DIGEST, queue=Queue.NOTIFICATION, args=DigestArgs, run=self.send_digest),
        ]

    async def send(self, claimed: Claimed, args: SendArgs) -> Result:
        """One message."""
        line = await self._store.delivery(claimed.workspace, args.key)
        if line is None or line.state is not DeliveryState.QUEUED:
            return NotNeeded("the ledger has no such line" if line is None else f"it is {line.state.value} already")
        found = await self._store.alert(line.workspace, line.alert_id)
        if found is None:
            return self._ended([_moved(line, DeliveryState.SUPPRESSED, self._clock(), Why.OVER)])
        known = (await self._store.deliveries_of(line.workspace, [line.alert_id]))[line.alert_id]
        same = [each for each in known if (each.channel, each.recipient) == (line.channel, line.recipient)]
        earlier = same[: [each.key for each in same].index(line.key)]
        if any(each.state is DeliveryState.QUEUED and each.due is None for each in earlier):
            return PutOff(self._clock() + AFTER_EARLIER_US)
        if not line.change.is_start and not any(each.state in TOLD for each in earlier):
            return self._ended([_moved(line, DeliveryState.SUPPRESSED, self._clock(), Why.NOT_TOLD)])
        message = Outgoing(
            key=line.key,
            workspace=line.workspace,
            channel=line.channel,
            recipient=line.recipient,
            change=line.change,
            alerts=(found[1],),
            at=line.at,
            by=args.by,
            previous=next((each.reference for each in reversed(earlier) if each.reference), None),
            text=args.text,
        )
        return await self._hand_over(claimed, message, [line])

    async def send_digest(self, claimed: Claimed, args: DigestArgs) -> Result:
        """What was put aside for a recipient, as one message; of an alert that he was told of meanwhile nothing."""
        workspace, place = claimed.workspace, (args.channel, args.recipient.name)
        lines = await self._store.put_aside(workspace, place, args.until, DIGEST_MAX)
        if not lines:
            return NotNeeded("nothing is put aside any more")
        told = await self._told_meanwhile(workspace, lines)
        dropped = [_moved(line, DeliveryState.SUPPRESSED, self._clock(), Why.TOLD) for line in lines if line in told]
        lines = [line for line in lines if line not in told]
        ids = list(dict.fromkeys(line.alert_id for line in lines))
        alerts = await self._facts.alerts(workspace, ids[:DIGEST_LISTED_MAX])
        if not alerts:
            gone = [_moved(line, DeliveryState.SUPPRESSED, self._clock(), Why.OVER) for line in lines]
            return self._ended([*dropped, *gone])
        message = Outgoing(
            key=delivery_key(workspace, "digest", args.channel, args.recipient, str(claimed.lease.job)),
            workspace=workspace,
            channel=args.channel,
            recipient=args.recipient,
            change=Change.DIGEST,
            alerts=_by_weight(alerts),
            more=len(ids) - len(alerts),
            at=args.until,
        )
        result = await self._hand_over(claimed, message, lines)
        self.counts.count(dropped)
        if isinstance(result, Done) and len(lines) + len(dropped) == DIGEST_MAX:
            # There may be more of it; the key of this job is taken until it has ended.
            again = digest_job(workspace, args.channel, args.recipient, args.until + 1)
            result = replace(result, follow=(*result.follow, again))
        return replace(result, deliveries=(*result.deliveries, *dropped))

    async def _told_meanwhile(self, workspace: str, lines: Sequence[Delivery]) -> set[Delivery]:
        known = await self._store.deliveries_of(workspace, list({line.alert_id for line in lines}))
        return {
            line
            for line in lines
            if any(
                each.due is None and each.state in TOLD and each.at >= line.at and _place(each) == _place(line)
                for each in known[line.alert_id]
            )
        }

    async def _hand_over(self, claimed: Claimed, message: Outgoing, lines: Sequence[Delivery]) -> Result:
        sender = self._senders.get(message.channel)
        if sender is None:
            cause = f"this engine sends nothing by {message.channel.value}: it is not configured"
            return self._failed(lines, Why.NO_SENDER, cause)
        address = await self._address(message.workspace, message.channel, message.recipient)
        if address is None:
            return self._failed(lines, Why.NO_ADDRESS, f"{message.recipient.name} has no {message.channel.value}")
        if message.channel is Channel.IN_APP:
            # Saved before told: who is told looks at his list at once.
            await self._store.keep_deliveries(self._moved_on(lines, DeliveryState.SENT))
        message = replace(message, address=address)
        outcome = await sender.send(replace(message, rendered=await self._renderer.render(message)))
        return self._result(claimed, lines, outcome)

    async def _address(self, workspace: str, channel: Channel, recipient: Recipient) -> str | None:
        """Where a person is; empty for an endpoint, which knows that itself."""
        if recipient.user is None:
            return ""
        if channel is Channel.IN_APP:
            return recipient.user
        person = (await self._facts.people(workspace, [recipient.user])).get(recipient.user)
        return None if person is None else person.address(channel) or None

    def _result(self, claimed: Claimed, lines: Sequence[Delivery], outcome: Outcome) -> Result:
        if isinstance(outcome, Sent):
            state = DeliveryState.DELIVERED if outcome.is_delivered else DeliveryState.SENT
            return self._ended([replace(line, reference=outcome.reference) for line in self._moved_on(lines, state)])
        if isinstance(outcome, Refused):
            return self._failed(lines, Why.REFUSED, outcome.cause)
        return self._later(claimed, lines, outcome)

    def _later(self, claimed: Claimed, lines: Sequence[Delivery], outcome: TryLater) -> Result:
        now = self._clock()
        if outcome.after_s is None and claimed.attempt >= claimed.attempts_max:
            return self._failed(lines, Why.GAVE_UP, outcome.cause)
        if outcome.after_s is not None and now - claimed.created_at > PATIENCE_US:
            return self._failed(lines, Why.GAVE_UP, f"a day of: {outcome.cause}")
        tried = tuple(replace(line, cause=outcome.cause, attempts=line.attempts + 1, updated_at=now) for line in lines)
        if outcome.after_s is None:
            return Again(outcome.cause, tried)
        return PutOff(now + int(outcome.after_s * SECOND_US), outcome.cause, tried)

    def _ended(self, lines: Sequence[Delivery]) -> Result:
        self.counts.count(lines)
        return Done(deliveries=tuple(lines))

    def _failed(self, lines: Sequence[Delivery], why: Why, cause: str) -> Result:
        failed = [replace(line, why=why, cause=cause) for line in self._moved_on(lines, DeliveryState.FAILED)]
        self.counts.count(failed)
        return Hopeless(cause, tuple(failed))

    def _moved_on(self, lines: Sequence[Delivery], state: DeliveryState) -> list[Delivery]:
        now = self._clock()
        return [replace(line, state=state, cause=None, attempts=line.attempts + 1, updated_at=now) for line in lines]


def _moved(line: Delivery, state: DeliveryState, now: int, why: Why) -> Delivery:
    return replace(line, state=state, why=why, updated_at=now)


def _place(line: Delivery) -> tuple[Channel, Recipient]:
    return line.channel, line.recipient


def _by_weight(alerts: Mapping[str, Alert]) -> tuple[Alert, ...]:
    """The open ones first, the most severe first."""
    return tuple(sorted(alerts.values(), key=lambda alert: (not alert.state.is_open, -alert.severity.rank)))
