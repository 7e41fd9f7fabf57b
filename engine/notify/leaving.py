"""Stopping one's weekly report from the mail itself: by the button of a mail program (RFC 8058), or on a page.

Owns nothing. The link stands in the header `List-Unsubscribe` alone, is signed, says whose report it is, and does
nothing but switch that off; so it has no end: who presses it in a mail of last year means it, too. Opening it changes
nothing; a mail program's button posts to it without asking anybody. What is done is a change of the preference, in its
person's name, with a line of the audit trail.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from engine.access.keys import KeyRing
from engine.notify.by_link import BY_MAIL
from engine.notify.persons import BY_LINK, Persons
from engine.notify.signed_links import LinkInvalid, LinkSigner
from engine.shelf.objects import Shelf
from protocol.errors import Outdated, UnknownChannel
from protocol.model import Principal
from protocol.preferences import Preference

PATH = "/act/leave/"
# Somebody else edits the same preference at this moment; once more is enough for a person.
TRIES = 3
_PURPOSE = b"tocsin weekly report, leave, version 1"


class Leaving(msgspec.Struct, frozen=True, array_like=True):
    """Whose report a link stops."""

    workspace: str
    user: str


class Left(msgspec.Struct, frozen=True):
    """Whose report it is, and whether he still gets it."""

    user: str
    is_wanted: bool


_decode = msgspec.json.Decoder(Leaving).decode


class LeaveLinks:
    """Makes and reads links. `site`: where people reach us; mail programs post to https alone, so others get none."""

    def __init__(self, keys: Callable[[], KeyRing], site: str) -> None:
        self._signer = LinkSigner(keys, _PURPOSE)
        self._site = site.rstrip("/") if site.startswith("https://") else ""

    def link(self, workspace: str, user: str) -> str:
        """The address of a link; empty if there can be none."""
        signed = self._signer.signed(msgspec.json.encode(Leaving(workspace, user)))
        return f"{self._site}{PATH}{signed}" if self._site and signed else ""

    def read(self, link: str) -> Leaving:
        """Whose report it is. Raises LinkInvalid."""
        try:
            return _decode(self._signer.payload(link))
        except msgspec.DecodeError as fault:
            raise LinkInvalid("signed by another version") from fault


class LeaveVerbs:
    """What such a link does. Everything raises LinkInvalid, TooManyRequests, StoreUnavailable. `admit`: counts one
    request of this user."""

    def __init__(
        self, links: LeaveLinks, persons: Persons, preferences: Shelf[Preference], admit: Callable[[Principal], None]
    ) -> None:
        self._links = links
        self._persons = persons
        self._preferences = preferences
        self._admit = admit

    async def look(self, link: str) -> Left:
        """Whose report a link is about. Changes nothing."""
        who = await self._who(link)
        held = (await self._preferences.several(who, [who.user])).get(who.user)
        return Left(who.user, held is not None and held.value.weekly_report is not None)

    async def leave(self, link: str, address: str) -> Left:
        """Switches it off; again changes nothing. `address`: from where, for the record. Raises Busy, Outdated."""
        who = await self._who(link)
        for left in reversed(range(TRIES)):
            try:
                off = {"weekly_report": None}
                await self._preferences.patch(who, who.user, off, None, f"{address} {BY_MAIL}".strip())
                break
            except UnknownChannel:
                break  # there is no preference, and so no report
            except Outdated:
                if not left:
                    raise
        return Left(who.user, is_wanted=False)

    async def _who(self, link: str) -> Principal:
        leaving = self._links.read(link)
        who = await self._persons.reader(leaving.workspace, leaving.user, BY_LINK)
        if who is None:
            raise LinkInvalid("its person is not there any more")
        self._admit(who)
        return who
