"""Reads and issues tokens: JWT (RFC 7519), verified with a key of ours and with no other.

A token's header chooses nothing: `alg` and `kid` are looked up among our keys (`engine.access.keys`), so `none`, RS256
with our secret as the public key, `jku`, `jwk` and `x5c` lead nowhere. What a parser raises on a stranger's bytes
(PyJWTError, but also UnicodeEncodeError, RecursionError, OverflowError, ...) is caught in one place, here, and means
the same every time. The bearer may be a forger and learns nothing: one sentence for every bad token. Operators learn
the kind of fault from a metric and a log line without any part of the token.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Sequence
from typing import Any

import structlog
from jwt import PyJWS
from jwt.algorithms import Algorithm, ECAlgorithm, HMACAlgorithm, OKPAlgorithm, RSAAlgorithm
from jwt.exceptions import InvalidSignatureError

from engine.access.claims import LIFETIME_MAX_S, Expected, Refused, RefusedFor, decode_claims, is_token_id, principal_of
from engine.access.keys import KeyRing, secret_key
from engine.access.roles import ROLE_MAY, Verb, check, may
from protocol.errors import BadRequest, TokenExpired, Unauthorized
from protocol.fields import TOKEN_MAX_CHARS
from protocol.model import Principal
from protocol.names import check_id, is_workspace

__all__ = ("DEFAULT_TTL_S", "LIFETIME_MAX_S", "ROLE_MAY", "Authenticator", "Verb", "check", "may")

DEFAULT_TTL_S = 86_400
# Enough that no two tokens ever have the same.
_TOKEN_ID_BYTES = 16
log = structlog.get_logger()


class _Hmac(HMACAlgorithm):
    """HMAC with a key whose length was checked once, when it was configured, against one limit for all three hashes."""

    def check_key_length(self, key: bytes) -> str | None:
        return None


def _algorithms() -> dict[str, Algorithm]:
    return {
        "HS256": _Hmac(HMACAlgorithm.SHA256),
        "HS384": _Hmac(HMACAlgorithm.SHA384),
        "HS512": _Hmac(HMACAlgorithm.SHA512),
        "RS256": RSAAlgorithm(RSAAlgorithm.SHA256),
        "RS384": RSAAlgorithm(RSAAlgorithm.SHA384),
        "RS512": RSAAlgorithm(RSAAlgorithm.SHA512),
        "ES256": ECAlgorithm(ECAlgorithm.SHA256),
        "ES384": ECAlgorithm(ECAlgorithm.SHA384),
        "ES512": ECAlgorithm(ECAlgorithm.SHA512),
        "EdDSA": OKPAlgorithm(),
    }


def _signatures() -> PyJWS:
    signatures = PyJWS(algorithms=[])
    for name, algorithm in _algorithms().items():
        signatures.register_algorithm(name, algorithm)
    return signatures


def _seconds() -> int:
    return int(time.time())


def _nobody(reason: RefusedFor) -> None:
    """Nobody counts."""


class Authenticator:
    """Reads and issues tokens. `keys`: or the one secret (bytes; ValueError if it is too short).

    `clock`: Unix time in whole seconds. `on_refused` is told of every token that is not let in.
    """

    def __init__(
        self,
        keys: KeyRing | bytes,
        clock: Callable[[], int] = _seconds,
        expected: Expected = Expected(),  # noqa: B008  # a tuple
        on_refused: Callable[[RefusedFor], None] = _nobody,
    ) -> None:
        # Replaced as a whole when the keys change.
        self.keys = KeyRing([secret_key(keys)]) if isinstance(keys, bytes) else keys
        self._clock = clock
        self._expected = expected
        self._on_refused = on_refused
        self._signatures = _signatures()

    def __repr__(self) -> str:
        return f"Authenticator({self.keys!r})"

    def authenticate(self, token: str) -> Principal:
        """Who the bearer is. Raises TokenExpired for a token that was good once, Unauthorized for every other."""
        try:
            return self.read(token)
        except Refused as fault:
            raise self.refusal(fault.reason) from fault

    def read(self, token: str) -> Principal:
        """Who the bearer is. Raises Refused, which says why not; for those who tell it to nobody."""
        claims, key = self._claims(token)
        return principal_of(claims, key, self._clock(), self._expected)

    def refusal(self, reason: RefusedFor) -> Unauthorized | TokenExpired:
        """Counts and logs that somebody was not let in; gives the error that says no more than it should."""
        self._on_refused(reason)
        log.info("not_let_in", reason=reason.value)
        return TokenExpired("token expired") if reason is RefusedFor.EXPIRED else Unauthorized("invalid token")

    def issue(
        self,
        workspace: str,
        user: str,
        role: str = "admin",
        ttl_s: int = DEFAULT_TTL_S,
        channels: Sequence[str] | None = None,
        token_id: str | None = None,
    ) -> str:
        """A token that ends in `ttl_s` seconds; `channels` limits it to these frameworks. Raises BadRequest."""
        if not is_workspace(workspace):
            raise BadRequest(f"workspace {workspace[:64]!r} is not allowed: use letters, digits, spaces or ._-/@")
        check_id(user, "user")
        if role not in ROLE_MAY:
            raise BadRequest(f"role {role[:64]!r} is not allowed: use one of {', '.join(ROLE_MAY)}")
        if not 1 <= ttl_s <= LIFETIME_MAX_S:
            raise BadRequest(f"a lifetime of {ttl_s} s is not allowed: use 1 to {LIFETIME_MAX_S} s (366 days)")
        if token_id is not None and not is_token_id(token_id):
            raise BadRequest(f"jti {token_id[:64]!r} is not allowed: use 1 to 256 printable characters")
        now = self._clock()
        claims: dict[str, Any] = {"sub": user, "workspaceId": workspace, "role": role, "iat": now, "exp": now + ttl_s}
        claims["jti"] = token_id or secrets.token_urlsafe(_TOKEN_ID_BYTES)
        if channels is not None:
            claims["channels"] = [check_id(channel, "channel") for channel in channels]
        return self._sign(claims)

    def _sign(self, claims: dict[str, Any]) -> str:
        key = self.keys.signing
        if key is None:
            raise BadRequest(
                "there is no secret to sign a token with, only public keys that verify (identity.jwks): get one from "
                "whoever issues your tokens, or give the engine a secret beside them (TOCSIN_SECRET)"
            )
        token = self._signatures.encode(json.dumps(claims).encode(), key.material, key.algorithms[0], {"kid": key.kid})
        if len(token) > TOKEN_MAX_CHARS:
            raise BadRequest(f"the token would have {len(token)} characters, limit {TOKEN_MAX_CHARS}: fewer channels")
        return token

    def _claims(self, token: str) -> tuple[dict[str, Any], str]:
        # The cap comes before any parser sees the text.
        if len(token) > TOKEN_MAX_CHARS:
            raise Refused(RefusedFor.MALFORMED)
        try:
            payload, key = self._verified(token)
            return decode_claims(payload), key
        except Refused:
            raise
        except Exception as fault:
            # Boundary: see the top of this file.
            raise Refused(RefusedFor.MALFORMED) from fault

    def _verified(self, token: str) -> tuple[bytes, str]:
        """The payload that one of our keys has signed, and that key's fingerprint."""
        header = self._signatures.get_unverified_header(token)
        _check_header(header)
        keys = self.keys.find(header.get("alg"), header.get("kid"))
        if not keys:
            raise Refused(RefusedFor.UNKNOWN_KEY)
        for key in keys:
            try:
                return self._signatures.decode_complete(token, key.material, key.algorithms)["payload"], key.id
            except InvalidSignatureError:
                continue
        raise Refused(RefusedFor.SIGNATURE)


def _check_header(header: dict[str, Any]) -> None:
    # `crit` demands an understanding of extensions, and we have none (RFC 7515, section 4.1.11); `b64` is one.
    if str(header.get("typ", "JWT")).upper() != "JWT" or "crit" in header or "b64" in header:
        raise Refused(RefusedFor.MALFORMED)
