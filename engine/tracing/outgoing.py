"""Follows what leaves the engine: a span for each request to an endpoint's server, which is told where it stands.

The server gets a `traceparent` of ours: a random number, which says nothing of anybody. Of its address the span has
host and port; path and query may be secrets.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from opentelemetry.trace import SpanKind

from actors.tracing import CURRENT
from engine.core.targets import parse_target
from engine.notify.connector import Answer, Connector
from engine.notify.network import Whose
from engine.tracing.spans import Attributes, Tracing, fail, place

if TYPE_CHECKING:
    from engine.sections.notify import Notify

_FAULT = 400


class FollowedConnector(Connector):
    """The way out, for what is traced."""

    def __init__(self, config: Notify, tracing: Tracing) -> None:
        super().__init__(config)
        self._tracing = tracing

    async def post(self, whose: Whose, url: str, content: bytes, headers: Mapping[str, str]) -> Answer:
        """Posts, and reads the answer."""
        if (parent := CURRENT.get()) is None:
            return await super().post(whose, url, content, headers)
        target = parse_target(url)
        about: Attributes = {"http.request.method": "POST", "server.address": target.host, "server.port": target.port}
        span = self._tracing.begin("POST", SpanKind.CLIENT, parent, about)
        try:
            answer = await super().post(whose, url, content, {**headers, "traceparent": place(span) or parent})
            span.set_attribute("http.response.status_code", answer.status)
            if answer.status >= _FAULT:
                fail(span, f"answered {answer.status}")
        except BaseException as fault:
            fail(span, str(fault))
            raise
        finally:
            span.end()
        return answer
