"""What routing and escalation settle with: lines of the ledger (`engine.stores.deliveries`), and jobs that carry them
out."""

from __future__ import annotations

from dataclasses import dataclass, field

from engine.core.routing import Answer, Routed
from engine.jobs.kinds import Done
from engine.notify.jobs import digest_job, send_job
from protocol.jobs import NewJob
from protocol.model import Alert
from protocol.notify import Change, Delivery, DeliveryState, delivery_key
from protocol.times import parse_rfc3339


@dataclass
class Decided:
    """Lines of the ledger, and the jobs that carry them out."""

    deliveries: list[Delivery] = field(default_factory=list)
    jobs: list[NewJob] = field(default_factory=list)
    _digests: set[str | None] = field(default_factory=set)

    def add(self, routed: Routed, line: Delivery, alert: Alert, by: str | None, text: str = "") -> None:
        """An answer of routing, and its line."""
        self.deliveries.append(line)
        if routed.answer is Answer.SEND:
            self.jobs.append(send_job(line, alert.severity, by, text))
        elif routed.answer is Answer.DIGEST and routed.due is not None:
            job = digest_job(line.workspace, line.channel, line.recipient, routed.due)
            if job.key not in self._digests:
                self._digests.add(job.key)
                self.jobs.append(job)

    @property
    def done(self) -> Done:
        """The job's result."""
        return Done(deliveries=tuple(self.deliveries), follow=tuple(self.jobs))


def line_of(workspace: str, alert: Alert, routed: Routed, change: Change, version: str, at: str, now: int) -> Delivery:
    """The ledger's line for an answer of routing."""
    return Delivery(
        key=delivery_key(workspace, alert.id, routed.channel, routed.recipient, version),
        workspace=workspace,
        alert_id=alert.id,
        channel=routed.channel,
        recipient=routed.recipient,
        version=version,
        change=change,
        state=DeliveryState.SUPPRESSED if routed.answer is Answer.SUPPRESS else DeliveryState.QUEUED,
        why=routed.why,
        due=routed.due,
        at=parse_rfc3339(at),
        updated_at=now,
    )
