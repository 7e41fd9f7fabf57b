"""The job `route`: reads what there is to know of some changes, has `engine.core.routing` decide, and settles with the
ledger's lines and the jobs that send, in one transaction.

Owns nothing. It may run twice: lines and jobs have keys. Jobs of one channel may run at the same time, so what follows
a beginning may be looked at before it: then it waits until the older jobs of its channel have ended.
"""

from __future__ import annotations

from dataclasses import dataclass

from actors.ports import Clock
from engine.core.routing import Endpoint, News, Person, heard, route
from engine.jobs.kinds import Kind, PutOff, Result
from engine.notify.book import NotifyBook
from engine.notify.escalation import Escalations
from engine.notify.facts import Facts
from engine.notify.outcome import Outcome, line_of
from engine.orders import StandingOrders
from engine.stores import Store
from protocol.jobs import Claimed, Queue
from protocol.model import Alert, ChannelKey
from protocol.notify import ROUTE, Change, Delivery, Noted, RouteArgs, Why
from protocol.times import SECOND_US

# An older job of the same channel is about to end: it takes some milliseconds.
AFTER_OLDER_US = SECOND_US // 5
# Or it has failed and is tried again: the last of five attempts comes 32 s after the one before. Those that are due
# later wait for the end of a quiet, and for nothing that could come before this.
RETRIED_US = 60 * SECOND_US


@dataclass
class _Scene:
    """What one job knows."""

    key: ChannelKey
    now: int
    alerts: dict[str, Alert]
    told: dict[str, list[Delivery]]
    people: dict[str, Person]
    on_call: str | None
    endpoints: list[Endpoint]


class Router:
    """Does jobs of the kind `route`."""

    def __init__(
        self,
        store: Store,
        orders: StandingOrders,
        book: NotifyBook,
        escalations: Escalations,
        clock: Clock,
    ) -> None:
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
        if await self._is_early(claimed, args):
            return PutOff(self._clock() + AFTER_OLDER_US)
        # Only now: what older jobs have settled with before they were said to have ended must be in it.
        scene = await self._scene(claimed, args)
        outcome = Outcome()
        for noted in args.noted:
            for alert_id in noted.alert_ids:
                if alert_id in scene.alerts:
                    alert = scene.alerts[alert_id]
                    self._route(scene, noted, alert, outcome)
                    outcome.jobs += self._escalations.begin(scene.key, noted, alert, scene.told[alert_id])
            await self._note_answer(scene, noted)
        return outcome.done

    async def _scene(self, claimed: Claimed, args: RouteArgs) -> _Scene:
        key, now = ChannelKey(claimed.workspace, claimed.framework or ""), self._clock()
        ids = list(dict.fromkeys(alert_id for noted in args.noted for alert_id in noted.alert_ids))
        alerts = await self._facts.alerts(key.workspace, ids)
        on_call = await self._facts.on_call(key.workspace, key.framework, now)
        told = await self._store.deliveries_of(key.workspace, ids)
        assigned = (alert.assigned_to for alert in alerts.values())
        others = (line.recipient.user for lines in told.values() for line in lines)
        return _Scene(
            key=key,
            now=now,
            alerts=alerts,
            told=told,
            people=await self._facts.people(key.workspace, [on_call, *assigned, *others]),
            on_call=on_call,
            endpoints=list(self._book.endpoints(key.workspace)),
        )

    async def _is_early(self, claimed: Claimed, args: RouteArgs) -> bool:
        """Whether something here follows what nobody has routed yet. Nothing comes before the firing of an alert; what
        is known of one that has fired elsewhere may be known of some and not yet of others."""
        fired = {alert_id for noted in args.noted if noted.change is Change.FIRED for alert_id in noted.alert_ids}
        follows = any(not noted.change.is_start and not fired.issuperset(noted.alert_ids) for noted in args.noted)
        return follows and await self._store.is_preceded(
            claimed.workspace, claimed.framework or "", claimed.lease.job, self._clock() + RETRIED_US
        )

    def _route(self, scene: _Scene, noted: Noted, alert: Alert, outcome: Outcome) -> None:
        rule = self._orders.rule(scene.key, alert.rule_id)
        news = News(
            change=noted.change,
            alert=alert,
            by=noted.by,
            rule_notify=() if rule is None else rule.notify,
            in_storm=noted.in_storm,
        )
        told = scene.told.setdefault(alert.id, [])
        known = heard(told)
        for routed in route(news, scene.endpoints, concerned(scene, alert, noted), known, scene.now):
            if routed.why is Why.NOT_TOLD and any(line.recipient == routed.recipient for line in told):
                # Why he was not told of the beginning is in the ledger already.
                continue
            line = line_of(scene.key.workspace, alert, routed, noted.change, str(noted.version), noted.at, scene.now)
            # What follows in this job knows of it.
            told.append(line)
            outcome.add(routed, line, alert, noted.by)

    async def _note_answer(self, scene: _Scene, noted: Noted) -> None:
        """Whoever was told and has acknowledged has answered."""
        if noted.change is Change.ACKNOWLEDGED and noted.by is not None:
            await self._store.answered(scene.key.workspace, noted.by, noted.alert_ids)


def concerned(scene: _Scene, alert: Alert, noted: Noted) -> list[Person]:
    """The people whom a change of an alert concerns, each once: of what follows also who heard of its beginning."""
    names = [alert.assigned_to, *([] if noted.change is Change.ASSIGNED else [scene.on_call])]
    if not noted.change.is_start:
        names += [line.recipient.user for line in scene.told.get(alert.id, ())]
    return [scene.people[name] for name in dict.fromkeys(names) if name in scene.people]
