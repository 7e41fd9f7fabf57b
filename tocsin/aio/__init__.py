"""Tocsin for programs on asyncio: the engine and the client, with the same verbs as under trio.

    import tocsin.aio

    async with tocsin.aio.Engine(config) as engine:             # in FastAPI, Starlette, aiohttp or a plain program
        who = engine.principal("shop")
        await engine.service.trigger(who, [TriggerInput(framework_id="web", title="Checkout is slow")])

    async with tocsin.aio.Client("ws://127.0.0.1:3008", token) as client:
        await client.subscribe("web")
        async for message in client.alerts(): ...

Both run under trio in a thread of their own and are the very same code; `tocsin.aio.bridge` carries calls there, and
results, errors and cancellations both ways. Why not guest mode, trio-asyncio or a second client:
docs/decisions/0004-embedding-in-asyncio.md.
"""

from tocsin.aio.client import Client
from tocsin.aio.engine import Engine

__all__ = ("Client", "Engine")
