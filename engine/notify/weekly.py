"""The weekly report: who wants it, when it is due, and the jobs that send it.

Owns who wants one, in memory (the store owns it for good, and tells of each change). Every quarter of an hour the
schedule `weekly-reports` looks whose moment has come, and makes a job for each. A report that was sent (or refused for
good) is a finding with the week in its key; so a week's is sent once, whoever looks, after a restart and on any node.
Between the mail server's answer and that finding a kill has it sent again, with the same Message-ID. Who was not sent
his for a day because nothing ran is sent the next one only.

Decided against a line of the ledger of notifications, whose lines are about one alert each.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence

import msgspec
import structlog
from msgspec.structs import replace

from actors.ports import Clock
from engine.core.firing import Cron
from engine.core.reports.as_html import html
from engine.core.reports.as_text import text
from engine.core.reports.document import Document
from engine.core.reports.due import is_timely, last_due
from engine.core.reports.weekly import Week, document_of
from engine.core.routing import Person
from engine.jobs.kinds import Again, Done, Hopeless, Kind, NotNeeded, PutOff, Result
from engine.jobs.scheduler import RunArgs, Schedule
from engine.notify.facts import Facts
from engine.notify.jobs import target_of
from engine.notify.persons import BY_REPORT, Persons
from engine.notify.ports import NO_MAIL_SERVER, Outcome, Refused, Sender, Sent, TryLater
from engine.notify.raised import trace_of
from engine.shelf.live import Listener
from engine.stores import Store
from engine.stores.findings import Finding
from engine.stores.objects import ObjectNews, StoredObject
from protocol.errors import StoreUnavailable
from protocol.jobs import PRIO_LOW, Claimed, NewJob, Queue
from protocol.model import Principal
from protocol.notify import Change, Channel, Outgoing, Recipient, Rendered, delivery_key
from protocol.preferences import Preference, WeeklyReport
from protocol.times import SECOND_US

log = structlog.get_logger()
REPORT = "weekly_report"
# Later than that a week's report is old, and a mail server that is away for so long has other worries.
LATE_MAX_S = 86_400.0
# Readers of a workspace that are looked at together.
READERS_AT_ONCE = 200

# Gathers a week for somebody, whose zone this is, as of a moment.
Gather = Callable[[Principal, str, int], Awaitable[Week]]
Read = Callable[[StoredObject], Preference | None]


class WeeklyArgs(msgspec.Struct, frozen=True, kw_only=True):
    """Whose report, due at `at`. `week` "": he has asked for it now, and `frameworks` are those that he may see."""

    user: str
    at: int
    week: str = ""
    frameworks: tuple[str, ...] | None = None


class Looked(msgspec.Struct, frozen=True):
    """What a look found: people who want a report, and reports that are due and not sent yet."""

    readers: int
    due: int


class WeeklyReports:
    """Does the jobs. `senders`: by channel; without one for e-mail nothing is due. `leave`: the link that stops the
    report of somebody of a workspace (empty: there is none)."""

    def __init__(
        self,
        store: Store,
        persons: Persons,
        senders: Mapping[Channel, Sender],
        gather: Gather,
        clock: Clock,
        leave: Callable[[str, str], str] = lambda workspace, user: "",
    ) -> None:
        self._store = store
        self._facts = Facts(store)
        self._persons = persons
        self._senders = senders
        self._gather = gather
        self._clock = clock
        self._leave = leave
        self._readers: defaultdict[str, set[str]] = defaultdict(set)
        self._figures = dict.fromkeys(("sent", "refused", "failed"), 0)

    @property
    def kind(self) -> Kind[WeeklyArgs]:
        """The kind of job that sends one."""
        return Kind(name=REPORT, queue=Queue.NOTIFICATION, args=WeeklyArgs, run=self.send, prio=PRIO_LOW)

    def schedule(self) -> Schedule:
        """Looks every quarter of an hour: there are zones that are so much off."""
        kind = Kind(name="weekly_reports", queue=Queue.NOTIFICATION, args=RunArgs, run=self.look)
        return Schedule(name="weekly-reports", cron=Cron("*/15 * * * *"), kind=kind, prio=PRIO_LOW)

    def statistics(self) -> Mapping[str, int]:
        """Reports that were sent, refused by the mail server, and given up; and people who want one."""
        return {**self._figures, "readers": sum(map(len, self._readers.values()))}

    def follow(self, read: Read) -> Listener:
        """Keeps who wants a report."""

        def told(news: Sequence[ObjectNews]) -> None:
            for each in news:
                kept = read(each.now) if each.now is not None and each.now.archived_at is None else None
                wants = kept is not None and kept.weekly_report is not None
                known = self._readers[each.workspace]
                (known.add if wants else known.discard)(each.id)
                if not known:
                    del self._readers[each.workspace]

        return told

    async def look(self, claimed: Claimed, args: RunArgs) -> Result:
        """Makes a job for each report that is due. One that there is already is not made again."""
        now, due, readers = self._clock(), 0, 0
        there = list(self._readers.items()) if Channel.EMAIL in self._senders else []
        for workspace, users in there:
            known = sorted(users)
            readers += len(known)
            for start in range(0, len(known), READERS_AT_ONCE):
                jobs = await self._due(workspace, known[start : start + READERS_AT_ONCE], now)
                await self._store.enqueue(jobs)
                due += len(jobs)
        return Done(result=Looked(readers=readers, due=due))

    async def _due(self, workspace: str, users: Sequence[str], now: int) -> list[NewJob]:
        wanted: dict[str, WeeklyArgs] = {}
        for user, person in (await self._facts.people(workspace, users)).items():
            if (wish := wish_of(person)) is not None:
                due = last_due(wish, person.reads_in, now)
                if is_timely(due, now, LATE_MAX_S):
                    wanted[_key(user, due.week)] = WeeklyArgs(user=user, at=due.at, week=due.week)
        settled = await self._store.findings_named(workspace, REPORT, list(wanted)) if wanted else {}
        return [self.job(workspace, args) for key, args in wanted.items() if key not in settled]

    def job(self, workspace: str, args: WeeklyArgs) -> NewJob:
        """Sends one. While it waits there is no second one of the same week."""
        key = f"{REPORT}:{args.week or 'now'}:{workspace}:{args.user}"
        target = target_of(workspace, Channel.EMAIL, Recipient(user=args.user))
        return self.kind.job(args, workspace=workspace, key=key, target=target)

    async def send(self, claimed: Claimed, args: WeeklyArgs) -> Result:
        """One report."""
        workspace = claimed.workspace
        if args.week and await self._store.finding(workspace, REPORT, _key(args.user, args.week)) is not None:
            return NotNeeded("this week's is settled already")
        person = (await self._facts.people(workspace, [args.user])).get(args.user)
        who = await self._persons.reader(workspace, args.user, BY_REPORT)
        if person is None or who is None:
            return NotNeeded("there is no such user, or he may not see alerts")
        wish = wish_of(person)
        if args.week and wish is None:
            return NotNeeded("it was switched off meanwhile")
        bounds = args.frameworks if not args.week or wish is None else wish.frameworks or None
        try:
            outcome = await self._hand_over(claimed, args, replace(who, channels=bounds), person)
        except StoreUnavailable:
            raise
        except Exception as fault:
            # A bug: told as jobs tell it. A report that nobody can make is given up, and not tried all day.
            log.warning(
                "weekly_report_raised", job=claimed.lease.job, cause=type(fault).__name__, trace=trace_of(fault)
            )
            outcome = TryLater(None, f"the report could not be made: {type(fault).__name__}")
        return await self._settled(claimed, args, outcome)

    async def _hand_over(self, claimed: Claimed, args: WeeklyArgs, who: Principal, person: Person) -> Outcome:
        sender = self._senders.get(Channel.EMAIL)
        if sender is None:
            return Refused(NO_MAIL_SERVER)
        if not person.email:
            return Refused("this user has no e-mail address")
        document = document_of(await self._gather(who, person.reads_in, self._clock()))
        recipient = Recipient(user=who.user)
        version = args.week or str(claimed.lease.job)
        return await sender.send(
            Outgoing(
                key=delivery_key(who.workspace, REPORT, Channel.EMAIL, recipient, version),
                workspace=who.workspace,
                channel=Channel.EMAIL,
                recipient=recipient,
                change=Change.DIGEST,
                alerts=(),
                at=args.at,
                address=person.email,
                zone=person.reads_in,
                rendered=Rendered(subject=document.title, text=text(document), html=html(document)),
                headers=_headers(document, self._leave(who.workspace, who.user)),
            )
        )

    async def _settled(self, claimed: Claimed, args: WeeklyArgs, outcome: Outcome) -> Result:
        if isinstance(outcome, Sent):
            await self._keep(claimed.workspace, args, "sent")
            return Done()
        if isinstance(outcome, TryLater) and self._clock() - args.at <= LATE_MAX_S * SECOND_US:
            if outcome.after_s is not None:
                return PutOff(self._clock() + int(outcome.after_s * SECOND_US), outcome.cause)
            if claimed.attempt < claimed.attempts_max:
                return Again(outcome.cause)
        await self._keep(
            claimed.workspace, args, "refused" if isinstance(outcome, Refused) else "failed", outcome.cause
        )
        return Hopeless(outcome.cause)

    async def _keep(self, workspace: str, args: WeeklyArgs, state: str, cause: str = "") -> None:
        """What came of it, so that nobody sends it again."""
        self._figures[state] += 1
        if args.week:
            body = msgspec.json.encode({"cause": cause}).decode()
            key, now = _key(args.user, args.week), self._clock()
            await self._store.put_findings(
                [Finding(workspace=workspace, kind=REPORT, key=key, state=state, at=args.at, updated_at=now, body=body)]
            )


def wish_of(person: Person) -> WeeklyReport | None:
    """What he has asked for; None: no report."""
    return None if person.preference is None else person.preference.weekly_report


def _key(user: str, week: str) -> str:
    return f"{week}:{user}"


def _headers(document: Document, link: str) -> tuple[tuple[str, str], ...]:
    """For mail programs' rules, and for their button that stops such mails: at once (RFC 8058), if there is a link."""
    named = ("X-Tocsin-Report", "weekly")
    if link:
        return named, ("List-Unsubscribe", f"<{link}>"), ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click")
    return (named, ("List-Unsubscribe", f"<{document.leave}>")) if document.leave else (named,)
