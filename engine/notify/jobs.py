"""The jobs of notifications: what each is called and told. Making one is a function, so that those who make them need
not know those who do them."""

from __future__ import annotations

from typing import Any

import msgspec

from protocol.jobs import ATTEMPTS, PRIO_HIGH, PRIO_MEDIUM, PRIO_OF, NewJob, Queue, new_job
from protocol.model import Severity
from protocol.notify import DIGEST, Channel, Delivery, DigestArgs, Recipient
from protocol.times import SECOND_US

# All mail goes through one server.
EVERYBODYS_MAIL = "email"
# A digest is sent so long after its moment: what was decided just before it is in the ledger by then.
DIGEST_GRACE_US = 2 * SECOND_US
SEND, DIGESTS = "send", "digests_due"
ESCALATE, REMIND = "escalate", "remind"
# With the last step that failed a chain ends, and nobody is told any more: as patient as what it sends.
STEP_ATTEMPTS_MAX = ATTEMPTS[Queue.NOTIFICATION].most


class SendArgs(msgspec.Struct, frozen=True, kw_only=True):
    """Which line of the ledger is to be sent; whose act it was, and what is said besides."""

    key: str
    by: str | None = None
    text: str = ""


class StepArgs(msgspec.Struct, frozen=True, kw_only=True):
    """A step of an alert's escalation: of which chain, since which beginning (`engine.core.escalating.since_of`), and
    which step it is. `round`: how often the chain was gone through before.
    """

    alert_id: str
    chain: str
    since: str
    step: int = 0
    round: int = 0


def send_job(delivery: Delivery, severity: Severity, by: str | None, text: str = "") -> NewJob:
    """Sends one. While it waits there is no second one of the same line."""
    args = SendArgs(key=delivery.key, by=by, text=text)
    target = target_of(delivery.workspace, delivery.channel, delivery.recipient)
    return _job(SEND, args, delivery.workspace, key=delivery.key, prio=PRIO_OF[severity], target=target)


def digest_job(workspace: str, channel: Channel, recipient: Recipient, due: int) -> NewJob:
    """Sends together what is put aside for a recipient until `due`, a moment later."""
    key = _digest_key(workspace, channel, recipient, due)
    args = DigestArgs(channel=channel, recipient=recipient, until=due)
    target = target_of(workspace, channel, recipient)
    return _job(DIGEST, args, workspace, key=key, run_at=due + DIGEST_GRACE_US, prio=PRIO_MEDIUM, target=target)


def key_of_job(line: Delivery) -> str:
    """The key of the job that sends a line of the ledger, at once or with a digest."""
    return line.key if line.due is None else _digest_key(line.workspace, line.channel, line.recipient, line.due)


def _digest_key(workspace: str, channel: Channel, recipient: Recipient, due: int) -> str:
    return f"digest:{workspace}:{channel.value}:{recipient.name}:{due}"


def step_job(workspace: str, args: StepArgs, run_at: int, kind: str = ESCALATE) -> NewJob:
    """The next step of an alert's escalation, or its next reminder: one of each at a time.

    Not in the queue of what is sent: a chain goes on however full that is, and while it is paused.
    """
    # What people may have named comes last, and never makes a key of another one.
    key = f"{kind}:{args.alert_id}:{args.since}:{args.round}:{args.step}:{workspace}:{args.chain}"
    more = {"key": key, "run_at": run_at, "prio": PRIO_HIGH, "attempts_max": STEP_ATTEMPTS_MAX}
    return new_job(Queue.ALERT, kind, args, workspace=workspace, **more)


def target_of(workspace: str, channel: Channel, recipient: Recipient) -> str | None:
    """Whose server a message waits for: the mail server is everybody's, people's Slack messages go through one bot."""
    if channel is Channel.EMAIL:
        return EVERYBODYS_MAIL
    if channel is Channel.IN_APP:
        return None
    return f"{workspace}/{channel.value}/{recipient.endpoint or ''}"


def _job(kind: str, args: msgspec.Struct, workspace: str, **more: Any) -> NewJob:
    return new_job(Queue.NOTIFICATION, kind, args, workspace=workspace, **more)
