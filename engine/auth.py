"""Who the bearer of a token is, what a role may do, and the key that signs.

Tokens are JWT (RFC 7519) signed with HMAC-SHA256, 384 or 512. A key knows its algorithms: what the token's own header
says is only ever looked up among them, so `none`, RS256-with-our-secret-as-public-key, `jku` and `jwk` lead nowhere.
PyJWT checks form and signature; the claims are ours to check, since it takes a string or 10^400 as `exp`, any `typ`,
and the last of two claims of one name. Every bad token gets the same sentence: the bearer may be a forger and learns
nothing. `aud` and `iss` are not looked at: only who holds the secret can sign, and there is no audience to configure.

Decided against: trusting `kid` to choose a key while there is only one; a leeway for `exp`, because a connection is cut
at the second.
"""

from __future__ import annotations

import json
import os
import secrets
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, NoReturn

from jwt import PyJWS
from jwt.algorithms import HMACAlgorithm

from engine.config import SECRET_MIN_BYTES, Config
from engine.fields import ConfigError
from engine.folder import make_folder
from protocol.errors import BadRequest, PermissionDenied, TokenExpired, Unauthorized
from protocol.messages import TOKEN_MAX_CHARS
from protocol.model import ID_MAX_CHARS, Principal
from protocol.names import check_id, is_id, is_workspace

# A token for longer than a year (and a leap day) is a key that nobody ever changes.
LIFETIME_MAX_S = 366 * 86_400
# Clocks of issuer and engine may differ by this much, for `iat` and `nbf`.
CLOCK_SKEW_S = 60
DEFAULT_TTL_S = 86_400
KEY_FILE = "secret.key"
# 48 random bytes are 64 characters of base64: enough for HS512 as well.
_KEY_BYTES = 48
_KEY_FILE_MAX_BYTES = 4_096

Verb = Literal["read", "trigger", "respond", "administer"]
ROLE_MAY: dict[str, frozenset[str]] = {
    "viewer": frozenset({"read"}),
    "responder": frozenset({"read", "respond"}),
    "producer": frozenset({"read", "trigger"}),
    "editor": frozenset({"read", "trigger", "respond"}),
    "admin": frozenset({"read", "trigger", "respond", "administer"}),
}


def may(principal: Principal, verb: Verb) -> bool:
    """Whether the principal's role has this verb."""
    return verb in ROLE_MAY.get(principal.role, ())


def check(principal: Principal, verb: Verb) -> None:
    """Raises PermissionDenied, which says who may, if the principal's role does not have this verb."""
    if not may(principal, verb):
        able = ", ".join(role for role, verbs in ROLE_MAY.items() if verb in verbs)
        raise PermissionDenied(f"the role {principal.role!r} may not {verb}; these may: {able}")


class _Hmac(HMACAlgorithm):
    """HMAC with a key whose length was checked once, when it was configured, against one limit for all three hashes."""

    def check_key_length(self, key: bytes) -> str | None:
        return None


class Key(NamedTuple):
    """A key and the algorithms that it may be used with, the first of them for signing."""

    material: bytes
    algorithms: tuple[str, ...]


_HMAC = {"HS256": HMACAlgorithm.SHA256, "HS384": HMACAlgorithm.SHA384, "HS512": HMACAlgorithm.SHA512}


def _signatures() -> PyJWS:
    signatures = PyJWS(algorithms=[])
    for name, hash_algorithm in _HMAC.items():
        signatures.register_algorithm(name, _Hmac(hash_algorithm))
    return signatures


def _seconds() -> int:
    return int(time.time())


class Authenticator:
    """Reads and issues tokens. `secret`: at least 32 bytes, else ValueError. `clock`: Unix time in whole seconds."""

    def __init__(self, secret: bytes, clock: Callable[[], int] = _seconds) -> None:
        if len(secret) < SECRET_MIN_BYTES:
            raise ValueError(f"a secret has at least {SECRET_MIN_BYTES} bytes, this one {len(secret)}")
        self._key = Key(secret, tuple(_HMAC))
        self._clock = clock
        self._signatures = _signatures()

    def __repr__(self) -> str:
        return "Authenticator(secret=********)"

    def authenticate(self, token: str) -> Principal:
        """Who the bearer is. Raises TokenExpired for a token that was good once, Unauthorized for every other."""
        return _principal(self._claims(token), self._clock())

    def issue(
        self,
        workspace: str,
        user: str,
        role: str = "admin",
        ttl_s: int = DEFAULT_TTL_S,
        channels: Sequence[str] | None = None,
    ) -> str:
        """A token that ends in `ttl_s` seconds; `channels` limits it to these frameworks. Raises BadRequest."""
        if not is_workspace(workspace):
            raise BadRequest(f"workspace {workspace[:64]!r} is not allowed: use letters, digits, spaces or ._-/@")
        check_id(user, "user")
        if role not in ROLE_MAY:
            raise BadRequest(f"role {role[:64]!r} is not allowed: use one of {', '.join(ROLE_MAY)}")
        if not 1 <= ttl_s <= LIFETIME_MAX_S:
            raise BadRequest(f"a lifetime of {ttl_s} s is not allowed: use 1 to {LIFETIME_MAX_S} s (366 days)")
        now = self._clock()
        claims: dict[str, Any] = {"sub": user, "workspaceId": workspace, "role": role, "iat": now, "exp": now + ttl_s}
        if channels is not None:
            claims["channels"] = [check_id(channel, "channel") for channel in channels]
        token = self._signatures.encode(json.dumps(claims).encode(), self._key.material, self._key.algorithms[0])
        if len(token) > TOKEN_MAX_CHARS:
            raise BadRequest(f"the token would have {len(token)} characters, limit {TOKEN_MAX_CHARS}: fewer channels")
        return token

    def _claims(self, token: str) -> dict[str, Any]:
        # The cap comes before any parser sees the text.
        if len(token) > TOKEN_MAX_CHARS:
            _refuse()
        try:
            parts = self._signatures.decode_complete(token, self._key.material, list(self._key.algorithms))
            _check_header(parts["header"])
            return _object(parts["payload"])
        except Exception as fault:
            # Boundary: what a parser raises on a stranger's bytes (PyJWTError, but also UnicodeEncodeError,
            # RecursionError, OverflowError, ...) always means the same, that this is no token of ours.
            raise Unauthorized("invalid token") from fault


