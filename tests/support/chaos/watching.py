"""Clients that follow a stream: each offset once, in order; and how long after it was stored each came.

What they heard is checked as it comes and not kept, so that a run may last for an hour.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

import trio

from protocol.messages import AlertMessage, GapMessage
from tests.support.chaos.sizes import PATIENT
from tests.support.chaos.window import Window
from tests.support.iso import token_for
from tocsin.client import Client

# Of what one client complains about.
SHOWN_MAX = 3
# Subscribing may fall into a fault.
FIRST_S = 170.0
# Heard in one turn of the loop, which hundreds of clients share.
TOGETHER_MAX = 100


@dataclass
class Watcher:
    """A client of one stream of one workspace; `channel` as it is subscribed to."""

    workspace: str
    channel: str
    last: int = 0
    messages: int = 0
    reconnects: int = 0
    # Offsets that were passed over, and not heard since.
    missing: set[int] = field(default_factory=set)
    wrong: list[str] = field(default_factory=list)
    # Gaps that the server has told of: what is in them comes late.
    gaps: int = 0
    _goal: int | None = None
    _reached: trio.Event = field(default_factory=trio.Event)

    @property
    def name(self) -> str:
        """Who it is, for a report."""
        return f"{self.channel} of {self.workspace}"

    async def run(self, url: str, window: Window, task_status: trio.TaskStatus[None]) -> None:
        """Follows for ever."""
        token = token_for("watcher", workspace=self.workspace)
        async with trio.open_nursery() as nursery:
            client = Client(
                url,
                token,
                limits=PATIENT,
                on_lost=lambda lost: self._complain(f"lost {lost}"),
                on_gap=lambda gap: self._left_out(gap, nursery, client),
            )
            async with client:
                with trio.fail_after(FIRST_S):
                    answer = await client.subscribe(self.channel)
                self.last = answer.offset if answer is not None else 0
                task_status.started()
                alerts = client.alerts()
                while True:
                    for message in await alerts.take(TOGETHER_MAX):
                        self.hear(message, window)
                    self.reconnects = client.statistics()["reconnects"]

    def hear(self, message: AlertMessage, window: Window) -> None:
        """One event."""
        self.messages += 1
        window.heard(datetime.fromisoformat(message.timestamp).timestamp())
        offset = message.offset
        if offset == self.last + 1:
            self.last = offset
        elif offset > self.last:
            self.missing |= set(range(self.last + 1, offset))
            self.last = offset
            if not self.gaps:
                self._complain(f"{offset} came, and {sorted(self.missing)[:5]} had not")
        elif offset in self.missing:
            self.missing.discard(offset)
        else:
            self._complain(f"{offset} came twice")
        if self._goal is not None and self.is_level(self._goal):
            self._reached.set()

    def is_level(self, offset: int) -> bool:
        """Whether everything up to here was heard."""
        return self.last >= offset and not any(each <= offset for each in self.missing)

    async def reach(self, offset: int) -> None:
        """Waits until it is."""
        if not self.is_level(offset):
            self._goal, self._reached = offset, trio.Event()
            await self._reached.wait()

    def _left_out(self, gap: GapMessage, nursery: trio.Nursery, client: Client) -> None:
        self.gaps += 1
        nursery.start_soon(client.recover, gap)

    def _complain(self, what: str) -> None:
        if len(self.wrong) < SHOWN_MAX:
            self.wrong.append(what)
