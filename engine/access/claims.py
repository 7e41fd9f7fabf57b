"""What a token claims, and who its bearer is then. Pure.

PyJWT checks form and signature; the claims are ours to check, since it takes a string or 10^400 as `exp`, any `typ`,
and the last of two claims of one name. Every fault is a `Refused` with a word for operators' metrics; the bearer, who
may be a forger, gets the same sentence for all of them.
Decided against: a leeway for `exp`, because a connection is cut at the second.
"""

from __future__ import annotations

import json
from enum import Enum
from typing import Any, NamedTuple, NoReturn, TypeGuard

from engine.access.roles import ROLE_MAY
from protocol.fields import ID_MAX_CHARS
from protocol.model import Principal
from protocol.names import is_id, is_workspace

# A token for longer than a year (and a leap day) is a key that nobody ever changes.
LIFETIME_MAX_S = 366 * 86_400
# Clocks of issuer and engine may differ by this much, for `iat` and `nbf`.
CLOCK_SKEW_S = 60
# The longest that we have seen issuers make has 60 characters.
TOKEN_ID_MAX_CHARS = 256


class RefusedFor(Enum):
    """Why somebody was not let in: the label of the metric."""

    MALFORMED = "malformed"
    UNKNOWN_KEY = "unknown_key"
    SIGNATURE = "signature"
    CLAIMS = "claims"
    EXPIRED = "expired"
    REVOKED = "revoked"
    TICKET = "ticket"


class Refused(Exception):
    """Not let in, and why; never shown to the bearer."""

    def __init__(self, reason: RefusedFor) -> None:
        super().__init__(reason.value)
        self.reason = reason


class Expected(NamedTuple):
    """What `iss` and `aud` must say; empty: they are not looked at."""

    issuer: str = ""
    audience: str = ""


def decode_claims(payload: bytes) -> dict[str, Any]:
    """A token's payload. Raises ValueError (UnicodeDecodeError, RecursionError) if it is no plain object."""
    claims = json.loads(payload, object_pairs_hook=_without_duplicates, parse_constant=_no_constant)
    if not isinstance(claims, dict):
        raise ValueError("the claims are no object")
    return claims


def principal_of(claims: dict[str, Any], key: str, now: int, expected: Expected) -> Principal:
    """Who the bearer of these (verified) claims is. `key`: the fingerprint of the key. Raises Refused."""
    expires_at, issued_at = _moments(claims, now)
    _check_meant_for_us(claims, expected)
    workspace = _one(claims, "workspaceId", "workspace")
    role = claims.get("role", "viewer")
    if not is_workspace(workspace) or not isinstance(role, str) or role not in ROLE_MAY:
        _refuse()
    principal = Principal(
        workspace=workspace,
        user=_one(claims, "sub", "userId"),
        role=role,
        expires_at=expires_at,
        channels=_channels(claims.get("channels")),
        token_id=_token_id(claims.get("jti")),
        issued_at=issued_at,
        key=key,
    )
    # Last: only the bearer of a token that is good in all else learns that it has ended.
    if expires_at <= now:
        raise Refused(RefusedFor.EXPIRED)
    return principal


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a claim occurs twice")
    return members


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _refuse() -> NoReturn:
    raise Refused(RefusedFor.CLAIMS)


def _moments(claims: dict[str, Any], now: int) -> tuple[int, int | None]:
    """`exp` and `iat`. The lifetime is bounded from both: a revocation need not be kept for longer than it."""
    expires_at, issued_at = _moment(claims, "exp"), _moment(claims, "iat")
    if expires_at is None or expires_at > min(now, now if issued_at is None else issued_at) + LIFETIME_MAX_S:
        _refuse()
    if max(issued_at or 0, _moment(claims, "nbf") or 0) > now + CLOCK_SKEW_S:
        _refuse()
    return expires_at, issued_at


def _moment(claims: dict[str, Any], claim: str) -> int | None:
    """A time in Unix seconds; `type` and not `isinstance`, because True is an int."""
    value = claims.get(claim)
    if claim in claims and (type(value) is not int or value < 0):
        _refuse()
    return value


def _check_meant_for_us(claims: dict[str, Any], expected: Expected) -> None:
    if expected.issuer and claims.get("iss") != expected.issuer:
        _refuse()
    audience = claims.get("aud")
    audiences = audience if isinstance(audience, list) else [audience]
    if expected.audience and expected.audience not in audiences:
        _refuse()


def _one(claims: dict[str, Any], name: str, alias: str) -> str:
    """An id under either of two names; two names with two values would be whose?"""
    given = [claims[key] for key in (name, alias) if key in claims]
    value = given[0] if given and given.count(given[0]) == len(given) else None
    return _id(value)


def _id(value: object) -> str:
    # The length first: `is_id` remembers what it was asked.
    if not isinstance(value, str) or len(value) > ID_MAX_CHARS or not is_id(value):
        _refuse()
    return value


def _token_id(value: object) -> str:
    if value is None:
        return ""
    if not is_token_id(value):
        _refuse()
    return value


def is_token_id(value: object) -> TypeGuard[str]:
    """Whether this can be a `jti`: a short text without control characters."""
    return isinstance(value, str) and 1 <= len(value) <= TOKEN_ID_MAX_CHARS and value.isprintable()


def _channels(value: object) -> tuple[str, ...] | None:
    if value is None:
        return None
    if not isinstance(value, list):
        _refuse()
    return tuple(_id(channel) for channel in value)
