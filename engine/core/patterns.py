r"""Matchers that strangers write: conditions on labels, with regular expressions in linear time.

Python's `re` backtracks: `(a+)+$` on forty letters would hold the engine's only loop for hours, and no time limit can
interrupt it. RE2 cannot blow up, and it is what Alertmanager itself uses, so an expression means the same here as
there. A match is of the whole text. Decided against: a small matcher of our own (a subset that surprises people), and
checking patterns for "danger" before giving them to `re` (every such check known has holes).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

import re2

from protocol.errors import BadRequest

# A long list of hosts fits; compiling it takes less than a millisecond.
PATTERN_MAX_CHARS = 256
# RE2's own bound on the program it compiles to; (a{1000}){1000} is refused by it.
PROGRAM_MAX_BYTES = 1 << 20
# Ordinary ones take a few kB; a thousand silences have as many, and a page that refreshes asks with the same few.
CACHE_MAX_PATTERNS = 2_048


def _options() -> re2.Options:
    options = re2.Options()
    options.max_mem = PROGRAM_MAX_BYTES
    # It would write to standard error what we tell the client.
    options.log_errors = False
    # As in Alertmanager: `.` also matches a line break.
    options.dot_nl = True
    return options


class Pattern:
    """A compiled expression. Raises BadRequest with what RE2 says is wrong."""

    def __init__(self, text: str) -> None:
        if len(text) > PATTERN_MAX_CHARS:
            raise BadRequest(f"the regular expression has {len(text)} characters, at most {PATTERN_MAX_CHARS}")
        try:
            self._compiled = re2.compile(text, options=_options())
        except re2.error as fault:
            cause = fault.args[0] if fault.args else "unreadable"
            reason = cause.decode(errors="replace") if isinstance(cause, bytes) else str(cause)
            raise BadRequest(f"the regular expression {text[:100]!r} is not allowed: {reason}") from fault

    @property
    def size(self) -> int:
        """How many instructions it was compiled to, of 16 bytes each and as many to search backwards."""
        return int(self._compiled.programsize)

    def matches(self, text: str) -> bool:
        """Whether the whole text matches."""
        return self._compiled.fullmatch(text) is not None


@lru_cache(maxsize=CACHE_MAX_PATTERNS)
def compile_pattern(text: str) -> Pattern:
    """The pattern for a text. Raises BadRequest."""
    return Pattern(text)


class Condition(NamedTuple):
    """One condition on one label. A label that is not there counts as empty, as in Alertmanager."""

    name: str
    negated: bool
    value: str | Pattern

    def accepts(self, have: str) -> bool:
        """Whether a label with this value fulfils it."""
        same = have == self.value if isinstance(self.value, str) else self.value.matches(have)
        return same is not self.negated

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether a label set fulfils it."""
        return self.accepts(labels.get(self.name, ""))
