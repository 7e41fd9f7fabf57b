"""Prints what happens in a workspace, through every outage. Needs TOCSIN_TOKEN; TOCSIN_URL says where."""

import os

import trio

from tocsin import Client


async def main() -> None:
    """Follows the whole workspace."""
    url = os.environ.get("TOCSIN_URL", "ws://127.0.0.1:3008")
    async with Client(url, os.environ["TOCSIN_TOKEN"]) as client:
        await client.subscribe("workspace")
        async for it in client.alerts():  # reconnects and recovers by itself; `data` is of one alert, `ids` of many
            print(it.event.value, *([it.data.severity.value, it.data.title] if it.data else it.ids), flush=True)


trio.run(main)
