"""What an alert of a rule says: texts with `{{ words }}` in them, filled in when it is told.

A word is one of WORDS or `labels.` and the name of a label (`{{ labels.host }}`, dots included: a label may be called
`k8s.pod`). That is the whole language: no attributes, no calls, no expressions, nothing to break out of. A label that
the series does not have is empty. A result is cut at the bound of its field. Decided against: a template engine in a
sandbox, whose sandbox has to be right.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from protocol.commands import Ring
from protocol.fields import LABELS_MAX, TEXT_MAX_CHARS, TITLE_MAX_CHARS
from protocol.model import Severity
from protocol.rules import Rule

WORDS = ("value", "threshold", "framework", "metric", "rule", "severity", "goal")
_LABELS = "labels."
_LABEL_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.\-/:]{0,127}")


class TemplateInvalid(ValueError):
    """A text that is no template of ours. The message says what is wrong with it."""


class Template:
    """A text, taken apart once; `words` are those that it may name, `x.NAME` any of x. Raises TemplateInvalid."""

    __slots__ = ("_parts", "_text")

    def __init__(self, text: str, words: Sequence[str] = WORDS) -> None:
        self._text = text
        # Plain text and words by turns.
        self._parts = _taken_apart(text, words)

    @property
    def words(self) -> Sequence[str]:
        """Those that it names, labels among them."""
        return self._parts[1::2]

    def render(self, words: Mapping[str, str], labels: Mapping[str, str], most_chars: int) -> str:
        """The text with its words filled in, cut at so many characters."""
        if len(self._parts) == 1:
            return self._text[:most_chars]
        filled = [part if index % 2 == 0 else _filled(part, words, labels) for index, part in enumerate(self._parts)]
        return "".join(filled)[:most_chars]


def _filled(word: str, words: Mapping[str, str], labels: Mapping[str, str]) -> str:
    return labels.get(word[len(_LABELS) :], "") if word.startswith(_LABELS) else words.get(word, "")


def _taken_apart(text: str, words: Sequence[str]) -> list[str]:
    parts: list[str] = []
    rest = text
    while "{{" in rest:
        before, _, rest = rest.partition("{{")
        word, closed, rest = rest.partition("}}")
        if not closed:
            raise TemplateInvalid(f"'{{{{{word[:40]}' is not closed with }}}}")
        parts += [before, _checked(word.strip(), words)]
    return [*parts, rest]


def _checked(word: str, words: Sequence[str]) -> str:
    if word in words:
        return word
    groups = [each.removesuffix("NAME") for each in (*words, "labels.NAME") if each.endswith(".NAME")]
    if any(word.startswith(group) and _LABEL_NAME.fullmatch(word, len(group)) for group in groups):
        return word
    raise TemplateInvalid(
        f"'{{{{ {word[:40]} }}}}' is no word of templates; use {', '.join(words)} or labels.NAME, nothing else"
    )


class Texts:
    """What the alerts of one rule say besides their values: its labels, title, message and annotations.

    A text that is no template (whoever took the rule in has let it pass) is taken as it stands.
    """

    __slots__ = ("_annotations", "_message", "_rule", "_title")

    def __init__(self, rule: Rule) -> None:
        self._rule = rule
        self._title = _template(rule.title)
        self._message = _template(rule.message)
        self._annotations = {name: _template(text) for name, text in rule.annotations.items()}

    def dress(self, ring: Ring, threshold: float | None, severity: Severity, title: str) -> tuple[Ring, str]:
        """A trigger with the texts that it leaves out, and its title (`title`: what it is called without one)."""
        rule, labels = self._rule, ring.labels
        words = {
            "value": _number(ring.current_value),
            "threshold": _number(threshold),
            "framework": rule.framework,
            "metric": rule.metric,
            "rule": rule.id,
            "severity": severity.value,
            "goal": labels.get("goal", ""),
        }
        if rule.title and not ring.title:
            title = self._title.render(words, labels, TITLE_MAX_CHARS)
        if self._annotations or rule.message or rule.labels:
            ring = replace(
                ring,
                message=ring.message or self._message.render(words, labels, TEXT_MAX_CHARS) or None,
                labels=_bounded({**labels, **rule.labels}),
                annotations={
                    name: text.render(words, labels, TEXT_MAX_CHARS) for name, text in self._annotations.items()
                },
            )
        return ring, title


def _template(text: str) -> Template:
    try:
        return Template(text)
    except TemplateInvalid:
        return _plain(text)


def _plain(text: str) -> Template:
    template = Template("")
    template._text, template._parts = text, [text]
    return template


def _bounded(labels: dict[str, str]) -> dict[str, str]:
    """No more labels than an alert may have; the series' own go first."""
    return labels if len(labels) <= LABELS_MAX else dict(list(labels.items())[:LABELS_MAX])


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.10g}"
