"""Who may come in: the table `[identity]`, and the foreign systems of `[[integrations]]`."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from engine.configuration.fields import Secret, Section, limit, why


class Identity(Section, frozen=True, kw_only=True):
    """Who may come in: the keys that tokens are verified with, beside `secret`; revocations and tickets."""

    jwks: Annotated[
        str, why("A JWKS file with the public keys of your issuer; read again when it changes. Empty: none.")
    ] = ""
    previous_secrets: Annotated[
        Secret, why("Older values of `secret`, one a line, that still verify: for a rotation without an outage.")
    ] = Secret()
    issuer: Annotated[str, why("What `iss` of every token must be, exactly; empty: it is not looked at.")] = ""
    audience: Annotated[str, why("What `aud` of every token must be or contain; empty: it is not looked at.")] = ""
    ticket_s: Annotated[float, limit(1, 300, "A one-use ticket is used at once; this is for a slow page.")] = 30.0
    tickets_per_user_max: Annotated[
        int, limit(1, 10_000, "Unused tickets of one user: a page takes one, a person has a handful of pages.")
    ] = 32
    tickets_max: Annotated[int, limit(1, 1_000_000, "Unused tickets of all; about 500 bytes each.")] = 10_000
    revocations_per_workspace_max: Annotated[
        int, limit(1, 1_000_000, "Revocations that are still needed; each is kept for a year, about 500 bytes.")
    ] = 10_000
    revocations_max: Annotated[
        int, limit(1, 10_000_000, "Revocations of all workspaces: about 100 MB that no peer can make more of.")
    ] = 200_000


class Integration(msgspec.Struct, frozen=True, kw_only=True):
    """A foreign system that sends alerts ([[integrations]]): its key, where its alerts belong, and its form."""

    name: str
    # 16 bytes or more; sent in a header, or as PagerDuty's routing_key. Empty: it brings a token.
    key: Secret = Secret()
    # What it signs its bodies with (Grafana's HMAC); empty: it does not.
    signature: Secret = Secret()
    # Of a Slack app whose buttons act on this workspace's alerts: its signing secret.
    slack_secret: Secret = Secret()
    # Empty: `workspace` of the engine.
    workspace: str = ""
    # Empty: what the alert says, else the form's name.
    framework: str = ""
    # `editor` may acknowledge, too.
    role: Literal["producer", "editor"] = "producer"
    # Of plain JSON: where our fields are, as dotted paths.
    mapping: dict[str, str] = {}
