"""What somebody is told who comes back to a stream: the patterns that were found while he was away.

Live they are hints (`engine.analytics.news`), which have no offset. So whoever resumes at one is told, besides the
events that he missed, of the newest patterns that nobody has confirmed or dismissed; `actors.subscriptions` leaves out
what was found long before his last event. He may have heard of one before: a pattern has an id.

Owns only the questions that wait. One is asked at a time, and all who come before it is asked share it: after a restart
a thousand come back within a second. Who comes while it is asked waits for the next one, because what is found
meanwhile would be in neither. While the store is away, or slow, nobody is told anything: he is connected, and that
counts more. His session answers nothing until he is told, so his place in a queue must not decide how long that takes.
"""

from __future__ import annotations

from collections.abc import Sequence

import trio

from actors.ports import Found
from engine.analytics.pattern_findings import PATTERN, pattern_of
from engine.analytics.readable import readable
from engine.core.analytics.calendar import HOUR_US
from engine.stores import Store
from engine.stores.findings import FindingQuery
from protocol.errors import StoreUnavailable
from protocol.hints import PatternFound
from protocol.model import ChannelKey, StreamKey
from protocol.patterns import PatternState
from protocol.times import parse_rfc3339

# Who was away for weeks looks at the list; a run finds some dozens at most, the first one of a workspace.
TOLD_MAX = 20
# A pattern is dated by when its run was due, and told when that has ended. The next run is due six hours later.
RUNS_LATE_US = 6 * HOUR_US
# As long as the store itself takes for a read at most. Whoever waited for longer in vain was not the only one: then
# nobody asks for a while.
WAITED_MAX_S = 5.0
LEFT_ALONE_S = 10.0


class _Question:
    """What is asked for all who wait. None: whoever asked was cancelled."""

    def __init__(self) -> None:
        self.answered = trio.Event()
        self.found: Sequence[Found] | None = None


class MissedNews:
    """Reads it; `actors.ports.Findings`."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting: dict[StreamKey, _Question] = {}
        self._one_at_a_time = trio.Lock()
        self._left_alone_until = 0.0

    async def of(self, key: StreamKey) -> Sequence[Found]:
        """Patterns, the newest of them last; of a person's stream none."""
        if not isinstance(key, ChannelKey) and key.user is not None:
            return ()
        with trio.move_on_after(WAITED_MAX_S):
            return await self._found(key)
        self._leave_alone()
        return ()

    async def _found(self, key: StreamKey) -> Sequence[Found]:
        while not self._is_left_alone:
            question = self._waiting.get(key)
            if question is None:
                return await self._ask(key)
            await question.answered.wait()
            if question.found is not None:
                return question.found
        return ()

    @property
    def _is_left_alone(self) -> bool:
        return trio.current_time() < self._left_alone_until

    def _leave_alone(self) -> None:
        self._left_alone_until = trio.current_time() + LEFT_ALONE_S

    async def _ask(self, key: StreamKey) -> Sequence[Found]:
        question = self._waiting[key] = _Question()
        try:
            async with self._one_at_a_time:
                del self._waiting[key]
                question.found = () if self._is_left_alone else await self._read(key)
        finally:
            if self._waiting.get(key) is question:
                del self._waiting[key]
            question.answered.set()
        return question.found

    async def _read(self, key: StreamKey) -> Sequence[Found]:
        """The newest, the oldest of them first."""
        query = FindingQuery(
            workspace=key.workspace,
            kind=PATTERN,
            framework=key.framework if isinstance(key, ChannelKey) else None,
            states=(PatternState.NEW.value,),
            limit=TOLD_MAX,
        )
        try:
            page = await self._store.findings(query)
        except StoreUnavailable:
            self._leave_alone()
            return ()
        patterns = reversed(readable(page.items, pattern_of))
        return [
            Found(parse_rfc3339(each.since) + RUNS_LATE_US, PatternFound(channel=key.name, data=each))
            for each in patterns
        ]
