"""What is shown in Slack after a button was pressed: the message as its alert is now, or a word to who pressed it.

What is said comes from the alert, not from the button: the message may be an old one, and somebody else may have been
faster.

A job, because Slack's server may be slow or away and the address that it gave us is good for half an hour. That address
opens a channel for whoever has it, so the job holds it sealed. It is posted to through the guarded way out, as every
address that came from outside.
"""

from __future__ import annotations

from typing import Any

import msgspec

from actors.ports import Clock
from engine.core.notices.as_slack import escaped
from engine.jobs.kinds import Again, Done, Hopeless, Kind, NotNeeded, PutOff, Result
from engine.notify.answers import outcome_of
from engine.notify.connector import Connector, tried
from engine.notify.network import Whose
from engine.notify.ports import Outcome, Refused, Renderer, Sent
from engine.notify.raised import cause_of, trace_of
from engine.notify.sealing import Confidential, Sealer, Unsealable
from engine.stores import Store
from protocol.jobs import PRIO_HIGH, Claimed, Queue
from protocol.model import Alert, AlertState
from protocol.notify import Change, Channel, Outgoing, Recipient
from protocol.times import SECOND_US

KIND = "slack_reply"
URL_MAX_CHARS = 2_048
TEXT_MAX_CHARS = 3_000


class ReplyArgs(msgspec.Struct, frozen=True, kw_only=True):
    """Where to (sealed), and about which alert; `why_not`: what to say if nothing was done."""

    sealed: str
    alert_id: str
    why_not: str = ""


class SlackReplies:
    """Puts replies into the queue, and makes them."""

    def __init__(self, store: Store, sealer: Sealer, connector: Connector, renderer: Renderer, clock: Clock) -> None:
        self._store = store
        self._sealer = sealer
        self._connector = connector
        self._renderer = renderer
        self._clock = clock
        self.kind: Kind[ReplyArgs] = Kind(
            name=KIND, queue=Queue.NOTIFICATION, args=ReplyArgs, run=self.run, attempts_max=3, prio=PRIO_HIGH
        )

    async def put(self, workspace: str, url: str, alert_id: str, why_not: str) -> None:
        """One more reply. Raises StoreUnavailable."""
        if len(url) > URL_MAX_CHARS:
            return
        sealed = self._sealer.seal(Confidential(url=url), (workspace, KIND))
        args = ReplyArgs(sealed=sealed, alert_id=alert_id, why_not=why_not)
        await self._store.enqueue([self.kind.job(args, workspace=workspace, target=f"{workspace}/{KIND}")])

    async def run(self, claimed: Claimed, args: ReplyArgs) -> Result:
        """One reply."""
        try:
            url = self._sealer.open(args.sealed, (claimed.workspace, KIND)).url
        except Unsealable as fault:
            return Hopeless(str(fault))
        body = await self._body(claimed.workspace, args)
        if body is None:
            return NotNeeded("there is no such alert any more")
        try:
            outcome = await tried(self._posted((claimed.workspace, KIND), url, body))
        except Exception as fault:
            # The address is kept sealed, and may stand in what this says.
            return Again(cause_of(fault), traceback=trace_of(fault))
        return self._result(outcome)

    async def _posted(self, whose: Whose, url: str, body: dict[str, Any]) -> Outcome:
        answer = await self._connector.post(
            whose, url, msgspec.json.encode(body), {"Content-Type": "application/json; charset=utf-8"}
        )
        return outcome_of(answer, self._clock())

    def _result(self, outcome: Outcome) -> Result:
        if isinstance(outcome, Sent):
            return Done()
        if isinstance(outcome, Refused):
            return Hopeless(outcome.cause)
        if outcome.after_s is None:
            return Again(outcome.cause)
        return PutOff(self._clock() + int(outcome.after_s * SECOND_US), outcome.cause)

    async def _body(self, workspace: str, args: ReplyArgs) -> dict[str, Any] | None:
        if args.why_not:
            text = escaped(args.why_not, TEXT_MAX_CHARS)
            return {"response_type": "ephemeral", "replace_original": False, "text": text}
        found = await self._store.alert(workspace, args.alert_id)
        if found is None:
            return None
        rendered = await self._renderer.render(self._message(workspace, found[1]))
        text = escaped(rendered.subject, TEXT_MAX_CHARS)
        return {"replace_original": True, "text": text, "blocks": list(rendered.blocks)}

    def _message(self, workspace: str, alert: Alert) -> Outgoing:
        change, by = last_of(alert)
        return Outgoing(
            key="",
            workspace=workspace,
            channel=Channel.SLACK,
            recipient=Recipient(endpoint="slack"),
            change=change,
            alerts=(alert,),
            at=self._clock(),
            by=by,
        )


def last_of(alert: Alert) -> tuple[Change, str | None]:
    """What was done about an alert last, and by whom."""
    match alert.state:
        case AlertState.ACKNOWLEDGED:
            return Change.ACKNOWLEDGED, alert.acknowledged_by
        case AlertState.RESOLVED:
            return Change.RESOLVED, alert.resolved_by
        case AlertState.EXPIRED:
            return Change.EXPIRED, None
        case AlertState.ACTIVE:
            # What the button says was done, and somebody has taken it back since.
            return Change.REOPENED, None
