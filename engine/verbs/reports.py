"""The verbs for one's own weekly report: look at it, and have it sent now. Whoever may read may.

Owns nothing. What is shown is bounded by the asker's token, and by the frameworks that he has chosen; what is sent by
both as well, because the job that sends it has no token.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from msgspec.structs import replace

from actors.ports import Clock
from engine.access.roles import check
from engine.core.reports.document import Document
from engine.core.reports.weekly import document_of
from engine.core.routing import Person
from engine.notify.facts import Facts
from engine.notify.ports import NO_MAIL_SERVER, Sender
from engine.notify.weekly import Gather, WeeklyArgs, WeeklyReports, wish_of
from engine.stores import Store
from protocol.errors import Conflict
from protocol.model import Principal
from protocol.notify import Channel


class ReportTaken(msgspec.Struct, frozen=True, kw_only=True):
    """A report that is sent as soon as it can be: by which job, and to which address."""

    job_id: int
    to: str


class ReportVerbs:
    """All raise PermissionDenied, StoreUnavailable."""

    def __init__(
        self, store: Store, reports: WeeklyReports, senders: Mapping[Channel, Sender], gather: Gather, clock: Clock
    ) -> None:
        self._store = store
        self._facts = Facts(store)
        self._reports = reports
        self._senders = senders
        self._gather = gather
        self._clock = clock

    async def preview(self, who: Principal) -> Document:
        """The asker's report as of now."""
        check(who, "read")
        person = await self._person(who)
        bounded = replace(who, channels=_bounds(who, person))
        return document_of(await self._gather(bounded, person.reads_in, self._clock()))

    async def send(self, who: Principal) -> ReportTaken:
        """Sends the asker his report now, whether or not he has it each week. While one waits there is no second.

        Raises Conflict if there is no mail server, or nobody knows his address.
        """
        check(who, "read")
        if Channel.EMAIL not in self._senders:
            raise Conflict(f"{NO_MAIL_SERVER}: look at it instead (tocsin report, GET /api/v1/reports/weekly)")
        person = await self._person(who)
        if not person.email:
            how = "an administrator writes it down (tocsin users put, /api/v1/users)"
            raise Conflict(f"the user {who.user!r} has no e-mail address here: {how}")
        args = WeeklyArgs(user=who.user, at=self._clock(), frameworks=_bounds(who, person))
        (taken,) = await self._store.enqueue([self._reports.job(who.workspace, args)])
        return ReportTaken(job_id=taken.id, to=person.email)

    async def _person(self, who: Principal) -> Person:
        """Who has a token may not be written down."""
        return (await self._facts.people(who.workspace, [who.user])).get(who.user) or Person(id=who.user)


def _bounds(who: Principal, person: Person) -> tuple[str, ...] | None:
    """The frameworks that it is about; None: all. Those that he chose, of those that he may see."""
    wish = wish_of(person)
    chosen = wish.frameworks if wish is not None else ()
    if who.channels is None:
        return chosen or None
    return tuple(name for name in chosen if name in who.channels) or who.channels
