"""What actors are handed: the machine that decides, the store that keeps, the desk that knows the meaning of requests.

Each port is a handful of methods with a one-sentence contract. Actors import nothing from the layers above.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

from protocol import messages as m
from protocol.commands import Batch
from protocol.effects import Commit, CommitOutcome, Decision, OpenAlerts, Recalled, RecipientMark, StormNotice
from protocol.errors import CloseCode
from protocol.hints import Hint
from protocol.items import ItemResult
from protocol.jobs import A_FEW_EACH, Claimed, Lease, Queue, Settlement, Shares, Swept, Verdict
from protocol.limits import Limit
from protocol.model import ChannelKey, DerivedKey, Event, Principal, Severity, StreamKey
from protocol.orders import Orders

# Events that are read and told at a time: few enough that a peer takes them at once, enough to make a read worth it.
HISTORY_CHUNK = 256


class Machine(Protocol):
    """Decides for one channel. Pure: no await, no clock, no randomness; one instance per run of a channel's actor."""

    def restore(self) -> Iterator[None]:
        """Takes up what was recalled, some milliseconds of work between two yields, so that others run meanwhile.

        Whoever has no others need not ask for it: each other method does first what is left of it.
        """

    def decide(self, batch: Batch) -> Decision:
        """Applies a batch (also an empty one: whatever is due by `batch.now`) and says what must be stored and told.

        It handles at least the first command; of those after it as many as there are results, the rest comes again.
        """

    def flush(self, batch: Batch) -> Decision:
        """What is counted and not stored yet, due or not, some of it at a time; nothing durable: that was all."""

    def next_due(self) -> int | None:
        """When (microseconds since the epoch) an empty batch would have something to do; None: never."""

    def owes(self) -> bool:
        """Whether something is due one day that no one else starts the channel for. May look at every alert: asked only
        before an idle channel is retired."""


class MachineFactory(Protocol):
    """Builds a machine from what the store knows of its channel."""

    def __call__(self, key: ChannelKey, recalled: Recalled, orders: Orders) -> Machine:
        """A machine that continues where the store stands, under the orders that hold now."""


class OrdersOf(Protocol):
    """Says what holds for a channel: the same object as long as nothing has changed."""

    def __call__(self, key: ChannelKey) -> Orders:
        """The standing orders of a channel."""


class ChannelStore(Protocol):
    """What a channel's actor needs of the store."""

    async def recall(self, key: ChannelKey) -> Recalled:
        """All that the store knows of a channel, empty at offset 0 if nothing. Raises StoreUnavailable."""

    async def position(self, key: ChannelKey) -> Recalled:
        """Epoch, last offset, floor and last batch of a channel; all else stays empty. Raises StoreUnavailable."""

    async def commit(self, commit: Commit) -> CommitOutcome:
        """Keeps a decision on stable storage, or says why not. Cancelled: the commit may still happen.

        Raises CommitInvalid if it can never be stored.
        """

    async def history(self, key: ChannelKey, after: int, limit: int) -> Sequence[Event]:
        """At most `limit` events of a channel with offsets above `after`, in order. Raises StoreUnavailable."""

    async def derived_position(self, stream: DerivedKey) -> Recalled:
        """Epoch, last offset and floor of a derived stream (`rows` stays empty). Raises StoreUnavailable."""

    async def derived_history(self, stream: DerivedKey, after: int, limit: int) -> Sequence[Event]:
        """Like `history`, in the order of `workspace_offset`, or of `user_offsets` for a person's stream."""

    async def open_alerts(
        self, stream: StreamKey, min_severity: Severity, before: str | None, limit: int
    ) -> OpenAlerts:
        """Open alerts with ids below `before`, newest first, and where the stream stood. Raises StoreUnavailable."""


Answer = Callable[[Sequence[ItemResult]], None]


class Desk(Protocol):
    """Where a session takes requests: the engine's service. Every door calls the same one."""

    def authenticate(self, token: str) -> Principal:
        """Who the bearer is. Raises Unauthorized or TokenExpired."""

    async def redeem(self, ticket: str) -> Principal:
        """Who the bearer of a one-use ticket is; it is used up. Raises Unauthorized."""

    def locate(self, who: Principal, channel: str | None, framework_id: str | None) -> StreamKey:
        """Which stream is meant, if `who` may read it. Raises TocsinError."""

    async def submit(self, who: Principal, request: m.ClientMessage, answer: Answer, address: str = "") -> None:
        """Takes a trigger, reading, acknowledge or resolve from an address; `answer` gets the results after the commit.

        Raises TocsinError if the request as a whole is refused. Waits for reads at most, never for a commit.
        """

    async def mark_read(self, who: Principal, keys: Sequence[str] | None) -> tuple[int, int]:
        """`who` has read these notifications (None: all of them): how many he had not, and how many are unread yet.

        Raises PermissionDenied, StoreUnavailable, Busy: it waits for one small commit, and not for long.
        """


