"""What actors are handed in tests: a store whose faults can be switched, a tiny machine, and who listens."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any, cast

import msgspec
import trio

from actors.cell import Cell, ChannelLimits
from actors.cell_actor import ChannelKit
from actors.frames import Frame, Frames
from actors.mailbox import Envelope, Receipt
from actors.supervisor import Started
from protocol.codec import WireForm, decode_server
from protocol.commands import Batch, Command, Ring
from protocol.effects import (
    Behind,
    Commit,
    CommitOutcome,
    Committed,
    Decision,
    OpenAlerts,
    Recalled,
    StormNotice,
    Unavailable,
)
from protocol.errors import CloseCode, CommitInvalid, StoreUnavailable
from protocol.items import ItemResult
from protocol.limits import Limit
from protocol.model import (
    Alert,
    AlertState,
    ChannelKey,
    DerivedKey,
    Event,
    EventKind,
    Reason,
    Severity,
    Status,
    StreamKey,
)
from protocol.orders import Orders
from protocol.rows import Row

KEY = ChannelKey("acme", "checkout")
OTHER = ChannelKey("acme", "search")
START_US = 1_767_225_600_000_000
AT = "2026-01-01T00:00:00.000000Z"
FIRED = ItemResult(status=Status.FIRED, reason=Reason.FIRED)


def clock() -> int:
    """Wall clock in microseconds that runs with trio's (virtual) one."""
    return START_US + round(trio.current_time() * 1e6)


class Ids:
    """b1, b2, b3 …: ids that a person can read."""

    def __init__(self, prefix: str = "b") -> None:
        self._prefix, self._last = prefix, 0

    def __call__(self) -> str:
        self._last += 1
        return f"{self._prefix}{self._last}"


def an_event(
    offset: int, title: str = "", severity: Severity = Severity.WARNING, user: str | None = None, **more: Any
) -> Event:
    """The event at an offset; its alert is called `title`, or after the offset, and assigned to `user`."""
    alert = Alert(
        id=f"a{offset}", framework_id=KEY.framework, severity=severity, state=AlertState.ACTIVE, current_value=None,
        threshold_value=None, title=title or f"e{offset}", occurrences=1, triggered_at=AT, last_seen_at=AT,
        notification_sent=False, assigned_to=user,
    )  # fmt: skip
    return Event(offset=offset, kind=EventKind.FIRED, alert=alert, at=AT, **more)


def some_events(first: int, last: int, **more: Any) -> list[Event]:
    """The events of a range of offsets, both ends included; the workspace counts them alike."""
    return [an_event(offset, workspace_offset=offset, **more) for offset in range(first, last + 1)]


class Answers:
    """Collects what requests were answered."""

    def __init__(self) -> None:
        self.all: list[Sequence[ItemResult]] = []

    def __call__(self, results: Sequence[ItemResult]) -> None:
        self.all.append(results)

    @property
    def reasons(self) -> list[Reason]:
        """The reason of each first item, in the order of the answers."""
        return [results[0].reason for results in self.all]


def envelopes(answer: Callable[[Sequence[ItemResult]], None], *titles: str) -> list[Envelope]:
    """One request per title, each answered by itself."""
    return [Envelope(Ring(title=title), Receipt(1, answer), 0) for title in titles]


def titles(commands: Sequence[Command]) -> list[str | None]:
    """What the commands are called."""
    return [command.title for command in commands if isinstance(command, Ring)]


class Recorder:
    """An observer that remembers."""

    def __init__(self) -> None:
        self.fan_outs: list[tuple[float, int]] = []
        self.batches: list[int] = []
        self.restarts: list[str] = []
        self.refusals: list[Limit] = []
        self.storms: list[StormNotice] = []
        self.closes: list[CloseCode] = []
        self.dead_letters = 0
        self.conflicts = 0
        self.deliveries = 0

    def fan_out(self, seconds: float, writes: int) -> None:
        self.fan_outs.append((seconds, writes))

    def delivered(self, messages: int) -> None:
        self.deliveries += messages

    def batch(self, key: ChannelKey, commands: int, seconds: float) -> None:
        self.batches.append(commands)

    def restarted(self, actor: str) -> None:
        self.restarts.append(actor)

    def refused(self, limit: Limit) -> None:
        self.refusals.append(limit)

    def storm(self, key: ChannelKey, notice: StormNotice) -> None:
        self.storms.append(notice)

    def ended(self, code: CloseCode) -> None:
        self.closes.append(code)

    def dead_letter(self, key: ChannelKey) -> None:
        self.dead_letters += 1

    def conflict(self, key: ChannelKey) -> None:
        self.conflicts += 1


