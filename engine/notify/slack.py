"""Posts to Slack: through an incoming webhook, or as a bot, whose messages follow their alert.

With a bot's token the first message of an alert is posted (`chat.postMessage`), and what becomes of the alert changes
that message (`chat.update`), so that a channel shows each alert once, as it is. What must ring again (worse, reopened,
a reminder) is a message of its own; the one before says so first, and loses its buttons: nobody comes back to it. In
this order, because what is done twice after a failure must not ring twice. `text` is always filled: it is what a
phone's notification shows. Slack answers 200 with `"ok": false` and a word to what it does not do; the words are
sorted here.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from engine.core.notices.as_slack import escaped
from engine.notify.answers import outcome_of
from engine.notify.connector import Answer, Connector
from engine.notify.network import Whose
from engine.notify.ports import Outcome, Refused, Sent, TryLater
from engine.notify.webhook import Envelope
from protocol.wording import waiting

# Slack cuts at 40,000 and shows far less.
TEXT_MAX_CHARS = 3_000
BLOCKS_MAX = 50
_TRANSIENT = frozenset({"internal_error", "fatal_error", "service_unavailable", "request_timeout", "team_added_to_org"})
_LIMITED = frozenset({"ratelimited", "rate_limited", "message_limit_exceeded"})
# The message that was to be changed is not there any more, or may not be changed any more: it is said anew.
_STALE = frozenset({"message_not_found", "cant_update_message", "edit_window_closed", "channel_not_found"})
_LIMITED_S = 30.0
_REFUSES = re.compile(rb'\s*\{\s*"ok"\s*:\s*false')
_LEFT_BEHIND = "It was told again in a newer message, which follows it from there on."


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """What Slack's API says."""

    ok: bool = False
    error: str = ""
    channel: str = ""
    ts: str = ""


class Slack:
    """Posts to Slack."""

    def __init__(self, connector: Connector) -> None:
        self._connector = connector

    async def deliver(self, envelope: Envelope) -> Outcome:
        """One message, or a change of the one before."""
        tokens = envelope.secret.in_force(envelope.now)
        body = _body(envelope)
        if not tokens:
            return outcome_of(await self._post(envelope.whose, envelope.secret.url, body, {}), envelope.now)
        previous = _place(envelope.message.previous or "")
        if previous is not None:
            channel, ts = previous
            is_new = envelope.message.change.is_start
            shown = _left_behind(envelope) if is_new else body
            changed = await self._call(envelope, tokens[0], "chat.update", shown | {"channel": channel, "ts": ts})
            if isinstance(changed, TryLater) or not (is_new or _is_stale(changed)):
                return changed
        address = envelope.address or envelope.endpoint.address
        return await self._call(envelope, tokens[0], "chat.postMessage", body | {"channel": address})

    async def _call(self, envelope: Envelope, token: str, method: str, body: dict[str, Any]) -> Outcome:
        url = f"{envelope.secret.url.removesuffix('/')}/{method}"
        answer = await self._post(envelope.whose, url, body, {"Authorization": f"Bearer {token}"})
        outcome = outcome_of(answer, envelope.now)
        return _meant(answer) if isinstance(outcome, Sent) else outcome

    async def _post(self, whose: Whose, url: str, body: dict[str, Any], headers: dict[str, str]) -> Answer:
        whole = {"Content-Type": "application/json; charset=utf-8", **headers}
        return await self._connector.post(whose, url, msgspec.json.encode(body), whole)


def _meant(answer: Answer) -> Outcome:
    """What Slack means by an answer of its API. Causes of refusals are Slack's own words, which its pages explain."""
    try:
        said = msgspec.json.decode(answer.body, type=Said)
    except msgspec.DecodeError:
        if not answer.is_whole and not _REFUSES.match(answer.body):
            # Slack has taken it and broke off while it said so. Where the message is we do not know.
            return Sent()
        return TryLater(None, "answered with something that is not Slack's")
    if said.ok:
        return Sent(is_delivered=True, reference=f"{said.channel}:{said.ts}" if said.ts else None)
    if said.error in _LIMITED:
        return TryLater(_LIMITED_S, said.error)
    if said.error in _TRANSIENT:
        return TryLater(None, said.error)
    return Refused(said.error[:100] or "it was not ok, and Slack does not say why")


def _is_stale(outcome: Outcome) -> bool:
    return isinstance(outcome, Refused) and outcome.cause in _STALE


def _place(reference: str) -> tuple[str, str] | None:
    channel, colon, ts = reference.partition(":")
    return (channel, ts) if colon and channel and ts else None


def _body(envelope: Envelope) -> dict[str, Any]:
    rendered = envelope.message.rendered
    subject, text = (rendered.subject, rendered.text) if rendered else ("", envelope.message.text)
    blocks = list(rendered.blocks) if rendered else []
    body: dict[str, Any] = {"unfurl_links": False, "unfurl_media": False}
    if not blocks:
        words = "\n".join(filter(None, (subject, text, _more(envelope))))
        return body | {"text": escaped(words, TEXT_MAX_CHARS) or "Tocsin"}
    if envelope.waiting:
        note = {"type": "context", "elements": [{"type": "mrkdwn", "text": _more(envelope)}]}
        blocks = [*blocks[: BLOCKS_MAX - 1], note]
    return body | {"text": escaped(subject or text, TEXT_MAX_CHARS) or "Tocsin", "blocks": blocks[:BLOCKS_MAX]}


def _left_behind(envelope: Envelope) -> dict[str, Any]:
    """What a message says once there is a newer one: nothing that could be out of date, and no buttons."""
    rendered = envelope.message.rendered
    subject = escaped(rendered.subject if rendered else envelope.message.text, TEXT_MAX_CHARS) or "Tocsin"
    note = {"type": "context", "elements": [{"type": "mrkdwn", "text": _LEFT_BEHIND}]}
    return {"text": subject, "blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": subject}}, note]}


def _more(envelope: Envelope) -> str:
    return waiting(envelope.waiting, "message")
