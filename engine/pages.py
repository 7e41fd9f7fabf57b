"""Pages of lists: how long they may be, and the cursor that says where one ended.

Pure. A list is in the order of a place, the tuple that tells its entries apart. A cursor is that place with the name of
the list, as JSON in URL-safe base64 (RFC 4648, section 5) behind the number of this form: one that belongs to another
list, or was made by another version of this program, is refused instead of meaning some other place. It grants
nothing; what may be seen is asked at each page, so it needs no signature.

Decided against numbers of pages: while entries come and go, some would be told twice and others never. The pages of a
stream's history start at positions instead, which every message tells (`protocol.sse`).
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Generic, TypeVar

import msgspec

from protocol.errors import BadRequest

T = TypeVar("T")
P = TypeVar("P", bound=tuple[Any, ...])

# What a person skims at once, and what is encoded and sent within a few milliseconds.
PAGE_DEFAULT = 50
PAGE_MAX = 500
# The longest place is a revoked token's id, 256 characters of four bytes each; base64 makes a third more of it.
CURSOR_MAX_CHARS = 1_500
FORM = "1."
WRONG_CURSOR = "cursor: it is none of this list; use the next_cursor of the page before, or none"

# What a place is made of: what every store can compare.
Name = Annotated[str, msgspec.Meta(min_length=1, pattern=r"\A[^\0]*\Z")]
Number = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
Count = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]


class Cursors(Generic[P]):
    """The cursors of one list, whose places are tuples of this type."""

    def __init__(self, name: str, place: type[P]) -> None:
        self._name = name
        self._decoder = msgspec.json.Decoder(tuple[str, place])  # type: ignore[valid-type]  # known when it is made

    def after(self, place: P) -> str:
        """The cursor of the page that begins behind this place."""
        return FORM + urlsafe_b64encode(msgspec.json.encode((self._name, place))).decode().rstrip("=")

    def following(self, found: Sequence[T], limit: int, place_of: Callable[[T], P]) -> str | None:
        """The cursor of the page behind this one, if more entries were found than it has room for."""
        return self.after(place_of(found[limit - 1])) if len(found) > limit else None

    def place(self, cursor: str) -> P:
        """The place that a cursor means. Raises BadRequest."""
        try:
            # As much padding as any length may need; more does no harm.
            name, place = self._decoder.decode(urlsafe_b64decode(cursor.removeprefix(FORM) + "=="))
        except ValueError as fault:
            raise BadRequest(WRONG_CURSOR) from fault
        # The decoder skips what is not of its alphabet: another spelling is nobody's cursor.
        if name != self._name or self.after(place) != cursor:
            raise BadRequest(WRONG_CURSOR)
        found: P = place
        return found
