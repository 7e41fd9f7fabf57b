"""What several routes read from the path and the query: ids, words, times, pages."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Annotated, TypeVar

from litestar.params import QueryParameter

from engine.pages import CURSOR_MAX_CHARS, PAGE_MAX
from protocol.errors import BadRequest, UnknownChannel
from protocol.names import is_id
from protocol.times import moment_of

Limit = Annotated[int, QueryParameter(ge=1, le=PAGE_MAX, description="items a page")]
Cursor = Annotated[
    str | None, QueryParameter(max_length=CURSOR_MAX_CHARS, description="`next_cursor` of the page before")
]
Moment = Annotated[str | None, QueryParameter(max_length=64, description="RFC 3339")]

E = TypeVar("E", bound=Enum)


def parse_words(values: Sequence[str] | None, kind: type[E], what: str) -> tuple[E, ...]:
    """`["active,resolved", "expired"]` → members of an enumeration; empty: no filter. Raises BadRequest."""
    words = [word.strip() for value in values or () for word in value.split(",")]
    try:
        return tuple(dict.fromkeys(kind(word) for word in words if word))
    except ValueError:
        allowed = ", ".join(member.value for member in kind)
        raise BadRequest(f"{what}: {','.join(words)[:100]!r} is not allowed; use one or more of: {allowed}") from None


def parse_moment(text: str | None, what: str) -> int | None:
    """A time in a query, in microseconds. Raises BadRequest, also for a `+` of a zone that became a space."""
    if text is None:
        return None
    try:
        return moment_of(text, what)
    except BadRequest as fault:
        advice = "; in a URL write '+' as %2B" if " " in text else ""
        raise BadRequest(fault.message + advice) from None


def known_alert(alert_id: str) -> str:
    """An alert's id in a path. Raises UnknownChannel for what cannot be one."""
    if not is_id(alert_id):
        raise UnknownChannel("there is no such alert")
    return alert_id
