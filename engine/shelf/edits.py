"""One change of an object before it is stored: who makes it, how two texts of JSON become one, how a value is kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from engine.input.misfits import explained
from engine.shelf.kinds import Kind, id_of
from engine.stores.objects import ObjectChange
from protocol.errors import BadRequest
from protocol.model import Principal
from protocol.names import check_id

T = TypeVar("T")
# What is shown with an object and is not of it: who sends back what he was shown need not take it out.
SHOWN_BESIDES = ("version", "origin", "created_at", "updated_at", "updated_by", "archived_at", "runs")
# A rule with 64 labels and 16 annotations of the greatest length is larger; nobody has one.
OBJECT_MAX_BYTES = 65_536
# Nothing of ours is deeper; what is put in whole below that is refused by its type.
DEPTH_MAX = 16


def value_of(kind: Kind[Any], who: Principal, given: Mapping[str, Any]) -> Any:
    """What was sent, as it is kept. Raises BadRequest with the field, the reason and an example."""
    besides = {*SHOWN_BESIDES, *kind.reckoned}
    own = {name: value for name, value in given.items() if name not in besides}
    try:
        value = msgspec.convert(own, kind.type)
    except msgspec.ValidationError as fault:
        raise BadRequest(f"invalid {kind.name}: {explained(kind.type, own, fault)}") from fault
    check_id(id_of(value), "id")
    return kind.prepare(who, value)


def text_of(kind: Kind[Any], value: Any) -> str:
    """A value as the store keeps it. Raises BadRequest for what no store takes."""
    try:
        body = msgspec.json.encode(value).decode()
    except UnicodeEncodeError as fault:
        raise BadRequest(f"this {kind.name} contains half of a surrogate pair; leave it out") from fault
    if len(body) > OBJECT_MAX_BYTES:
        raise BadRequest(f"this {kind.name} has {len(body)} characters of JSON, at most {OBJECT_MAX_BYTES} are kept")
    # An escaped backslash before it is a text that talks about the character.
    if "\\u0000" in body.replace("\\\\", ""):
        raise BadRequest(f"this {kind.name} contains the NUL character; leave it out")
    return body


@dataclass(frozen=True)
class Edit:
    """Who changes something, in which way, from where, and which version was seen (0: none was to be there)."""

    who: Principal
    verb: str
    address: str
    expected: int | None

    def keeping(self, kind: Kind[T], at: int, value: T, is_archived: bool) -> ObjectChange:
        """The change that keeps a value, for the store. Raises BadRequest for what no store takes."""
        return msgspec.structs.replace(
            self.deleting(kind, at, id_of(value)),
            body=text_of(kind, value),
            framework=kind.framework_of(value),
            archived=is_archived,
            ends_at=kind.ends_at(value),
            crowd=kind.crowd.name if kind.crowd is not None and kind.crowd.means(value) else None,
        )

    def deleting(self, kind: Kind[Any], at: int, object_id: str) -> ObjectChange:
        """The change that takes it away."""
        return ObjectChange(
            workspace=kind.workspace_of(self.who),
            kind=kind.name,
            id=object_id,
            body=None,
            by=self.who.user,
            at=at,
            verb=f"{self.verb}_{kind.name}",
            expected_version=self.expected,
            address=self.address,
        )


def merged(target: object, patch: object, depth: int = 0) -> Any:
    """JSON merge patch (RFC 7396): members of `patch` replace those of `target`, null takes one away."""
    if not isinstance(patch, Mapping) or depth == DEPTH_MAX:
        return patch
    result = dict(target) if isinstance(target, Mapping) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), value, depth + 1)
    return result