class Machines:
    """Builds tiny machines: each title fires an event, `poison` raises, `quiet` needs no commit."""

    def __init__(self) -> None:
        self.built = 0
        self.decided: list[list[str | None]] = []
        # How many of the next machines raise when they are built, and when they decide anything.
        self.fail_builds = 0
        self.fail_decisions = 0
        # Once its wall clock is past this, an empty batch fires `due`.
        self.due: int | None = None
        # Whether what is due is nothing that the channel must run for.
        self.is_started_by_others = False
        # Counted and not stored; written one at a time when the channel ends.
        self.unwritten: list[Row] = []
        # How many slices a machine needs to be ready, and those that were taken up.
        self.slices = 0
        self.restored: list[int] = []

    def __call__(self, key: ChannelKey, recalled: Recalled, orders: Orders) -> TinyMachine:
        self.built += 1
        if self.fail_builds:
            self.fail_builds -= 1
            raise RuntimeError("cannot be built")
        return TinyMachine(self, recalled.offset)


class TinyMachine:
    """A machine whose whole memory is its offset."""

    def __init__(self, owner: Machines, offset: int) -> None:
        self._owner = owner
        self._offset = offset

    def restore(self) -> Iterator[None]:
        for slice_ in range(self._owner.slices):
            self._owner.restored.append(slice_)
            yield

    def decide(self, batch: Batch) -> Decision:
        names = titles(batch.commands)
        self._owner.decided.append(names)
        if self._owner.fail_decisions:
            self._owner.fail_decisions -= 1
            raise RuntimeError("out of order")
        if "poison" in names:
            raise ValueError("poison")
        loud = [name or "" for name in names if name != "quiet"]
        if self._owner.due is not None and batch.now >= self._owner.due:
            self._owner.due = None
            loud.append("due")
        events = tuple(an_event(self._offset + n, title) for n, title in enumerate(loud, 1))
        self._offset += len(events)
        return Decision(results=tuple(FIRED for _ in names), offset=self._offset, events=events)

    def flush(self, batch: Batch) -> Decision:
        rows, self._owner.unwritten = self._owner.unwritten[:1], self._owner.unwritten[1:]
        return Decision(results=(), offset=self._offset, rows=tuple(rows))

    def next_due(self) -> int | None:
        return self._owner.due

    def owes(self) -> bool:
        return self._owner.due is not None and not self._owner.is_started_by_others


class _Stream:
    def __init__(self) -> None:
        self.events: list[Event] = []
        self.floor = 0
        self.last_batch = ""
        self.last: Committed = Committed((), ())


