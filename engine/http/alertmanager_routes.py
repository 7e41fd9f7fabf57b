"""The door for Prometheus and amtool: Alertmanager's API v2, as far as its clients use it.

Prometheus posts every minute what fires, and for fifteen minutes what has ended; it waits for the answer and drops a
batch that fails. So a bad alert does not keep its neighbours out: the good ones are taken first, then the answer is
400 with the bad ones named. Silences are in `alertmanager_silences.py`; inhibition does not exist here yet.
"""

from __future__ import annotations

import math
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from itertools import chain
from typing import Annotated, Any, NamedTuple

import msgspec
import trio
from litestar import MediaType, Request, Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromQuery, JSONBody, QueryParameter

from actors.ports import Clock
from engine.core.patterns import Condition, compile_pattern
from engine.core.quieting import QuietWindows, window_of_silence
from engine.http.alertmanager import (
    RECEIVER,
    RESOLVE_TIMEOUT_S,
    GettableAlert,
    PostableAlert,
    ReceiverName,
    to_gettable,
    to_report,
)
from engine.http.bodies import json_body
from engine.http.inbound.intake import first_failure, refuse, translated
from engine.http.matchers import parse_matchers
from engine.http.ports import Service
from engine.http.role_guards import needs
from engine.stores import RowPage
from protocol.commands import Ring
from protocol.errors import BadRequest, LimitReached
from protocol.fields import ITEMS_MAX
from protocol.limits import Limit
from protocol.model import Principal
from protocol.quieting import Silence
from protocol.times import rfc3339

# A matcher on very many alerts costs the loop time; past this the request is refused, not the others.
QUERY_MAX_S = 5.0
# Fingerprints and expressions take time; after so much of it the loop's other tasks have their turn.
SLICE_S = 0.002

_encoder = msgspec.json.Encoder()

Posted = list[PostableAlert]
Pages = Callable[[str | None], Awaitable[RowPage]]
SilencesOf = Callable[[str], Sequence[Silence]]
Filters = Annotated[list[str] | None, QueryParameter(name="filter", description='matchers: `alertname=~"Disk.*"`')]
Receiver = Annotated[str | None, QueryParameter(description="a regular expression for the receiver's name")]


class Wanted(NamedTuple):
    """Which alerts are asked for."""

    matchers: Sequence[Condition]
    active: bool
    silenced: bool


