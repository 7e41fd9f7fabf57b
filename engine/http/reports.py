"""`/api/v1/reports/weekly`: one's own weekly report, to look at and to have sent."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from litestar import MediaType, Request, Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import QueryParameter

from engine.core.reports.as_html import html
from engine.core.reports.as_text import text
from engine.verbs.reports import ReportTaken, ReportVerbs
from protocol.model import Principal

# Its styles stand in the document, because mail programs want them there; nothing else is loaded, and nothing runs.
_HEADERS = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox; frame-ancestors 'none'"}
_SHOWN: Any = {200: ResponseSpec(str, description="The report", media_type=MediaType.HTML, generate_examples=False)}
Form = Annotated[Literal["html", "text"], QueryParameter(name="format", description="html or text, as in the mail")]


def report_routes(verbs: ReportVerbs) -> list[HTTPRouteHandler]:
    """`GET` and `POST /api/v1/reports/weekly`."""

    @get(
        "/api/v1/reports/weekly",
        media_type=MediaType.HTML,
        responses=_SHOWN,
        operation_id="show_weekly_report",
        tags=["analytics"],
    )
    async def show_weekly_report(request: Request[Principal, Any, Any], form: Form = "html") -> Response[str]:
        """The asker's report about the last seven whole days (UTC), as the mail has it: HTML, or plain text."""
        document = await verbs.preview(request.user)
        if form == "text":
            return Response(text(document), media_type=MediaType.TEXT)
        return Response(html(document), media_type=MediaType.HTML, headers=_HEADERS)

    @post("/api/v1/reports/weekly", status_code=202, operation_id="send_weekly_report", tags=["analytics"])
    async def send_weekly_report(request: Request[Principal, Any, Any]) -> ReportTaken:
        """Sends the asker this report by e-mail now, as a job. 409 without a mail server or an address."""
        return await verbs.send(request.user)

    return [show_weekly_report, send_weekly_report]
