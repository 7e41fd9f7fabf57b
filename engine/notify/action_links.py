"""Links that do one thing for one person: acknowledge one alert, until a given time. Pure, but for the keys.

A link is signed (`signed_links.py`) and says workspace, user, alert and action. It opens nothing else, and only asks:
the page that it leads to does nothing before somebody presses the button (`engine/http/action_pages.py`), because mail
programs and scanners open links themselves.

Decided against ids in the store (a row for each mail, for links that nobody follows) and against tokens (which open all
that their role may).
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from actors.ports import Clock
from engine.access.keys import KeyRing
from engine.notify.signed_links import LinkInvalid, LinkSigner
from protocol.changes import Action
from protocol.times import SECOND_US

__all__ = ("ActionLinks", "Asked", "LinkExpired", "LinkInvalid")

PATH = "/act/"
_PURPOSE = b"tocsin action link, version 1"


class Asked(msgspec.Struct, frozen=True, array_like=True):
    """What a link asks for, and for whom. Times in Unix seconds."""

    workspace: str
    user: str
    alert_id: str
    action: Action
    issued_at: int
    expires_at: int


class LinkExpired(Exception):
    """It was good once."""


_decode = msgspec.json.Decoder(Asked).decode


class ActionLinks:
    """Makes and reads links. `keys`: those that sign tokens now; `site`: where people reach us (empty: no links)."""

    def __init__(self, keys: Callable[[], KeyRing], clock: Clock, site: str, lifetime_s: float) -> None:
        self._signer = LinkSigner(keys, _PURPOSE)
        self._clock = clock
        self._site = site.rstrip("/")
        self._lifetime_s = lifetime_s

    def link(self, workspace: str, user: str, alert_id: str, action: Action) -> str:
        """The address of a link; empty if there can be none: nobody knows where we are, or we have no key to sign."""
        now = self._clock() // SECOND_US
        asked = Asked(workspace, user, alert_id, action, now, now + int(self._lifetime_s))
        signed = self._signer.signed(msgspec.json.encode(asked))
        return f"{self._site}{PATH}{signed}" if self._site and signed else ""

    def read(self, link: str) -> Asked:
        """What a link asks for. Raises LinkInvalid, LinkExpired."""
        payload = self._signer.payload(link)
        try:
            asked = _decode(payload)
        except msgspec.DecodeError as fault:
            raise LinkInvalid("signed by another version") from fault
        if asked.expires_at * SECOND_US <= self._clock():
            raise LinkExpired("it has ended")
        return asked
