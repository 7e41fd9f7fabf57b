"""Where Slack posts what is done with the buttons of our messages (its app's Interactivity Request URL)."""

from __future__ import annotations

from typing import Any

from litestar import Request, Router, post

from engine.http.guards import refuse_unknown_parameters
from engine.notify.slack_actions import SlackActions

SIGNATURE_HEADER = "x-slack-signature"
TIMESTAMP_HEADER = "x-slack-request-timestamp"


def slack_router(actions: SlackActions) -> Router:
    """`POST /api/v1/slack/actions`. Its body is signed, and says who pressed the button: it needs no token."""

    @post("/api/v1/slack/actions", status_code=200, include_in_schema=False)
    async def act(request: Request[Any, Any, Any]) -> None:
        """Acknowledges or resolves, as the button says; Slack shows what came of it by the address that it sent."""
        headers = request.headers
        await actions.take(await request.body(), headers.get(SIGNATURE_HEADER, ""), headers.get(TIMESTAMP_HEADER, ""))

    return Router("/", guards=[refuse_unknown_parameters], route_handlers=[act])