class Found(NamedTuple):
    """What was found beside the streams. `until`: it was told by then (microseconds), so not to who left before."""

    until: int
    hint: Hint


class Findings(Protocol):
    """Says what is told to those who come back, besides events."""

    async def of(self, key: StreamKey) -> Sequence[Found]:
        """The newest of what was found about a stream, in order, nothing that was told before this call left out.

        Nothing while the store is away.
        """


class NothingFound:
    """Where nobody looks for anything."""

    async def of(self, key: StreamKey) -> Sequence[Found]:
        """Nothing."""
        return ()


class Presence(Protocol):
    """Who is connected, for operators. Called on the loop: notes it and returns."""

    def opened(self, client_id: str, who: Principal) -> None:
        """A connection has authenticated."""

    def subscribed(self, client_id: str, key: ChannelKey) -> None:
        """A connection follows this channel now."""

    def active(self, client_id: str) -> None:
        """Something was heard from a connection since the last time; about once in its silence timeout."""

    def closed(self, client_id: str) -> None:
        """An authenticated connection is over."""


class Recipients(Protocol):
    """Who received and saw what. Called on the loop: notes it and returns."""

    def mark(self, mark: RecipientMark, origin: int) -> None:
        """A person received or saw this much; `origin` is where the subscription that says so began."""


class Observer(Protocol):
    """Where actors report what took how long. Called on the hot path: must be cheap and must not raise."""

    def fan_out(self, seconds: float, writes: int) -> None:
        """A drain: from the first frame noted to the last one written."""

    def delivered(self, messages: int) -> None:
        """So many alert messages were handed to outboxes: one for each message and subscriber."""

    def batch(self, key: ChannelKey, commands: int, seconds: float) -> None:
        """A batch of commands: how many, and how long from taking it to answering it."""

    def restarted(self, actor: str) -> None:
        """A supervisor restarted an actor of this kind."""

    def refused(self, limit: Limit) -> None:
        """Somebody was refused at this limit."""

    def storm(self, key: ChannelKey, notice: StormNotice) -> None:
        """A channel's storm has begun, or is over."""

    def ended(self, code: CloseCode) -> None:
        """We ended a connection with this code."""

    def dead_letter(self, key: ChannelKey) -> None:
        """A command was set aside after it made the machine raise three times."""

    def conflict(self, key: ChannelKey) -> None:
        """The fence kept a commit out: somebody else had decided for this channel in the meantime."""


Clock = Callable[[], int]
NewId = Callable[[], str]


class JobBoard(Protocol):
    """What workers need of the store. Everything raises StoreUnavailable."""

    async def claim(
        self, node: str, wanted: Mapping[Queue, int], lease_s: float, shares: Shares = A_FEW_EACH
    ) -> list[Claimed]:
        """At most so many due jobs of each queue, under leases of this node; no more of a target than its share."""

    async def renew(self, node: str, leases: Sequence[Lease], lease_s: float) -> list[Lease]:
        """Keeps leases for so long from now; those that this node no longer holds."""

    async def settle(self, settlements: Sequence[Settlement]) -> list[bool]:
        """Ends claims in one transaction; False: the lease was not held any more, nothing was changed."""

    async def sweep(self, limit: int) -> Swept:
        """Takes at most so many jobs from those whose lease has ended.

        And at most so many that were put off while the clock was ahead (it has been set back since) are due as long
        after now as they were to be after that moment.
        """

    async def next_due(self) -> int | None:
        """When (microseconds) the next delayed job is due; None: there is none."""


class JobDesk(Protocol):
    """Knows what jobs mean."""

    async def do(self, claimed: Claimed) -> Settlement:
        """Does a job. What it raises is a failed attempt; cancelled: its time is over, or its lease."""

    def failed(self, claimed: Claimed, cause: str, traceback: str | None = None) -> Settlement:
        """What becomes of a job whose attempt failed."""


class JobObserver(Protocol):
    """Counts what workers do."""

    def started(self, queue: Queue, waited_s: float) -> None:
        """A job was claimed, so long after it could first have run."""

    def ended(self, claimed: Claimed, verdict: Verdict, seconds: float) -> None:
        """A job was settled, so long after it was claimed."""

    def lost(self, queue: Queue) -> None:
        """A lease ended before its job did: cancelled, or another node's by now. What came of it is dropped."""

    def swept(self, swept: Swept) -> None:
        """Jobs whose node had lost them were taken from it."""
