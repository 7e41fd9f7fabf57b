"""A line of the ledger in words: why did I get it, or why not? Pure."""

from __future__ import annotations

from protocol.jobs import Job, JobState
from protocol.model import Alert
from protocol.notify import Channel, Delivery, DeliveryState, Recipient, Why
from protocol.times import rfc3339
from protocol.wording import several

# What follows "Not told: ".
_REASONS = {
    Why.PREFERENCE: "the recipient's preferences do not name this channel for this severity",
    Why.QUIET_HOURS: "it came in the recipient's quiet hours, which have no end",
    Why.OWN_ACT: "it was the recipient's own act",
    Why.SEVERITY: "the endpoint takes only more severe alerts (min_severity)",
    Why.FRAMEWORK: "the endpoint is for other frameworks (frameworks)",
    Why.RULE: "the alert's rule names other endpoints (notify)",
    Why.DISABLED: "the endpoint is switched off",
    Why.STORM: "it is told with the others of its storm",
    Why.NOT_TOLD: "the recipient had not been told that it began",
    Why.OVER: "the alert is not there any more",
    Why.TOLD: "a later message told of it at once, or is to, and so the digest does not",
    Why.NO_ADDRESS: "nothing is known of where the recipient is by this channel",
    Why.NO_SENDER: "nothing is configured that sends by this channel",
    Why.NOBODY: "nobody is on call in this team, and none of its members is a user here",
}
# What there is to do about it, where that is another thing for each channel.
_BY_CHANNEL = {
    (Why.NO_ADDRESS, Channel.EMAIL): "no address is known of this user (email)",
    (Why.NO_ADDRESS, Channel.SLACK): "no Slack id is known of this user (slack_id)",
    (Why.NO_SENDER, Channel.EMAIL): "no mail server is configured (notify.smtp.host)",
    (Why.NO_SENDER, Channel.SLACK): "the workspace has no Slack bot: make an endpoint with a bot's token",
}
_WAITS = {
    Why.DIGEST: "it goes with the recipient's next digest",
    Why.QUIET_HOURS: "it came in the recipient's quiet hours, and goes when they end",
    Why.STORM: "a storm holds it back, and it goes with the others of its minute",
    Why.GROUPED: "it belongs to an incident that the recipient was told of, and goes with what else joins that",
}
_FAILS = {
    Why.REFUSED: "the target refused it",
    Why.GAVE_UP: "it was tried as often as it may be",
    Why.CANCELLED: "its job was cancelled",
}


def explained(line: Delivery, ahead: Delivery | None = None) -> str:
    """What became of a delivery, in a sentence. `ahead`: the message that it waits for, if it waits for one."""
    match line.state:
        case DeliveryState.SUPPRESSED:
            text = f"Not told: {_untold(line)}"
        case DeliveryState.FAILED:
            text = f"Failed: {_reason(_FAILS, line.why)}"
        case DeliveryState.QUEUED:
            text = _waiting(line) if ahead is None else f"It waits for the message before it ({ahead.change.value})"
        case DeliveryState.SENT:
            text = _handed_on(line)
        case DeliveryState.DELIVERED:
            text = "The target has taken it"
        case DeliveryState.ACKNOWLEDGED:
            text = "The recipient has acknowledged the alert"
        case _:
            text = "The recipient has read it"
    return f"{text} ({line.cause})." if line.cause else f"{text}."


def _waiting(line: Delivery) -> str:
    if line.attempts:
        return f"To be tried again, after {several(line.attempts, 'attempt')} without success"
    if line.held_since is not None:
        return "It waits for its target"
    if line.due is not None:
        return f"Put aside until {rfc3339(line.due)}: {_reason(_WAITS, line.why)}"
    return "On its way"


def _untold(line: Delivery) -> str:
    if line.why is Why.UNKNOWN:
        # By which channel somebody who is not there would have been told nobody knows: it is not spoken of.
        return f"there is no {_kind(line.recipient)} of this name"
    by_channel = _BY_CHANNEL.get((line.why, line.channel)) if line.why is not None else None
    return by_channel or _reason(_REASONS, line.why)


def _kind(recipient: Recipient) -> str:
    return "endpoint" if recipient.endpoint is not None else "user" if recipient.team is None else "team"


def _handed_on(line: Delivery) -> str:
    if line.channel is Channel.IN_APP:
        return "It is in the recipient's list"
    return "Handed on; whether it arrived is not known"


def _reason(words: dict[Why, str], why: Why | None) -> str:
    return words.get(why, why.value) if why is not None else "nobody said why"


def explained_silence(alert: Alert, is_anybody_there: bool, routing: Job | None = None, is_paused: bool = False) -> str:
    """Why the ledger has no line about an alert. `routing`: the job that is to decide who is told, or that did not;
    `is_paused`: its queue is.
    """
    if alert.quieted_by is not None:
        until = f"until {alert.quieted_until}" if alert.quieted_until else None
        why = " ".join(word for word in (alert.quieted_by.value, alert.quieted_ref, until) if word)
        return f"Nobody was told: it does not ring ({why})."
    if not is_anybody_there:
        return "Nobody was told: there is no endpoint in this workspace, and no user."
    if routing is not None:
        return _undecided(routing, is_paused)
    return "Nobody was told: it concerns no endpoint and no user of this workspace."


def _undecided(routing: Job, is_paused: bool) -> str:
    cause = f" ({routing.errors[-1].cause})" if routing.errors else ""
    if routing.state in (JobState.FAILED, JobState.CANCELLED):
        what = "failed" if routing.state is JobState.FAILED else "was cancelled"
        return (
            f"Nobody was told: job {routing.id}, which was to decide who is, {what}{cause}; "
            f"tocsin jobs retry {routing.id} does it again."
        )
    if is_paused:
        queue = routing.queue.value
        return f"Nobody was told yet: the queue {queue} is paused, and who is told is decided when it goes on."
    return f"Nobody was told yet: job {routing.id} is about to decide who is{cause}."
