"""Foreign systems that send alerts and cannot bring a token of ours: who they are, and what their form looks like.

Owns: the keys of the configured integrations, as hashes, so that looking one up takes the same time whatever a guesser
guessed, and a memory dump shows none. A key opens one workspace with one role; it travels in a header (or, in
PagerDuty's form, as `routing_key` in the body), never in a URL. To take a key away, take it out of the configuration.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence

from engine.sections.identity import Integration
from protocol.errors import Unauthorized, UnknownChannel
from protocol.model import NEVER_EXPIRES, Principal

# As an embedding program's principal: it ends with its entry in the configuration.


class Integrations:
    """The configured integrations. `own_workspace` is that of who names none."""

    def __init__(self, configured: Sequence[Integration] = (), own_workspace: str = "") -> None:
        self._own_workspace = own_workspace
        self._by_name = {each.name: each for each in configured}
        self._by_key = {_digest(each.key.reveal()): each for each in configured if each.key}

    def of_key(self, key: str) -> Integration | None:
        """Whose key this is."""
        return self._by_key.get(_digest(key.encode(errors="surrogatepass")))

    def named(self, name: str, who: Principal) -> Integration:
        """The integration of this name, if it belongs to this workspace. Raises UnknownChannel."""
        found = self._by_name.get(name)
        if found is None or self._workspace(found) != who.workspace:
            raise UnknownChannel("there is no such integration")
        return found

    def principal(self, integration: Integration) -> Principal:
        """Who it speaks as."""
        return Principal(
            workspace=self._workspace(integration),
            user=integration.name,
            role=integration.role,
            expires_at=NEVER_EXPIRES,
            token_id=f"integration:{integration.name}",
        )

    def slack_apps(self) -> list[tuple[str, bytes]]:
        """The Slack apps whose buttons act here: the workspace of each, and its signing secret."""
        configured = self._by_name.values()
        return [(self._workspace(each), each.slack_secret.reveal()) for each in configured if each.slack_secret]

    def _workspace(self, integration: Integration) -> str:
        return integration.workspace or self._own_workspace


def check_signature(secret: bytes, body: bytes, signature: str | None, timestamp: str | None) -> None:
    """Raises Unauthorized if a body was not signed with this secret (HMAC-SHA256, hex).

    With a timestamp the signed text is `TIMESTAMP:BODY`, as Grafana makes it. The timestamp's age is not looked at: a
    body that is sent again rings nothing new.
    """
    signed = body if timestamp is None else timestamp.encode() + b":" + body
    wanted = hmac.new(secret, signed, hashlib.sha256).hexdigest()
    if signature is None or not hmac.compare_digest(wanted.encode(), signature.strip().lower().encode()):
        raise Unauthorized("the signature is missing or wrong")


def _digest(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()
