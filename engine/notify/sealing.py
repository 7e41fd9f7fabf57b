"""Keeps the secrets of endpoints unreadable in the store, its copies and its history: AES-256-GCM, one key a file line.

A sealed text names the key that sealed it and is bound to where it belongs (workspace and endpoint), so that it opens
nowhere else. The first key seals, all open: a rotation puts a new line before the old one, and what is changed from
then on is sealed anew. The key is a file of its own (`sealing.key` in the data folder, made with the first secret) or
`notify.sealing_secret`, which several nodes on one store must share.

Decided against the key of the tokens: that one is rotated, and dropped when its last token has ended; a sealed secret
would be lost with it. What has a copy of the store but not of the key has no secret of anybody's.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets
from collections.abc import Sequence
from pathlib import Path

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from engine.access.key_files import make_key_file, read_secrets
from engine.configuration.config import Config

SEALING_FILE = "sealing.key"
_FORM = "v1"
_NONCE_BYTES = 12


class Unsealable(Exception):
    """It cannot be opened: its key is not here, or it was changed or moved."""


class KeptSecret(msgspec.Struct, frozen=True, kw_only=True):
    """A secret; used since then, and until then (microseconds; None: until it is replaced)."""

    value: str
    since: int
    until: int | None = None


class Confidential(msgspec.Struct, frozen=True, kw_only=True):
    """What of an endpoint is secret: the whole address, and its keys or tokens, the newest first."""

    url: str = ""
    secrets: tuple[KeptSecret, ...] = ()

    def in_force(self, now: int) -> Sequence[str]:
        """The secrets that are used now, the newest first."""
        return [each.value for each in self.secrets if each.until is None or now < each.until]


class Sealer:
    """Seals and opens."""

    def __init__(self, given: bytes, folder: Path) -> None:
        """`given`: the configured secret, or empty for the file in the folder. Raises ConfigError."""
        self._given = given
        self._folder = folder
        self._keys: dict[str, AESGCM] = {}
        self._load()

    @classmethod
    def of(cls, config: Config) -> Sealer:
        """That of an engine. Raises ConfigError for a key file that cannot be used."""
        return cls(config.notify.sealing_secret.reveal(), config.data)

    def seal(self, what: Confidential, place: tuple[str, str]) -> str:
        """A text that only `open` with the same place reads. The first one of an installation makes the key file."""
        if not self._keys:
            # One small file, once in the life of an installation: not worth a thread.
            make_key_file(self._folder, SEALING_FILE)
            self._load()
        name, key = next(iter(self._keys.items()))
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = nonce + key.encrypt(nonce, msgspec.json.encode(what), _bound(place))
        return f"{_FORM}.{name}.{base64.urlsafe_b64encode(sealed).decode()}"

    def open(self, sealed: str, place: tuple[str, str]) -> Confidential:
        """What was sealed there; nothing if nothing was. Raises Unsealable."""
        if not sealed:
            return Confidential()
        form, _, rest = sealed.partition(".")
        name, _, text = rest.partition(".")
        key = self._keys.get(name)
        if form != _FORM or key is None:
            raise Unsealable(f"its secrets were sealed with the key {name[:16]!r}, which is not here: restore that key")
        try:
            whole = base64.urlsafe_b64decode(text)
            plain = key.decrypt(whole[:_NONCE_BYTES], whole[_NONCE_BYTES:], _bound(place))
            return msgspec.json.decode(plain, type=Confidential)
        except (InvalidTag, binascii.Error, ValueError) as fault:
            raise Unsealable("its secrets were changed or moved in the store: give them anew") from fault

    def _load(self) -> None:
        # The file's as well: it may have sealed what there was before somebody configured a secret.
        found = [self._given] * bool(self._given) + read_secrets(self._folder, SEALING_FILE)
        self._keys = dict(_key(secret) for secret in found)


def _key(secret: bytes) -> tuple[str, AESGCM]:
    derived = HKDF(SHA256(), 32, salt=None, info=b"tocsin endpoints").derive(secret)
    return hashlib.sha256(b"tocsin key id" + derived).hexdigest()[:8], AESGCM(derived)


def _bound(place: tuple[str, str]) -> bytes:
    return msgspec.json.encode(("endpoint", *place))
