"""`python -m tests.support.tomorrow ...`: the real command as a later version may be, for tests of a rolling upgrade.

What may differ by the rules of `protocol.forwarding` differs here: every letter, event, command, result and frame has a
field that today's program does not know; beside each letter goes one of an unknown kind; a trigger whose title begins
with RM travels as a command that nobody knows today, a repeated trigger is answered with a result that nobody knows,
and what happens to an alert whose title begins with SUNG is told with a word that nobody knows. It says that it is
version 9.9, and it brings migrations that add: a table, and a column to each table there is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from engine.bus import NO_MARKS, frames
from engine.nodes.post import Post
from engine.stores.migrate import Migration, migrations
from engine.stores.postgres import migrations as postgres_migrations
from engine.telemetry import metrics
from protocol import forwarding
from protocol.commands import Ring
from protocol.forwarding import Letter, Packed, Seals
from protocol.items import ItemResult
from protocol.model import Reason
from tocsin.cli import main

VERSION = "9.9"
FIELD = "of_tomorrow"
# Beginnings of titles: of a command, and an event, that today's program cannot read.
RM, SUNG = "a command of tomorrow", "a word of tomorrow"
_CREATED = re.compile(r"^CREATE TABLE (\w+) \(", re.MULTILINE)

_decode, _encode = msgspec.msgpack.decode, msgspec.msgpack.encode
_packed, _pack_frame, _publish = forwarding._packed, frames.pack, Post.publish


def tables() -> list[str]:
    """Those that today's migrations make."""
    return [name for each in migrations("postgres") for name in _CREATED.findall(each.sql)]


def migrations_of_tomorrow(kind: str) -> list[Migration]:
    """Today's, and what adds to them: one transaction each, as it must be where nodes go on meanwhile."""
    texts = [f"CREATE TABLE {FIELD} (n bigint)"]
    texts += [f"ALTER TABLE {name} ADD COLUMN {FIELD} text" for name in tables()]
    return [*migrations(kind), *(Migration(9_000 + n, FIELD, text) for n, text in enumerate(texts))]


def _with_more(packed: Packed) -> Packed:
    name, data = packed
    body = _decode(data)
    return name, msgspec.Raw(_encode(body | {FIELD: name} if isinstance(body, dict) else body))


def packed_tomorrow(value: Any) -> Packed:
    """A command or a result."""
    name, data = _with_more(_packed(value))
    if isinstance(value, Ring) and (value.title or "").startswith(RM):
        name = "Rm"
    if isinstance(value, ItemResult) and value.reason is Reason.DUPLICATE:
        name = "Sung"
    return name, data


def _body_of(letter: Letter) -> dict[str, Any]:
    body: dict[str, Any] = _decode(_encode(letter))
    body[FIELD] = {"mood": [1, 2.5, None]}
    for event in body.get("events", ()):
        event[FIELD] = event["alert"][FIELD] = "new"
        if event["alert"]["title"].startswith(SUNG):
            event["kind"] = "sung"
    return body


def close_tomorrow(self: Seals, letter: Letter, topic: str) -> bytes:
    """The bytes to send on a topic."""
    return _sealed(self, _body_of(letter), topic)


def _sealed(seals: Seals, body: Mapping[str, Any], topic: str) -> bytes:
    data = _encode(body)
    return forwarding._hash(seals._keys[0], topic, data) + data


def publish_tomorrow(self: Post, topic: str, letter: Letter, marks: Mapping[str, int] = NO_MARKS) -> None:
    """The letter, and one that today's program has no name for."""
    _publish(self, topic, letter, marks)
    seals: Any = self._seals
    self._bus.publish(topic, [_sealed(seals._now(), {"type": FIELD, "origin": self.node}, topic)])


def pack_tomorrow(frame: frames.Frame) -> bytes:
    """A frame's bytes."""
    body: dict[str, Any] = _decode(_pack_frame(frame))
    return _encode(body | {FIELD: True})


def become_tomorrow(holders: Sequence[Any]) -> None:
    """Puts all of it below the public doors. `holders`: modules that took `frames.pack` by its name."""
    metrics._installed_version = lambda: VERSION
    postgres_migrations.migrations = migrations_of_tomorrow
    forwarding._packed = packed_tomorrow
    Seals.close = close_tomorrow  # type: ignore[method-assign]
    Post.publish = publish_tomorrow  # type: ignore[method-assign]
    for holder in holders:
        assert holder.pack is _pack_frame
        holder.pack = pack_tomorrow


if __name__ == "__main__":
    from engine.bus import outgoing

    become_tomorrow([outgoing])
    main()
