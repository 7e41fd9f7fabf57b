"""The `picows` package (Cython on asyncio), one `send` a client."""

from __future__ import annotations

import asyncio

from picows import WSListener, WSMsgType, WSTransport, WSUpgradeRequest, ws_create_server

from benchmarks.control import raise_open_files
from benchmarks.peers.asyncio_rounds import serve_rounds


async def main() -> None:
    """The process."""
    clients: set[WSTransport] = set()

    class Listener(WSListener):
        """Keeps the list of those connected."""

        def on_ws_connected(self, transport: WSTransport) -> None:
            clients.add(transport)

        def on_ws_disconnected(self, transport: WSTransport) -> None:
            clients.discard(transport)

    def listener(_: WSUpgradeRequest) -> Listener:
        return Listener()

    def send(payload: bytes) -> None:
        for transport in clients:
            transport.send(WSMsgType.TEXT, payload)

    server = await ws_create_server(listener, "127.0.0.1", 0, backlog=1_024)
    async with server:
        await serve_rounds(server.sockets[0].getsockname()[1], send)


if __name__ == "__main__":
    raise_open_files()
    asyncio.run(main())
