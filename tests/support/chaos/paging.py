"""Notifications: one webhook that is told of every error; what it got, by alert and key.

A repeat is allowed (a node is killed between the post and its note of it), under the same key; a miss is not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager

import httpx
import trio

from tests.support.chaos.sizes import WORKSPACES
from tests.support.engines import EngineProcess
from tests.support.http_sink import Behaviour, Got, Sink, a_sink, answer
from tests.support.iso import token_for

# What a killed node had in hand waits for its lease's end, and an outage's retries for their pause. What has piled up
# behind them on a busy machine may take longer, as long as something comes.
SILENCE_MAX_S = 120.0
SHOWN_MAX = 5


class Pager:
    """Whom the engine tells of errors."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        # How often each key was posted for each alert that fired.
        self.posts: dict[str, Counter[str]] = {}
        self._more = trio.lowlevel.ParkingLot()
        sink.usual = self._take

    @property
    def repeated(self) -> int:
        """Posts that came once more."""
        return sum(sum(keys.values()) - len(keys) for keys in self.posts.values())

    async def make_endpoints(self, node: EngineProcess) -> None:
        """One in each workspace."""
        endpoint = {"id": "pager", "channel": "webhook", "url": self._sink.url(), "min_severity": "error"}
        async with httpx.AsyncClient(base_url=node.http, timeout=170.0) as http:
            for workspace in WORKSPACES:
                token = token_for("boss", workspace=workspace)
                answered = await http.post(
                    "/api/v1/endpoints", json=endpoint, headers={"Authorization": f"Bearer {token}"}
                )
                answered.raise_for_status()

    async def wait_for(self, alerts: Iterable[str]) -> None:
        """Until all of these were posted, or nothing comes any more."""
        for alert in alerts:
            while alert not in self.posts:
                with trio.move_on_after(SILENCE_MAX_S) as silence:
                    await self._more.park()
                if silence.cancelled_caught:
                    return

    def untold(self, due: Mapping[int, str]) -> list[str]:
        """Of these alerts those that were not posted."""
        return [alert for alert in due.values() if alert not in self.posts]

    def judge(self, due: Mapping[int, str]) -> list[str]:
        """What was wrong; `due`: the alerts that were answered and somebody has to be told of, by their keys."""
        untold = self.untold(due)
        wrong = [f"answered and nobody told: {len(untold)}, such as {untold[:SHOWN_MAX]}"] if untold else []
        twice = [alert for alert, keys in self.posts.items() if len(keys) > 1]
        return [*wrong, f"told under two keys: {len(twice)}, such as {twice[:SHOWN_MAX]}"] if twice else wrong

    def _take(self, got: Got) -> Behaviour:
        # An hour's posts need no room.
        self._sink.got.clear()
        body = got.json
        if body["type"] == "alert.fired":
            for alert in body["data"]["alerts"]:
                self.posts.setdefault(alert["id"], Counter())[got.headers["webhook-id"]] += 1
            self._more.unpark_all()
        return answer(200)


@asynccontextmanager
async def a_pager() -> AsyncIterator[Pager]:
    """It listens."""
    async with a_sink() as sink:
        yield Pager(sink)
