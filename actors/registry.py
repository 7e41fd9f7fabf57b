"""Channels by name: a channel's actor starts on first use, is restarted when it crashes, and retired when idle.

Owns: the cells, and one task per channel that keeps its actor running (one-for-one). Restart intensity counts per
channel; one past it is parked: it answers at once that it failed, is tried again every `park_s`, and never ends
the process. A machine that raised over somebody's command (MachineRaised) is restarted and not counted: the command is.
With several nodes a cell is run by its channel (`actors.channel`) on the node that owns the workspace, and by the link
to that node (`actors.remote`) on all others; when the owner changes, whoever runs it ends and the other kind begins.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

import structlog
import trio

from actors.audience import Audience
from actors.cell import Cell
from actors.cell_actor import ChannelKit
from actors.channel import ChannelActor, MachineRaised
from actors.remote import RemoteActor, RemoteKit
from actors.restart import Exhausted, RestartHistory, RestartPolicy
from actors.supervisor import Started
from actors.tally import one_less
from actors.waker import Waker
from protocol.errors import Busy
from protocol.limits import Limit
from protocol.model import ChannelKey, Event
from protocol.wording import several

log = structlog.get_logger()

# The settings' defaults (`channel.channels_max`, `per_workspace_max`, `park_s`), where the reasons are.
CHANNELS_MAX = 20_000
WORKSPACE_CHANNELS_MAX = 5_000
PARK_S = 10.0
# At the end: how long channels may take for what they hold. A store that is away then is not waited for.
CLOSE_S = 3.0


# The node that decides for a workspace; None: we do.
OwnerOf = Callable[[str], str | None]


def _ours(workspace: str) -> str | None:
    """Where there is one node."""
    return None


class Registry:
    """All channels of this engine."""

    def __init__(
        self,
        kit: ChannelKit,
        policy: RestartPolicy | None = None,
        park_s: float = PARK_S,
        channels_max: int = CHANNELS_MAX,
        per_workspace_max: int = WORKSPACE_CHANNELS_MAX,
    ) -> None:
        self._kit = kit
        self._owner_of: OwnerOf = _ours
        self._remote: RemoteKit | None = None
        self._policy = policy or RestartPolicy()
        self._park_s = park_s
        self._channels_max = channels_max
        self._per_workspace_max = per_workspace_max
        self._of_workspace: Counter[str] = Counter()
        self._cells: dict[ChannelKey, Cell] = {}
        self._nursery: trio.Nursery | None = None
        self._waker = Waker()
        self._running: dict[ChannelKey, trio.CancelScope] = {}
        self._all_ended = trio.Event()
        self._is_closing = False
        self.restarts = 0

    def share(self, owner_of: OwnerOf, remote: RemoteKit) -> None:
        """There are several nodes from now on; before anything runs."""
        self._owner_of, self._remote = owner_of, remote

    def reown(self) -> None:
        """The nodes have changed: whoever runs a cell for a node that is not its owner any more ends."""
        moving: list[Cell] = []
        for cell in self._cells.values():
            owner = self._owner_of(cell.key.workspace)
            if owner != cell.owner:
                cell.change_owner(owner)
                moving.append(cell)
        self._waker.wake(moving)

    def doubt(self) -> None:
        """Others may have decided for us for a while: what our channels have in memory is not to be relied on."""
        self._have_looked(cell for cell in self._cells.values() if cell.owner is None)

    async def run(self, status: Started) -> None:
        """Owns the channels' tasks. Cells that a former run left are taken up again."""
        try:
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                nursery.start_soon(self._waker.run)
                for cell in list(self._cells.values()):
                    self._start(cell)
                status.started()
                try:
                    await trio.sleep_forever()
                finally:
                    # What was accepted is handled and what was counted is stored; bounded by CLOSE_S.
                    with trio.CancelScope(shield=True):
                        await self._close()
        finally:
            self._nursery = None
            self._is_closing = False

    async def _close(self) -> None:
        self._is_closing = True
        self._all_ended = trio.Event()
        for cell in self._cells.values():
            cell.mailbox.close()
        if self._running:
            with trio.move_on_after(CLOSE_S):
                await self._all_ended.wait()
        for scope in self._running.values():
            scope.cancel()

    def cell(self, key: ChannelKey) -> Cell:
        """The channel's cell; its actor is started on first use. Raises Busy at a limit, and at our end."""
        cell = self._cells.get(key)
        if cell is None:
            if self._is_closing:
                raise Busy("the engine is stopping; send it again when it is back")
            try:
                self._check_room(key.workspace)
            except Busy as fault:
                # Here and not where it is answered: a subscription and a trigger meet it in different places.
                if fault.limit is not None:
                    self._kit.observer.refused(fault.limit)
                raise
            self._of_workspace[key.workspace] += 1
            cell = self._cells[key] = Cell(key, self._kit.limits, self._owner_of(key.workspace))
            self._start(cell)
        return cell

    def _check_room(self, workspace: str) -> None:
        used, limit = self._of_workspace[workspace], self._per_workspace_max
        if used >= limit:
            raise Busy(
                f"this workspace has {several(used, 'channel')} in use, limit {limit}; "
                "those unused are freed in a minute",
                Limit.CHANNELS_PER_WORKSPACE,
            )
        if len(self._cells) >= self._channels_max:
            # The setting tells nothing of other workspaces that the refusal does not: all of them are in use.
            raise Busy(
                f"all {self._channels_max} channels of the engine are in use, limit {self._channels_max}; "
                "those unused are freed in a minute",
                Limit.CHANNELS,
            )

    def cells(self) -> list[Cell]:
        """All cells that exist now."""
        return list(self._cells.values())

    def wake(self, workspace: str, framework: str | None = None) -> None:
        """Other orders hold for this channel (None: for all of the workspace): those in use look at them soon."""
        if framework is None:
            self._waker.wake(cell for key, cell in self._cells.items() if key.workspace == workspace)
        elif (cell := self._cells.get(ChannelKey(workspace, framework))) is not None:
            self._waker.wake([cell])

    def moved(self, key: ChannelKey) -> None:
        """The store has moved this channel on without its actor: if it runs it recalls before it decides anything."""
        cell = self._cells.get(key)
        if cell is not None:
            cell.moved()

    def trace_of(self, workspace: str, events: Sequence[Event]) -> str | None:
        """Where the decision of these events, which were just committed here, stands in a trace; None: nowhere."""
        if self._kit.tracer is None or not events:
            return None
        last = events[-1]
        return self._kit.tracer.place_of(ChannelKey(workspace, last.alert.framework_id), last.offset)

    def hear(self, workspace: str, events: Sequence[Event], trace: str | None = None) -> None:
        """Another node has committed these events, in this order: whoever follows their channels here is told."""
        for framework in dict.fromkeys(event.alert.framework_id for event in events):
            if (cell := self._cells.get(ChannelKey(workspace, framework))) is not None:
                own = [event for event in events if event.alert.framework_id == framework]
                delivered = cell.hear(own)
                self._kit.observer.delivered(delivered)
                if trace is not None and self._kit.tracer is not None:
                    self._kit.tracer.relayed(cell.key, trace, delivered)

    def look(self, is_meant: Callable[[str], bool]) -> None:
        """Something that other nodes have committed may not have come: the channels of these workspaces look."""
        self._have_looked(cell for cell in self._cells.values() if is_meant(cell.key.workspace))

    def _have_looked(self, cells: Iterable[Cell]) -> None:
        """Has these look into the store: before they decide anything, and soon."""
        meant = list(cells)
        for cell in meant:
            cell.may_be_behind = True
        self._waker.wake(meant)

    def is_ours(self, workspace: str) -> bool:
        """Whether this node decides for a workspace."""
        return self._owner_of(workspace) is None

    @property
    def parked(self) -> int:
        """How many channels are past their restart intensity, and wait to be tried again."""
        return sum(cell.is_parked for cell in self._cells.values())

    @property
    def elsewhere(self) -> int:
        """How many of the channels in use here are decided on another node."""
        return sum(cell.owner is not None for cell in self._cells.values())

    def runs(self, key: ChannelKey) -> bool:
        """Whether this channel is in use; nothing is started for it."""
        return key in self._cells

    def audience(self, key: ChannelKey) -> Audience | None:
        """Who follows a channel, if it runs here; nothing is started for it."""
        cell = self._cells.get(key)
        return cell.audience if cell is not None else None

    @property
    def waits_for_store(self) -> bool:
        """Whether some channel tries again and again to reach the store: it will notice when the store is back."""
        return any(cell.away is not None for cell in self._cells.values())

    @property
    def why_away(self) -> str:
        """Why one of those channels does not reach it; empty: none waits."""
        return next((cell.away for cell in self._cells.values() if cell.away is not None), "")

    def statistics(self) -> dict[str, int]:
        """Counts of channels, parked and away ones, waiting commands, and restarts."""
        cells = self._cells.values()
        return {
            "channels": len(self._cells),
            "channels_parked": self.parked,
            "channels_away": sum(cell.away is not None for cell in cells),
            "mailbox_commands": sum(len(cell.mailbox) for cell in cells),
            "mailbox_deepest": max((len(cell.mailbox) for cell in cells), default=0),
            "channel_restarts": self.restarts,
        }

    def _start(self, cell: Cell) -> None:
        """Starts the channel's task, if we run; else it is started when we do."""
        if self._nursery is not None:
            # It was parked, or closed, when a former run of ours was ended.
            cell.is_parked = cell.mailbox.is_closed = False
            # Shielded: whoever stops us must not cut a channel off in the middle of a batch; `_close` ends it. Noted
            # here and not by the task: `_close` must also know those whose first step has not come yet.
            scope = self._running[cell.key] = trio.CancelScope(shield=True)
            self._nursery.start_soon(self._run_cell, cell, scope, name=cell.key.name)

    async def _run_cell(self, cell: Cell, scope: trio.CancelScope) -> None:
        with scope:
            try:
                await self._keep_running(cell)
            finally:
                del self._running[cell.key]
                if not self._running:
                    self._all_ended.set()

    async def _keep_running(self, cell: Cell) -> None:
        history = RestartHistory(self._policy)
        raised = RestartHistory(RestartPolicy(max_restarts=10**9, max_delay_s=0.1))
        while True:
            try:
                is_idle = await self._actor(cell).run()
            except MachineRaised as crash:
                verdict = raised.crashed(trio.current_time(), random.random())  # noqa: S311  # jitter
                log.error("channel_machine_raised", channel=cell.key.name, exc_info=crash)
            except Exception as crash:  # the supervisor is the handler of whatever ends a channel
                verdict = history.crashed(trio.current_time(), random.random())  # noqa: S311  # jitter
                log.error("channel_crashed", channel=cell.key.name, exc_info=crash)
            else:
                if not is_idle:
                    continue
                # No await since the actor found itself idle: nobody can have put anything into the mailbox.
                del self._cells[cell.key]
                one_less(self._of_workspace, cell.key.workspace)
                return
            self.restarts += 1
            self._kit.observer.restarted("channel")
            if isinstance(verdict, Exhausted):
                await self._park(cell, verdict)
                history.forget()
            else:
                await trio.sleep(verdict.delay_s)

    def _actor(self, cell: Cell) -> ChannelActor | RemoteActor:
        if cell.owner is None or self._remote is None:
            return ChannelActor(cell, self._kit)
        return RemoteActor(cell, self._kit, self._remote)

    async def _park(self, cell: Cell, verdict: Exhausted) -> None:
        log.critical("channel_parked", channel=cell.key.name, crashes=verdict.crashes, again_in_s=self._park_s)
        cell.park()
        await trio.sleep(self._park_s)
        cell.is_parked = False
        log.warning("channel_tried_again", channel=cell.key.name)
