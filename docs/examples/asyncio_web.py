"""A shop on Starlette (asyncio) with the alert engine inside: a failed payment rings, and the page shows it live.

pip install starlette uvicorn           they are the example's, not Tocsin's
python docs/examples/asyncio_web.py     then open http://127.0.0.1:8000 (PORT says which), and press the button
"""

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, StreamingResponse
from starlette.routing import Route

import tocsin.aio
from tocsin import ClientStopped, Config, TocsinError, TriggerInput

PAGE = """<!doctype html><title>Shop</title><button onclick="fetch('/pay', {method: 'POST'})">Pay</button><ul></ul>
<script>
new EventSource('/alerts').onmessage = ({data}) => {
  const item = document.createElement('li')
  item.textContent = JSON.parse(data).title
  document.querySelector('ul').append(item)
}
</script>"""


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    """The engine lives as long as the application; its own ports are anywhere free."""
    config = Config(data=Path("shop-data"), ws="127.0.0.1:0", http="127.0.0.1:0", watch_host=False)
    async with tocsin.aio.Engine(config) as engine:
        app.state.engine = engine
        try:
            yield
        except asyncio.CancelledError:
            # The engine has ended, and says why in a moment. uvicorn would go on serving without it.
            signal.raise_signal(signal.SIGTERM)
            raise


async def index(request: Request) -> HTMLResponse:
    """The page."""
    return HTMLResponse(PAGE)


async def pay(request: Request) -> JSONResponse:
    """Payments fail today. The answer comes when the alert is on stable storage."""
    engine: tocsin.aio.Engine = request.app.state.engine
    bell = TriggerInput(framework_id="shop", title="Payment failed", severity="error")
    try:
        (result,) = await engine.service.trigger(engine.principal("shop"), [bell])
    except TocsinError as fault:  # busy, or the engine is stopping: the shop goes on
        return JSONResponse({"alert": None, "why": fault.message}, 503)
    return JSONResponse({"alert": result.alert_id, "why": result.reason.value})


async def alerts(request: Request) -> StreamingResponse:
    """What happens in the shop, as server-sent events; a visitor may see, and not ring."""
    engine: tocsin.aio.Engine = request.app.state.engine

    async def events() -> AsyncIterator[bytes]:
        async with engine.client(engine.principal("visitor", role="viewer")) as client:
            await client.subscribe("shop")
            yield b": subscribed\n\n"
            with suppress(ClientStopped):  # the shop closes: the page comes back by itself
                async for message in client.alerts():  # a page that does not read slows down only this loop
                    yield b"data: " + msgspec.json.encode(message.data or message) + b"\n\n"

    return StreamingResponse(events(), media_type="text/event-stream")


app = Starlette(
    routes=[Route("/", index), Route("/pay", pay, methods=["POST"]), Route("/alerts", alerts)], lifespan=lifespan
)


class Server(uvicorn.Server):
    """Ends the event streams before it waits for what is open: by themselves they never end."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stops; every visitor's client is ended first."""
        engine: tocsin.aio.Engine = app.state.engine
        with suppress(TocsinError, TimeoutError):  # if the engine has ended so have they
            async with asyncio.timeout(1):
                boss = engine.principal("shop")
                await engine.call(lambda inside: inside.operators.disconnect_user(boss, "visitor"))
        await super().shutdown(sockets)


if __name__ == "__main__":
    # A stream that a page does not read is waited for a second, and no longer.
    with suppress(KeyboardInterrupt):  # which uvicorn raises once more when it has stopped
        Server(uvicorn.Config(app, port=int(os.environ.get("PORT", "8000")), timeout_graceful_shutdown=1)).run()
