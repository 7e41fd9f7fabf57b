"""Prometheus' rule files as rules of ours, as far as they map. Pure.

An alerting rule becomes a threshold rule with the id `group/alert` (`group/alert-2` for the next of that name in the
file), so a file that is taken in again changes what it made before. What does not map is named with its reason: a rule
that cannot say the same is left out whole; of one that can, what only embellishes it (an annotation with a function in
it, a group's interval) is left out and said. A series that is silent for Prometheus' five minutes ends its alert.

Source: prometheus/prometheus, `docs/configuration/alerting_rules.md` and `recording_rules.md`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec

from engine.core.rules.check import RuleInvalid, check_rule
from engine.core.rules.templates import Template, TemplateInvalid
from engine.foreign_forms.promql import NotMapped, condition_of, seconds_of
from engine.input.severity import parse_severity
from protocol.errors import BadRequest
from protocol.fields import TITLE_MAX_CHARS
from protocol.model import Severity
from protocol.rules import Rule, ThresholdRule

FRAMEWORK = "prometheus"
RULES_MAX = 10_000
# So many reasons are an answer of 2 MB, and a file of something else.
LEFT_OUT_MAX = 10_000
# Prometheus' own look-back: a series without a sample for so long is not there any more.
STALE_S = 300.0

_FIELDS = frozenset({"alert", "expr", "for", "keep_firing_for", "labels", "annotations"})
_WORD = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
_LABEL = re.compile(r"(?:\$labels|\.Labels)\.(\w+)", re.ASCII)
_NOT_OF_AN_ID = re.compile(r"[^\w .\-/@:]")


class LeftOut(msgspec.Struct, frozen=True, kw_only=True):
    """What of a rule file was not taken over. `part` empty: the whole rule; `rule` empty: something of its group."""

    group: str
    rule: str = ""
    part: str = ""
    reason: str


class Mapping:
    """A rule file in our words."""

    def __init__(self, framework: str) -> None:
        self.rules: list[Rule] = []
        self.left_out: list[LeftOut] = []
        self._framework = framework
        self._ids: set[str] = set()
        self._count = 0

    def leave_out(self, reason: str, group: str, rule: str = "", part: str = "") -> None:
        """Says what is not taken over. Raises BadRequest if that is too much."""
        if len(self.left_out) >= LEFT_OUT_MAX:
            raise BadRequest(f"more than {LEFT_OUT_MAX} things in this file do not map; is it a rule file?")
        self.left_out.append(LeftOut(group=group[:128], rule=rule[:128], part=part[:128], reason=reason))

    def take_group(self, place: int, group: Any) -> None:
        """One of `groups`. Raises BadRequest."""
        if not isinstance(group, dict) or not isinstance(group.get("name"), str) or not group["name"]:
            raise BadRequest(f"groups[{place}] has no name; a group is {{name: disks, rules: [...]}}")
        name = group["name"]
        for part in group.keys() - {"name", "rules", "labels"}:
            self.leave_out("rules are evaluated with each reading, groups have no settings here", name, part=part)
        for given in _list_of(group, "rules", f"groups[{place}]"):
            self._count += 1
            if self._count > RULES_MAX:
                raise BadRequest(f"this file has more than {RULES_MAX} rules: cut it in two")
            self._take_rule(name, given, group.get("labels"))

    def _take_rule(self, group: str, given: Any, group_labels: Any) -> None:
        said = given if isinstance(given, dict) else {}
        name = said.get("alert") or said.get("record") or ""
        name = name if isinstance(name, str) else ""
        try:
            if said.get("record"):
                raise NotMapped("a recording rule; rules here make alerts, no series")
            if not name:
                raise NotMapped("it has no name (alert: …)")
            parts: list[tuple[str, str]] = []
            rule = self._mapped(
                group, name, said, _texts(group_labels, "labels") | _texts(said.get("labels"), "labels"), parts
            )
        except (NotMapped, RuleInvalid, msgspec.ValidationError) as fault:
            self.leave_out(str(fault), group, name)
            return
        self.rules.append(rule)
        self._ids.add(rule.id)
        for part, reason in parts:
            self.leave_out(reason, group, name, part)

    def _mapped(
        self, group: str, name: str, said: dict[str, Any], labels: dict[str, str], parts: list[tuple[str, str]]
    ) -> ThresholdRule:
        """The rule; what of it is not taken over is added to `parts`. Raises NotMapped, RuleInvalid."""
        parts += [(part, "it means nothing here") for part in sorted(said.keys() - _FIELDS)]
        condition = condition_of(_text(said, "expr"))
        annotations = dict(_templates("annotations", _texts(said.get("annotations"), "annotations"), parts))
        severity, ours = _severity(labels)
        summary, body = annotations.get("summary", ""), annotations.get("description") or annotations.get("message")
        fields = {
            "kind": "threshold",
            "id": self._id_of(group, name),
            "framework": self._framework,
            "metric": condition.metric,
            "match": condition.match,
            "threshold": condition.threshold,
            "comparison": condition.comparison.value,
            "aggregate": condition.aggregate.value,
            "window_s": condition.window_s,
            "title": summary if 0 < len(summary) <= TITLE_MAX_CHARS else name,
            "message": body or "",
            "severity": severity.value,
            "for_s": seconds_of(_text(said, "for") or "0"),
            "keep_firing_for_s": seconds_of(_text(said, "keep_firing_for") or "0"),
            "labels": {"alertname": name} | dict(_plain_labels(ours, parts)),
            "annotations": annotations,
            "no_data": "ok",
            "no_data_s": max(STALE_S, condition.window_s),
        }
        rule = msgspec.convert(fields, ThresholdRule)
        check_rule(rule)
        return rule

    def _id_of(self, group: str, name: str) -> str:
        plain = _NOT_OF_AN_ID.sub("_", f"{group}/{name}")
        number, found = 1, plain
        while found in self._ids:
            number += 1
            found = f"{plain}-{number}"
        return found


def map_rules(document: Any, framework: str = FRAMEWORK) -> Mapping:
    """A rule file, as its YAML says with every scalar a text. Raises BadRequest for what is none."""
    mapping = Mapping(framework)
    for place, group in enumerate(_list_of(document, "groups", "the file")):
        mapping.take_group(place, group)
    return mapping


def _list_of(holder: Any, name: str, what: str) -> list[Any]:
    found = holder.get(name) if isinstance(holder, dict) else None
    if not isinstance(found, list):
        raise BadRequest(f"{what} has no list {name!r}; a rule file is groups: [{{name: disks, rules: [...]}}]")
    return found


def _text(said: dict[str, Any], name: str) -> str:
    found = said.get(name, "")
    if not isinstance(found, str):
        raise NotMapped(f"{name} is no text")
    return found.strip()


def _texts(found: Any, what: str) -> dict[str, str]:
    # Nothing after the colon is nothing.
    if found in (None, ""):
        return {}
    if not isinstance(found, dict) or not all(isinstance(text, str) for text in found.values()):
        raise NotMapped(f"{what} are no names with texts")
    return found


def _severity(labels: dict[str, str]) -> tuple[Severity, dict[str, str]]:
    """The severity, and the labels without it; a word that is not ours stays a label, where people see it."""
    severity, foreign = parse_severity(labels.get("severity", ""))
    return severity, {name: text for name, text in labels.items() if name != "severity" or foreign is not None}


def _plain_labels(labels: dict[str, str], parts: list[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    for name, text in labels.items():
        if "{{" in text:
            parts.append((f"labels.{name}", "labels are texts here, without words to fill in"))
        else:
            yield name, text


def _templates(what: str, texts: dict[str, str], parts: list[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    for name, text in texts.items():
        ours = _WORD.sub(_word, text)
        try:
            Template(ours)
        except TemplateInvalid:
            parts.append((f"{what}.{name}", "only {{ $value }} and {{ $labels.name }} have a counterpart in texts"))
        else:
            yield name, ours


def _word(found: re.Match[str]) -> str:
    word = found[1].strip()
    if word in ("$value", ".Value"):
        return "{{ value }}"
    if (label := _LABEL.fullmatch(word)) is not None:
        return f"{{{{ labels.{label[1]} }}}}"
    # Nothing of ours, also if it looks like it: `{{ value }}` is a function there.
    return "{{ $ }}"
