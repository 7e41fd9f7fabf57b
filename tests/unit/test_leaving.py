"""The link that stops a weekly report: who can make one, and what it does while others edit the same preference."""

from __future__ import annotations

from typing import Any, cast

import pytest

from engine.access.keys import KeyRing
from engine.notify.leaving import PATH, TRIES, LeaveLinks, LeaveVerbs, Left
from engine.notify.signed_links import LinkInvalid, LinkSigner
from protocol.errors import Outdated
from protocol.model import NEVER_EXPIRES, Principal
from tests.unit.test_renderer import NEW, OLD

SITE = "https://alerts.example.com/"


def links(*keys: Any, site: str = SITE) -> LeaveLinks:
    return LeaveLinks(lambda: KeyRing(list(keys or (NEW,))), site)


def made(workspace: str = "w", user: str = "u", *keys: Any) -> str:
    return links(*keys).link(workspace, user).removeprefix(f"{SITE.rstrip('/')}{PATH}")


def test_it_names_workspace_and_person_and_is_read_while_tokens_of_its_key_are_good() -> None:
    told = links(NEW, OLD).read(made("w", "ü" * 128, OLD))
    assert (told.workspace, told.user) == ("w", "ü" * 128)
    with pytest.raises(LinkInvalid):
        links(NEW).read(made("w", "u", OLD))


@pytest.mark.parametrize("site", ["", "http://alerts.example.com"])
def test_where_mail_programs_would_not_post_to_there_is_none(site: str) -> None:
    assert links(site=site).link("w", "u") == ""


def test_without_a_key_there_is_none() -> None:
    assert LeaveLinks(lambda: KeyRing([]), SITE).link("w", "u") == ""


def test_what_another_version_or_purpose_has_signed_is_no_link() -> None:
    ours = LinkSigner(lambda: KeyRing([NEW]), b"tocsin weekly report, leave, version 1")
    for text in (ours.signed(b'["w"]'), LinkSigner(lambda: KeyRing([NEW]), b"another").signed(b'["w","u"]')):
        with pytest.raises(LinkInvalid):
            links().read(text)


class Edited:
    """Preferences that somebody else changes so many times while ours is being changed."""

    def __init__(self, times: int) -> None:
        self.times = times
        self.patches: list[tuple[str, Any, str]] = []

    async def patch(self, who: Principal, user: str, merge: Any, expected: None, address: str) -> None:
        self.patches.append((user, merge, address))
        if len(self.patches) <= self.times:
            raise Outdated("changed meanwhile", 2)


class Known:
    async def reader(self, workspace: str, user: str, way: str) -> Principal:
        return Principal(workspace=workspace, user=user, role="viewer", expires_at=NEVER_EXPIRES)


def verbs(preferences: Edited) -> tuple[LeaveVerbs, list[Principal]]:
    admitted: list[Principal] = []
    return LeaveVerbs(links(), cast(Any, Known()), cast(Any, preferences), admitted.append), admitted


async def test_it_wins_over_another_edit_and_counts_as_a_request_of_its_person() -> None:
    preferences = Edited(TRIES - 1)
    leave, admitted = verbs(preferences)
    assert await leave.leave(made(), "192.0.2.7") == Left("u", is_wanted=False)
    assert preferences.patches == [("u", {"weekly_report": None}, "192.0.2.7 by e-mail link")] * TRIES
    assert [who.user for who in admitted] == ["u"]


async def test_against_somebody_who_edits_all_the_time_it_gives_up_and_says_so() -> None:
    leave, _ = verbs(Edited(TRIES))
    with pytest.raises(Outdated):
        await leave.leave(made(), "")
