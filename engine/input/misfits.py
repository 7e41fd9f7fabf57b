"""What is said of a body that its types refuse: the field, the reason with what is allowed, and a right example.

The decoder knows the field and the bound, but neither the words of an enum nor how a right value looks: both are added
here, from the types themselves and from `engine.input.right_values`. Pure. Whoever decodes what a person or a program
sends (`engine.shelf.edits`, `engine.http.bodies`) asks it. Decided against an example of a whole object: who has one
wrong field wants to see that field.
"""

from __future__ import annotations

import difflib
import functools
import re
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from typing import Any

import msgspec
from msgspec import inspect as types

from engine.input.right_values import ALLOWED, SHOWN

_PLACE = re.compile(r" - at (`key` in )?`\$\.?([^`]*)`$")
# What was sent may be quoted as far as one needs to recognise it.
_LONG = re.compile(r"((?:value '|field `).{64}).{65,}?(['`](?: - at `[^`]*`)?)$", re.DOTALL)
_NAMED = re.compile(r"(?:unknown|required) field `([^`]*)`")
_STEP = re.compile(r"\[[^\]]*\]|[^.\[\]]+")


def explained(kind: Any, given: object, fault: msgspec.ValidationError, right: object = None) -> str:
    """The decoder's complaint about `given`, which was to be a `kind`: with the words allowed, and an example.

    `given` says which of several kinds an object was to be; None if it is not known. `right` is a right body of this
    very door, whose value of the field is the one that is shown if it has the field.
    """
    text = _LONG.sub(r"\1…\2", str(fault))
    place = _PLACE.search(text)
    steps = _STEP.findall(place[2]) if place else []
    if (named := _NAMED.search(text)) is not None:
        steps.append(named[1])
    while steps and steps[-1].startswith("["):
        # A wrong member of a list: the list is what an example is of.
        steps.pop()
    if not steps:
        return text
    owners = _reached(_type_of(kind), given, steps[:-1])
    is_key = place is not None and place[1] is not None
    allowed = _allowed(owners, steps[-1], is_unknown="unknown field" in text, is_key=is_key)
    return text + allowed + _example(owners, steps[-1], _within(right, steps[:-1]))


def _allowed(owners: Sequence[types.StructType], name: str, *, is_unknown: bool, is_key: bool) -> str:
    """The words that may stand there (`is_key`: as keys of the mapping there); of an unknown field: those there are."""
    tags = [struct.tag for struct in owners if struct.tag_field == name]
    if tags:
        return f"; allowed: {', '.join(map(str, tags))}"
    if is_unknown:
        return f"; its fields: {', '.join(_names(owners))}"
    if not is_key:
        fewer = next((ALLOWED[place] for each in owners if (place := f"{each.cls.__name__}.{name}") in ALLOWED), ())
        if fewer:
            return _listed(fewer)
    found = [field.type for each in owners for field in each.fields if field.encode_name == name]
    return next((_words(_keys(each) if is_key else each) for each in found), "")


def _names(structs: Sequence[types.StructType]) -> list[str]:
    return list(dict.fromkeys(field.encode_name for struct in structs for field in struct.fields))


def _within(right: object, steps: Sequence[str]) -> Mapping[str, Any]:
    """The object of a right body in which the field is; empty if that body leaves it out."""
    for step in steps:
        if step.startswith("["):
            right = _member(right, "[0]")
        else:
            right = right.get(step) if isinstance(right, Mapping) else None
    return right if isinstance(right, Mapping) else {}


def _example(owners: Sequence[types.StructType], name: str, right: Mapping[str, Any]) -> str:
    """A right value of the field; of one that is not there, of another one of the same object."""
    own = _names(owners)
    value: Any = next((struct.tag for struct in owners if struct.tag_field == name), None)
    if value is None and own:
        name = name if name in own else _meant(name, own, right)
        value = right.get(name) or shown_value(next(each for each in owners if name in _names([each])), name)
    return "" if value is None else f'; for example "{name}": {msgspec.json.encode(value).decode()}'


def _meant(name: str, own: Sequence[str], right: Mapping[str, Any]) -> str:
    """The field that somebody means who has named one that there is not."""
    closest = next(iter(difflib.get_close_matches(name, own, 1)), own[0])
    if name == f"{closest}s":
        # He has many of what a field takes one of: the list is what he looks for.
        return next((each for each, value in right.items() if isinstance(value, list)), closest)
    return closest


def shown_value(owner: types.StructType, name: str) -> Any:
    """A right value of a field; None if we know none."""
    own = SHOWN.get(f"{owner.cls.__name__}.{name}", SHOWN.get(name))
    kind = next((_plain(field.type) for field in owner.fields if field.encode_name == name), None)
    if isinstance(kind, types.EnumType):
        words = [each.value for each in kind.cls]
        return own if own in words else words[0]
    return own


def _words(kind: types.Type) -> str:
    plain = _plain(kind)
    if isinstance(plain, types.EnumType):
        return _listed(plain.cls)
    if isinstance(plain, types.LiteralType):
        return f"; allowed: {', '.join(map(str, plain.values))}"
    inner = _inside(plain)
    return "" if inner is plain else _words(inner)


def _listed(words: Iterable[Enum]) -> str:
    return f"; allowed: {', '.join(str(each.value) for each in words)}"


def _reached(kind: types.Type, given: object, steps: Sequence[str]) -> list[types.StructType]:
    """The struct in which the field is; several while it is not said which of them, none if it is not of ours."""
    found = _plain(kind)
    for step in steps:
        if step.startswith("["):
            found, given = _plain(_inside(found)), _member(given, step)
            continue
        fields = {each.encode_name: each.type for struct in _structs(found, given) for each in struct.fields}
        if step not in fields:
            return []
        found, given = _plain(fields[step]), given.get(step) if isinstance(given, Mapping) else None
    return _structs(found, given)


def _member(given: object, step: str) -> object:
    """`[7]` of a list; of a mapping the decoder does not say which (`[...]`)."""
    place = step[1:-1]
    if isinstance(given, Sequence) and place.isdecimal() and int(place) < len(given):
        member: object = given[int(place)]
        return member
    return None


def _structs(kind: types.Type, given: object) -> list[types.StructType]:
    """A struct, or of a union of them the one that the tag says, or all of them."""
    if isinstance(kind, types.StructType):
        return [kind]
    if not isinstance(kind, types.UnionType):
        return []
    structs = [each for each in kind.types if isinstance(each, types.StructType)]
    tag = given.get(structs[0].tag_field) if isinstance(given, Mapping) and structs else None
    return [struct for struct in structs if struct.tag == tag] or structs


def _inside(kind: types.Type) -> types.Type:
    """What a list, or a mapping, is of; anything else is itself."""
    if isinstance(kind, types.CollectionType | types.VarTupleType):
        return kind.item_type
    return kind.value_type if isinstance(kind, types.DictType) else kind


def _keys(kind: types.Type) -> types.Type:
    """What the keys of a mapping are; anything else is itself."""
    plain = _plain(kind)
    return plain.key_type if isinstance(plain, types.DictType) else plain


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
