"""YAML as plain values: a small and harmless part of it, read and written. Pure.

Only the parser's events are used, and the values are made here. So there are no aliases (nine lines of them become a
billion items), no tags (which make objects), no anchors, no second document, no key twice; a plain scalar is null, a
truth value, a number or else a text, as in YAML 1.2's core schema: `no` and `2026-01-01` are texts. Size, depth and
number of nodes are bounded, and nothing here calls itself. Decided against: the library's safe loader, which resolves
aliases, goes as deep as it is told to, and reads `12:30` as 750.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import yaml

from protocol.errors import BadRequest

# 10,000 rules with their texts; about half a second of parsing, in a thread.
YAML_MAX_CHARS = 2_097_152
NODES_MAX = 400_000
# A rule file has seven.
DEPTH_MAX = 16

# libyaml where the package has it: ten times as fast, the same events.
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_DUMPER: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
_CONSTANTS = {"": None, "~": None, "null": None, "Null": None, "NULL": None} | {
    word: word.lower() == "true" for word in ("true", "True", "TRUE", "false", "False", "FALSE")
}
# So short that Python reads them at once.
_WHOLE = re.compile(r"[-+]?[0-9]{1,18}")
_DECIMAL = re.compile(r"[-+]?(\.[0-9]{1,40}|[0-9]{1,40}(\.[0-9]{0,40})?)([eE][-+]?[0-9]{1,4})?")


class _Writer(_DUMPER):  # type: ignore[misc]  # which of the two it is shows when it runs
    """Quotes what this file would read as a number and YAML 1.1 would not, such as the text `1e3`."""


_Writer.add_implicit_resolver("tag:yaml.org,2002:float", re.compile(f"(?:{_DECIMAL.pattern})$"), list("-+.0123456789"))


def to_yaml(value: Any) -> str:
    """Plain values as YAML, in their own order."""
    text: str = yaml.dump(value, Dumper=_Writer, sort_keys=False, allow_unicode=True, width=120)
    return text


def from_yaml(text: str, is_typed: bool = True) -> Any:
    """The one document of a text; `is_typed` false: every scalar is a text as it stands. Raises BadRequest."""
    if len(text) > YAML_MAX_CHARS:
        raise BadRequest(f"the YAML has {len(text)} characters, at most {YAML_MAX_CHARS} are read: cut it in two")
    builder = _Builder(is_typed)
    try:
        for event in _events(text):
            builder.take(event)
    except yaml.MarkedYAMLError as fault:
        raise BadRequest(f"the YAML cannot be read: {fault.problem}{_place(fault.problem_mark)}") from fault
    except yaml.YAMLError as fault:
        raise BadRequest(f"the YAML cannot be read: {str(fault).splitlines()[0]}") from fault
    except UnicodeEncodeError as fault:
        raise BadRequest("the YAML cannot be read: a text is not valid UTF-8") from fault
    return builder.root


def _events(text: str) -> Iterator[yaml.Event]:
    for count, event in enumerate(yaml.parse(text, Loader=_LOADER)):
        if count > NODES_MAX:
            raise BadRequest(f"the YAML has more than {NODES_MAX} nodes: cut it in two")
        yield event


class _Builder:
    """Makes values of events."""

    def __init__(self, is_typed: bool) -> None:
        self._is_typed = is_typed
        self.root: Any = None
        self._documents = 0
        # The lists and mappings that are open; of each mapping the key that waits for its value.
        self._open: list[Any] = []
        self._keys: list[list[str]] = []

    def take(self, event: yaml.Event) -> None:
        """One event. Raises BadRequest."""
        if isinstance(event, yaml.DocumentStartEvent):
            self._documents += 1
            _refuse_if(self._documents > 1, "has a second document (---)", event)
        elif isinstance(event, yaml.AliasEvent):
            _refuse_if(True, "has an alias (*name): write it out", event)
        elif isinstance(event, yaml.CollectionEndEvent):
            self._open.pop()
            self._keys.pop()
        elif isinstance(event, yaml.NodeEvent):
            self._take_node(event)

    def _take_node(self, event: Any) -> None:
        _refuse_if(event.anchor is not None, "has an anchor (&name): write it out", event)
        _refuse_if(event.tag is not None, f"has a tag ({str(event.tag)[:60]}), which means nothing here", event)
        if isinstance(event, yaml.ScalarEvent):
            self._put(_plain(event.value) if self._is_typed and not event.style else event.value, event)
            return
        _refuse_if(len(self._open) >= DEPTH_MAX, f"is nested deeper than {DEPTH_MAX}", event)
        made: Any = {} if isinstance(event, yaml.MappingStartEvent) else []
        self._put(made, event)
        self._open.append(made)
        self._keys.append([])

    def _put(self, value: Any, event: Any) -> None:
        if not self._open:
            self.root = value
        elif isinstance(self._open[-1], list):
            self._open[-1].append(value)
        elif self._keys[-1]:
            self._open[-1][self._keys[-1].pop()] = value
        else:
            # A key is a text, whatever it looks like.
            _refuse_if(not isinstance(event, yaml.ScalarEvent), "has a key that is no text", event)
            _refuse_if(event.value in self._open[-1], f"has the key {event.value[:60]!r} twice", event)
            self._keys[-1].append(event.value)


def _plain(text: str) -> Any:
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if _WHOLE.fullmatch(text):
        return int(text)
    return float(text) if _DECIMAL.fullmatch(text) else text


def _refuse_if(is_wrong: bool, complaint: str, event: Any) -> None:
    if is_wrong:
        raise BadRequest(f"the YAML {complaint}{_place(event.start_mark)}")


def _place(mark: Any) -> str:
    return f", line {mark.line + 1}, column {mark.column + 1}" if mark is not None else ""
