"""Which words, links and buttons a message gets, by its channel and its recipient."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from engine.access.keys import KeyRing, secret_key
from engine.core.notices.notice import Style
from engine.notify.action_links import _PURPOSE, ActionLinks, Asked, LinkExpired, LinkInvalid
from engine.notify.endpoint_checks import style_of
from engine.notify.renderer import NoticeRenderer
from engine.notify.signed_links import LINK_MAX_CHARS, LinkSigner
from protocol.changes import Action
from protocol.endpoints import EndpointGiven
from protocol.errors import BadRequest
from protocol.model import AlertState, Principal
from protocol.notify import Change, Channel, Outgoing, Recipient
from tests.support.notices import ALERT, a_message, an_alert

SITE = "https://alerts.example.com"
NOW = 1_800_000_000_000_000
OLD, NEW = secret_key(b"o" * 32), secret_key(b"n" * 32)


class Known:
    """Stands for `Persons`: ada may respond, nobody else."""

    async def responder(self, workspace: str, user: str, way: str, issued_at: int | None = None) -> Principal | None:
        return Principal(workspace=workspace, user=user, role="responder", expires_at=0) if user == "ada" else None


def links(keys: KeyRing | None = None, now: int = NOW, site: str = SITE) -> ActionLinks:
    ring = KeyRing([NEW]) if keys is None else keys
    return ActionLinks(lambda: ring, lambda: now, site, 60.0)


def renderer(style_of: Callable[[Outgoing], Style] = lambda message: Style(), **more: Any) -> NoticeRenderer:
    known: Any = Known()
    return NoticeRenderer(links(**more), known, more.get("site", SITE), style_of, lambda workspace: workspace == "acme")


async def test_a_mail_to_who_may_respond_has_a_link_that_does():
    said = (await renderer().render(a_message())).text
    link = said.partition("Acknowledge: ")[2].partition("\n")[0]
    asked = links().read(link.removeprefix(f"{SITE}/act/"))
    assert asked == Asked("acme", "ada", ALERT.id, Action.ACKNOWLEDGE, NOW // 1_000_000, NOW // 1_000_000 + 60)


@pytest.mark.parametrize(
    "message",
    [
        a_message(recipient=Recipient(user="eve")),
        a_message(recipient=Recipient(endpoint="e1")),
        a_message(channel=Channel.SLACK),
        a_message(Change.DIGEST),
        a_message(Change.FIRED, ALERT, ALERT),
        a_message(Change.ACKNOWLEDGED, an_alert(state=AlertState.ACKNOWLEDGED)),
        a_message(Change.RESOLVED, an_alert(state=AlertState.RESOLVED)),
    ],
)
async def test_nobody_else_gets_one(message: Outgoing):
    assert "Acknowledge: " not in (await renderer().render(message)).text


async def test_without_an_address_of_ours_or_a_key_there_is_no_link():
    assert "Acknowledge: " not in (await renderer(site="").render(a_message())).text
    assert "Acknowledge: " not in (await renderer(keys=KeyRing([])).render(a_message())).text


@pytest.mark.parametrize(("channel", "has_html", "has_blocks"), [("email", 1, 0), ("slack", 0, 1), ("webhook", 0, 0)])
async def test_each_channel_gets_the_forms_that_it_needs(channel: str, has_html: bool, has_blocks: bool):
    made = await renderer().render(a_message(channel=Channel(channel)))
    assert (bool(made.html), bool(made.blocks)) == (has_html, has_blocks)
    assert made.subject and made.text


@pytest.mark.parametrize(
    ("change", "workspace", "actions"),
    [
        (Change.FIRED, "acme", ["acknowledge", "resolve", "open"]),
        (Change.FIRED, "other", []),
        (Change.TEST, "acme", []),
    ],
)
async def test_buttons_are_where_somebody_listens(change: Change, workspace: str, actions: list[str]):
    made = await renderer().render(a_message(change, channel=Channel.SLACK, workspace=workspace))
    found = [one["action_id"] for block in made.blocks if block["type"] == "actions" for one in block["elements"]]
    assert found == actions


async def test_an_endpoint_has_words_of_its_own():
    given = EndpointGiven(id="e", channel=Channel.EMAIL, title="{{severity}} in {{ framework }}", message="{{ value }}")
    made = await renderer(lambda message: style_of(given)).render(a_message(recipient=Recipient(endpoint="e")))
    assert made.subject == "critical in web"
    assert "\n97.5\n" in made.text


def test_an_endpoint_without_templates_has_none():
    assert style_of(EndpointGiven(id="e", channel=Channel.EMAIL)) == Style()


@pytest.mark.parametrize("field", ["title", "message"])
def test_a_template_that_is_none_is_refused_with_field_reason_and_example(field: str):
    with pytest.raises(BadRequest, match=rf"^{field}: .*no word of templates; use title, .*; for example"):
        style_of(EndpointGiven(id="e", channel=Channel.EMAIL, **{field: "{{ password }}"}))


def test_a_link_of_an_older_key_is_good_while_tokens_of_it_are():
    made = links(KeyRing([OLD])).link("w", "u", "a", Action.ACKNOWLEDGE).rpartition("/")[2]
    assert links(KeyRing([NEW, OLD])).read(made).alert_id == "a"
    with pytest.raises(LinkInvalid):
        links(KeyRing([NEW])).read(made)


def test_a_link_ends_in_its_second():
    made = links().link("w", "u", "a", Action.ACKNOWLEDGE).rpartition("/")[2]
    assert links(now=NOW + 59_999_999).read(made).user == "u"
    with pytest.raises(LinkExpired):
        links(now=NOW + 60_000_000).read(made)


def test_no_part_of_a_link_can_be_changed():
    made = links().link("w", "u", "a", Action.ACKNOWLEDGE).rpartition("/")[2]
    for place, char in enumerate(made):
        with pytest.raises(LinkInvalid):
            links().read(made[:place] + ("A" if char != "A" else "B") + made[place + 1 :])


def test_the_longest_names_make_a_link_that_is_read():
    made = links().link("w" * 128, "ü" * 128, "a" * 128, Action.ACKNOWLEDGE).rpartition("/")[2]
    assert links().read(made).user == "ü" * 128
    assert len(made) < LINK_MAX_CHARS


def test_what_another_version_has_signed_is_no_link():
    payload = b'["w","u","a","explode",1,2]'
    with pytest.raises(LinkInvalid, match="another version"):
        links().read(LinkSigner(lambda: KeyRing([NEW]), _PURPOSE).signed(payload))
