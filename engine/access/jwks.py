"""Reads a JSON Web Key Set (RFC 7517): the public keys of whoever issues our tokens.

A key has the algorithm that it says, else the one that its type is made for; a token's header has no part in it. Keys
that are not for verifying signatures (`use`, `key_ops`) are left out. What is wrong is said with its place in the file
and never with its content: a set may hold secrets. Pure but for reading the file.

Decided against: fetching sets from a URL (an engine that cannot start while an issuer is away, and a door that somebody
may point elsewhere), RSA-PSS, secp256k1 and Ed448 (no issuer that we know needs them), and certificates in keys
(`x5c`, `x5u`): the file itself is what is trusted.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, HMACAlgorithm, OKPAlgorithm, RSAAlgorithm

from engine.access.keys import HMAC_ALGORITHMS, Key, refuse_public_key
from engine.configuration.bounded_file import read_bounded
from engine.configuration.config_checks import SECRET_MIN_BYTES
from engine.configuration.fields import ConfigError

SETTING = "identity.jwks"
# A key of 4,096 bits has 1 kB; issuers publish two to four.
FILE_MAX_BYTES = 262_144
KEYS_MAX = 64
KID_MAX_CHARS = 128
# NIST SP 800-131A: less is not allowed any more. More costs each connecting client milliseconds.
RSA_MIN_BITS, RSA_MAX_BITS = 2_048, 8_192
_RSA = ("RS256", "RS384", "RS512")
_CURVES = {"P-256": "ES256", "P-384": "ES384", "P-521": "ES512", "Ed25519": "EdDSA"}


class JwksFile(NamedTuple):
    """The keys of a set, and what its owner should know about it."""

    keys: tuple[Key, ...]
    notes: tuple[str, ...]


def read_jwks(path: Path) -> JwksFile:
    """The keys of a file. Raises ConfigError that names the file, the key's place and the fault."""
    content = read_bounded(path, FILE_MAX_BYTES, SETTING, "JWKS")
    try:
        return parse_jwks(content, path.name)
    except ValueError as fault:
        raise ConfigError(SETTING, f"{path}: {fault}") from None  # the cause's text may hold a key


def parse_jwks(content: bytes, name: str) -> JwksFile:
    """The keys of a set's text. Raises ValueError that says where and what."""
    members = _members(content)
    keys: list[Key] = []
    notes: list[str] = []
    for place, jwk in enumerate(members):
        where = f"keys[{place}]"
        try:
            if reason := _not_for_verifying(jwk):
                notes.append(f"{where} is not used: {reason}")
                continue
            keys.append(_key(jwk, f"{name} {where}"))
        except ValueError as fault:
            raise ValueError(f"{where}: {fault}") from None
        if "d" in jwk:
            notes.append(f"{where} holds a private key, which nothing here needs: leave out all but the public half")
    _check_names([key.kid for key in keys])
    return JwksFile(tuple(keys), tuple(notes))


def _members(content: bytes) -> list[Mapping[str, Any]]:
    try:
        document = json.loads(content, object_pairs_hook=_without_duplicates)
    except RecursionError:
        raise ValueError("nested too deep; a JWKS is flat") from None
    except ValueError:
        raise ValueError('it is not JSON, or a name occurs twice in an object; write {"keys": [...]}') from None
    members = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(members, list) or not members:
        raise ValueError('it is no key set; write {"keys": [...]} with at least one key')
    if len(members) > KEYS_MAX:
        raise ValueError(f"it has {len(members)} keys, limit {KEYS_MAX}; leave out those that no token needs")
    for place, jwk in enumerate(members):
        if not isinstance(jwk, dict):
            raise ValueError(f"keys[{place}] is no object")
    return members


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError
    return members


def _check_names(kids: list[str | None]) -> None:
    for kid in kids:
        if kids.count(kid) > 1:
            said = "no kid" if kid is None else f"the kid {kid!r}"
            raise ValueError(f"two keys have {said}: tokens find a key by its kid, give each its own")
    if not kids:
        raise ValueError("none of its keys is for verifying signatures; see `use` and `key_ops`")
    if None in kids and len(kids) > 1:
        raise ValueError("a key has no kid: with several keys each needs one, tokens find their key by it")


