"""Conditions of Prometheus' alerting rules, in the one shape that a threshold has; and its durations. Pure.

    metric{label="value", …} > number            number on either side, all six comparisons
    avg_over_time(metric{…}[5m]) > number        also min, max, sum, count, and rate

Everything else is refused with what it is that has no counterpart here: sums over series, joins, arithmetic, offsets,
matchers other than equality. Decided against: taking such an expression in by halves. A rule that rings for something
else than it did is worse than a rule that is missing, and said to be. One known difference stays (docs/rules.md):
`rate` here is the change between the oldest and the newest reading, so a counter that starts anew counts as a fall.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from protocol.model import Comparison
from protocol.rules import Aggregate

# Longer ones are joins of many things; it also bounds what the patterns below look at.
EXPRESSION_MAX_CHARS = 4_096

_FUNCTIONS = {f"{each.value}_over_time": each for each in Aggregate if each is not Aggregate.LAST} | {
    "rate": Aggregate.RATE
}
_TURNED = {">": "<", ">=": "<=", "<": ">", "<=": ">=", "==": "==", "!=": "!="}
_STRING = r"""(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`[^`]*`)"""
_DURATION = re.compile(
    r"(?:(?P<y>[0-9]{1,9})y)?(?:(?P<w>[0-9]{1,9})w)?(?:(?P<d>[0-9]{1,9})d)?(?:(?P<h>[0-9]{1,9})h)?"
    r"(?:(?P<m>[0-9]{1,9})m(?!s))?(?:(?P<s>[0-9]{1,9})s)?(?:(?P<ms>[0-9]{1,9})ms)?"
)
_SECONDS = {"y": 31_536_000.0, "w": 604_800.0, "d": 86_400.0, "h": 3_600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_NUMBER = r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?"
_SIDES = (
    re.compile(rf"(?P<vector>.+?)(?P<operator>[<>]=?|[=!]=)\s*(?P<number>{_NUMBER})", re.DOTALL),
    re.compile(rf"(?P<number>{_NUMBER})\s*(?P<operator>[<>]=?|[=!]=)\s*(?P<vector>.+)", re.DOTALL),
)
_SELECTOR = re.compile(rf"(?P<metric>[a-zA-Z_:][\w:]*)\s*(?:\{{(?P<matchers>(?:[^\"'`{{}}]|{_STRING})*)\}})?", re.ASCII)
_OVER_TIME = re.compile(
    rf"(?P<function>{'|'.join(_FUNCTIONS)})\s*\((?P<selector>.+)\[(?P<window>[^\[\]]+)\]\s*\)", re.DOTALL
)
_MATCHER = re.compile(
    rf"\s*(?P<label>[a-zA-Z_]\w*)\s*(?P<operator>=~|!~|!=|=)\s*(?P<text>{_STRING})\s*(?:,|$)", re.ASCII
)
_ESCAPES = {"\\": "\\", '"': '"', "'": "'", "n": "\n", "t": "\t"}
# What somebody most likely wrote that has no counterpart; the first that is found is said.
_REASONS = (
    (r"\b(?:and|or|unless|on|ignoring|group_left|group_right)\b", "it joins several series"),
    (r"\b(?:by|without)\b|\b(?:sum|avg|min|max|count|topk|bottomk|quantile|group)\s*\(", "it sums up several series"),
    (r"\boffset\b|@", "it looks at another time than now"),
    (r"\bbool\b", "with `bool` it always has a value, and so always rings"),
    (r"\b[a-z_]+\s*\(", "only avg, min, max, sum, count (…_over_time) and rate have a counterpart, over a window [5m]"),
    (r"[<>]|[=!]=", "it is not one metric compared with one number"),
)
_NO_COMPARISON = "it compares with no number"


class NotMapped(ValueError):
    """Something that rules here cannot say; the message is the reason."""


@dataclass(frozen=True)
class Condition:
    """What a threshold rule asks."""

    metric: str
    comparison: Comparison
    threshold: float
    match: dict[str, str] = field(default_factory=dict)
    aggregate: Aggregate = Aggregate.LAST
    window_s: float = 0.0


def condition_of(expression: str) -> Condition:
    """What an expression asks. Raises NotMapped."""
    if len(expression) > EXPRESSION_MAX_CHARS:
        raise NotMapped(f"the expression has {len(expression)} characters, at most {EXPRESSION_MAX_CHARS} are read")
    text = _without_parentheses(expression)
    for pattern, is_turned in zip(_SIDES, (False, True), strict=True):
        if (found := pattern.fullmatch(text)) is not None:
            operator = _TURNED[found["operator"]] if is_turned else found["operator"]
            return _condition(found["vector"], Comparison(operator), float(found["number"]), expression)
    raise NotMapped(_reason(expression))


def seconds_of(duration: str) -> float:
    """`1h30m` → 5400.0; `0` → 0.0. Raises NotMapped."""
    found = _DURATION.fullmatch(duration)
    if duration == "0":
        return 0.0
    if not duration or found is None:
        raise NotMapped(f"{duration[:40]!r} is no duration such as 5m or 1h30m")
    return sum(int(count) * _SECONDS[unit] for unit, count in found.groupdict().items() if count)


def _condition(vector: str, comparison: Comparison, threshold: float, expression: str) -> Condition:
    vector = _without_parentheses(vector)
    aggregate, window_s = Aggregate.LAST, 0.0
    if (over := _OVER_TIME.fullmatch(vector)) is not None:
        aggregate, window_s = _FUNCTIONS[over["function"]], seconds_of(over["window"].strip())
        vector = over["selector"].strip()
    selector = _SELECTOR.fullmatch(vector)
    if selector is None or selector["metric"].lower() in ("inf", "nan"):
        raise NotMapped(_reason(expression))
    match = _match(selector["matchers"] or "")
    return Condition(selector["metric"], comparison, threshold, match, aggregate, window_s)


def _match(matchers: str) -> dict[str, str]:
    match: dict[str, str] = {}
    place, end = 0, len(matchers.rstrip())
    while place < end:
        if (found := _MATCHER.match(matchers, place)) is None:
            raise NotMapped(f'{matchers[place : place + 40].strip()!r} cannot be read as label="value"')
        label, value = found["label"], _unquoted(found["text"])
        if found["operator"] != "=" or not value or label == "__name__" or label in match:
            raise NotMapped(f"rules compare each label with one value; this is {found[0].strip()[:60]!r}")
        match[label], place = value, found.end()
    return match


def _unquoted(text: str) -> str:
    if text[0] == "`":
        return text[1:-1]

    def meant(found: re.Match[str]) -> str:
        if found[1] not in _ESCAPES:
            raise NotMapped(f"the text {text[:40]} has an escape that is not read here")
        return _ESCAPES[found[1]]

    return re.sub(r"\\(.)", meant, text[1:-1], flags=re.DOTALL)


def _without_parentheses(text: str) -> str:
    """`((a > 1))` → `a > 1`. Of `(a) + (b)` something is made that fits nothing, as it would not have either."""
    text = text.strip()
    while text.startswith("(") and text.endswith(")"):
        text = text[1:-1].strip()
    return text


def _reason(expression: str) -> str:
    plain = re.sub(_STRING, "", expression)
    return next((reason for pattern, reason in _REASONS if re.search(pattern, plain)), _NO_COMPARISON)