class VersionInfo(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Alertmanager's build facts; what does not apply to us is empty."""

    version: str
    branch: str = ""
    build_date: str = ""
    build_user: str = ""
    go_version: str = ""
    revision: str = ""


class ClusterStatus(msgspec.Struct, frozen=True):
    """We are not part of an Alertmanager cluster."""

    status: str = "disabled"


class ConfigText(msgspec.Struct, frozen=True):
    """Alertmanager's configuration file; we have none of its kind."""

    original: str = ""


class AlertmanagerStatus(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What amtool asks first."""

    uptime: str
    version_info: VersionInfo
    cluster: ClusterStatus = ClusterStatus()
    config: ConfigText = ConfigText()


class AlertGroup(msgspec.Struct, frozen=True):
    """Alerts that are told together."""

    labels: dict[str, str]
    receiver: ReceiverName
    alerts: list[GettableAlert]


def alertmanager_routes(
    service: Service, clock: Clock, version: str, resolve_timeout_s: float, silences: SilencesOf
) -> list[HTTPRouteHandler]:
    """`POST` and `GET /api/v2/alerts`, `GET /api/v2/alerts/groups`, `GET /api/v2/status`."""
    status = AlertmanagerStatus(uptime=rfc3339(clock()), version_info=VersionInfo(version=version))

    @post(
        "/api/v2/alerts",
        status_code=200,
        media_type=MediaType.TEXT,
        guards=[needs("trigger")],
        dto=json_body(Posted),
        return_dto=None,
    )
    async def post_alerts(request: Request[Principal, Any, Any], data: JSONBody[Posted]) -> Response[str]:
        """Alerts as Prometheus posts them. Answered, with an empty body, when they are on stable storage."""
        reports, refusals = translate(data, clock(), resolve_timeout_s)
        service.charge(request.user, len(data))
        results = await service.report(request.user, reports) if reports else []
        if failure := first_failure(results):
            raise failure
        refuse(refusals, len(data))
        return Response("", media_type=MediaType.TEXT)

    @get("/api/v2/alerts", responses={200: ResponseSpec(list[GettableAlert], generate_examples=False)})
    async def get_alerts(
        request: Request[Principal, Any, Any],
        filters: Filters = None,
        receiver: Receiver = None,
        active: FromQuery[bool] = True,
        silenced: FromQuery[bool] = True,
        inhibited: FromQuery[bool] = True,
        unprocessed: FromQuery[bool] = True,
    ) -> Response[bytes]:
        """The open alerts, one entry a label set. Whatever keeps one quiet here counts as silenced."""
        wanted = Wanted(parse_matchers(filters or ()), active, silenced)
        return _json(await matching(request.user, wanted, receiver))

    @get("/api/v2/alerts/groups", responses={200: ResponseSpec(list[AlertGroup], generate_examples=False)})
    async def get_groups(
        request: Request[Principal, Any, Any],
        filters: Filters = None,
        receiver: Receiver = None,
        active: FromQuery[bool] = True,
        silenced: FromQuery[bool] = True,
        inhibited: FromQuery[bool] = True,
        muted: FromQuery[bool] = True,
    ) -> Response[bytes]:
        """The same in groups: here it is one, as there is no routing tree."""
        wanted = Wanted(parse_matchers(filters or ()), active, silenced and muted)
        body = await matching(request.user, wanted, receiver)
        head = b'{"labels":{},"receiver":{"name":"%b"},"alerts":' % RECEIVER.encode()
        return _json(b"[]" if body == b"[]" else b"[" + head + body + b"}]")

    async def matching(who: Principal, wanted: Wanted, receiver: str | None) -> bytes:
        told = receiver is None or compile_pattern(receiver).matches(RECEIVER)
        if not told:
            return b"[]"
        in_force = QuietWindows([window_of_silence(silence) for silence in silences(who.workspace)])
        return await _encode_matching(partial(service.open_rows, who), wanted, clock(), in_force)

    @get("/api/v2/status", sync_to_thread=False)
    def get_status() -> AlertmanagerStatus:
        """Which version answers, and since when."""
        return status

    return [post_alerts, get_alerts, get_groups, get_status]


def _json(body: bytes) -> Response[bytes]:
    return Response(body, headers={"Content-Type": "application/json"})


def translate(
    posted: Sequence[PostableAlert], now: int, resolve_timeout_s: float = RESOLVE_TIMEOUT_S
) -> tuple[list[tuple[str, Ring]], list[str]]:
    """The good ones as reports, and a sentence for each bad one. Raises BadRequest if there are too many."""
    if len(posted) > ITEMS_MAX:
        raise BadRequest(f"{len(posted)} alerts are too many for one request, limit {ITEMS_MAX}")
    return translated(posted, lambda alert: to_report(alert, now, resolve_timeout_s))


async def _encode_matching(pages: Pages, wanted: Wanted, now: int, silences: QuietWindows) -> bytes:
    """The matching label sets as one JSON array. Raises LimitReached after `QUERY_MAX_S`."""
    parts: list[bytes] = []
    yield_if_due = _Slices()
    with trio.move_on_after(QUERY_MAX_S) as limit:
        cursor: str | None = None
        while True:
            # The store's reader, and this memory, hold the rows of one page at a time.
            page = await pages(cursor)
            for alert in chain.from_iterable(to_gettable(row, now, silences) for row in page.items):
                await yield_if_due()
                if await _matches(alert, wanted, yield_if_due):
                    parts.append(_encoder.encode(alert))
            if (cursor := page.next_cursor) is None:
                break
    if limit.cancelled_caught:
        text = f"this query took longer than {QUERY_MAX_S:g} s; use simpler or fewer matchers"
        raise LimitReached(text, Limit.QUERY_TIME)
    return b"[" + b",".join(parts) + b"]"


async def _matches(alert: GettableAlert, wanted: Wanted, yield_if_due: _Slices) -> bool:
    if not (wanted.active if alert.status.state == "active" else wanted.silenced):
        return False
    for matcher in wanted.matchers:
        if not matcher.matches(alert.labels):
            return False
        await yield_if_due()
    return True


class _Slices:
    """Lets others run when this task has had the loop for `SLICE_S` (of real time: computing takes no other)."""

    def __init__(self) -> None:
        self._since = -math.inf

    async def __call__(self) -> None:
        if time.perf_counter() - self._since > SLICE_S:
            await trio.lowlevel.checkpoint()
            self._since = time.perf_counter()
