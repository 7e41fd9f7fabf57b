"""Keeps the incidents of the workspaces that this node owns, from what is committed there.

Owns: one machine for each workspace where something happens (`engine.core.analytics.correlating`), how far each is, and
what was posted and not looked at yet. The store's feed posts to us on the loop, in commit order; what we find missing
(we started, were too slow, or became the owner) is read from the store. What a machine says is stored with how far it
is, under a version: whoever else writes incidents (people's verbs, the former owner) moves that on, and then we forget
the machine and make it anew from the store. So an event counts exactly once, whoever is killed when. If we crash we are
started again and go on from the store.

Beside the alert's way: nobody waits for us but the jobs that notify, and those not for long. We look at some events,
say what came of them, and give the loop back for several times as long as that took.

Decided against: deciding in the channels' machines (an incident has alerts of several channels), and a job for each
commit (a thousand jobs a second that find nothing).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence

import structlog
import trio

from actors.patience import pause
from actors.registry import Registry
from actors.supervisor import Started
from engine.analytics.incident_memory import BACKLOG_MAX, Keeping, Memory
from engine.analytics.leisure import Turn
from engine.core.analytics.correlating import Changes
from engine.stores import Store
from protocol.errors import StoreUnavailable
from protocol.incidents import Happening, Incident, Moment
from protocol.model import Event

# What is posted and not looked at: about 10 MB. Beyond it the store is read.
POSTED_MAX = 10_000
# Looked at and stored together: some milliseconds of looking, ten times as many where an incident is large.
AT_ONCE = 100
# After a look, so that a commit of ours joins what many commits have brought.
GATHERS_S = 0.05
PAGE_OF_WORKSPACES = 500
# How far a quiet workspace is need not be stored each time: to look again at so many events costs less.
UNSAVED_MAX = 1_000
# Machines in memory: those of the workspaces where something happened last.
KEPT_MAX = 500
# What was found to go together changes every some hours.
LEARNED_S = 600.0
log = structlog.get_logger()
Tell = Callable[[str, Sequence[tuple[Incident, Moment]]], None]


class _Posted:
    """What is known of a workspace's stream: its newest events, and up to where there are some."""

    __slots__ = ("events", "last")

    def __init__(self) -> None:
        self.events: deque[Event] = deque()
        self.last = 0


