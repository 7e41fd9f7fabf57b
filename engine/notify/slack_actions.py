"""What somebody does with a button in Slack: acknowledges or resolves the alert that the button names.

Slack signs what it posts with the app's signing secret; whose secret it was says which workspace the alert must be in,
nothing that was posted does. The person is found by the Slack id that is written down for him, and acts with his own
role and name; who is not known, or may not, is told so in Slack, where nobody else sees it. Owns counts, and which
signatures were used.

A signature is good for five minutes and for one press: posted again within them it does nothing, or who has listened
could acknowledge anew what was given back meanwhile. Which were used is kept in memory: after a restart the acts, which
are idempotent, are all there is against it. Slack wants an answer within 3 s, so what it is to show (the message as it
is now, or why not) is a job of its own.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from urllib.parse import parse_qs

import msgspec

from actors.ports import Clock
from engine.core.notices.as_slack import ACKNOWLEDGE, RESOLVE
from engine.notify.by_link import Alerts
from engine.notify.persons import BY_SLACK, Persons
from engine.notify.slack_replies import SlackReplies
from engine.verbs.people import Deed
from protocol.changes import Action
from protocol.errors import BadRequest, Unauthorized
from protocol.model import Reason, Status
from protocol.times import SECOND_US

# As Slack asks; their clocks and ours agree to the second.
AGE_MAX_S = 300
# A message of fifty blocks comes back with its button's payload.
BODY_MAX_BYTES = 262_144
_SIGNATURE = re.compile(r"v0=[0-9a-f]{64}")
_TIMESTAMP = re.compile(r"[0-9]{1,12}")
_ACTIONS = {ACKNOWLEDGE: Action.ACKNOWLEDGE, RESOLVE: Action.RESOLVE}
ALERT_ID_MAX_CHARS = 128
# Presses in ten minutes, each 150 bytes of memory; beyond them the oldest are forgotten first.
USED_MAX = 10_000


class _User(msgspec.Struct):
    id: str = ""


class _Pressed(msgspec.Struct):
    action_id: str = ""
    value: str = ""


class Interaction(msgspec.Struct):
    """What Slack posts when a button is pressed, as far as it is read here."""

    type: str = ""
    user: _User = msgspec.field(default_factory=_User)
    actions: list[_Pressed] = []
    response_url: str = ""


_decode = msgspec.json.Decoder(Interaction).decode


def is_signed(secret: bytes, body: bytes, signature: str, timestamp: str, now_us: int) -> bool:
    """Whether Slack signed this body with this secret, just now: HMAC-SHA256 over `v0:TIMESTAMP:BODY`."""
    if not _SIGNATURE.fullmatch(signature) or not _TIMESTAMP.fullmatch(timestamp):
        return False
    wanted = "v0=" + hmac.new(secret, b"v0:" + timestamp.encode() + b":" + body, hashlib.sha256).hexdigest()
    is_young = abs(now_us // SECOND_US - int(timestamp)) <= AGE_MAX_S
    return hmac.compare_digest(wanted, signature) and is_young


class SlackActions:
    """Takes what Slack posts. `apps`: of each Slack app its workspace and signing secret."""

    def __init__(
        self,
        apps: Sequence[tuple[str, bytes]],
        persons: Persons,
        alerts: Alerts,
        replies: SlackReplies,
        clock: Clock,
    ) -> None:
        self._apps = apps
        self._persons = persons
        self._alerts = alerts
        self._replies = replies
        self._clock = clock
        self._figures = dict.fromkeys(("done", "refused", "replayed", "unsigned"), 0)
        # Signatures that were used, and until when they would be good (seconds); the oldest first.
        self._used: dict[str, int] = {}

    def statistics(self) -> Mapping[str, int]:
        """Buttons that did something (or had done it before), those that did not, posts that had come before, and what
        was not Slack's."""
        return dict(self._figures)

    async def take(self, body: bytes, signature: str, timestamp: str) -> None:
        """One press of a button. Raises Unauthorized, BadRequest."""
        interaction, workspace = self._read(body, signature, timestamp)
        if signature in self._used:
            self._figures["replayed"] += 1
            return
        for pressed in interaction.actions[:1]:
            action = _ACTIONS.get(pressed.action_id)
            if interaction.type == "block_actions" and action is not None:
                await self._act(workspace, interaction, action, pressed.value[:ALERT_ID_MAX_CHARS])
        self._use(signature, int(timestamp))

    def _use(self, signature: str, at: int) -> None:
        """It is not good any more; what ended by itself is forgotten."""
        now = self._clock() // SECOND_US
        while self._used and (len(self._used) >= USED_MAX or next(iter(self._used.values())) < now):
            del self._used[next(iter(self._used))]
        self._used[signature] = at + AGE_MAX_S

    def _read(self, body: bytes, signature: str, timestamp: str) -> tuple[Interaction, str]:
        now = self._clock()
        size = len(body)
        signed = [] if size > BODY_MAX_BYTES else self._apps
        found = [workspace for workspace, secret in signed if is_signed(secret, body, signature, timestamp, now)]
        if not found:
            self._figures["unsigned"] += 1
            raise Unauthorized("the signature is missing, wrong, or too old")
        try:
            (payload,) = parse_qs(body.decode(), max_num_fields=8)["payload"]
            return _decode(payload), found[0]
        except (ValueError, KeyError, RecursionError) as fault:
            raise BadRequest("the body is no interaction of Slack's: payload=JSON is missing or wrong") from fault

    async def _act(self, workspace: str, interaction: Interaction, action: Action, alert_id: str) -> None:
        why_not = await self._do(workspace, interaction.user.id, action, alert_id)
        self._figures["refused" if why_not else "done"] += 1
        if interaction.response_url:
            await self._replies.put(workspace, interaction.response_url, alert_id, why_not)

    async def _do(self, workspace: str, slack_id: str, action: Action, alert_id: str) -> str:
        """Why nothing was done, in a sentence for who pressed the button; empty: it is done."""
        users = self._persons.slack_users(workspace, slack_id) if slack_id else []
        if len(users) != 1:
            known = "nobody" if not users else "several people"
            return f"Nothing was done: your Slack id {slack_id[:64]} is that of {known} here (slack_id of a user)."
        who = await self._persons.responder(workspace, users[0], BY_SLACK)
        if who is None:
            return f"Nothing was done: {users[0]} may not {action.value} alerts; it takes the role responder."
        self._alerts.admit(who)
        (result,) = await self._alerts.act(who, [alert_id], Deed(action=action, address=f"Slack user {slack_id[:64]}"))
        if result.reason is Reason.UNKNOWN_ALERT:
            return "Nothing was done: there is no such alert any more."
        if result.status is Status.REJECTED and result.reason is not Reason.ALREADY:
            return f"Nothing was done: {result.message or 'something is busy just now'}; press it again in a moment."
        return ""
