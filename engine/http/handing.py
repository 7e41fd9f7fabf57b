"""`?async=true`: the request is taken, and done later as a job whose number is the answer (202)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Protocol

import msgspec
from litestar import Response
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import HeaderParameter, QueryParameter

from protocol.items import TriggerInput
from protocol.model import Principal

IsAsync = Annotated[
    bool, QueryParameter(name="async", description="true: it is done later, and the answer is 202 with the job's id")
]
IdempotencyKey = Annotated[
    str | None,
    HeaderParameter(
        name="Idempotency-Key",
        description="with ?async=true: the same key with the same body is one job, as long as that is kept",
    ),
]


class HandedOver(msgspec.Struct, frozen=True, kw_only=True):
    """What was taken; `GET /api/v1/jobs/{job_id}` tells what became of it."""

    job_id: int


ACCEPTED: Any = {202: ResponseSpec(HandedOver, description="Taken, to be done later", generate_examples=False)}


class HandsOver(Protocol):
    """What of the engine does requests later. Raises Busy if too many wait, Conflict for a key of something else."""

    async def triggers(self, who: Principal, inputs: Sequence[TriggerInput], key: str | None) -> int:
        """Rings later; the job's number."""

    async def generate(self, who: Principal, project_ids: Sequence[str], key: str | None) -> int:
        """Rings for the current steps of these projects later; the job's number."""


def accepted(number: int) -> Response[Any]:
    """The answer to what was handed over."""
    return Response(HandedOver(job_id=number), status_code=202, headers={"Location": f"/api/v1/jobs/{number}"})