class IncidentKeeper:
    """Correlates. `tell` is called after what it tells was stored, and must not raise."""

    def __init__(self, store: Store, registry: Registry, memory: Memory, tell: Tell) -> None:
        self._store = store
        self._registry = registry
        self._memory = memory
        self._tell = tell
        self._kept: dict[str, Keeping] = {}
        self._recalled_at: dict[str, float] = {}
        self._posted: dict[str, _Posted] = {}
        self._posted_events = 0
        self._waiting: dict[str, None] = {}
        self._poison: dict[str, int] = {}
        self._passed = trio.Event()
        self._news = trio.Event()
        self._is_to_find_all = True
        # Whether other nodes want to know soon how far we are.
        self.saves_soon = False
        self._counts = dict.fromkeys(
            ("events", "skipped", "forgotten", "failed", "recalled", *(each.value for each in Happening)), 0
        )

    def statistics(self) -> Mapping[str, int]:
        """What has happened since the start, and how many events wait."""
        return {**self._counts, "waiting": self._posted_events, "workspaces": len(self._kept)}

    def post(self, workspace: str, events: Sequence[Event]) -> None:
        """Takes note of the events of one commit; called in commit order, must not raise."""
        if not self._registry.is_ours(workspace):
            return
        posted = self._posted.setdefault(workspace, _Posted())
        if events:
            posted.last = max(posted.last, events[-1].workspace_offset)
            if self._posted_events + len(events) <= POSTED_MAX:
                posted.events.extend(events)
                self._posted_events += len(events)
        self._look(workspace)

    def look_all(self, is_meant: Callable[[str], bool]) -> None:
        """Looks into the store for what may have been missed in these workspaces."""
        for workspace in list(self._kept):
            if is_meant(workspace) and self._registry.is_ours(workspace):
                self._look(workspace)

    def look_again(self) -> None:
        """This node may have become the owner of other workspaces: looks at all of them."""
        self._is_to_find_all = True
        self._news.set()

    def _look(self, workspace: str) -> None:
        self._waiting[workspace] = None
        self._news.set()

    async def _find_all(self) -> None:
        """Looks at all workspaces that are ours: at the start, and when more have become so."""
        self._is_to_find_all, after = False, ""
        while True:
            names = await self._store.workspaces_seen(after, PAGE_OF_WORKSPACES)
            for name in names:
                if self._registry.is_ours(name):
                    self._look(name)
            if len(names) < PAGE_OF_WORKSPACES:
                return
            after = names[-1]

    def is_ours(self, workspace: str) -> bool:
        """Whether we look after this workspace."""
        return self._registry.is_ours(workspace)

    async def caught_up(self, workspace: str) -> None:
        """Returns when everything that is posted by now was looked at, or is not ours to look at."""
        posted = self._posted.get(workspace)
        last = posted.last if posted is not None else 0
        while self._registry.is_ours(workspace) and workspace in self._waiting:
            keeping = self._kept.get(workspace)
            if keeping is not None and keeping.done >= last:
                return
            await self._passed.wait()

    async def run(self, status: Started) -> None:
        """Looks at what happens, for ever."""
        status.started()
        # What we held may be half-way between two states.
        self._kept.clear()
        self.look_again()
        attempt = 0
        while True:
            await self._news.wait()
            self._news = trio.Event()
            try:
                if self._is_to_find_all:
                    await self._find_all()
                await self._round()
            except StoreUnavailable:
                attempt += 1
                self._kept.clear()
                self.look_again()
                await pause(attempt)
            else:
                attempt = 0
                await trio.sleep(GATHERS_S)

    async def _round(self) -> None:
        """Some events of each workspace where there are some."""
        for workspace in list(self._waiting):
            if not self._registry.is_ours(workspace):
                self._forget(workspace)
            elif not await self._step(workspace):
                self._waiting.pop(workspace)
                self._let_go_of_some()
            else:
                self._news.set()
            self._pass_on()

    def _pass_on(self) -> None:
        self._passed.set()
        self._passed = trio.Event()

    async def _step(self, workspace: str) -> bool:
        """The next events of a workspace; whether there may be more."""
        keeping = await self._keeping(workspace)
        if keeping is None:
            return True
        events = self._take(workspace, keeping.position)
        if not events:
            events = await self._memory.events(workspace, keeping.position, AT_ONCE)
        if not events:
            return (posted := self._posted.get(workspace)) is not None and posted.last > keeping.position
        await self._memory.load(workspace, keeping.machine, keeping.machine.missing(events))
        is_done = await self._apply(workspace, keeping, events)
        if not is_done or not await self._save(workspace, keeping):
            self._kept.pop(workspace, None)
            return True
        keeping.done = keeping.position
        self._pass_on()
        return self._is_behind(workspace, keeping)

    async def _keeping(self, workspace: str) -> Keeping | None:
        """Its machine. None: somebody has written while we made it."""
        known = self._kept.get(workspace)
        posted = self._posted.get(workspace)
        is_old = trio.current_time() - self._recalled_at.get(workspace, 0.0) > LEARNED_S
        if known is not None and posted is not None and posted.last - known.position > BACKLOG_MAX:
            is_old = True
        if known is not None and not is_old:
            return known
        keeping, skipped = await self._memory.recall(workspace)
        self._counts["recalled"] += 1
        if skipped:
            self._counts["skipped"] += skipped
            if not await self._memory.refresh(workspace, keeping):
                return None
        self._kept.pop(workspace, None)
        self._kept[workspace] = keeping
        self._recalled_at[workspace] = trio.current_time()
        return keeping

    def _take(self, workspace: str, position: int) -> Sequence[Event]:
        """What is posted and comes next; nothing, if something is missing before it."""
        posted = self._posted.get(workspace)
        taken: list[Event] = []
        while posted is not None and posted.events and len(taken) < AT_ONCE:
            offset = posted.events[0].workspace_offset
            if offset > position + len(taken) + 1:
                break
            event = posted.events.popleft()
            self._posted_events -= 1
            if offset == position + len(taken) + 1:
                taken.append(event)
        return taken

    async def _apply(self, workspace: str, keeping: Keeping, events: Sequence[Event]) -> bool:
        """Looks at events, some at a time. False: one made the machine raise; it will be passed over."""
        turn = Turn()
        for event in events:
            await turn.may_rest()
            if event.workspace_offset != self._poison.get(workspace):
                try:
                    keeping.machine.apply(event)
                except Exception:
                    log.exception("incident_event_failed", workspace=workspace, offset=event.workspace_offset)
                    self._poison[workspace] = event.workspace_offset
                    self._counts["failed"] += 1
                    return False
            keeping.position = event.workspace_offset
        keeping.unsaved += len(events)
        self._counts["events"] += len(events)
        self._counts["forgotten"] += keeping.machine.forgotten - keeping.forgotten
        keeping.forgotten = keeping.machine.forgotten
        return True

    async def _save(self, workspace: str, keeping: Keeping) -> bool:
        """Stores and tells what has changed. False: somebody else has written."""
        changes = keeping.machine.drain()
        if not changes.incidents and changes.learnt is None and not self._wants_saving(keeping):
            return True
        if not await self._memory.save(workspace, keeping, changes):
            return False
        self._told(workspace, changes)
        return True

    def _wants_saving(self, keeping: Keeping) -> bool:
        return self.saves_soon or keeping.unsaved >= UNSAVED_MAX

    def _told(self, workspace: str, changes: Changes) -> None:
        for _, moment in changes.news:
            self._counts[moment.what.value] += 1
        if changes.news:
            self._tell(workspace, changes.news)

    def _is_behind(self, workspace: str, keeping: Keeping) -> bool:
        posted = self._posted.get(workspace)
        # Without a word of where it stands the store is asked once more.
        return posted is None or posted.last > keeping.position

    def _forget(self, workspace: str) -> None:
        """Another node decides for it."""
        self._waiting.pop(workspace, None)
        self._kept.pop(workspace, None)
        posted = self._posted.pop(workspace, None)
        self._posted_events -= len(posted.events) if posted is not None else 0

    def _let_go_of_some(self) -> None:
        for workspace in list(self._kept)[: max(len(self._kept) - KEPT_MAX, 0)]:
            if workspace not in self._waiting:
                del self._kept[workspace]
                self._recalled_at.pop(workspace, None)
