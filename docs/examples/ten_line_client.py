"""Prints what happens in a workspace, through every outage. Needs TOCSIN_URL and TOCSIN_TOKEN."""

import os

import trio

from tocsin import Client


async def main() -> None:
    """Follows the whole workspace."""
    async with Client(os.environ["TOCSIN_URL"], os.environ["TOCSIN_TOKEN"]) as client:
        await client.subscribe("workspace")
        async for message in client.alerts():  # reconnects and recovers by itself
            print(message.event.value, message.data.severity.value, message.data.title, flush=True)


trio.run(main)
