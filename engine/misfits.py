"""What is said of an object that its types refuse: the field, the reason with what is allowed, and a right example.

The decoder knows the field and the bound, but neither the words of an enum nor how a right value looks: both are added
here, from the types themselves and from `SHOWN`. Pure. Whoever decodes an object for a person (`engine.edits`) asks it.
Decided against an example of a whole object: who has one wrong field wants to see that field.
"""

from __future__ import annotations

import difflib
import functools
import re
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import inspect as types

# A right value of each field, by its name: one name means the same in all kinds, or stands with that of its Struct.
# A test tries all of them.
SHOWN: dict[str, Any] = {
    "Override.end": "2026-01-09T09:00:00Z",
    "Override.start": "2026-01-05T09:00:00Z",
    "aggregate": "avg",
    "alert_days": 2,
    "annotations": {"runbook": "restart the cache"},
    "at_least": 100,
    "author": "ann",
    "comment": "the disk is on its way",
    "comparison": ">",
    "days": ["mon", "tue"],
    "direction": "up",
    "display_name": "Input customer",
    "email": "ann@example.org",
    "enabled": True,
    "end": "17:00",
    "ends_at": "2099-01-01T02:00:00Z",
    "every_days": 7,
    "for_s": 60,
    "framework": "web",
    "frameworks": ["db"],
    "goals": [100, 1000],
    "handover": "09:00",
    "id": "search-latency",
    "is_active": True,
    "is_cumulative": True,
    "item_name": "Call the customer",
    "items": [{"id": "call", "item_name": "Call the customer"}],
    "keep_firing_for_s": 60,
    "kind": "threshold",
    "labels": {"team": "shop"},
    "match": {"host": "h1"},
    "matchers": [{"name": "host", "operator": "=", "value": "h1"}],
    "members": ["ann", "bob"],
    "message": "It is at {{ value }}",
    "metric": "latency_ms",
    "metrics": {"latency_ms": "performance"},
    "name": "host",
    "no_data": "alert",
    "no_data_s": 300,
    "notes": "on trial until June",
    "notify": ["pager"],
    "objective": "percentile",
    "operator": "=",
    "order": ["ann", "bob"],
    "overrides": [{"user": "bob", "start": "2026-01-05T09:00:00Z", "end": "2026-01-09T09:00:00Z"}],
    "owner": "shop",
    "percentile": 95,
    "phase_type": "LEAD",
    "phases": [{"phase_type": "LEAD", "sections": []}],
    "progress": [50, 90],
    "recovery": 80,
    "responsible_role": "sales",
    "role": "responder",
    "rota": {"starts_on": "2026-01-05", "order": ["ann", "bob"]},
    "schedule": {"start": "08:00", "end": "17:00", "days": ["mon", "tue"]},
    "season": "day",
    "sections": [{"display_name": "Input customer", "items": [{"id": "call", "item_name": "Call the customer"}]}],
    "sensitivity": 6,
    "severity": "warning",
    "short_window_s": 60,
    "slack_id": "U024BE7LH",
    "slo": 0.999,
    "start": "08:00",
    "starts_at": "2099-01-01T00:00:00Z",
    "starts_on": "2026-01-05",
    "suppress_by": "rule",
    "suppression_s": 300,
    "threshold": 90,
    "title": "Search is slow",
    "total_metric": "requests",
    "upper": 95,
    "user": "ann",
    "value": "h1",
    "warm_up": 100,
    "weekly": {"start": "02:00", "end": "04:00", "days": ["sun"]},
    "window_s": 300,
    "workspace": "acme",
    "zone": "Europe/Berlin",
}
_PLACE = re.compile(r" - at (`key` in )?`\$\.?([^`]*)`$")
_NAMED = re.compile(r"(?:unknown|required) field `([^`]*)`")
_STEP = re.compile(r"\[[^\]]*\]")


def explained(kind: Any, given: Mapping[str, Any], fault: msgspec.ValidationError) -> str:
    """The decoder's complaint about `given`, which was to be a `kind`: with the words allowed, and an example."""
    text = str(fault)
    place = _PLACE.search(text)
    path = [step for step in _STEP.sub("", place[2]).split(".") if step] if place else []
    owner = _reached(_type_of(kind), given, path[:-1])
    named = _NAMED.search(text)
    if named is not None:
        owner = _reached(_type_of(kind), given, path)
        path = [*path, named[1]]
    if not path:
        return text
    return text + _allowed(owner, path[-1], is_unknown="unknown field" in text) + _example(owner, path[-1])


