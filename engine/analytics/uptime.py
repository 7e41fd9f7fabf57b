"""Keeps when the engine was up: a row for each day, in the workspace `system`, in which it marks each five minutes.

Owns nothing but when it marked last. Of several nodes one marks: that of the workspace without a name, because while
there is one, somebody serves. Waits for the store; while that is away nothing is marked, which is just what is to be
told. If it crashes its supervisor starts it again. Decided against: the readings of the engine's own figures (they can
be switched off, and rounds of a busy engine are dropped), runs of jobs (kept for a day), and the tasks that look after
the store anyway (how often is a setting of theirs, up to a day).
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import trio

from actors.ports import Clock
from actors.supervisor import Started
from engine.access.roles import SYSTEM_WORKSPACE
from engine.analytics.readable import readable
from engine.core.analytics.calendar import DAY_US
from engine.core.analytics.daily_counts import LEARN_DAYS
from engine.core.analytics.uptime import SLOT_US, marked, slot_of, unwatched
from engine.pages import PAGE_MAX
from engine.stores.findings import Finding, FindingQuery, FindingStore
from protocol.errors import StoreUnavailable

UPTIME = "uptime"
KEPT = "kept"
# Five chances in each slot.
LOOK_S = 60.0
# Whatever retention says, marks stay while their days are learnt from.
KEPT_US = (LEARN_DAYS + 4) * DAY_US


class DayUp(msgspec.Struct, frozen=True):
    """The slots of a day in which the engine was up: a number, in hexadecimal."""

    slots: str


class Uptime:
    """Marks. `is_ours`: whether that is this node's to do."""

    def __init__(self, store: FindingStore, clock: Clock, is_ours: Callable[[], bool]) -> None:
        self._store = store
        self._clock = clock
        # Of several nodes one is enough; two at a time would do no harm.
        self.is_ours = is_ours
        self._latest = -1

    async def run(self, status: Started) -> None:
        """Takes its turns for ever."""
        status.started()
        while True:
            await self.turn()
            await trio.sleep(LOOK_S)

    async def turn(self) -> None:
        """Marks the present slot, unless that was done."""
        now = self._clock()
        if now // SLOT_US == self._latest or not self.is_ours():
            return
        try:
            if await self._mark(now):
                self._latest = now // SLOT_US
        except StoreUnavailable:
            # Everybody says so; the next turn may come in time.
            return

    async def _mark(self, now: int) -> bool:
        day = now // DAY_US
        found = await self._store.finding(SYSTEM_WORKSPACE, UPTIME, str(day))
        known = 0 if found is None else _slots(found)
        mark = Finding(
            workspace=SYSTEM_WORKSPACE,
            kind=UPTIME,
            key=str(day),
            state=KEPT,
            at=day * DAY_US,
            due=day * DAY_US + KEPT_US,
            updated_at=now,
            body=msgspec.json.encode(DayUp(f"{marked(known, slot_of(now)):x}")).decode(),
        )
        if found is None:
            await self._store.put_findings([mark])
            return True
        # False: another node has marked meanwhile; the next turn sees what.
        return await self._store.settle_finding(msgspec.structs.replace(mark, version=found.version))


async def days_unwatched(store: FindingStore, since_day: int, until_day: int) -> dict[int, float]:
    """Days (since 1970, at most 500) from the one on, before the other, in which the engine is known to have been down
    for more than a tenth, and how much of each it was up. Raises StoreUnavailable."""
    since_us, until_us = since_day * DAY_US, until_day * DAY_US
    query = FindingQuery(workspace=SYSTEM_WORKSPACE, kind=UPTIME, since_us=since_us, until_us=until_us, limit=PAGE_MAX)
    found = (await store.findings(query)).items
    earlier = FindingQuery(workspace=SYSTEM_WORKSPACE, kind=UPTIME, until_us=since_us, limit=1)
    is_earlier = bool((await store.findings(earlier)).items)
    marks = dict(readable(found, lambda each: (each.at // DAY_US, _slots(each))))
    return unwatched(marks, is_earlier, since_day, until_day)


def _slots(mark: Finding) -> int:
    return int(msgspec.json.decode(mark.body, type=DayUp).slots, 16)
