"""The keys of letters: made from the secrets that sign tokens, which all nodes share, and renewed with them.

Nodes that do not share a secret take each other for strangers: each says so in its log, and nothing passes between
them. Decided against a setting of its own: whoever runs several nodes shares the secret anyway, because a client that
comes back finds another node.
"""

from __future__ import annotations

from engine.access.auth import Authenticator
from engine.access.keys import KeyRing
from engine.configuration.fields import ConfigError
from protocol.forwarding import Letter, Seals


class OurSeals:
    """Seals with the keys that are in force."""

    def __init__(self, authenticator: Authenticator) -> None:
        """Raises ConfigError if there is no secret."""
        self._authenticator = authenticator
        self._ring = authenticator.keys
        self._seals = _seals_of(self._ring)

    def close(self, letter: Letter, topic: str) -> bytes:
        """The bytes to send on a topic."""
        return self._now().close(letter, topic)

    def open(self, sent: bytes, topic: str) -> Letter:
        """The letter that was sent on a topic. Raises ForeignLetter."""
        return self._now().open(sent, topic)

    def _now(self) -> Seals:
        ring = self._authenticator.keys
        if ring is not self._ring:
            self._ring = ring
            if ring.secrets:
                self._seals = _seals_of(ring)
        return self._seals


def _seals_of(ring: KeyRing) -> Seals:
    if not ring.secrets:
        raise ConfigError(
            "secret",
            "is missing: several nodes on one store tell each other nothing that is not sealed with a secret that "
            "they share; set TOCSIN_SECRET to the same on all of them (openssl rand -base64 48), beside identity.jwks",
        )
    return Seals(ring.secrets)
