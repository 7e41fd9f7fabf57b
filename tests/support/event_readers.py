"""Reads event streams as a browser does, on a socket of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import h11
import msgspec
import trio

from engine.app import Engine

PATIENCE_S = 600.0


class Heard(NamedTuple):
    """An event: its kind, the place in the stream that it leads to, and its data."""

    kind: str
    place: str | None
    data: Any


class Reader:
    """One answer that goes on."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self.stream = stream
        self.http = h11.Connection(h11.CLIENT)
        self.head: h11.Response
        self.retry_ms: int | None = None
        self._text = ""

    async def ask(self, target: str, headers: dict[str, str]) -> None:
        """Sends the request and reads the head of the answer."""
        fields = [("Host", "x"), *headers.items()]
        await self.stream.send_all(self.http.send(h11.Request(method="GET", target=target, headers=fields)))
        self.http.send(h11.EndOfMessage())
        head = await self._read()
        assert isinstance(head, h11.Response)
        self.head = head

    async def next(self, *kinds: str) -> Heard:
        """The next event (of these kinds); comments, and positions that nobody asked for, are passed over."""
        with trio.fail_after(PATIENCE_S):
            while True:
                heard = await self._event()
                if heard.kind in kinds or (not kinds and heard.kind not in ("", "position")):
                    return heard

    async def rest(self) -> list[Heard]:
        """Everything up to the end."""
        found: list[Heard] = []
        with trio.fail_after(PATIENCE_S):
            try:
                while True:
                    found.append(await self._event())
            except EOFError:
                return found

    async def _event(self) -> Heard:
        while "\n\n" not in self._text:
            part = await self._read()
            if not isinstance(part, h11.Data):
                raise EOFError
            self._text += bytes(part.data).decode()
        event, _, self._text = self._text.partition("\n\n")
        fields = dict(line.split(": ", 1) for line in event.split("\n"))
        if "retry" in fields:
            self.retry_ms = int(fields["retry"])
        data = msgspec.json.decode(fields["data"]) if "data" in fields else None
        return Heard(fields.get("event", ""), fields.get("id"), data)

    async def _read(self) -> Any:
        while (event := self.http.next_event()) is h11.NEED_DATA:
            self.http.receive_data(await self.stream.receive_some(65_536))
        return event


@asynccontextmanager
async def reading(engine: Engine, query: str = "framework_id=web", **headers: str) -> AsyncIterator[Reader]:
    """Somebody who follows a channel; without other headers a viewer of the engine's workspace."""
    token = engine.issue_token("main", "ann", "viewer")
    host, _, port = engine.http_url.rpartition("//")[2].partition(":")
    async with await trio.open_tcp_stream(host, int(port)) as stream:
        reader = Reader(stream)
        await reader.ask(f"/api/v1/stream?{query}", headers or {"Authorization": f"Bearer {token}"})
        yield reader
