"""What nodes say to each other: letters, in MessagePack, each with a keyed hash of its bytes in front.

A letter is a request for a workspace's owner or the answer to one, or news of what was committed or changed here. All
of it comes over a bus that others may write to as well, by mistake or on purpose: only who has the key makes a letter
that opens, it opens only on the topic that it was made for, and whatever does not open raises ForeignLetter. What asks
for something to be done says when it was sent, and is good for half a minute, once: what was written down on its way
cannot be said again. (What only tells of something can: whoever hears it looks into the store.)

Two versions of the program may stand side by side: new fields have defaults, unknown ones are ignored, a letter of an
unknown kind is a ForeignLetter, too, and a command or a result that cannot be read is None among the others: whoever
sent it is told, and its neighbours are done.

Commands and results have no tag of their own (they never left a process before): they travel as pairs of their class's
name and their bytes. Decided against pickling (it runs what it is sent), and against a tag in each class (bytes that
are stored would change for it).
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any, cast

import msgspec

from protocol.commands import Act, Command, CompleteStep, Escalate, Observe, Preview, Ring
from protocol.hints import Hint
from protocol.items import ItemResult
from protocol.model import Event
from protocol.previews import Previewed, TooDear
from protocol.rule_series import ListSeries, SeriesListed
from protocol.times import SECOND_US

# What asks is sent anew, with a new time, each second while somebody waits for it; so much is for a bus that was away.
# Nodes go by the store's clock: theirs are milliseconds apart, and nothing is asked over the bus if they are not.
AGE_MAX_S = 30
# 128 bits: who guesses for a year at a million letters a second has a chance of 10^-25.
_HASH_BYTES = 16

Packed = tuple[str, msgspec.Raw]


class ForeignLetter(Exception):
    """Bytes that no node of ours has made, or one of another version: to be counted and dropped."""


class Forward(msgspec.Struct, frozen=True, gc=False, kw_only=True, tag="forward"):
    """Commands for a channel, to its owner. `places`: how many results each has. `id` stays when it is sent again.

    `at`: when it was sent, by the clock of the store, in microseconds. `traces`: where each command's request stands in
    a trace; empty: none of them is traced.
    """

    origin: str
    id: str
    workspace: str
    framework: str
    at: int = 0
    commands: tuple[Packed, ...] = ()
    places: tuple[int, ...] = ()
    traces: tuple[str | None, ...] = ()


class Answered(msgspec.Struct, frozen=True, gc=False, kw_only=True, tag="answered"):
    """The results of a Forward; or none of them, because who was asked does not own the workspace (any more)."""

    id: str
    results: tuple[Packed, ...] = ()
    is_owner: bool = True


class Told(msgspec.Struct, frozen=True, gc=False, kw_only=True, tag="told"):
    """Events that `origin` committed, of one commit, in order.

    `moved`: the frameworks of channels that were not asked about it. `trace`: where the decision stands in a trace.
    """

    origin: str
    workspace: str
    events: tuple[Event, ...]
    moved: tuple[str, ...] = ()
    trace: str | None = None


class Start(msgspec.Struct, frozen=True, gc=False, kw_only=True, tag="start"):
    """Something is due in this channel: whoever owns it has it run."""

    origin: str
    workspace: str
    framework: str


class NodesChanged(msgspec.Struct, frozen=True, gc=False, kw_only=True, tag="nodes"):
    """A node has come, is being drained, or has gone: look at the nodes now, and not in a second."""

    origin: str


class ObjectsChanged(msgspec.Struct, frozen=True, gc=False, kw_only=True, tag="objects"):
    """Objects that were changed or deleted: kind, workspace and id of each. `id`: of the letter, to be confirmed;
    empty: nobody waits for that."""

    origin: str
    objects: tuple[tuple[str, str, str], ...]
    id: str = ""


class RevocationsChanged(msgspec.Struct, frozen=True, gc=False, kw_only=True, tag="revocations"):
    """What is revoked has changed: read it again. `id` as with objects."""

    origin: str
    id: str = ""


class Rung(msgspec.Struct, frozen=True, gc=False, kw_only=True, tag="rung"):
    """These queues have new jobs that are due."""

    origin: str
    queues: tuple[str, ...]


class Hinted(msgspec.Struct, frozen=True, gc=False, kw_only=True, tag="hinted"):
    """Something beside a stream, for whoever follows it: its workspace, and its framework or user."""

    origin: str
    workspace: str
    framework: str | None = None
    user: str | None = None
    hints: tuple[Hint, ...] = ()


class Asked(msgspec.Struct, frozen=True, gc=False, kw_only=True, tag="asked"):
    """A question to other nodes. `about` says what, `body` with what; each answers with a Replied. `at`: as above."""

    origin: str
    id: str
    about: str
    body: msgspec.Raw
    at: int = 0


class Replied(msgspec.Struct, frozen=True, gc=False, kw_only=True, tag="replied"):
    """A node's answer to a question."""

    origin: str
    id: str
    body: msgspec.Raw


