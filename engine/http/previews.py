"""What would happen to these triggers, or readings, now, and why? Asked of the channels; nothing is stored or told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import msgspec
from litestar import Request, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import JSONBody

from engine.http.bodies import ReadingsBody, TriggersBody, json_body
from engine.http.triggers import trigger_inputs
from protocol.items import ItemResult, ReadingInput, TriggerInput
from protocol.model import Principal
from protocol.previews import Previewed

Asked = Request[Principal, Any, Any]


class Foreseer(Protocol):
    """What is asked of the service."""

    def charge(self, who: Principal, items: int) -> None:
        """So many items of one request. Raises TooManyRequests."""

    async def preview(self, who: Principal, inputs: Sequence[TriggerInput]) -> list[ItemResult]:
        """What would happen to each, if they came together."""

    async def preview_readings(self, who: Principal, readings: Sequence[ReadingInput]) -> list[ItemResult]:
        """What would happen to each, if they came together."""


class Previews(msgspec.Struct, frozen=True, kw_only=True):
    """What would be answered to each item, in order, with every reason and whether it holds."""

    results: list[Previewed]


def preview_routes(service: Foreseer) -> list[HTTPRouteHandler]:
    """`POST /api/v1/triggers/preview` and `POST /api/v1/readings/preview`."""

    @post("/api/v1/triggers/preview", status_code=200, dto=json_body(TriggersBody), return_dto=None)
    async def preview_triggers(request: Asked, data: JSONBody[TriggersBody]) -> Previews:
        """What would happen to these triggers now, each after those before it, and why: the first of `checks` that
        holds. Nothing happens. Up to 100 of them.
        """
        inputs = trigger_inputs(data)
        service.charge(request.user, len(inputs))
        return Previews(results=_previewed(await service.preview(request.user, inputs)))

    @post("/api/v1/readings/preview", status_code=200, dto=json_body(ReadingsBody), return_dto=None)
    async def preview_readings(request: Asked, data: JSONBody[ReadingsBody]) -> Previews:
        """What each rule would make of these readings now, each after those before it, and why. Nothing happens.

        Up to 100 of them, which rules may hear 1,000 times: readings times rules on them. `rules` has the loudest 100
        of a reading, `moreRules` is how many others there are.
        """
        service.charge(request.user, len(data.readings))
        return Previews(results=_previewed(await service.preview_readings(request.user, data.readings)))

    return [preview_triggers, preview_readings]


def _previewed(results: Sequence[ItemResult]) -> list[Previewed]:
    """A channel that is too busy, or a framework that is put away, refuses as it would the real thing."""
    return [result if isinstance(result, Previewed) else _refused(result) for result in results]


def _refused(result: ItemResult) -> Previewed:
    return Previewed(status=result.status, reason=result.reason, alert_id=result.alert_id, message=result.message)
