"""Hands messages to Apprise, which knows a hundred services: an optional extra, in a thread with a hard time-out.

Apprise opens its own connections, past our address checks: so only services with hosts of their own are allowed
(`notify.apprise_schemes`), and only one of them an address. It blocks, and says yes or no and not why. A thread that it
does not give back in time is left to itself, and counted as long as it lives (`engine.notify.places`), so a service
that hangs can take no more of them than its workspace may have.
"""

from __future__ import annotations

import importlib.util
import logging

import trio

from engine.extras import how_to_get
from engine.notify.places import WAIT_S, Places
from engine.notify.ports import Outcome, Refused, Sent, TryLater
from engine.notify.webhook import Envelope
from protocol.model import Severity
from protocol.notify import Change, Outgoing
from protocol.wording import waiting

# Each may be held by a service that hangs; 8 MB of stack each, at most.
THREADS_MAX = 8
# What is left serves the others.
WORKSPACE_THREADS_MAX = 4
TITLE_MAX_CHARS = 250
# As Apprise calls them.
_KINDS = {
    Severity.INFO: "info",
    Severity.WARNING: "warning",
    Severity.ERROR: "failure",
    Severity.CRITICAL: "failure",
}


def why_not_here() -> str:
    """Why nothing can be handed to Apprise on this machine; empty: it can."""
    if importlib.util.find_spec("apprise") is not None:
        return ""
    return f"Apprise is not installed with this engine: {how_to_get('apprise')}"


class Apprise:
    """Hands over to Apprise."""

    def __init__(self, within_s: float) -> None:
        self._within_s = within_s
        wait_s = min(WAIT_S, within_s / 2)
        self._threads = Places("Apprise", THREADS_MAX, WORKSPACE_THREADS_MAX, wait_s)

    async def deliver(self, envelope: Envelope) -> Outcome:
        """One message. Raises Crowded."""
        if cause := why_not_here():
            return Refused(cause)
        rendered = envelope.message.rendered
        subject, text = (rendered.subject, rendered.text) if rendered else ("", envelope.message.text)
        more = f"\n{waiting(envelope.waiting, 'message')}" if envelope.waiting else ""
        with trio.move_on_after(self._within_s):
            return await self._threads.run(
                envelope.message.workspace,
                _notify,
                envelope.secret.url,
                subject[:TITLE_MAX_CHARS],
                (text or subject) + more,
                _kind_of(envelope.message),
            )
        return TryLater(None, f"the service did not answer within {self._within_s:g} s")


def _kind_of(message: Outgoing) -> str:
    """What services show by colour or sign: of several alerts the worst that is open; an end is good news."""
    if message.change is Change.TEST:
        return "info"
    open_ones = [alert.severity for alert in message.alerts if alert.state.is_open]
    if message.change.is_end or not open_ones:
        return "success"
    return _KINDS[max(open_ones, key=lambda severity: severity.rank)]


def _notify(url: str, title: str, body: str, kind: str) -> Outcome:
    """Runs in a thread. One address is one service: `add` would take a list of them apart."""
    import apprise

    # It logs addresses, which are secrets.
    logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)
    service = apprise.Apprise.instantiate(url, suppress_exceptions=True)
    if service is None:
        return Refused("Apprise does not understand this address")
    if service.notify(body=body, title=title, notify_type=apprise.NotifyType(kind)):
        return Sent(is_delivered=False)
    return TryLater(None, "the service did not take it")
