"""An example of each answer in the OpenAPI document, made from its schema and the words of the bodies' examples.

Who reads the document wants to see an answer, and a generated client its mock. Written by hand, 160 answers would soon
be wrong; from the schema they have every field there is, and only those. A field that a body's example has (`title`,
`metric`) is shown with the same value, others by their name, else by their type. Pure: the same document, the same
examples. Decided against recorded answers: they would need all of an engine's life in one file, kept up to date.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from engine.http.examples import ALERT_ID, EXAMPLES

Schema = Mapping[str, Any]
# A schema that holds itself (a filter of filters) is shown so deep; the deepest real one is 7.
DEPTH_MAX = 12
# A page, its items, their fields.
OWN_DEPTH = 3
_MOMENT = "2026-01-31T12:00:00.000000Z"
_AT = re.compile(r"(_at|At|_until|_since|_on|Time)$|^(at|since|until|timestamp|start|end)$")
_ID = re.compile(r"(^|_)id$|Id$|^(fingerprint|jti|epoch|ticket|silenceID)$")
# By name, where no body has one. null: what most of them are.
_KNOWN: dict[str, Any] = {
    "next_cursor": None,
    "archived_at": None,
    "created_at": _MOMENT,
    "updated_at": _MOMENT,
    "updated_by": "ann",
    "alert_id": ALERT_ID,
    "alertId": ALERT_ID,
    "by": "ann",
    "user": "ann",
    "owner": "ann",
    "address": "192.0.2.7",
    "email": "ann@example.com",
    "origin": "stored",
    "version": 1,
    "status": "fired",
    "reason": "fired",
    "channel": "alerts:main:web",
    "framework_id": "web",
    "workspace": "main",
}


def _words(part: Any) -> Iterator[tuple[str, Any]]:
    """Names and values of an example, also inside of what it holds."""
    if isinstance(part, Mapping):
        for name, value in part.items():
            if not isinstance(value, Mapping | list):
                yield name, value
            yield from _words(value)
    if isinstance(part, list):
        for each in part:
            yield from _words(each)


# The first example that has a word is kept.
_GIVEN = dict(reversed([word for example in EXAMPLES.values() for word in _words(example)]))


class Samples:
    """Makes examples with the schemas of one document, for what is at one path."""

    def __init__(self, schemas: Mapping[str, Schema], path: str = "") -> None:
        self._schemas = schemas
        # What is made there, and shown again: a rule is the one of its own example.
        made = EXAMPLES.get(f"POST {path.partition('/{')[0]}")
        self._own = dict(made) if isinstance(made, Mapping) else {}

    def of(self, schema: Schema, name: str = "", depth: int = 0) -> Any:
        """A value that the schema allows. `name`: of the field that it is for."""
        if depth <= OWN_DEPTH and isinstance(self._own.get(name), Mapping | list):
            return self._own[name]
        if "$ref" in schema:
            return self.of(self._schemas[schema["$ref"].rpartition("/")[2]], name, depth)
        for word in ("example", "const"):
            if word in schema:
                return schema[word]
        for candidate in (self._own.get(name, ...), _KNOWN.get(name, ...), _GIVEN.get(name, ...)):
            if self._fits(schema, candidate):
                return candidate
        return self._choose(schema, name, depth)

    def _choose(self, schema: Schema, name: str, depth: int) -> Any:
        if "enum" in schema:
            return schema.get("default") or schema["enum"][0]
        if branches := schema.get("oneOf") or schema.get("anyOf"):
            # What may be null and has no word here mostly is.
            return None if {"type": "null"} in branches else self.of(branches[0], name, depth + 1)
        match schema.get("type"):
            case "object":
                return self._object(schema, name, depth)
            case "array":
                is_empty = depth >= DEPTH_MAX or "default" in schema
                return [] if is_empty else [self.of(schema["items"], name, depth + 1)]
            case "integer" | "number":
                return _number(schema)
            case "boolean":
                return schema.get("default", False)
            case "string":
                return _text(schema, name)
        # Anything: JSON that somebody else made.
        return {}

    def _object(self, schema: Schema, name: str, depth: int) -> dict[str, Any]:
        if "properties" in schema:
            fields = schema["properties"].items()
            wanted = set(schema.get("required", ())) if depth >= DEPTH_MAX else {each for each, _ in fields}
            return {each: self.of(inner, each, depth + 1) for each, inner in fields if each in wanted}
        inner = schema.get("additionalProperties")
        key = "host" if inner and inner.get("type") == "string" else "fired"
        return {key: self.of(inner, "", depth + 1)} if inner and isinstance(inner, Mapping) else {}

    def _fits(self, schema: Schema, value: Any) -> bool:
        if value is ...:
            return False
        if branches := schema.get("oneOf") or schema.get("anyOf"):
            return any(self._fits({**_bounds(schema), **branch}, value) for branch in branches)
        return fits_plain(schema, value)


def fits_plain(schema: Schema, value: Any) -> bool:
    """Whether a schema without references to others allows a text, a number, a truth or null."""
    if "enum" in schema:
        return value in schema["enum"]
    if "const" in schema:
        return bool(value == schema["const"])
    match schema.get("type"):
        case "null":
            return value is None
        case "boolean":
            return isinstance(value, bool)
        case "string":
            return isinstance(value, str) and _is_long_enough(schema, value)
        case "integer" | "number" as kind:
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            is_kind = kind == "number" or isinstance(value, int)
            return is_number and is_kind and _is_inside(schema, value)
    return False


def _is_long_enough(schema: Schema, value: str) -> bool:
    is_bounded = schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value))
    return is_bounded and re.search(schema.get("pattern", ""), value) is not None


def _is_inside(schema: Schema, value: float) -> bool:
    is_bounded = schema.get("minimum", value) <= value <= schema.get("maximum", value)
    above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    return is_bounded and (above is None or value > above) and (below is None or value < below)


def _bounds(schema: Schema) -> Schema:
    return {name: value for name, value in schema.items() if name not in ("oneOf", "anyOf")}


def _number(schema: Schema) -> float:
    choices = (schema.get("default"), 1, schema.get("minimum"), schema.get("maximum"), 0.5)
    return next((each for each in choices if each is not None and fits_plain(schema, each)), 0)


def _text(schema: Schema, name: str) -> str:
    if schema.get("default"):
        return str(schema["default"])
    for choice in (
        _MOMENT if _AT.search(name) else None,
        "ann" if name.endswith("_by") else None,
        ALERT_ID if _ID.search(name) else None,
        name or "h1",
    ):
        if choice is not None and fits_plain(schema, choice):
            return choice
    # What a pattern asks for is in no table: times of a day, and nothing else. (A test finds what would not fit.)
    return next((each for each in ("09:00", "x" * schema.get("minLength", 1)) if fits_plain(schema, each)), "")