def _not_for_verifying(jwk: Mapping[str, Any]) -> str:
    use, operations = jwk.get("use", "sig"), jwk.get("key_ops", ["verify"])
    if not isinstance(use, str) or not isinstance(operations, list):
        raise ValueError("`use` is a text and `key_ops` a list (RFC 7517, section 4)")
    if use != "sig":
        return f"its `use` is {use[:20]!r}"
    return "" if "verify" in operations else "its `key_ops` lack 'verify'"


def _key(jwk: Mapping[str, Any], source: str) -> Key:
    kid = jwk.get("kid")
    if kid is not None and not (isinstance(kid, str) and 1 <= len(kid) <= KID_MAX_CHARS and kid.isprintable()):
        raise ValueError(f"its kid is not allowed: use a text of 1 to {KID_MAX_CHARS} printable characters")
    kind = jwk.get("kty")
    readers = {"RSA": _rsa, "EC": _elliptic, "OKP": _edwards, "oct": _secret}
    reader = readers.get(kind) if isinstance(kind, str) else None
    if reader is None:
        raise ValueError(f"its kty is {str(kind)[:20]!r}; known are {', '.join(readers)}")
    algorithms, material, form = reader(jwk)
    named = jwk.get("alg", algorithms[0])
    if named not in algorithms:
        raise ValueError(f"its alg is {str(named)[:20]!r}; for this key use {' or '.join(algorithms)}")
    fingerprint = hashlib.sha256(f"{named} ".encode() + form).hexdigest()
    return Key(kid, fingerprint, (named,), material, source)


# Each gives the algorithms that the key may be for (the first if it does not say), the key, and its form for a
# fingerprint.
_Read = tuple[tuple[str, ...], Any, bytes]


def _rsa(jwk: Mapping[str, Any]) -> _Read:
    key: RSAPublicKey = _public(RSAAlgorithm.from_jwk, jwk, "n and e")
    if not RSA_MIN_BITS <= key.key_size <= RSA_MAX_BITS:
        raise ValueError(f"an RSA key of {key.key_size} bits; use {RSA_MIN_BITS} to {RSA_MAX_BITS}")
    return _RSA, key, _spki(key)


def _elliptic(jwk: Mapping[str, Any]) -> _Read:
    algorithm = _algorithm_of_curve(jwk, ("P-256", "P-384", "P-521"))
    key = _public(ECAlgorithm.from_jwk, jwk, "x and y, a point of its curve")
    return (algorithm,), key, _spki(key)


def _edwards(jwk: Mapping[str, Any]) -> _Read:
    algorithm = _algorithm_of_curve(jwk, ("Ed25519",))
    key: Ed25519PublicKey = _public(OKPAlgorithm.from_jwk, jwk, "x")
    return (algorithm,), key, _spki(key)


def _secret(jwk: Mapping[str, Any]) -> _Read:
    try:
        secret = HMACAlgorithm.from_jwk(dict(jwk))
    except Exception:
        # Boundary: a foreign parser on a file that people write; whatever it raises may show the secret.
        raise ValueError("it is no oct key: `k` is the secret in base64url") from None
    if len(secret) < SECRET_MIN_BYTES:
        raise ValueError(f"a secret of {len(secret)} bytes; use at least {SECRET_MIN_BYTES}")
    refuse_public_key(secret)
    return HMAC_ALGORITHMS, secret, hashlib.sha256(secret).digest()


def _algorithm_of_curve(jwk: Mapping[str, Any], curves: tuple[str, ...]) -> str:
    curve = jwk.get("crv")
    if curve not in curves:
        raise ValueError(f"its crv is {str(curve)[:20]!r}; use {' or '.join(curves)}")
    return _CURVES[curve]


def _public(read: Any, jwk: Mapping[str, Any], needs: str) -> Any:
    try:
        key = read(dict(jwk))
        return key.public_key() if hasattr(key, "public_key") else key
    except Exception:
        # Boundary: as above; numbers that are no key make several libraries raise several things.
        raise ValueError(f"it is no {jwk['kty']} key: it needs {needs} in base64url") from None


def _spki(key: Any) -> bytes:
    form: bytes = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return form
