"""The client's conversation against a toy server that cuts, doubles, drops, forgets and refuses.

Whatever happens: of each channel that it wants, the client shows every event once and in order, from its first answer
on, or it was told that events are lost, or left out; those it may ask for, and then sees them once, too. The toy is
honest in one thing: it sends no `position` for what it dropped.
"""

from collections import deque

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from protocol import messages as m
from protocol.client_session import ClientConversation, ClientState
from protocol.model import EventKind
from protocol.stream import recovery
from tests.support.alerts import PLAIN_ALERT
from tests.support.examples import examples

NAMES = {"alerts:a": "alerts:acme:a", "project:a": "alerts:acme:a", "alerts:b": "alerts:acme:b"}
STREAMS = sorted(set(NAMES.values()))


class ToyServer:
    """Streams of numbers, and one connection with two queues. `fate` says what becomes of each alert that is sent."""

    def __init__(self) -> None:
        self.epoch = 1
        self.offset = dict.fromkeys(STREAMS, 0)
        self.floor = dict.fromkeys(STREAMS, 0)
        self.cut()

    def cut(self) -> None:
        self.inbox: deque[m.ClientMessage] = deque()
        self.outbox: deque[m.ServerMessage] = deque()
        # Per stream that the connection follows: the last offset told, and whether all of it was really sent.
        self.prev: dict[str, int] = {}
        self.is_complete: dict[str, bool] = {}

    def publish(self, stream: str, fate: str) -> None:
        self.offset[stream] += 1
        if stream in self.prev:
            self._tell(stream, self.offset[stream], fate)

    def read(self, fate: str) -> None:
        """Handles the next message; `fate` is that of each event of a history, or `refused`."""
        match self.inbox.popleft():
            case m.Auth():
                self.outbox.append(
                    m.AuthSuccess(client_id="c", workspace_id="acme", user_id="u", expires_at="", ping=30.0)
                )
            case m.Subscribe(id=request) if fate == "refused":
                self.outbox.append(m.ErrorMessage(code=120, message="away", temporary=True, id=request))
            case m.Subscribe() as wanted:
                self._subscribe(wanted, fate)
            case m.Unsubscribe(channel=channel):
                self.prev.pop(NAMES[channel], None)
                self.outbox.append(m.Unsubscribed(channel=NAMES[channel]))

    def _subscribe(self, wanted: m.Subscribe, fate: str) -> None:
        stream = NAMES[wanted.channel]
        outcome = recovery(wanted.recover, str(self.epoch), self.offset[stream], self.floor[stream])
        self.outbox.append(
            m.Subscribed(
                id=wanted.id,
                channel=stream,
                epoch=str(self.epoch),
                offset=self.offset[stream],
                recovered=outcome.recovered,
                reason=outcome.reason,
            )
        )
        # A fresh subscription beside one that lacks something makes up for nothing.
        self.is_complete[stream] = outcome.reason != "fresh" or self.is_complete.get(stream, True)
        self.prev[stream] = wanted.recover.offset if outcome.recovered else self.offset[stream]
        for offset in range(self.prev[stream] + 1, self.offset[stream] + 1):
            self._tell(stream, offset, fate)

    def _tell(self, stream: str, offset: int, fate: str) -> None:
        message = m.AlertMessage(
            channel=stream,
            epoch=str(self.epoch),
            offset=offset,
            prev=self.prev[stream],
            event=EventKind.FIRED,
            data=PLAIN_ALERT,
            timestamp="",
        )
        if fate == "left out":
            self._leave_out(message)
            return
        self.outbox.extend([message] * {"doubled": 2, "dropped": 0}.get(fate, 1))
        self.is_complete[stream] &= fate != "dropped"
        self.prev[stream] = offset

    def _leave_out(self, message: m.AlertMessage) -> None:
        """As the outbox of a slow peer does: a gap in its place, which grows if it was the last word."""
        stream, last = message.channel, self.outbox[-1] if self.outbox else None
        prev, first, count = message.prev, message.offset, 1
        if isinstance(last, m.GapMessage) and last.channel == stream and last.to == prev:
            self.outbox.pop()
            prev, first, count = last.prev, last.from_, last.count + 1
        self.outbox.append(
            m.GapMessage(
                channel=stream, epoch=message.epoch, prev=prev, from_=first, to=message.offset, count=count,
                reason="slow",
            )
        )  # fmt: skip
        self.prev[stream] = message.offset

    def prove(self, stream: str) -> None:
        if stream in self.prev and self.is_complete[stream]:
            self.outbox.append(
                m.PositionMessage(channel=stream, epoch=str(self.epoch), offset=self.prev[stream], at="")
            )


