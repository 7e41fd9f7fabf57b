"""What must hold for an endpoint as somebody writes it down: which fields its channel needs, and in which form. Pure.

Raises BadRequest that names the field, the reason and a right example, and never shows a secret that was given.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence

from engine.core.notices.notice import WORDS, Style
from engine.core.rules.templates import Template, TemplateInvalid
from engine.core.targets import TargetInvalid, parse_target
from engine.notify.addresses import address_in
from engine.notify.sealing import Confidential
from protocol.endpoints import EndpointGiven, Format
from protocol.errors import BadRequest
from protocol.names import check_id
from protocol.notify import ADDRESSED, Channel

SLACK_API = "https://slack.com/api/"
PAGERDUTY = "https://events.pagerduty.com/v2/enqueue"
# Standard Webhooks: from 24 to 64 random bytes.
KEY_MIN_BYTES, KEY_MAX_BYTES = 24, 64
KEY_PREFIX = "whsec_"
_SLACK_TOKEN = re.compile(r"xox[a-z](?:\.[a-z0-9]+)?-[A-Za-z0-9-]{10,}", re.ASCII)
_SLACK_PLACE = re.compile(r"[CGDU][A-Z0-9]{5,20}|#[^\s#@,]{1,80}")
_ROUTING_KEY = re.compile(r"[A-Za-z0-9]{16,64}", re.ASCII)
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]{0,30})://.+", re.ASCII | re.DOTALL | re.IGNORECASE)


def checked(given: EndpointGiven, secret: Confidential, apprise_schemes: Sequence[str]) -> str:
    """The whole address that it is sent to (empty: it needs none); `secret` is what will be kept. Raises BadRequest."""
    for framework in given.frameworks:
        check_id(framework, "frameworks:")
    style_of(given)
    if given.channel is not Channel.WEBHOOK and given.format is not Format.TOCSIN:
        raise BadRequest(f"format: {given.format.value!r} is for webhooks; leave it out")
    newest = secret.secrets[0].value if secret.secrets else ""
    match given.channel:
        case Channel.WEBHOOK:
            return _webhook(given, secret.url, newest)
        case Channel.SLACK:
            return _slack(given, secret.url, newest)
        case Channel.EMAIL:
            return _email(given, secret.url, newest)
        case Channel.APPRISE:
            return _apprise(given, secret.url, newest, apprise_schemes)
        case Channel.IN_APP:
            allowed = ", ".join(each.value for each in ADDRESSED)
            raise BadRequest(f"channel: the app needs no endpoint, its people are told there; allowed: {allowed}")


def style_of(given: EndpointGiven) -> Style:
    """The templates of an endpoint. Raises BadRequest for texts that are none."""
    made: dict[str, Template | None] = {}
    for field, text in (("title", given.title), ("message", given.message)):
        try:
            made[field] = Template(text, WORDS) if text else None
        except TemplateInvalid as fault:
            raise BadRequest(f"{field}: {fault}; for example '{{{{ severity }}}}: {{{{ title }}}}'") from fault
    return Style(made["title"], made["message"])


def _webhook(given: EndpointGiven, url: str, secret: str) -> str:
    _refuse("address", given.address, "a webhook has a url")
    if given.format is Format.PAGERDUTY:
        if not _ROUTING_KEY.fullmatch(secret):
            raise BadRequest("secret: PagerDuty needs the routing key of an Events API v2 integration, 32 characters")
        return _web(url or PAGERDUTY)
    if secret and not is_key(secret):
        raise BadRequest(
            f"secret: {KEY_PREFIX} and {KEY_MIN_BYTES} to {KEY_MAX_BYTES} bytes in base64, or leave it out and get one"
        )
    return _web(url)


def _slack(given: EndpointGiven, url: str, secret: str) -> str:
    if not secret:
        _refuse("address", given.address, "an incoming webhook belongs to one channel; with a bot's token, give secret")
        if not url:
            raise BadRequest(
                "url: is missing; for example 'https://hooks.slack.com/services/T…/B…/…' of an incoming webhook, or "
                "give secret and address of a bot: its token and a channel"
            )
        return _web(url)
    if not _SLACK_TOKEN.fullmatch(secret):
        raise BadRequest("secret: of Slack it is a bot's token, such as xoxb-…; of an incoming webhook give the url")
    if not _SLACK_PLACE.fullmatch(given.address):
        raise BadRequest("address: a bot's token needs a channel, such as 'C0123456789' or '#alerts'")
    return _web(url or SLACK_API)


def _email(given: EndpointGiven, url: str, secret: str) -> str:
    _refuse("url", url, "a mailbox has an address")
    _refuse("secret", secret, "the mail server is the operator's (notify.smtp)")
    # Kept as it is written, so white space round it is refused rather than carried along.
    if address_in(given.address) is None or given.address != given.address.strip():
        raise BadRequest(f"address: {given.address[:64]!r} is no mail address; for example 'ops@example.com'")
    return ""


def _apprise(given: EndpointGiven, url: str, secret: str, schemes: Sequence[str]) -> str:
    _refuse("address", given.address, "Apprise has all of it in the url")
    _refuse("secret", secret, "Apprise has all of it in the url, which is kept secret")
    found = _SCHEME.fullmatch(url)
    if found is None or not url.isprintable():
        raise BadRequest("url: one of Apprise, such as discord://id/token")
    if (scheme := found[1].lower()) not in schemes:
        raise BadRequest(
            f"url: {scheme}: is not among the services that the operator allows (notify.apprise_schemes): "
            f"{', '.join(schemes)}"
        )
    return url


def is_key(secret: str) -> bool:
    """Whether this is a key of Standard Webhooks."""
    return secret.startswith(KEY_PREFIX) and KEY_MIN_BYTES <= len(key_bytes(secret)) <= KEY_MAX_BYTES


def key_bytes(secret: str) -> bytes:
    """The bytes of a key; none of what is no key."""
    try:
        return base64.b64decode(secret.removeprefix(KEY_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        return b""


def masked(channel: Channel, url: str) -> str:
    """An address as it is shown: without what is, or may be, the secret in it."""
    if channel is Channel.APPRISE:
        return f"{url.partition('://')[0].lower()}://…"
    return parse_target(url).masked if url else ""


def _web(url: str) -> str:
    if not url:
        raise BadRequest("url: is missing; for example 'https://hooks.example.com/tocsin'")
    try:
        parse_target(url)
    except TargetInvalid as fault:
        raise BadRequest(f"url: {fault}") from fault
    return url


def _refuse(field: str, value: str, reason: str) -> None:
    if value:
        raise BadRequest(f"{field}: is not used here; {reason}")
