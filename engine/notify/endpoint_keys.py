"""The secrets of an endpoint: which sign, how a new one is made, and how one takes over from another.

Two are valid while one is rotated: what we send is signed with both, and the receiver checks with the one that it has.
A third would put out the one that it may still be checking with, so a rotation is refused while another is under way.
"""

from __future__ import annotations

import base64
import secrets

import msgspec

from engine.notify.endpoint_checks import KEY_PREFIX
from engine.notify.sealing import Confidential, KeptSecret
from protocol.endpoints import Endpoint, Format, SecretNote
from protocol.errors import BadRequest, Conflict
from protocol.notify import Channel
from protocol.times import SECOND_US, rfc3339

# The receiver's operators take the new one over within a day.
KEEP_S = 86_400
KEEP_MAX_S = 30 * 86_400
# As many random bytes as the signature's hash has.
_KEY_BYTES = 32
# The new one and the one before.
SECRETS_MAX = 2


def signs(value: Endpoint) -> bool:
    """Whether what is sent to it is signed, so that two secrets can be valid at once."""
    return value.channel is Channel.WEBHOOK and value.format is not Format.PAGERDUTY


def new_key(value: Endpoint) -> str:
    """A secret of our own making. Raises BadRequest where only its owner can give one."""
    if not signs(value):
        raise BadRequest("secret: is missing; only a webhook's can be made by us")
    return KEY_PREFIX + base64.b64encode(secrets.token_bytes(_KEY_BYTES)).decode()


def rotated(value: Endpoint, old: Confidential, new: str, now: int, keep_s: float) -> Confidential:
    """With a new secret, the present one signing for `keep_s` yet.

    Raises Conflict if there is none to rotate, and while an older one signs, unless `keep_s` is 0: that ends it.
    """
    if value.channel not in (Channel.WEBHOOK, Channel.SLACK) or not old.secrets:
        raise Conflict("there is no secret to rotate: this endpoint has none but its address, which you can replace")
    end = max((each.until for each in old.secrets if each.until is not None), default=now)
    if keep_s and end > now:
        raise Conflict(
            f"a rotation is under way: the secret before this one signs until {rfc3339(end)}; wait until then, "
            "or say keep_s: 0, after which only the new one signs"
        )
    until = now + int(keep_s * SECOND_US)
    kept = [_ended(each, until) for each in old.secrets if each.until is None or now < each.until]
    before = kept[: SECRETS_MAX - 1] if signs(value) else []
    return Confidential(url=old.url, secrets=(KeptSecret(value=new or new_key(value), since=now), *before))


def note(secret: KeptSecret) -> SecretNote:
    """What is shown of one: since when, and until when."""
    return SecretNote(since=rfc3339(secret.since), until=None if secret.until is None else rfc3339(secret.until))


def _ended(secret: KeptSecret, until: int) -> KeptSecret:
    return msgspec.structs.replace(secret, until=until if secret.until is None else min(secret.until, until))