def _allowed(owner: types.Type | list[types.StructType], name: str, *, is_unknown: bool) -> str:
    """The words that may stand there; of an unknown field: the fields that there are."""
    structs = owner if isinstance(owner, list) else [owner]
    known = [struct for struct in structs if isinstance(struct, types.StructType)]
    tags = [struct.tag for struct in known if struct.tag_field == name]
    if tags:
        return f"; allowed: {', '.join(map(str, tags))}"
    if is_unknown:
        return f"; its fields: {', '.join(_names(known))}"
    return "".join(_words(field.type) for struct in known[:1] for field in struct.fields if field.encode_name == name)


def _names(structs: list[types.StructType]) -> list[str]:
    return list(dict.fromkeys(field.encode_name for struct in structs for field in struct.fields))


def _example(owner: types.Type | list[types.StructType], name: str) -> str:
    """A right value of the field; of one that is not there, of another one of the same object."""
    structs = owner if isinstance(owner, list) else [owner]
    known = [struct for struct in structs if isinstance(struct, types.StructType)]
    if not known:
        return ""
    tag = next((struct.tag for struct in known if struct.tag_field == name), None)
    own = _names(known)
    shown = name if name in own or tag else next(iter(difflib.get_close_matches(name, own, 1)), own[0])
    value = shown_value(known[0], shown) if tag is None else tag
    return f'; for example "{shown}": {msgspec.json.encode(value).decode()}'


def shown_value(owner: types.StructType, name: str) -> Any:
    """A right value of a field."""
    own = SHOWN.get(f"{owner.cls.__name__}.{name}", SHOWN.get(name))
    kind = next((_plain(field.type) for field in owner.fields if field.encode_name == name), None)
    if isinstance(kind, types.EnumType):
        words = [each.value for each in kind.cls]
        return own if own in words else words[0]
    return own


def _words(kind: types.Type) -> str:
    plain = _plain(kind)
    if isinstance(plain, types.EnumType):
        return f"; allowed: {', '.join(str(each.value) for each in plain.cls)}"
    if isinstance(plain, types.LiteralType):
        return f"; allowed: {', '.join(map(str, plain.values))}"
    if isinstance(plain, types.CollectionType | types.VarTupleType):
        return _words(plain.item_type)
    return _words(plain.value_type) if isinstance(plain, types.DictType) else ""


def _reached(kind: types.Type, given: object, path: list[str]) -> types.Type | list[types.StructType]:
    """The struct in which the field is; several while it is not said which of them."""
    found = _chosen(_plain(kind), given)
    for name in path:
        structs = found if isinstance(found, list) else [found]
        fields = [each for struct in structs if isinstance(struct, types.StructType) for each in struct.fields]
        inner = next((field.type for field in fields if field.encode_name == name), None)
        if inner is None:
            return []
        found = _chosen(_inmost(inner), None)
    return found


def _chosen(kind: types.Type, given: object) -> types.Type | list[types.StructType]:
    """Of a union of structs the one that the tag says, or all of them."""
    if not isinstance(kind, types.UnionType):
        return kind
    structs = [each for each in kind.types if isinstance(each, types.StructType)]
    tag = given.get(structs[0].tag_field) if isinstance(given, Mapping) and structs else None
    return next((struct for struct in structs if struct.tag == tag), structs)


def _inmost(kind: types.Type) -> types.Type:
    """What a list, or a mapping, is of."""
    plain = _plain(kind)
    if isinstance(plain, types.CollectionType | types.VarTupleType):
        return _inmost(plain.item_type)
    return _inmost(plain.value_type) if isinstance(plain, types.DictType) else plain


def _plain(kind: types.Type) -> types.Type:
    """Without what is said about it, and without null."""
    if isinstance(kind, types.Metadata):
        return _plain(kind.type)
    if isinstance(kind, types.UnionType):
        rest = [each for each in kind.types if not isinstance(each, types.NoneType)]
        return _plain(rest[0]) if len(rest) == 1 else kind
    return kind


@functools.cache
def _type_of(kind: Any) -> types.Type:
    return types.type_info(kind)
