"""A notice as Slack's blocks (Block Kit), within Slack's bounds.

Texts are escaped as Slack asks (`&`, `<`, `>`), so that nothing in them is a mention (`<!channel>`) or a link; links of
ours are written by us. A button carries its alert's id and nothing else: who presses it, and whether he may, is found
out when he does (`engine/http/inbound/slack.py`). Bounds: https://docs.slack.dev/reference/block-kit/blocks
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from engine.core.notices.notice import Fact, Notice, line_of

Block = dict[str, Any]
HEADER_MAX_CHARS = 150
SECTION_MAX_CHARS = 3_000
# Slack takes ten fields in a section. An alert's own facts fill one; what its rule adds (a runbook) follows them.
FIELDS_MAX, FACTS_MAX = 10, 30
FIELD_MAX_CHARS = 2_000
URL_MAX_CHARS = 3_000
# Three lines of a digest fit a section, so fifty alerts stay far below Slack's fifty blocks.
ENTRY_TITLE_MAX_CHARS = 300
# What a button says that it is for; `engine/http/inbound/slack.py` reads it.
ACKNOWLEDGE, RESOLVE, OPEN = "acknowledge", "resolve", "open"


def escaped(text: str, most_chars: int) -> str:
    """The text so that Slack takes nothing of it for its own signs; cut before it is escaped, never within a sign."""
    cut = text
    while len(done := cut.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")) > most_chars:
        cut = cut[: len(cut) - max(1, (len(done) - most_chars) // 5)]
    return done


def blocks(notice: Notice) -> tuple[Block, ...]:
    """All blocks of a message."""
    return tuple(_blocks(notice))


def _blocks(notice: Notice) -> Iterator[Block]:
    subject = line_of(notice.subject, HEADER_MAX_CHARS)
    yield {"type": "header", "text": {"type": "plain_text", "text": subject, "emoji": False}}
    yield _section(notice.lead)
    if notice.body:
        yield _section(notice.body)
    shown = notice.facts[:FACTS_MAX]
    for start in range(0, len(shown), FIELDS_MAX):
        yield {"type": "section", "fields": [_field(fact) for fact in shown[start : start + FIELDS_MAX]]}
    for part in _together([_entry_line(notice, place) for place in range(len(notice.entries))]):
        yield {"type": "section", "text": _mrkdwn(part)}
    if notice.more:
        yield _section(f"and {notice.more} more")
    if buttons := list(_buttons(notice)):
        yield {"type": "actions", "elements": buttons}
    elif url := _page(notice):
        # Slack tells an app of the press of any button, also of one that only leads somewhere; without an app it
        # warns whoever pressed it.
        yield {"type": "section", "text": _mrkdwn(f"<{url}|Open the alert>")}
    yield {"type": "context", "elements": [_mrkdwn(escaped(notice.foot, FIELD_MAX_CHARS))]}


def _field(fact: Fact) -> Block:
    value = escaped(fact.value, FIELD_MAX_CHARS - 410)
    if fact.url and "|" not in value:
        # A bar would end the address.
        value = f"<{value}>"
    return _mrkdwn(f"*{escaped(fact.name, 400)}*\n{value}")


def _section(text: str) -> Block:
    return {"type": "section", "text": _mrkdwn(escaped(text, SECTION_MAX_CHARS))}


def _mrkdwn(text: str) -> Block:
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def _entry_line(notice: Notice, place: int) -> str:
    entry = notice.entries[place]
    title = escaped(entry.title, ENTRY_TITLE_MAX_CHARS)
    shown = f"<{entry.url}|{title.replace('|', '/')}>" if entry.url else title
    framework = escaped(entry.framework, ENTRY_TITLE_MAX_CHARS)
    return f"*{entry.severity.value.upper()}* {shown} ({framework}, {entry.state.value})"


def _together(lines: Sequence[str]) -> Iterator[str]:
    """Lines joined, as many as a section takes."""
    part = ""
    for line in lines:
        if part and len(part) + 1 + len(line) > SECTION_MAX_CHARS:
            yield part
            part = ""
        part = f"{part}\n{line}" if part else line
    if part:
        yield part


def _buttons(notice: Notice) -> Iterator[Block]:
    alert = notice.alert
    if alert is None or not notice.links.has_buttons:
        return
    if alert.state.is_open:
        if alert.acknowledged_by is None:
            yield _button("Acknowledge", ACKNOWLEDGE, alert.id) | {"style": "primary"}
        yield _button("Resolve", RESOLVE, alert.id)
    if url := _page(notice):
        yield _button("Open", OPEN, alert.id) | {"url": url}


def _page(notice: Notice) -> str:
    """The page of the alert; empty: none, or its address is too long for Slack."""
    url = notice.links.alert(notice.alert.id) if notice.alert is not None else ""
    return url if len(url) <= URL_MAX_CHARS else ""


def _button(text: str, action: str, alert_id: str) -> Block:
    return {
        "type": "button",
        "text": {"type": "plain_text", "text": text, "emoji": False},
        "action_id": action,
        "value": alert_id,
    }
