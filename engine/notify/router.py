"""The job `route`: reads what there is to know of some changes, has `engine.core.routing` decide, and settles with the
ledger's lines and the jobs that send, in one transaction.

Owns nothing. It may run twice: lines and jobs have keys, and a line that the ledger has is decided. Jobs of one
channel may run at the same time, so what follows a beginning may be looked at before it: then it waits until the older
jobs about its alerts have ended, and costs nothing meanwhile. A crowd of alerts and a thousand endpoints are many
lines: they are decided some at a time, with others in between, and go to the ledger in pieces, each with its jobs; the
last piece is the settlement.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import trio

from actors.ports import Clock
from engine.core.absent import Meant, absent
from engine.core.routing import News, Person, Routed, route
from engine.jobs.kinds import Kind, PutOff, Result
from engine.notify.book import NotifyBook
from engine.notify.decided import Decided, line_of
from engine.notify.escalation import Escalations
from engine.notify.facts import AboutAlerts, Facts
from engine.notify.gathered import ALERTS_AT_ONCE
from engine.notify.grouping import AGAIN_US, Grouping, ToldOfIncidents
from engine.notify.told import Told
from engine.orders import StandingOrders
from engine.stores import Store
from protocol.endpoints import Endpoint
from protocol.jobs import Claimed, Queue
from protocol.model import Alert, ChannelKey
from protocol.notify import ROUTE, Change, Delivery, Noted, RouteArgs, Why
from protocol.times import SECOND_US

# An older job about the same alerts has ended in the moment in which it was asked for: look again.
AFTER_OLDER_US = SECOND_US // 50
# Of so many alerts it is asked whether an older job is about them; what is about more waits for all older ones.
LOOKED_FOR_MAX = 20
# An older one may have failed, and is tried again: the last of five attempts comes 32 s after the one before. Those
# that are due later wait for the end of a quiet, and for nothing that could come before this.
RETRIED_US = 60 * SECOND_US
# So many answers are 2 ms of the loop; so many lines, with their jobs, one transaction that nobody notices.
ANSWERS_AT_ONCE = 250
LINES_AT_ONCE = 1_000


@dataclass
class _Scene:
    """What is known while some of a job's alerts are looked at."""

    key: ChannelKey
    now: int
    # Who answers for the team that owns the framework.
    answering: Mapping[str, tuple[str, ...]]
    endpoints: Sequence[Endpoint]
    # Which endpoints the channel's rules name, by rule.
    named: Mapping[str | None, tuple[str, ...]]
    about: AboutAlerts
    people: Mapping[str, Person]
    of_incidents: ToldOfIncidents
    _told: dict[str, Told] = field(default_factory=dict)

    def told(self, alert_id: str) -> Told:
        """What the ledger says of one of them, and what this job adds. Asked for one by one: all are many lines."""
        if alert_id not in self._told:
            self._told[alert_id] = Told(self.about.lines.get(alert_id, ()))
        return self._told[alert_id]


