"""When are two triggers the same alert? And which ids do alerts get?

Identity is a hash of framework, name and labels without `severity`: a warning and a critical of one thing are one
alert, raised. A `dedup_key` replaces name and labels, and a workflow's step replaces both. Hashed in C (blake2b)
and cached, because every trigger needs it; Alertmanager's own fingerprint (FNV-1a, byte by byte in Python) is ten times
dearer and only computed when its API asks, with a cache of its own.
Decided against: Python's `hash()`, which differs from process to process while identities are stored.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from hashlib import blake2b

from protocol.commands import Ring

# 128 bits: no accidental collision among all alerts that a store will ever hold.
IDENTITY_BYTES = 16
# As many rules and hosts as one engine usually hears of again and again.
CACHE_MAX_IDENTITIES = 10_000
# Ordinary label sets have 100-300 characters. Longer ones are hashed each time, so that a full cache stays below about
# 15 MB of Latin text whatever producers send.
CACHED_LABELS_MAX_CHARS = 512

_FNV_START = 14_695_981_039_346_656_037
_FNV_PRIME = 1_099_511_628_211
_64_BITS = (1 << 64) - 1
# The low 62 bits of a UUIDv7 are random (RFC 9562 section 5.7); version, variant and time stand above them.
_RANDOM_BITS = (1 << 62) - 1


def identity_of(framework: str, ring: Ring) -> str:
    """The identity of what a trigger reports, 32 hex digits. An empty `dedup_key` counts as none.

    A step of a workflow is itself, whatever else is said of it.
    """
    if ring.step_id:
        return identity_of_step(framework, ring.step_id)
    if ring.dedup_key:
        return _cached_digest(framework, "key", ring.dedup_key, ())
    labels = ring.labels
    kind, name = "rule", ring.rule_id
    if not name:
        # Not the same namespace: an alert that happens to be titled like a rule is not that rule's.
        kind, name = "name", labels.get("alertname") or ring.title or ring.alert_type or ""
    pairs = tuple(labels.items())
    if sum(map(len, labels)) + sum(map(len, labels.values())) > CACHED_LABELS_MAX_CHARS:
        return _digest(framework, kind, name, pairs)
    return _cached_digest(framework, kind, name, pairs)


def identity_of_step(framework: str, step_id: str) -> str:
    """The identity of the alert about a step of a project's workflow."""
    return _cached_digest(framework, "step", step_id, ())


def _digest(framework: str, kind: str, name: str, pairs: tuple[tuple[str, str], ...]) -> str:
    parts = [framework, kind, name]
    for label, value in sorted(pairs):
        if label != "severity":
            parts += (label, value)
    # Each part with its length in front (a netstring): no two lists of parts give the same bytes.
    text = "".join(f"{len(part)}:{part}" for part in parts)
    return blake2b(text.encode(), digest_size=IDENTITY_BYTES).hexdigest()


_cached_digest = lru_cache(maxsize=CACHE_MAX_IDENTITIES)(_digest)


def fingerprint(labels: Mapping[str, str]) -> str:
    """Alertmanager's fingerprint of a label set, 16 hex digits: 64-bit FNV-1a over name, 0xFF, value, 0xFF, sorted.

    Source: prometheus/common `model/signature.go` (`LabelSet.Fingerprint`). About 0.1 µs a byte, so it is cached: who
    lists all open alerts does so again and again.
    """
    signed = b"".join([b"%b\xff%b\xff" % (label.encode(), labels[label].encode()) for label in sorted(labels)])
    return _fnv(signed) if len(signed) > CACHED_LABELS_MAX_CHARS else _cached_fnv(signed)


def _fnv(text: bytes) -> str:
    state = _FNV_START
    for byte in text:
        state = (state ^ byte) * _FNV_PRIME & _64_BITS
    return f"{state:016x}"


_cached_fnv = lru_cache(maxsize=CACHE_MAX_IDENTITIES)(_fnv)


def derive_id(batch_id: str, n: int) -> str:
    """The id of the `n`-th (from 0) new alert of a batch: the batch's UUIDv7 plus 1 + n in its 62 random bits.

    Derived and not drawn, so that a batch which is decided again after a crash gives its alerts the same ids. Raises
    ValueError if `batch_id` is not hexadecimal.
    """
    number = int(batch_id.replace("-", ""), 16)
    random_bits = (number + 1 + n) & _RANDOM_BITS
    digits = f"{number & ~_RANDOM_BITS | random_bits:032x}"
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
