"""What the type of a setting cannot say: a check for each key that needs one, whatever else is set.

Each is handed the value and raises ValueError with what is allowed; those of a whole list raise ConfigError, which
names the place in it.
"""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from urllib.parse import urlsplit

from engine.configuration.fields import Address, Checks, ConfigError, Secret, SecretUrl, parse_address
from engine.core.firing import Cron, check
from engine.core.rules.check import RuleInvalid, check_rule
from engine.core.zones import is_zone
from engine.foreign_forms.mapped import check_mapping
from engine.ids import now_us
from engine.notify.addresses import address_in
from engine.sections.alerting import WINDOW_MAX_S
from engine.sections.identity import Integration
from engine.sections.jobs import ScheduleSetting
from engine.sections.smtp import Smtp
from protocol.names import is_id, is_workspace
from protocol.rules import Rule

# The output size of HMAC-SHA256: a shorter key is easier to guess than the signature (RFC 7518, section 3.2).
SECRET_MIN_BYTES = 32
# PagerDuty's have 32 characters, 128 bits in hexadecimal.
INTEGRATION_KEY_MIN_BYTES = 16
# It stands in every line of a digest.
PUBLIC_URL_MAX_CHARS = 300
# Small letters alone: its library takes no others.
REDIS_SCHEMES = ("redis://", "rediss://", "unix://")
_PUBLIC_URL = re.compile(r"https?://(?:[A-Za-z0-9.-]+|\[[0-9a-fA-F:.]+\])(?::\d{1,5})?(?:/[A-Za-z0-9._~/-]*)?")
_NODE = re.compile(r"[A-Za-z0-9._:-]{1,64}")
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://(?:[a-z0-9.-]+|\[[0-9a-f:.]+\])(?::\d{1,5})?")


def _check_data(data: Path) -> None:
    if data == Path() or "\0" in str(data):
        raise ValueError("the path of a folder, such as ./data")


def _check_secret(secret: Secret) -> None:
    if secret and len(secret.reveal()) < SECRET_MIN_BYTES:
        count = len(secret.reveal())
        raise ValueError(f"at least {SECRET_MIN_BYTES} bytes, this one has {count} (make one: openssl rand -base64 48)")


def _check_previous_secrets(secrets: Secret) -> None:
    if any(line.strip() and len(line.strip()) < SECRET_MIN_BYTES for line in secrets.reveal().splitlines()):
        raise ValueError(f"one secret a line, each of at least {SECRET_MIN_BYTES} bytes")


def _check_workspace(name: str) -> None:
    if not is_workspace(name):
        raise ValueError("1-128 letters, digits, spaces or ._-/@ and no path segment '.' or '..'")


def _check_node(name: str) -> None:
    if name and not _NODE.fullmatch(name):
        raise ValueError("1-64 letters, digits or ._:-, such as the host's name")


def _check_id(name: str) -> None:
    if not is_id(name):
        raise ValueError("1-128 letters, digits, spaces or ._-/@: and no path segment '.' or '..'")


def _check_origins(origins: tuple[str, ...]) -> None:
    for origin in origins:
        if not _ORIGIN.fullmatch(origin):
            raise ValueError("origins as browsers write them, such as https://alerts.example.com (no path, no *)")


def _check_networks(networks: tuple[str, ...]) -> None:
    for text in networks:
        try:
            ipaddress.ip_network(text, strict=False)
        except ValueError:
            raise ValueError("addresses or networks, such as 127.0.0.1, 10.0.0.0/8 or fd00::/8") from None


def _check_rule_workspace(name: str) -> None:
    if name:
        _check_workspace(name)


def _check_window(seconds: float | None) -> None:
    if seconds is not None and not 0 <= seconds <= WINDOW_MAX_S:
        raise ValueError(f"a number from 0 to {WINDOW_MAX_S}")


def _check_rules(rules: tuple[Rule, ...]) -> None:
    ids = [rule.id for rule in rules]
    for place, name in enumerate(ids):
        if name in ids[:place]:
            raise ConfigError(f"rules[{place}].id", f"two rules have the id {name!r}: use another, ids are unique")
    for place, rule in enumerate(rules):
        try:
            check_rule(rule)
        except RuleInvalid as fault:
            raise ConfigError(f"rules[{place}].{fault.field}", f"{fault.reason}; use {fault.example}") from None


def _check_framework(name: str) -> None:
    if name:
        _check_id(name)


def _check_integration_key(key: Secret) -> None:
    if key and len(key.reveal()) < INTEGRATION_KEY_MIN_BYTES:
        count = len(key.reveal())
        raise ValueError(f"at least {INTEGRATION_KEY_MIN_BYTES} bytes, this one has {count} (openssl rand -hex 16)")


def _check_integrations(integrations: tuple[Integration, ...]) -> None:
    for place, one in enumerate(integrations):
        for other in integrations[:place]:
            if one.name == other.name:
                raise ConfigError(f"integrations[{place}].name", f"two have the name {one.name!r}: use another")
            if one.key and one.key == other.key:
                raise ConfigError(f"integrations[{place}].key", f"is that of {other.name!r} too: use another")
            if one.slack_secret and one.slack_secret == other.slack_secret:
                why = f"is that of {other.name!r} too: a Slack app acts on one workspace, use another app"
                raise ConfigError(f"integrations[{place}].slack_secret", why)