class Oracle:
    """What a person in front of the client may rely on: per stream the place up to which everything was shown.

    It begins with the first answer to a subscription, and ends when no subscription that was answered is left.
    """

    def __init__(self) -> None:
        self.place: dict[str, tuple[str, int]] = {}
        self.followed: set[str] = set()
        # What was left out and asked for again: not shown yet.
        self.owed: dict[str, list[int]] = {}

    def left_out(self, gap: m.GapMessage) -> None:
        epoch, offset = self.place[gap.channel]
        assert (gap.epoch, gap.to - gap.count) == (epoch, gap.from_ - 1)
        assert gap.from_ <= offset + 1, "something else is missing"
        self.place[gap.channel] = (gap.epoch, gap.to)

    def wanted_after_all(self, gap: m.GapMessage) -> None:
        self.owed[gap.channel] = sorted({*self.owed.get(gap.channel, []), *range(gap.from_, gap.to + 1)})

    def shown(self, alert: m.AlertMessage) -> None:
        epoch, offset = self.place[alert.channel]
        if owed := self.owed.get(alert.channel):
            assert (alert.epoch, alert.offset) == (epoch, owed.pop(0)), "not the next of what was left out"
            return
        assert (alert.epoch, alert.offset) == (epoch, offset + 1), "not the next event"
        self.place[alert.channel] = (alert.epoch, alert.offset)

    def answered(self, channel: str, answer: m.Subscribed, lost: str | None) -> None:
        self.followed.add(channel)
        if lost is not None and self.owed.pop(answer.channel, None) and answer.epoch == self.place[answer.channel][0]:
            return
        if lost is not None or answer.channel not in self.place:
            self.place[answer.channel] = (answer.epoch, answer.offset)

    def given_up(self, channel: str) -> None:
        self.followed.discard(channel)
        if NAMES[channel] not in {NAMES[other] for other in self.followed}:
            self.place.pop(NAMES[channel], None)
            self.owed.pop(NAMES[channel], None)


class ClientMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.server = ToyServer()
        self.client = ClientConversation()
        self.oracle = Oracle()
        # Requests that the client still waits for; answers to others are outdated.
        self.asked: dict[object, str] = {}
        self.gaps: list[m.GapMessage] = []

    @property
    def is_open(self) -> bool:
        return self.client.state is not ClientState.CONNECTING

    def send(self, messages: list[m.ClientMessage]) -> None:
        self.asked |= {each.id: each.channel for each in messages if isinstance(each, m.Subscribe)}
        self.server.inbox.extend(messages)

    @initialize(channels=st.lists(st.sampled_from(sorted(NAMES)), unique=True, min_size=1))
    def a_session_begins(self, channels):
        """Most of what can go wrong goes wrong later."""
        for channel in channels:
            self.client.subscribe(channel)
        self.the_connection_opens()
        self.settle()

    @rule(
        stream=st.sampled_from(STREAMS),
        fates=st.lists(st.sampled_from(["sent", "sent", "doubled", "dropped", "left out"])),
    )
    def something_happens(self, stream, fates):
        for fate in fates:
            self.server.publish(stream, fate)

    @rule(stream=st.sampled_from(STREAMS))
    def the_server_proves_silence(self, stream):
        self.server.prove(stream)

    @rule(stream=st.sampled_from(STREAMS))
    def the_server_forgets_history(self, stream):
        self.server.floor[stream] = self.server.offset[stream]

    @precondition(lambda self: self.server.inbox)
    @rule(fates=st.lists(st.sampled_from(["sent", "sent", "sent", "doubled", "dropped", "refused"]), min_size=1))
    def the_server_reads(self, fates):
        for fate in fates[: len(self.server.inbox)]:
            self.server.read(fate)

    @precondition(lambda self: self.server.outbox)
    @rule(count=st.integers(1, 9))
    def the_client_reads(self, count):
        for _ in range(count):
            if self.server.outbox:
                self.the_client_hears()

    def the_client_hears(self):
        message = self.server.outbox.popleft()
        heard = self.client.hear(message)
        self.send(heard.send)
        if heard.alert:
            self.oracle.shown(heard.alert)
        if heard.gap:
            self.oracle.left_out(heard.gap)
            self.gaps.append(heard.gap)
        if isinstance(message, m.Subscribed) and message.id in self.asked:
            self.oracle.answered(self.asked.pop(message.id), message, heard.lost)
        if isinstance(message, m.ErrorMessage) and message.id in self.asked:
            self.the_client_is_refused(self.asked[message.id])

    def the_client_is_refused(self, channel):
        """As `tocsin.dialogue` does: what it had it comes back for, what is new it gives up."""
        if channel in self.oracle.followed:
            self.the_connection_breaks()
        else:
            self.the_client_wants_no_more(channel)

    @precondition(lambda self: self.gaps)
    @rule()
    def the_client_wants_what_was_left_out(self):
        gap = self.gaps.pop()
        asks = self.client.recover(gap)
        if asks is not None:
            self.send(asks)
            self.oracle.wanted_after_all(gap)

    @rule(channel=st.sampled_from(sorted(NAMES)))
    def the_client_wants(self, channel):
        self.send(self.client.subscribe(channel))

    @rule(channel=st.sampled_from(sorted(NAMES)))
    def the_client_wants_no_more(self, channel):
        self.send(self.client.unsubscribe(channel))
        self.asked = {request: each for request, each in self.asked.items() if each != channel}
        self.oracle.given_up(channel)

    @precondition(lambda self: not self.is_open)
    @rule()
    def the_connection_opens(self):
        self.send(self.client.opened("t"))

    @precondition(lambda self: self.is_open)
    @rule(chance=st.integers(0, 3))
    def the_connection_may_break(self, chance):
        if chance == 0:
            self.the_connection_breaks()

    def the_connection_breaks(self):
        self.server.cut()
        self.asked.clear()
        self.client.closed(for_good=False)

    @rule(chance=st.integers(0, 6), offset=st.integers(0, 3))
    def the_store_may_be_replaced(self, chance, offset):
        if chance > 0:
            return
        self.the_connection_breaks()
        self.server.epoch += 1
        self.server.offset = dict.fromkeys(STREAMS, offset)
        self.server.floor = dict.fromkeys(STREAMS, 0)

    @invariant()
    def nobody_is_shown_what_does_not_exist_yet(self):
        for stream, (epoch, offset) in self.oracle.place.items():
            assert epoch != str(self.server.epoch) or offset <= self.server.offset[stream]

    def settle(self) -> None:
        while self.server.inbox or self.server.outbox or not self.is_open:
            if not self.is_open:
                self.the_connection_opens()
            elif self.server.inbox:
                self.server.read("sent")
            else:
                self.the_client_hears()

    def teardown(self):
        self.settle()
        while self.gaps:
            self.the_client_wants_what_was_left_out()
            self.settle()
        for stream in STREAMS:
            # A message that follows a dropped one shows that it is missing.
            self.server.publish(stream, "sent")
        self.settle()
        wanted = {NAMES[channel] for channel in self.client.subscriptions}
        assert not any(self.oracle.owed.values()), "asked for, and never shown"
        assert self.oracle.place == {stream: (str(self.server.epoch), self.server.offset[stream]) for stream in wanted}
        assert all(subscription.asked is None for subscription in self.client.subscriptions.values())


TestClient = ClientMachine.TestCase
TestClient.settings = examples(300, stateful_step_count=40)


def test_the_oracle_notices_a_hole_and_a_repetition():
    """The checker is shown once to fail."""
    for offset in (5, 7):
        oracle = Oracle()
        oracle.place["s"] = ("1", 5)
        with pytest.raises(AssertionError, match="not the next event"):
            oracle.shown(
                m.AlertMessage(
                    channel="s", epoch="1", offset=offset, prev=0, event=EventKind.FIRED, data=PLAIN_ALERT, timestamp=""
                )
            )
