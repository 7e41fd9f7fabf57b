"""What all foreign forms do with what was posted: translate item by item, take the good ones, say what was wrong.

A sender drops what fails, so a bad item does not keep its neighbours out: the good ones are stored first, then the
answer is 400 with the bad ones named. Idempotent: what is sent again is the same alert. Counted by form.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import msgspec
from litestar import Request

from actors.ports import Clock
from engine.foreign_forms import Form
from engine.foreign_forms.reports import Report
from engine.http.bodies import Results, decode_json, require_json
from engine.http.ports import Service
from engine.http.problems import rejection
from engine.input.integrations import Integrations
from protocol.commands import Ring
from protocol.errors import BadRequest, TocsinError
from protocol.fields import ITEMS_MAX
from protocol.items import ItemResult
from protocol.model import Principal, Reason

T = TypeVar("T")
R = TypeVar("R")
# As many bad items as fit a sentence are named.
NAMED_MAX = 5
# Of one post; a group of Alertmanager's may be long. They are rung by ITEMS_MAX at a time.
POSTED_MAX = 10_000


# (form, taken, refused)
CountInbound = Callable[[Form, int, int], None]


class Intake:
    """Takes what foreign systems report."""

    def __init__(self, service: Service, integrations: Integrations, clock: Clock, count: CountInbound) -> None:
        self.service = service
        self.integrations = integrations
        self.clock = clock
        self._count = count

    async def take(self, who: Principal, form: Form, items: Sequence[T], translate: Callable[[T], Report]) -> Results:
        """Rings for all good items. Raises the first failure that trying again would mend, then BadRequest."""
        if len(items) > POSTED_MAX:
            raise BadRequest(f"{len(items)} alerts are too many for one request, limit {POSTED_MAX}")
        reports, refusals = translated(items, translate)
        self._count(form, 0, len(refusals))
        self.service.charge(who, len(items))
        results = await self.report(who, form, reports)
        refuse(refusals, len(items))
        return Results(results=results)

    async def report(self, who: Principal, form: Form, reports: Sequence[Report]) -> list[ItemResult]:
        """Rings, and gives what became of it. Raises what trying again would mend."""
        results: list[ItemResult] = []
        placed = await self._placed(who, reports)
        for start in range(0, len(placed), ITEMS_MAX):
            results += await self.service.report(who, placed[start : start + ITEMS_MAX])
        if failure := first_failure(results):
            raise failure
        self._count(form, len(reports), 0)
        return results[: len(reports)]

    async def _placed(self, who: Principal, reports: Sequence[Report]) -> list[tuple[str, Ring]]:
        """Where each goes. An end that names no place goes wherever its alert is open: its first place here, in the
        order of the reports, what more of them there are behind all."""
        placed: list[tuple[str, Ring]] = []
        more: list[tuple[str, Ring]] = []
        for report in reports:
            found = await self.service.reported_in(who, report.ring) if report.is_end_anywhere else []
            first, *others = found or [report.framework]
            placed.append((first, report.ring))
            more += [(framework, report.ring) for framework in others]
        return placed + more

    def refused(self, form: Form) -> None:
        """A post was refused as a whole."""
        self._count(form, 0, 1)


def first_failure(results: Iterable[ItemResult]) -> TocsinError | None:
    """The first real failure. The end of an alert that we do not know (any more) is none: it is what was wanted."""
    return next((f for r in results if r.reason is not Reason.UNKNOWN_ALERT and (f := rejection(r))), None)


def decode(request: Request[Any, Any, Any], body: bytes, kind: type[T]) -> T:
    """A JSON body in its type, strictly. Raises BadRequest that says where it is wrong, UnsupportedMedia."""
    require_json(request.headers)
    return decode_json(msgspec.json.Decoder(kind), body, request)


def translated(items: Sequence[T], translate: Callable[[T], R]) -> tuple[list[R], list[str]]:
    """The good ones as reports, and a sentence for each bad one."""
    reports: list[R] = []
    refusals: list[str] = []
    for number, item in enumerate(items):
        try:
            reports.append(translate(item))
        except BadRequest as refusal:
            refusals.append(f"[{number}] {refusal.message}")
    return reports, refusals


def refuse(refusals: Sequence[str], items: int) -> None:
    """Raises BadRequest that names the first of so many bad items; the good ones are stored."""
    if refusals:
        raise BadRequest(f"{len(refusals)} of {items} alerts were refused: {'; '.join(refusals[:NAMED_MAX])}")