def _refuse() -> NoReturn:
    raise Unauthorized("invalid token")


def _check_header(header: dict[str, Any]) -> None:
    # `crit` demands an understanding of extensions, and we have none (RFC 7515, section 4.1.11).
    if str(header.get("typ", "JWT")).upper() != "JWT" or "crit" in header:
        raise ValueError("a header that is not a plain JWT's")


def _object(payload: bytes) -> dict[str, Any]:
    claims = json.loads(payload, object_pairs_hook=_without_duplicates, parse_constant=_no_constant)
    if not isinstance(claims, dict):
        raise ValueError("the claims are no object")
    return claims


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a claim occurs twice")
    return members


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _principal(claims: dict[str, Any], now: int) -> Principal:
    expires_at = _moment(claims, "exp")
    if expires_at is None or expires_at > now + LIFETIME_MAX_S:
        _refuse()
    for claim in ("iat", "nbf"):
        if (_moment(claims, claim) or 0) > now + CLOCK_SKEW_S:
            _refuse()
    workspace = _one(claims, "workspaceId", "workspace")
    role = claims.get("role", "viewer")
    if not is_workspace(workspace) or not isinstance(role, str) or role not in ROLE_MAY:
        _refuse()
    user = _one(claims, "sub", "userId")
    channels = _channels(claims.get("channels"))
    # Last: only the bearer of a token that is good in all else learns that it has ended.
    if expires_at <= now:
        raise TokenExpired("token expired")
    return Principal(workspace=workspace, user=user, role=role, expires_at=expires_at, channels=channels)


def _moment(claims: dict[str, Any], claim: str) -> int | None:
    """A time in Unix seconds; `type` and not `isinstance`, because True is an int."""
    value = claims.get(claim)
    if claim in claims and (type(value) is not int or value < 0):
        _refuse()
    return value


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


def _channels(value: object) -> tuple[str, ...] | None:
    if value is None:
        return None
    if not isinstance(value, list):
        _refuse()
    return tuple(_id(channel) for channel in value)


def signing_secret(config: Config) -> bytes:
    """The configured secret, or that of the key file in the data folder, made if need be. Raises ConfigError."""
    return config.secret.reveal() or load_or_make_secret(config.data)


def load_or_make_secret(data_folder: Path) -> bytes:
    """The secret in `secret.key` (0600) of the data folder; the first start makes it. Raises ConfigError.

    The file appears under its name only when it is complete, and only once: of two processes that start together both
    use the same.
    """
    path = data_folder / KEY_FILE
    try:
        if not path.exists():
            make_folder(data_folder)
            _make_key_file(path)
        secret = _read_key_file(path)
    except OSError as fault:
        raise ConfigError(
            "secret", f"the key file {path} cannot be used: {fault.strerror}; make it readable, or set TOCSIN_SECRET"
        ) from fault
    if len(secret) < SECRET_MIN_BYTES:
        raise ConfigError(
            "secret",
            f"the key file {path} holds {len(secret)} bytes, at least {SECRET_MIN_BYTES} are needed: restore it, or "
            "remove it to have a new one made (all tokens become invalid)",
        )
    return secret


def _read_key_file(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_KEY_FILE_MAX_BYTES).strip()


def _make_key_file(path: Path) -> None:
    draft = path.with_name(f".{KEY_FILE}.{secrets.token_hex(8)}")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(secrets.token_urlsafe(_KEY_BYTES).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            # A link, not a rename: it fails if another process was first, and then that one's key is the key.
            os.link(draft, path)
        except FileExistsError:
            return
        _sync_folder(path.parent)
    finally:
        draft.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
