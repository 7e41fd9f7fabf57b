"""The keys that tokens are verified with, and which of them may verify which token.

Values only: `engine.access.jwks` and `engine.access.key_files` read them, `engine.access.auth` uses them. A key knows
its algorithms; what a token's header says is only ever looked up among them, so a public RSA key is never taken for an
HMAC secret. A token that names a key (`kid`) is tried with the key of that name, found in a dictionary, and with no
other. A token that names none is tried with the shared secrets (the issuers that have one rarely name it, and during a
rotation there are two), and with the key of the JWKS if there is only one for its algorithm: nothing is ever guessed
among several.

Decided against: trying all keys in turn (a stranger's token would cost a public-key operation for each), and names for
secrets given by hand (a name that is made from the secret cannot name another one after a mistake).
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from typing import Any, NamedTuple

from jwt.algorithms import HMACAlgorithm
from jwt.exceptions import InvalidKeyError

from engine.configuration.config_checks import SECRET_MIN_BYTES

# Each costs a token without `kid` an HMAC; a rotation needs two.
SECRETS_MAX = 8
HMAC_ALGORITHMS = ("HS256", "HS384", "HS512")
_NAME_CHARS = 16


class Key(NamedTuple):
    """A key, and the algorithms that it may be used with, the first of them for signing.

    `kid`: what tokens call it, if it has a name. `id`: a fingerprint of the key itself: a connection remembers it, and
    ends when no key has it any more. `material`: bytes of a secret, or a public key. `source`: where it is from.
    """

    kid: str | None
    id: str
    algorithms: tuple[str, ...]
    material: Any
    source: str
    is_secret: bool = False

    def __repr__(self) -> str:
        return f"Key({self.kid!r}, {'/'.join(self.algorithms)}, {self.source!r})"


def secret_key(secret: bytes, source: str = "secret") -> Key:
    """A shared secret, named after itself. Raises ValueError if it is too short, or is no secret at all."""
    if len(secret) < SECRET_MIN_BYTES:
        raise ValueError(f"a secret has at least {SECRET_MIN_BYTES} bytes, this one {len(secret)}")
    refuse_public_key(secret)
    # Tells a guesser nothing that a token does not: both are HMACs of known texts.
    name = hmac.digest(secret, b"tocsin key name", hashlib.sha256).hex()[:_NAME_CHARS]
    return Key(name, name, HMAC_ALGORITHMS, secret, source, is_secret=True)


def refuse_public_key(secret: bytes) -> None:
    """Raises ValueError if it looks like the PEM, SSH or DER form of a key pair: everybody may know the public half."""
    try:
        HMACAlgorithm(HMACAlgorithm.SHA256).prepare_key(secret)
    except InvalidKeyError as fault:
        raise ValueError("this is a public or private key, not a shared secret; use identity.jwks for it") from fault


class KeyRing:
    """The keys in force. Immutable: a change of keys is another ring. `keys`: the first secret among them signs."""

    def __init__(self, keys: Iterable[Key]) -> None:
        self.keys = tuple({key.id: key for key in keys}.values())
        # Shared ones, the one that signs first.
        self.secrets = tuple(key.material for key in self.keys if key.is_secret)
        self.ids = frozenset(key.id for key in self.keys)
        self._named = {key.kid: key for key in self.keys if key.kid is not None}
        self._unnamed: dict[str, tuple[Key, ...]] = {}
        for algorithm in {name for key in self.keys for name in key.algorithms}:
            able = [key for key in self.keys if algorithm in key.algorithms]
            secrets, others = [k for k in able if k.is_secret], [k for k in able if not k.is_secret]
            self._unnamed[algorithm] = (*secrets, *others) if len(others) == 1 else tuple(secrets)

    def __repr__(self) -> str:
        return f"KeyRing({', '.join(map(repr, self.keys))})"

    @property
    def signing(self) -> Key | None:
        """The key that signs new tokens; None if all keys only verify."""
        return next((key for key in self.keys if key.is_secret), None)

    def find(self, algorithm: object, kid: object) -> tuple[Key, ...]:
        """The keys that may verify a token with this `alg` and `kid` (None: it has none) in its header."""
        if not isinstance(algorithm, str):
            return ()
        if kid is None:
            return self._unnamed.get(algorithm, ())
        key = self._named.get(kid) if isinstance(kid, str) else None
        return (key,) if key is not None and algorithm in key.algorithms else ()