class Confirmed(msgspec.Struct, frozen=True, gc=False, kw_only=True, tag="confirmed"):
    """A node knows what these letters of who reads this have told."""

    origin: str
    ids: tuple[str, ...]


Letter = (
    Forward
    | Answered
    | Told
    | Start
    | NodesChanged
    | ObjectsChanged
    | RevocationsChanged
    | Rung
    | Hinted
    | Asked
    | Replied
    | Confirmed
)

_COMMANDS: dict[str, Any] = {
    kind.__name__: msgspec.msgpack.Decoder(kind) for kind in (Ring, Observe, ListSeries, Act, CompleteStep, Escalate)
}
# A preview has commands in it.
_PREVIEW = msgspec.msgpack.Decoder(tuple[Packed, ...])
_RESULTS: dict[str, Any] = {
    kind.__name__: msgspec.msgpack.Decoder(kind) for kind in (ItemResult, Previewed, TooDear, SeriesListed)
}
_LETTERS: msgspec.msgpack.Decoder[Letter] = msgspec.msgpack.Decoder(Letter)
_ENCODER = msgspec.msgpack.Encoder()
# All that a decoder may raise over bytes that somebody made to hurt.
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def pack(values: Sequence[Any]) -> tuple[Packed, ...]:
    """Commands or results, each with the name of its class."""
    return tuple([_packed(value) for value in values])


def _packed(value: Any) -> Packed:
    what = pack(value.commands) if isinstance(value, Preview) else value
    return type(value).__name__, msgspec.Raw(_ENCODER.encode(what))


def check_age(at: int, now: int) -> None:
    """Raises ForeignLetter if what asks for something was not sent lately."""
    if abs(now - at) > AGE_MAX_S * SECOND_US:
        raise ForeignLetter(
            f"it says that it was sent {(now - at) / SECOND_US:.0f} s ago, limit {AGE_MAX_S}: somebody repeats it, or "
            "the clocks of two nodes differ"
        )


def commands_of(forward: Forward) -> list[Command | None]:
    """The commands of a request; None: one of another version. Raises ForeignLetter."""
    if len(forward.places) != len(forward.commands) or min(forward.places, default=1) < 1:
        raise ForeignLetter("a command has no place for its results")
    return [_command(name, data) for name, data in forward.commands]


def _command(name: str, data: msgspec.Raw) -> Command | None:
    if name != Preview.__name__:
        return cast(Command | None, _unpack(name, data, _COMMANDS))
    try:
        asked = _PREVIEW.decode(data)
    except _UNREADABLE:
        return None
    commands = [_unpack(name, data, _COMMANDS) for name, data in asked]
    return None if None in commands else Preview(commands=tuple(commands))


def results_of(answered: Answered) -> list[ItemResult | None]:
    """The results of an answer; None: one of another version."""
    return [_unpack(name, data, _RESULTS) for name, data in answered.results]


def _unpack(name: str, data: msgspec.Raw, decoders: dict[str, Any]) -> Any:
    decoder = decoders.get(name)
    try:
        return None if decoder is None else decoder.decode(data)
    except _UNREADABLE:
        return None


class Seals:
    """Makes and opens letters. The first of the keys closes them, all of them open: keys are changed node by node."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._keys = [blake2b(key, digest_size=32, person=b"tocsin nodes").digest() for key in keys]

    def close(self, letter: Letter, topic: str) -> bytes:
        """The bytes to send on a topic."""
        data = _ENCODER.encode(letter)
        return _hash(self._keys[0], topic, data) + data

    def open(self, sent: bytes, topic: str) -> Letter:
        """The letter that was sent on a topic. Raises ForeignLetter."""
        mark, data = sent[:_HASH_BYTES], sent[_HASH_BYTES:]
        if not any(hmac.compare_digest(mark, _hash(key, topic, data)) for key in self._keys):
            raise ForeignLetter("it was not made with a key of ours, or not for this topic")
        try:
            return _LETTERS.decode(data)
        except _UNREADABLE as fault:
            raise ForeignLetter(str(fault)) from fault


def _hash(key: bytes, topic: str, data: bytes) -> bytes:
    # No topic has a NUL.
    made = blake2b(topic.encode() + b"\0", key=key, digest_size=_HASH_BYTES)
    made.update(data)
    return made.digest()
