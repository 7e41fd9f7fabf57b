"""Where Slack posts what is done with the buttons of our messages (its app's Interactivity Request URL)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from litestar import Request, Router, post
from litestar.openapi.spec import (
    OpenAPIMediaType,
    OpenAPIType,
    Operation,
    Parameter,
    RequestBody,
    Schema,
)

from engine.http.guards import refuse_unknown_parameters
from engine.notify.slack_actions import SlackActions

SIGNATURE_HEADER = "x-slack-signature"
TIMESTAMP_HEADER = "x-slack-request-timestamp"

_TEXT = Schema(type=OpenAPIType.STRING)


@dataclass
class _Posted(Operation):
    """What Slack posts, for the document: the framework does not see a body that is taken as it is."""

    def __post_init__(self) -> None:
        form = Schema(type=OpenAPIType.OBJECT, properties={"payload": _TEXT}, required=["payload"])
        self.request_body = RequestBody({"application/x-www-form-urlencoded": OpenAPIMediaType(form)}, required=True)
        self.parameters = [
            Parameter(name=name, param_in="header", required=True, schema=_TEXT)
            for name in (SIGNATURE_HEADER, TIMESTAMP_HEADER)
        ]


def slack_router(actions: SlackActions) -> Router:
    """`POST /api/v1/slack/actions`. Its body is signed, and says who pressed the button: it needs no token."""

    @post("/api/v1/slack/actions", status_code=200, operation_class=_Posted, tags=["inbound"])
    async def act(request: Request[Any, Any, Any]) -> None:
        """Acknowledges or resolves, as the button says; Slack shows what came of it by the address that it sent."""
        headers = request.headers
        await actions.take(await request.body(), headers.get(SIGNATURE_HEADER, ""), headers.get(TIMESTAMP_HEADER, ""))

    return Router("/", guards=[refuse_unknown_parameters], route_handlers=[act])
