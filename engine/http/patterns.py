r"""Regular expressions in linear time, for matchers that strangers write.

Python's `re` backtracks: `(a+)+$` on forty letters would hold the engine's only loop for hours, and no time limit can
interrupt it. Alertmanager uses RE2, which cannot blow up; so we do what RE2 does: the expression becomes a
nondeterministic automaton (Thompson's construction), all of whose states are followed at once, and steps seen before
are remembered. The cost of a match is at most characters x states. What is not in the subset below is refused with a
sentence.

Subset: literals, `.` (not a line break), classes `[a-z]`, `\d \w \s \D \W \S` (ASCII), `\n \t \r`, escapes of
punctuation, groups `( )` and `(?: )`, `|`, `* + ?`, `{m}`, `{m,}`, `{m,n}`, a leading `(?i)` (ASCII), `^` at the
start and `$` at the end. A match is of the whole text, as in Alertmanager. Decided against: google-re2 (a native
dependency for one filter), and checking patterns for "danger" before giving them to `re` (every such check known has
holes).
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from protocol.errors import BadRequest

PATTERN_MAX_CHARS = 256
# Repetitions are written out, so this bounds {m,n} as well. The worst of a dozen expressions made to hurt took 41 ms on
# the longest label (1,024 characters, none seen before).
STATES_MAX = 250
REPEAT_MAX = 100
# Groups nest by recursion here; a person needs three.
DEPTH_MAX = 20
STEPS_REMEMBERED_MAX = 4_096

_COUNT = re.compile(r"\{(\d{1,3})(?:(,)(\d{0,3}))?\}")
_CLASS = re.compile(r"\[\^?(?:\\.|[^\]\\\[])+\]", re.DOTALL)
# Python reserves these inside classes for set operations.
_DOUBLED = re.compile(r"--|&&|~~|\|\|")
_LETTER_ESCAPES = "dwsDWSntr"

States = frozenset[int]


class _One(NamedTuple):
    """One character."""

    accepts: re.Pattern[str]


class _Sequence(NamedTuple):
    """One after the other."""

    parts: list[_Node]


class _Choice(NamedTuple):
    """One of several."""

    options: list[_Node]


class _Repeat(NamedTuple):
    """The same between `least` and `most` (None: any number of) times."""

    node: _Node
    least: int
    most: int | None


_Node = _One | _Sequence | _Choice | _Repeat


class Pattern:
    """A compiled expression. Raises BadRequest if it is not in the subset or too large."""

    def __init__(self, text: str) -> None:
        self._free: list[list[int]] = []
        self._edges: dict[int, tuple[re.Pattern[str], int]] = {}
        self._steps: dict[tuple[States, str], States] = {}
        start = self._state()
        self._accept = self._lay(_Parser(text).parse(), start)
        self._start = self._closure({start})

    def matches(self, text: str) -> bool:
        """Whether the whole text matches. O(characters x states)."""
        states = self._start
        for character in text:
            if not states:
                return False
            states = self._step(states, character)
        return self._accept in states

    def _step(self, states: States, character: str) -> States:
        key = (states, character)
        known = self._steps.get(key)
        if known is None:
            if len(self._steps) >= STEPS_REMEMBERED_MAX:
                self._steps.clear()
            edges = [edge for state in states if (edge := self._edges.get(state))]
            moved = {target for accepts, target in edges if accepts.match(character)}
            known = self._steps[key] = self._closure(moved)
        return known

    def _closure(self, states: set[int]) -> States:
        """These states and all that are reached from them without reading anything."""
        waiting, reached = list(states), set(states)
        while waiting:
            for state in self._free[waiting.pop()]:
                if state not in reached:
                    reached.add(state)
                    waiting.append(state)
        return frozenset(reached)

    def _lay(self, node: _Node, start: int) -> int:
        """Lays the states of a node after `start`; answers the state in which it has been read."""
        match node:
            case _One(accepts):
                end = self._state()
                self._edges[start] = (accepts, end)
                return end
            case _Sequence(parts):
                for part in parts:
                    start = self._lay(part, start)
                return start
            case _Choice(options):
                end = self._state()
                for option in options:
                    self._free[self._lay(option, self._state_after(start))].append(end)
                return end
            case repeat:
                return self._lay_repeat(repeat, start)

    def _lay_repeat(self, repeat: _Repeat, start: int) -> int:
        for _ in range(repeat.least):
            start = self._lay(repeat.node, start)
        end = self._state_after(start)
        if repeat.most is None:
            self._free[self._lay(repeat.node, self._state_after(end))].append(end)
            return end
        for _ in range(repeat.most - repeat.least):
            start = self._lay(repeat.node, self._state_after(start))
            self._free[start].append(end)
        return end

    def _state_after(self, state: int) -> int:
        """A new state that is reached without reading anything: a state reads at most one thing itself."""
        new = self._state()
        self._free[state].append(new)
        return new

    def _state(self) -> int:
        if len(self._free) >= STATES_MAX:
            raise BadRequest("the regular expression is too large: fewer or smaller repetitions, please")
        self._free.append([])
        return len(self._free) - 1


@lru_cache(maxsize=64)
def compile_pattern(text: str) -> Pattern:
    """The pattern for a text; a page that refreshes asks with the same few. Raises BadRequest."""
    return Pattern(text)


class _Parser:
    """Reads an expression by recursive descent."""

    def __init__(self, text: str) -> None:
        if len(text) > PATTERN_MAX_CHARS:
            raise BadRequest(f"the regular expression has {len(text)} characters, at most {PATTERN_MAX_CHARS}")
        self._flags = re.ASCII
        if text.startswith("(?i)"):
            self._flags |= re.IGNORECASE
            text = text[4:]
        text = text.removeprefix("^")
        self._text = text[:-1] if text.endswith("$") and not text.endswith("\\$") else text
        self._at = 0

    def parse(self) -> _Node:
        """The whole expression. Raises BadRequest."""
        node = self._choice(0)
        if self._at < len(self._text):
            raise self._refusal("an unmatched ')'")
        return node

    def _choice(self, depth: int) -> _Node:
        options = [self._sequence(depth)]
        while self._take("|"):
            options.append(self._sequence(depth))
        return options[0] if len(options) == 1 else _Choice(options)

    def _sequence(self, depth: int) -> _Node:
        parts: list[_Node] = []
        while self._at < len(self._text) and self._text[self._at] not in "|)":
            atom = self._group(depth) if self._take("(") else _One(re.compile(self._character(), self._flags))
            parts.append(self._repeated(atom))
        return _Sequence(parts)

    def _repeated(self, atom: _Node) -> _Node:
        counted = self._count()
        if counted is None:
            return atom
        self._take("?")  # lazy or greedy makes no difference to whether the whole text matches
        if self._count() is not None:
            raise self._refusal("a repetition of a repetition")
        return _Repeat(atom, *counted)

    def _count(self) -> tuple[int, int | None] | None:
        for sign, bounds in (("*", (0, None)), ("+", (1, None)), ("?", (0, 1))):
            if self._take(sign):
                return bounds
        written = _COUNT.match(self._text, self._at)
        if not written:
            return None
        self._at = written.end()
        least = int(written[1])
        most = least if not written[2] else int(written[3]) if written[3] else None
        if max(least, most or 0) > REPEAT_MAX or (most is not None and most < least):
            raise self._refusal(f"a repetition that is the wrong way round or beyond {REPEAT_MAX}")
        return least, most

    def _group(self, depth: int) -> _Node:
        if depth >= DEPTH_MAX:
            raise self._refusal(f"more than {DEPTH_MAX} groups in each other")
        if self._take("?") and not self._take(":"):
            raise self._refusal("a group of the kind (?...)")
        node = self._choice(depth + 1)
        if not self._take(")"):
            raise self._refusal("a missing ')'")
        return node

    def _character(self) -> str:
        """The source, in `re`'s words, of what accepts one character."""
        one = self._text[self._at]
        if one == "[":
            return self._class()
        if one == "\\":
            escaped = self._text[self._at : self._at + 2]
            self._at += 2
            return self._allowed_escape(escaped)
        if one in "*+?^$":
            raise self._refusal(f"a {one!r} in this place; write \\{one} for the character")
        self._at += 1
        return "." if one == "." else re.escape(one)

    def _class(self) -> str:
        found = _CLASS.match(self._text, self._at)
        if not found or _DOUBLED.search(found[0]):
            raise self._refusal("a class [...] that is not plain characters, ranges and escapes")
        for escaped in re.findall(r"\\.", found[0], re.DOTALL):
            self._allowed_escape(escaped)
        try:
            re.compile(found[0])
        except re.error as fault:
            raise self._refusal(f"a wrong class ({fault.msg})") from fault
        self._at = found.end()
        return found[0]

    def _allowed_escape(self, escaped: str) -> str:
        if len(escaped) < 2 or (escaped[1].isalnum() and escaped[1] not in _LETTER_ESCAPES):
            raise self._refusal(f"the escape {escaped!r}")
        return escaped

    def _take(self, wanted: str) -> bool:
        if not self._text.startswith(wanted, self._at):
            return False
        self._at += len(wanted)
        return True

    def _refusal(self, what: str) -> BadRequest:
        return BadRequest(f"the regular expression has {what} (near character {self._at + 1})")