class FakeStore:
    """A ChannelStore in memory. Set `away` to a cause to have it not answer; `faults` are for the next commits."""

    def __init__(self) -> None:
        self.away: str | None = None
        # One per commit: "before" and "after" raise there, "unanswered" commits and answers Unavailable.
        self.faults: deque[str] = deque()
        # Commits wait for it, if it is there, before they happen.
        self.gate: trio.Event | None = None
        self.history_away = 0
        self.commits: list[Commit] = []
        self.recalls = 0
        self.looks = 0
        self.workspace_events: list[Event] = []
        self.workspace_floor = 0
        self.feed: Callable[[str, Sequence[Event]], None] = lambda workspace, events: None
        self.reading: trio.Event | None = None
        # Called before each page of a snapshot is read.
        self.turning: Callable[[], None] | None = None
        self._streams: dict[ChannelKey, _Stream] = {}

    def stream(self, key: ChannelKey = KEY) -> _Stream:
        """What is kept of one channel."""
        return self._streams.setdefault(key, _Stream())

    def titles(self, key: ChannelKey = KEY) -> list[str]:
        """What is kept of one channel: the titles of its events."""
        return [event.alert.title for event in self.stream(key).events]

    def add(self, events: Sequence[Event], key: ChannelKey = KEY) -> None:
        """Somebody else commits these."""
        stamped = self._stamp(key, events)
        self.feed(key.workspace, stamped)

    async def recall(self, key: ChannelKey) -> Recalled:
        await self._answer()
        self.recalls += 1
        stream = self.stream(key)
        return Recalled(
            epoch="e1",
            offset=len(stream.events),
            floor=stream.floor,
            last_batch=stream.last_batch,
            last_results=stream.last.results,
        )

    async def position(self, key: ChannelKey) -> Recalled:
        await self._answer()
        self.looks += 1
        stream = self.stream(key)
        return Recalled(epoch="e1", offset=len(stream.events), floor=stream.floor, last_batch=stream.last_batch)

    async def commit(self, commit: Commit) -> CommitOutcome:
        self.commits.append(commit)
        await trio.lowlevel.checkpoint()
        if self.gate is not None:
            await self.gate.wait()
        if self.away is not None:
            return Unavailable(self.away)
        fault = self.faults.popleft() if self.faults else ""
        if any(event.alert.title == "unstorable" for event in commit.decision.events):
            raise CommitInvalid("a lone surrogate")
        if fault == "before":
            raise OSError("torn before the commit")
        outcome = self._keep(commit)
        if fault == "after":
            raise OSError("torn after the commit")
        return Unavailable("answer lost") if fault == "unanswered" else outcome

    async def history(self, key: ChannelKey, after: int, limit: int) -> Sequence[Event]:
        await self._answer()
        if self.history_away:
            self.history_away -= 1
            raise StoreUnavailable("history is away")
        stream = self.stream(key)
        return [event for event in stream.events if event.offset > max(after, stream.floor)][:limit]

    async def derived_position(self, stream: DerivedKey) -> Recalled:
        await self._answer()
        offset = len(self.workspace_events) if stream.user is None else len(self._assigned(stream.user))
        place = Recalled(epoch="e1", offset=offset, floor=self.workspace_floor)
        if self.reading is not None:
            await self.reading.wait()
        return place

    async def derived_history(self, stream: DerivedKey, after: int, limit: int) -> Sequence[Event]:
        await self._answer()
        if stream.user is not None:
            return [event for event in self._assigned(stream.user) if event.user_offsets[stream.user] > after][:limit]
        found = [event for event in self.workspace_events if event.workspace_offset > max(after, self.workspace_floor)]
        return found[:limit]

    async def open_alerts(
        self, stream: StreamKey, min_severity: Severity, before: str | None, limit: int
    ) -> OpenAlerts:
        """The alerts of the channel's events, newest offset first; whatever became of them."""
        await self._answer()
        if self.turning is not None:
            self.turning()
        if isinstance(stream, ChannelKey):
            events = self.stream(stream).events
        else:
            events = self.workspace_events if stream.user is None else self._assigned(stream.user)
        alerts = [event.alert for event in reversed(events) if event.alert.severity.rank >= min_severity.rank]
        ids = [alert.id for alert in alerts]
        rest = alerts if before is None else alerts[ids.index(before) + 1 :]
        return OpenAlerts(offset=len(events), alerts=tuple(rest[:limit]), last=len(rest) <= limit)

    def _assigned(self, user: str) -> list[Event]:
        return [event for event in self.workspace_events if user in event.people]

    async def _answer(self) -> None:
        await trio.lowlevel.checkpoint()
        if self.away is not None:
            raise StoreUnavailable(self.away)

    def _keep(self, commit: Commit) -> CommitOutcome:
        stream = self.stream(commit.key)
        if stream.last_batch == commit.batch.id:
            return stream.last
        if commit.base != len(stream.events) or commit.after not in (None, stream.last_batch):
            return Behind(len(stream.events))
        events = self._stamp(commit.key, commit.decision.events)
        stream.last_batch = commit.batch.id
        stream.last = Committed(commit.decision.results, tuple(events))
        self.feed(commit.key.workspace, events)
        return stream.last

    def _stamp(self, key: ChannelKey, events: Sequence[Event]) -> list[Event]:
        first = len(self.workspace_events) + 1
        stamped = []
        for place, event in enumerate(events, first):
            places = {user: len(self._assigned(user)) + 1 for user in event.people}
            stamped.append(msgspec.structs.replace(event, workspace_offset=place, user_offsets=places))
            self.workspace_events.append(stamped[-1])
        self.stream(key).events += stamped
        return stamped


class Receiver:
    """A recipient that keeps what it was told, taken apart again."""

    def __init__(self, form: WireForm = WireForm.JSON) -> None:
        self.form = form
        self.frames: list[Frame] = []

    def push_all(self, frames: Frames) -> None:
        self.frames.extend(frames.frames)

    @property
    def messages(self) -> list[Any]:
        """The messages heard so far."""
        return [decode_server(payload_of(frame.data), self.form) for frame in self.frames]

    @property
    def heard(self) -> list[tuple[int, int]]:
        """(prev, offset) of each alert heard so far."""
        return [(message.prev, message.offset) for message in self.messages]


def payload_of(frame: bytes) -> bytes:
    """What is inside one whole frame of a server."""
    return frame[{126: 4, 127: 10}.get(frame[1], 2) :]


def a_kit(store: FakeStore, machines: Machines, observer: Recorder, **limits: Any) -> ChannelKit:
    """What channel actors are handed here."""
    return ChannelKit(store, machines, clock, Ids(), observer, ChannelLimits(**limits))


async def put(cell: Cell, answer: Callable[[Sequence[ItemResult]], None], *names: str) -> None:
    """Puts one command per name into a channel, as one request each."""
    cell.put_all(envelopes(answer, *names))
    await trio.lowlevel.checkpoint()


async def start(nursery: trio.Nursery, run: Callable[[Started], Awaitable[None]]) -> None:
    """Starts an actor and waits until it says that it has started."""

    async def started(task_status: trio.TaskStatus[None]) -> None:
        await run(cast(Started, task_status))

    await nursery.start(started)
