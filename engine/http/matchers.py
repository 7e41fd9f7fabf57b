"""Alertmanager's label matchers: `name=value`, `name!="value"`, `name=~"expression"`, `name!~"expression"`.

Pure. Expressions match the whole value, as in Alertmanager.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from engine.core.patterns import Condition, compile_pattern
from protocol.errors import BadRequest
from protocol.fields import LABEL_MAX_CHARS

MATCHERS_MAX = 20

_MATCHER = re.compile(
    r"\s*(?P<name>\"(?:\\.|[^\"\\])+\"|[^\s=!~\"{},]+)\s*(?P<op>=~|!~|!=|=)\s*(?P<value>.*?)\s*", re.DOTALL
)
_QUOTED = re.compile(r"\"((?:\\.|[^\"\\])*)\"", re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_ESCAPES = {"n": "\n", '"': '"', "\\": "\\"}


def parse_matcher(text: str) -> Condition:
    """`alertname=~"Disk.*"` → Condition. Raises BadRequest that says what a matcher looks like."""
    found = _MATCHER.fullmatch(text[: 4 * LABEL_MAX_CHARS])
    if not found:
        raise BadRequest(f'filter: {text[:100]!r} is not a matcher; write name="value" with one of = != =~ !~')
    name, value = _unquoted(found["name"]), _unquoted(found["value"])
    is_expression = found["op"] in ("=~", "!~")
    return Condition(name, found["op"].startswith("!"), compile_pattern(value) if is_expression else value)


def parse_matchers(texts: Iterable[str]) -> list[Condition]:
    """All of a request's `filter` parameters, at most `MATCHERS_MAX`. Raises BadRequest."""
    matchers = [parse_matcher(text) for text in texts]
    if len(matchers) > MATCHERS_MAX:
        raise BadRequest(f"filter: {len(matchers)} matchers are too many, at most {MATCHERS_MAX}")
    return matchers


def _unquoted(text: str) -> str:
    """The text inside double quotes with its escapes resolved; a text without quotes is itself."""
    quoted = _QUOTED.fullmatch(text)
    return _ESCAPED.sub(lambda m: _ESCAPES.get(m[1], m[0]), quoted[1]) if quoted else text
