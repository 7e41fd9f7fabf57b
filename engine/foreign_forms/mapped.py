"""Plain JSON of anybody's making: a mapping in the configuration says where in it our fields are.

A field is named by a dotted path (`event.host`, `items.0.name`), and that is all: no templates, no expressions, so a
mapping can neither run nor be slow. `items` may name a list whose members are alerts each.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from engine.foreign_forms.places import allowed_id
from engine.foreign_forms.reports import ENDED, Report, Reported, moment, number_of, text_of, to_report
from protocol.errors import BadRequest

FORM = "json"
PATH_MAX_CHARS = 256
LABEL_PREFIX = "labels."
FIELDS = ("framework_id", "title", "message", "severity", "value", "key", "status", "at", "url")
# Names as JSON has them, joined by dots; no braces, brackets or signs that templates and expressions are made of.
_PATH = re.compile(r"[\w\- @:/]+(?:\.[\w\- @:/]+)*")


def check_mapping(mapping: Mapping[str, str]) -> None:
    """Raises ValueError with what is allowed, for what is no field of ours, or no path."""
    for field, path in mapping.items():
        is_label = field.startswith(LABEL_PREFIX) and len(field) > len(LABEL_PREFIX)
        if field not in (*FIELDS, "items", "labels") and not is_label:
            raise ValueError(f"the fields {', '.join(FIELDS)}, items, labels, labels.NAME; {field!r:.60} is none")
        if len(path) > PATH_MAX_CHARS or not _PATH.fullmatch(path):
            raise ValueError(f"dotted paths such as event.host (no templates or expressions); {path!r:.60} is none")
    if mapping and "title" not in mapping and "key" not in mapping:
        raise ValueError("a mapping with at least title or key, such as title = 'alert.name'")


def items_of(body: Any, mapping: Mapping[str, str]) -> Sequence[Any]:
    """The alerts of a body: the list that `items` names, a body that is a list, or the body itself."""
    found = lookup(body, mapping["items"]) if "items" in mapping else body
    if "items" in mapping and not isinstance(found, list):
        raise BadRequest(f"there is no list at {mapping['items']!r}")
    return found if isinstance(found, list) else [found]


def report_of(item: Any, mapping: Mapping[str, str], now: int, framework: str | None) -> Report:
    """What one of them reports. Raises BadRequest."""
    texts = {field: _text(item, mapping, field) for field in FIELDS}
    said = texts["framework_id"]
    title = texts["title"] or texts["key"]
    if title is None:
        where = mapping.get("title", mapping.get("key", "title"))
        raise BadRequest(f"nothing at {where!r}; send a title there, or say in the integration's mapping where it is")
    value = lookup(item, mapping["value"]) if "value" in mapping else None
    labels = _labels(item, mapping)
    return to_report(
        Reported(
            form=FORM,
            framework=allowed_id(said) if said else framework,
            title=title,
            now=now,
            labels=labels,
            # A title alone names it too.
            key=texts["key"] or (None if labels else title),
            message=texts["message"],
            severity=texts["severity"],
            value=number_of(value),
            url=texts["url"] or "",
            starts_at=moment(texts["at"]),
            ended=(texts["status"] or "").lower() in ENDED,
        )
    )


def lookup(body: Any, path: str) -> Any:
    """What is at a path; None if nothing is. Numbers are places in lists."""
    for name in path.split("."):
        if isinstance(body, dict):
            body = body.get(name)
        elif isinstance(body, list) and name.isascii() and name.isdigit() and int(name[:9]) < len(body):
            body = body[int(name[:9])]
        else:
            return None
    return body


def _text(item: Any, mapping: Mapping[str, str], field: str) -> str | None:
    # Without a mapping of its own a body that has our names is understood.
    found = lookup(item, mapping.get(field, field) if not mapping else mapping.get(field, ""))
    return None if found is None or found == "" else text_of(found)


def _labels(item: Any, mapping: Mapping[str, str]) -> dict[str, str]:
    whole = lookup(item, mapping.get("labels", "labels" if not mapping else ""))
    labels = (
        {name: text_of(value) for name, value in whole.items() if value is not None} if isinstance(whole, dict) else {}
    )
    for field, path in mapping.items():
        if field.startswith(LABEL_PREFIX) and (value := lookup(item, path)) is not None:
            labels[field.removeprefix(LABEL_PREFIX)] = text_of(value)
    return labels
