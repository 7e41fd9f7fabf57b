"""The `websockets` package (asyncio) with its own `broadcast`."""

from __future__ import annotations

import asyncio

from websockets.asyncio.server import ServerConnection, broadcast, serve

from benchmarks.control import raise_open_files
from benchmarks.peers.asyncio_rounds import serve_rounds


async def main() -> None:
    """The process."""
    clients: set[ServerConnection] = set()

    async def handler(connection: ServerConnection) -> None:
        clients.add(connection)
        try:
            await connection.wait_closed()
        finally:
            clients.discard(connection)

    def send(payload: bytes) -> None:
        broadcast(clients, payload.decode())

    async with serve(handler, "127.0.0.1", 0, compression=None, ping_interval=None, backlog=1_024) as server:
        await serve_rounds(server.sockets[0].getsockname()[1], send)


if __name__ == "__main__":
    raise_open_files()
    asyncio.run(main())