def _check_public_url(url: str) -> None:
    if url and (len(url) > PUBLIC_URL_MAX_CHARS or not _PUBLIC_URL.fullmatch(url)):
        raise ValueError(
            "how a browser reaches this engine, such as https://alerts.example.com (a path may follow; "
            f"{PUBLIC_URL_MAX_CHARS} characters at most)"
        )


def _check_sender(sender: str) -> None:
    if sender and address_in(sender) is None:
        raise ValueError("an address of your own, such as alerts@example.com or Tocsin <alerts@example.com>")


def check_smtp(smtp: Smtp) -> None:
    """Raises ConfigError for settings of the mail server that do not go together."""
    if smtp.host and not smtp.sender:
        raise ConfigError(
            "notify.smtp.sender", "is missing: with notify.smtp.host use an address, such as alerts@example.com"
        )
    if bool(smtp.user) != bool(smtp.password):
        raise ConfigError("notify.smtp.user", "goes with notify.smtp.password: use both, or none")
    if smtp.password and smtp.security == "none" and not Address(smtp.host, smtp.port).is_loopback:
        raise ConfigError(
            "notify.smtp.security",
            f"'none' would send the password in plain text to {smtp.host!r:.80}: use starttls or tls "
            "(notify.smtp.password)",
        )


def _check_redis(url: SecretUrl) -> None:
    allowed = "redis://[[user]:password@]host[:port][/database], rediss:// or unix:///path (%40 for an @ in a password)"
    if b"sentinel" in url.reveal().partition(b"://")[0]:
        raise ValueError(f"{allowed}; Sentinel is not supported, name the Redis itself by what goes with its primary")
    try:
        text = url.reveal().decode()
        parts = urlsplit(text)
        place = parts.path if parts.scheme == "unix" else parts.hostname
        is_port = parts.port != 0
    except ValueError:  # no port, or brackets without an end
        raise ValueError(allowed) from None
    has_more = (
        parts.query or parts.fragment or not re.fullmatch(r"(/\d{0,5})?", "" if place == parts.path else parts.path)
    )
    if url and (not text.startswith(REDIS_SCHEMES) or not place or not is_port or has_more):
        raise ValueError(allowed)


def _check_redis_prefix(prefix: str) -> None:
    if not re.fullmatch(r"[A-Za-z0-9_.-]{1,32}", prefix):
        raise ValueError("1-32 letters, digits or _.-")


def _check_schedules(schedules: tuple[ScheduleSetting, ...]) -> None:
    names = [one.name for one in schedules]
    for place, one in enumerate(schedules):
        if one.name in names[:place]:
            raise ConfigError(f"schedules[{place}].name", f"two have the name {one.name!r}: use another")
        if one.cron and (fault := check(Cron(one.cron, one.zone or "UTC"), now_us())):
            raise ConfigError(f"schedules[{place}].cron", fault)


def _check_schedule_name(name: str) -> None:
    if not is_workspace(name):
        raise ValueError("1-128 letters, digits, spaces or ._-/@ and no path segment '.' or '..'")


def _check_zone(zone: str) -> None:
    if zone and not is_zone(zone):
        raise ValueError("a time zone, such as Europe/Berlin")


# What a type cannot say, by key.
def _check_traces_to(to: str) -> None:
    is_place = to in ("", "console") or (to.startswith("file:") and len(to) > len("file:"))
    if is_place:
        return
    scheme, _, rest = to.partition("://")
    if scheme not in ("http", "https") or not rest.partition("/")[0] or "@" in rest.partition("/")[0]:
        raise ValueError("a collector's URL (http://127.0.0.1:4318/v1/traces), file:traces.jsonl, or console")


CHECKS: Checks = {
    "data": _check_data,
    "secret": _check_secret,
    "ws": parse_address,
    "http": parse_address,
    "workspace": _check_workspace,
    "gateway.origins": _check_origins,
    "gateway.trusted_proxies": _check_networks,
    "identity.previous_secrets": _check_previous_secrets,
    "host.framework": _check_id,
    "node": _check_node,
    "notify.allow_private": _check_networks,
    "notify.sealing_secret": _check_secret,
    "integrations": _check_integrations,
    "integrations.name": _check_id,
    "integrations.key": _check_integration_key,
    "integrations.slack_secret": _check_integration_key,
    "integrations.workspace": _check_rule_workspace,
    "integrations.framework": _check_framework,
    "integrations.mapping": check_mapping,
    "notify.public_url": _check_public_url,
    "notify.smtp.sender": _check_sender,
    "tracing.to": _check_traces_to,
    "redis.url": _check_redis,
    "redis.prefix": _check_redis_prefix,
    "schedules": _check_schedules,
    "schedules.name": _check_schedule_name,
    "schedules.zone": _check_zone,
    "schedules.workspace": _check_rule_workspace,
    "rules": _check_rules,
    "rules.id": _check_id,
    "rules.framework": _check_id,
    "rules.metric": _check_id,
    "rules.workspace": _check_rule_workspace,
    "rules.suppression_s": _check_window,
}