class Router:
    """Does jobs of the kind `route`."""

    def __init__(
        self,
        store: Store,
        orders: StandingOrders,
        book: NotifyBook,
        escalations: Escalations,
        clock: Clock,
        grouping: Grouping | None = None,
    ) -> None:
        self._grouping = grouping
        self._store = store
        self._orders = orders
        self._book = book
        self._escalations = escalations
        self._facts = Facts(store)
        self._clock = clock

    @property
    def kind(self) -> Kind[RouteArgs]:
        """Its kind of job."""
        return Kind(name=ROUTE, queue=Queue.NOTIFICATION, args=RouteArgs, run=self.run)

    async def run(self, claimed: Claimed, args: RouteArgs) -> Result:
        """Decides who is told of these changes."""
        if (older := await self._ahead(claimed, args)) is not None:
            return PutOff(self._clock() + AFTER_OLDER_US, behind=older)
        if await self._is_early(claimed.workspace, args):
            return PutOff(self._clock() + AGAIN_US)
        # Only now: what older jobs have settled with before they were said to have ended must be in it.
        key, now = ChannelKey(claimed.workspace, claimed.framework or ""), self._clock()
        ids = list(dict.fromkeys(alert_id for noted in args.noted for alert_id in noted.alert_ids))
        decided, of_incidents = Decided(), ToldOfIncidents({})
        for start in range(0, len(ids), ALERTS_AT_ONCE):
            scene = await self._scene(key, now, args, ids[start : start + ALERTS_AT_ONCE])
            scene.of_incidents.join(of_incidents)
            of_incidents = scene.of_incidents
            decided = await self._decide(scene, args, decided)
        for noted in args.noted:
            await self._note_answer(key, noted)
        return decided.done

    async def _is_early(self, workspace: str, args: RouteArgs) -> bool:
        """Whether it is soon known to which incidents these belong."""
        starting = [noted for noted in args.noted if noted.change.is_start]
        if self._grouping is None or not starting:
            return False
        return await self._grouping.is_early(workspace, starting[-1].at, self._clock())

    async def _scene(self, key: ChannelKey, now: int, args: RouteArgs, ids: Sequence[str]) -> _Scene:
        workspace = key.workspace
        about = await self._facts.about(key, ids, [str(noted.version) for noted in args.noted])
        answering = await self._facts.answering(workspace, [about.owner] if about.owner else [], now)
        assigned = (alert.assigned_to for alert in about.alerts.values())
        others = (line.recipient.user for of_alert in about.lines.values() for line in of_alert)
        people = await self._facts.people(workspace, [*answering.get(about.owner or "", ()), *assigned, *others])
        begin = {name for noted in args.noted if noted.change.is_start for name in noted.alert_ids} & set(ids)
        of_incidents = await self._grouping.of(workspace, begin) if self._grouping else ToldOfIncidents({})
        return _Scene(
            key=key,
            now=now,
            answering=answering,
            endpoints=self._book.endpoints(workspace),
            named={rule.id: rule.notify for rule in self._orders.of(key).rules},
            about=about,
            people=people,
            of_incidents=of_incidents,
        )

    async def _decide(self, scene: _Scene, args: RouteArgs, decided: Decided) -> Decided:
        """What is not stored yet, after all changes of these alerts."""
        answers = 0
        for noted in args.noted:
            for alert_id in noted.alert_ids:
                if (alert := scene.about.alerts.get(alert_id)) is None:
                    continue
                for answer in _answers(scene, noted, alert):
                    if answer is not None:
                        decided.add(*answer, alert, noted.by)
                    answers += 1
                    if not answers % ANSWERS_AT_ONCE:
                        decided = await self._kept(decided)
                decided.jobs += self._escalations.begin(scene.key, noted, alert, scene.told(alert_id).by_chains)
        return decided

    async def _kept(self, decided: Decided) -> Decided:
        """Lets others have the loop, and stores a piece that is large enough."""
        if len(decided.deliveries) < LINES_AT_ONCE:
            await trio.lowlevel.checkpoint()
            return decided
        await self._store.keep_deliveries(decided.deliveries, decided.jobs)
        return Decided()

    async def _ahead(self, claimed: Claimed, args: RouteArgs) -> int | None:
        """The job that something here follows and that has not routed yet. Nothing comes before the firing of an alert;
        what is known of one that has fired elsewhere may be known of some and not yet of others."""
        fired = {alert_id for noted in args.noted if noted.change is Change.FIRED for alert_id in noted.alert_ids}
        later = {alert_id for noted in args.noted if not noted.change.is_start for alert_id in noted.alert_ids} - fired
        if not later:
            return None
        until = self._clock() + RETRIED_US
        # A crowd is not looked for one by one.
        names = sorted(later) if len(later) <= LOOKED_FOR_MAX else ()
        place = (claimed.workspace, claimed.framework or "")
        return await self._store.preceding(*place, claimed.lease.job, until, names)

    async def _note_answer(self, key: ChannelKey, noted: Noted) -> None:
        """Whoever was told and has acknowledged has answered."""
        if noted.change is Change.ACKNOWLEDGED and noted.by is not None:
            await self._store.answered(key.workspace, noted.by, noted.alert_ids)


def _answers(scene: _Scene, noted: Noted, alert: Alert) -> Iterator[tuple[Routed, Delivery] | None]:
    """What routing answers to a change, with the line of each answer; None: the ledger has it."""
    news = News(
        change=noted.change,
        alert=alert,
        by=noted.by,
        rule_notify=scene.named.get(alert.rule_id, ()),
        in_storm=noted.in_storm,
        grouped=scene.of_incidents.of(alert.id),
    )
    told = scene.told(alert.id)
    answers = route(news, scene.endpoints, concerned(scene, alert, noted), told.known, scene.now)
    for routed in (*answers, *absent(_meant(scene, alert, noted), scene.people, scene.endpoints)):
        line = line_of(scene.key.workspace, alert, routed, noted.change, str(noted.version), noted.at, scene.now)
        # Decided by an earlier run; or why he was not told of the beginning is there already.
        if line.key in told.keys or (routed.why is Why.NOT_TOLD and routed.recipient.name in told.names):
            yield None
            continue
        # What follows in this job knows of it.
        told.add(line)
        scene.of_incidents.add(line, alert.severity.rank)
        yield routed, line


def _meant(scene: _Scene, alert: Alert, noted: Noted) -> Meant:
    """Whose names are looked for: at a beginning; whoever was not there then hears of no end."""
    if not noted.change.is_start:
        return Meant()
    users = [alert.assigned_to] if alert.assigned_to else []
    if noted.change is Change.ASSIGNED:
        return Meant(users)
    owner = [scene.about.owner] if scene.about.owner else []
    return Meant(users, owner, scene.named.get(alert.rule_id, ()), scene.answering)


def concerned(scene: _Scene, alert: Alert, noted: Noted) -> list[Person]:
    """The people whom a change of an alert concerns, each once: of what follows also who heard of its beginning."""
    names = [alert.assigned_to]
    if noted.change is not Change.ASSIGNED:
        names += scene.answering.get(scene.about.owner or "", ())
    if not noted.change.is_start:
        names += scene.told(alert.id).users
    return [scene.people[name] for name in dict.fromkeys(names) if name is not None and name in scene.people]
