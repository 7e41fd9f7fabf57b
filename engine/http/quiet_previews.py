"""Which open alerts would a silence, or a maintenance window, mean? Asked before it is made; nothing happens.

The answer is for whoever writes matchers: it is given as he types, so it costs little. Only the newest open alerts are
looked at, and the answer says whether those were all.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Protocol

import msgspec
import trio
from litestar import Request, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import JSONBody

from engine.core.agenda import NEVER
from engine.core.quieting import QuietWindow, labels_of
from engine.http.bodies import json_body
from engine.http.role_guards import needs
from engine.quiet.quieting import check_matchers, check_some_label
from engine.stores import RowPage
from protocol.fields import Id
from protocol.model import Alert, Principal, QuietedBy
from protocol.quieting import WINDOW_FRAMEWORKS_MAX, Matchers

# Pages of 500: more than a person sees of a bad hour.
PAGES_MAX = 4
# So many are shown; of the others there is the number.
SHOWN_MAX = 20
# After so many the loop's other tasks have their turn.
SLICE = 50

Asked = Request[Principal, Any, Any]


class OpenRows(Protocol):
    """What is asked of the service."""

    async def open_rows(self, who: Principal, cursor: str | None) -> RowPage:
        """A page of the open alerts, newest first."""


class SilencePreviewBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The matchers of a silence."""

    matchers: Matchers


class MaintenancePreviewBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """For what a maintenance window is; both empty: for the whole workspace."""

    frameworks: Annotated[tuple[Id, ...], msgspec.Meta(max_length=WINDOW_FRAMEWORKS_MAX)] = ()
    matchers: Matchers = ()


class QuietPreview(msgspec.Struct, frozen=True, kw_only=True):
    """The newest open alerts that it would mean, and how many these are of those that were `looked_at`.

    `is_whole` false: more are open than were looked at.
    """

    items: list[Alert]
    matched: int
    looked_at: int
    is_whole: bool


def quiet_preview_routes(service: OpenRows) -> list[HTTPRouteHandler]:
    """`POST /api/v1/silences/preview` and `POST /api/v1/maintenance/preview`."""

    @post(
        "/api/v1/silences/preview",
        status_code=200,
        guards=[needs("read")],
        dto=json_body(SilencePreviewBody),
        return_dto=None,
        tags=["silences"],
    )
    async def preview_silence(request: Asked, data: JSONBody[SilencePreviewBody]) -> QuietPreview:
        """Which open alerts a silence with these matchers would keep quiet; nothing happens."""
        check_matchers(data.matchers)
        check_some_label(data.matchers)
        window = QuietWindow(QuietedBy.SILENCED, "", data.matchers, (0, NEVER))
        return await _meant(service, request.user, window.means)

    @post(
        "/api/v1/maintenance/preview",
        status_code=200,
        guards=[needs("read")],
        dto=json_body(MaintenancePreviewBody),
        return_dto=None,
        tags=["maintenance"],
    )
    async def preview_maintenance(request: Asked, data: JSONBody[MaintenancePreviewBody]) -> QuietPreview:
        """Which open alerts such a maintenance window would keep quiet while it is on; nothing happens."""
        check_matchers(data.matchers)
        window = QuietWindow(QuietedBy.MAINTENANCE, "", data.matchers, (0, NEVER), data.frameworks)
        return await _meant(service, request.user, window.means)

    return [preview_silence, preview_maintenance]


async def _meant(service: OpenRows, who: Principal, means: Callable[[dict[str, str]], bool]) -> QuietPreview:
    found: list[Alert] = []
    matched = looked_at = 0
    cursor: str | None = None
    for _ in range(PAGES_MAX):
        page = await service.open_rows(who, cursor)
        for row in page.items:
            looked_at += 1
            if looked_at % SLICE == 0:
                await trio.lowlevel.checkpoint()
            if means(labels_of(row.alert)):
                matched += 1
                found += [row.alert] if matched <= SHOWN_MAX else []
        if (cursor := page.next_cursor) is None:
            break
    return QuietPreview(items=found, matched=matched, looked_at=looked_at, is_whole=cursor is None)
