"""How entries are written in a second level: the texts of keys, the bytes of values. Pure.

A key is `<prefix>:{<workspace>}:cache:<strategy>.<shape>:<framework>:<part>...`. The braces are a Redis Cluster's: all
keys of a workspace lie on one node, so an entry and its tags are asked for in one step. Every part is written with
letters, digits and `%XX` only, so that none of them means a pattern or another part. `shape` stands for the value's
type and the store's identity: two versions of this program, or two installations, do not read each other's entries.

A value is `TC1`, a keyed hash of its key and all that follows, the tokens of its tags, and MessagePack. Whatever else
is found under a key is nobody's, and a miss: also what somebody who may write to that server has copied from another
key, or made himself. He may read what is there; only a connection can be encrypted (`rediss://`).
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Sequence
from functools import cache, lru_cache
from hashlib import blake2b
from typing import Any, TypeVar
from urllib.parse import quote

import msgspec

from engine.cache.strategies import Key, Strategy

T = TypeVar("T")

MAGIC = b"TC1"
# 128 bits: nobody guesses one while an entry lives.
SEAL_BYTES = 16
_HEAD_BYTES = len(MAGIC) + SEAL_BYTES
# Random: two that meet by chance are one in 2^64, and only while an entry lives.
TOKEN_BYTES = 8
# Tokens outlive all entries that carry them; one that is gone earlier makes them misses.
TOKEN_LIFETIME_S = 43_200
# Names that are remembered instead of being written again: as many as there are channels in use.
NAMES_MAX = 10_000


class Unreadable(Exception):
    """These bytes are nobody's, or of another program."""


def _no_secrets() -> Sequence[bytes]:
    """Where nothing is secret."""
    return ()


class Names:
    """The keys of one installation, and what lies under them.

    `prefix` from the configuration, `epoch` from the store. `secrets` of the installation, as they are at the moment:
    the first one seals values, all of them open them; secrets are changed node by node.
    """

    def __init__(self, prefix: str, epoch: str, secrets: Callable[[], Sequence[bytes]] = _no_secrets) -> None:
        self._prefix = prefix
        self._epoch = epoch
        self._secrets = secrets
        self._given: Sequence[bytes] | None = None
        self._keys: Sequence[bytes] = ()

    def entry(self, strategy: Strategy[Any], key: Key) -> str:
        """Where an entry lies."""
        parts = (key.framework or "", *key.parts)
        return f"{self._place(key.workspace)}{self._kind(strategy)}:{':'.join(quote(part, safe='') for part in parts)}"

    def tag(self, workspace: str, tag: str) -> str:
        """Where the token of a tag lies."""
        return _tag(self._place(workspace), self._epoch, tag)

    def pattern(self, strategy: Strategy[Any] | None = None, workspace: str | None = None) -> str:
        """What matches the entries of a strategy (None: all of them, and tokens) in a workspace (None: in all)."""
        kind = "*" if strategy is None else f"{self._kind(strategy)}:*"
        place = f"{self._prefix}:{{*}}:cache:" if workspace is None else self._place(workspace)
        return place + kind

    def packed(self, name: str, tokens: bytes, body: bytes) -> bytes:
        """The bytes of a value that lies at `name`."""
        return MAGIC + _seal(self._keys_now()[0], name, tokens, body) + tokens + body

    def unpacked(self, name: str, value: bytes, tokens: bytes) -> bytes | None:
        """The body of a value; None if its tags have other tokens now. Raises Unreadable."""
        start = _HEAD_BYTES + len(tokens)
        if not value.startswith(MAGIC) or len(value) < start:
            raise Unreadable
        if value[_HEAD_BYTES:start] != tokens:
            return None
        body = value[start:]
        seal = value[len(MAGIC) : _HEAD_BYTES]
        if not any(hmac.compare_digest(seal, _seal(key, name, tokens, body)) for key in self._keys_now()):
            raise Unreadable
        return body

    def _keys_now(self) -> Sequence[bytes]:
        given = self._secrets()
        if given != self._given:
            self._given = given
            # An installation without a secret has a key that everybody knows: its Redis is trusted as far as that.
            self._keys = [blake2b(each, digest_size=32, person=b"tocsin cache").digest() for each in given or (b"",)]
        return self._keys

    def _place(self, workspace: str) -> str:
        return _place(self._prefix, workspace)

    def _kind(self, strategy: Strategy[Any]) -> str:
        return f"{strategy.name}.{_shape(strategy.name, strategy.type, self._epoch)}"


def _seal(key: bytes, name: str, tokens: bytes, body: bytes) -> bytes:
    # No name has a NUL, and how many tokens there are follows from the name.
    sealed = blake2b(name.encode(), key=key, digest_size=SEAL_BYTES)
    sealed.update(b"\0" + tokens)
    sealed.update(body)
    return sealed.digest()


def workspace_of(key: str) -> str:
    """Which keys lie together: what stands in braces."""
    return key[key.find("{") : key.find("}") + 1]


def encode(value: Any) -> bytes:
    """The body of a value."""
    return msgspec.msgpack.encode(value)


def decode(strategy: Strategy[T], body: bytes) -> T:
    """A value. Raises Unreadable."""
    try:
        value: T = _decoder(strategy.type).decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError) as fault:
        raise Unreadable from fault
    return value


def tokens_of(found: Sequence[bytes | None]) -> bytes | None:
    """The tokens of all tags; None if one is missing, or is none of ours."""
    return b"".join(token for token in found if token) if all(_is_token(token) for token in found) else None


def _is_token(token: bytes | None) -> bool:
    return token is not None and len(token) == TOKEN_BYTES


# A busy engine forgets thousands of tags a second, the same ones again and again.
@lru_cache(maxsize=NAMES_MAX)
def _tag(place: str, epoch: str, tag: str) -> str:
    return f"{place}tag.{_short(epoch)}:{quote(tag, safe='')}"


@lru_cache(maxsize=NAMES_MAX)
def _place(prefix: str, workspace: str) -> str:
    return f"{prefix}:{{{quote(workspace, safe='')}}}:cache:"


@cache
def _decoder(kind: Any) -> msgspec.msgpack.Decoder[Any]:
    return msgspec.msgpack.Decoder(kind)


@cache
def _shape(name: str, kind: Any, epoch: str) -> str:
    return _short(f"{epoch}{name}{msgspec.json.encode(msgspec.json.schema(kind)).decode()}")


@cache
def _short(text: str) -> str:
    return blake2b(text.encode(), digest_size=4).hexdigest()
