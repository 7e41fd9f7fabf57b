"""Prometheus' rule files: what maps says the same, what does not is named with its reason."""

from __future__ import annotations

from typing import Any

import pytest

from engine.foreign_forms import prometheus_rules
from engine.foreign_forms.prometheus_rules import map_rules
from engine.foreign_forms.promql import EXPRESSION_MAX_CHARS, Condition, NotMapped, condition_of, seconds_of
from engine.foreign_forms.yaml_text import from_yaml
from protocol.errors import BadRequest
from protocol.model import Comparison, Severity
from protocol.rules import Aggregate, NoData, ThresholdRule

FILE = """
groups:
  - name: node (basics)
    interval: 1m
    labels: {cluster: eu-1}
    rules:
      - alert: NodeLoadHigh
        expr: |
          avg_over_time(node_load1{job="node", instance='db\\'s'}[10m]) >= 4
        for: 1h30m
        keep_firing_for: 5m
        labels:
          severity: critical
          team: infra
          where: "{{ $labels.instance }}"
        annotations:
          summary: "{{ $labels.instance }} has a load of {{$value}}"
          description: "{{ .Labels.job }}: {{ .Value }}"
          runbook_url: https://wiki.example.org/load
          graph: '{{ printf "%.1f" $value }}'
      - alert: NodeLoadHigh
        expr: node_load1 > 8
        labels:
        mystery: 1
      - record: node:load
        expr: avg(node_load1)
"""


def mapped(text: str, framework: str = "prometheus") -> prometheus_rules.Mapping:
    return map_rules(from_yaml(text, is_typed=False), framework)


def left_out(text: str) -> list[tuple[str, str, str]]:
    return [(each.rule, each.part, each.reason) for each in mapped(text).left_out]


def one(**fields: Any) -> prometheus_rules.Mapping:
    rule = {"alert": "Hot", "expr": "temp > 5"} | fields
    return map_rules({"groups": [{"name": "g", "rules": [rule]}]})


def test_an_alerting_rule_becomes_a_threshold_that_says_the_same() -> None:
    first, second = mapped(FILE, "web").rules
    assert first == ThresholdRule(
        id="node _basics_/NodeLoadHigh",
        framework="web",
        metric="node_load1",
        match={"job": "node", "instance": "db's"},
        threshold=4.0,
        comparison=Comparison.AT_LEAST,
        aggregate=Aggregate.AVG,
        window_s=600.0,
        for_s=5400.0,
        keep_firing_for_s=300.0,
        severity=Severity.CRITICAL,
        title="{{ labels.instance }} has a load of {{ value }}",
        message="{{ labels.job }}: {{ value }}",
        labels={"alertname": "NodeLoadHigh", "cluster": "eu-1", "team": "infra"},
        annotations={
            "summary": "{{ labels.instance }} has a load of {{ value }}",
            "description": "{{ labels.job }}: {{ value }}",
            "runbook_url": "https://wiki.example.org/load",
        },
        no_data=NoData.OK,
        no_data_s=600.0,
    )
    assert (second.id, second.title, second.no_data_s) == ("node _basics_/NodeLoadHigh-2", "NodeLoadHigh", 300.0)
    assert second.severity is Severity.WARNING


def test_what_is_not_taken_over_is_named_with_its_reason() -> None:
    assert [(rule, part) for rule, part, _ in left_out(FILE)] == [
        ("", "interval"),
        ("NodeLoadHigh", "annotations.graph"),
        ("NodeLoadHigh", "labels.where"),
        ("NodeLoadHigh", "mystery"),
        ("node:load", ""),
    ]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"alert": ""}, "it has no name"),
        ({"alert": ["a"]}, "it has no name"),
        ({"expr": ["a"]}, "expr is no text"),
        ({"expr": ""}, "it compares with no number"),
        ({"expr": "avg_over_time(temp[500ms]) > 1"}, "window_s: avg needs a window"),
        ({"expr": "temp > 1e999"}, "Expected `float` <= 1.79"),
        ({"for": "8d"}, "Expected `float` <= 604800.0 - at `$.for_s`"),
        ({"for": "soon"}, "'soon' is no duration such as 5m"),
        ({"labels": ["a"]}, "labels are no names with texts"),
        ({"annotations": {"a": {}}}, "annotations are no names with texts"),
        ({"alert": "x/../y"}, "id: 'g/x/../y' is not allowed"),
    ],
)
def test_a_rule_that_cannot_be_taken_over_is_left_out_whole(fields: dict[str, Any], reason: str) -> None:
    mapping = one(**fields)
    assert mapping.rules == []
    [said] = mapping.left_out
    assert said.part == ""
    assert said.reason.startswith(reason)


def test_something_that_is_no_rule_is_named_too() -> None:
    assert left_out("groups: [{name: g, rules: [5]}]") == [("", "", "it has no name (alert: …)")]


def test_a_foreign_word_for_severity_stays_a_label() -> None:
    [rule] = one(labels={"severity": "page"}).rules
    assert (rule.severity, rule.labels["severity"]) == (Severity.CRITICAL, "page")


def test_a_word_that_only_looks_like_ours_is_left_out() -> None:
    mapping = one(annotations={"summary": "{{ value }}", "message": "{{ $value", "long": "x"})
    assert [each.part for each in mapping.left_out] == ["annotations.summary", "annotations.message"]
    assert mapping.rules[0].title == "Hot"


@pytest.mark.parametrize(
    ("document", "complaint"),
    [
        (None, "the file has no list 'groups'"),
        ({"groups": {}}, "the file has no list 'groups'"),
        ({"groups": [5]}, "groups[0] has no name"),
        ({"groups": [{"name": "", "rules": []}]}, "groups[0] has no name"),
        ({"groups": [{"name": "g"}]}, "groups[0] has no list 'rules'"),
    ],
)
def test_what_is_no_rule_file_is_refused(document: Any, complaint: str) -> None:
    with pytest.raises(BadRequest) as refusal:
        map_rules(document)
    assert complaint in refusal.value.message


def test_a_file_has_so_many_rules_and_reasons_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prometheus_rules, "RULES_MAX", 1)
    with pytest.raises(BadRequest, match="more than 1 rules"):
        mapped("groups: [{name: g, rules: [{record: a}, {record: b}]}]")
    monkeypatch.setattr(prometheus_rules, "LEFT_OUT_MAX", 1)
    with pytest.raises(BadRequest, match="more than 1 things"):
        mapped("groups: [{name: g, limit: 1, rules: [{record: a}]}]")


@pytest.mark.parametrize(
    ("expression", "condition"),
    [
        ("up == 0", Condition("up", Comparison.EQUAL, 0.0)),
        ("5 < temp", Condition("temp", Comparison.ABOVE, 5.0)),
        ("-1e3 >= job:temp:avg{}", Condition("job:temp:avg", Comparison.AT_MOST, -1000.0)),
        ('((temp{a="1",}) != .5)', Condition("temp", Comparison.DIFFERENT, 0.5, {"a": "1"})),
        ('temp{a=`\\d`, b="x > 1 \\"}"} < 2.', Condition("temp", Comparison.BELOW, 2.0, {"a": "\\d", "b": 'x > 1 "}'})),
        ("(rate(hits[1m30s])) <= 1", Condition("hits", Comparison.AT_MOST, 1.0, {}, Aggregate.RATE, 90.0)),
        *(
            (f"3 == {each}_over_time( t [ 1m ] )", Condition("t", Comparison.EQUAL, 3.0, {}, Aggregate(each), 60.0))
            for each in ("avg", "min", "max", "sum", "count")
        ),
    ],
)
def test_one_metric_compared_with_one_number_is_a_condition(expression: str, condition: Condition) -> None:
    assert condition_of(expression) == condition


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("up", "it compares with no number"),
        ("absent(up)", "only avg, min"),
        ("increase(hits[5m]) > 1", "only avg, min"),
        ("sum(hits) > 1", "it sums up several series"),
        ("sum by (job) (rate(hits[5m])) > 1", "it sums up several series"),
        ("a > 1 and b > 2", "it joins several series"),
        ("(a > 1) or (b > 2)", "it joins several series"),
        ("a offset 5m > 1", "it looks at another time"),
        ("a > bool 1", "with `bool`"),
        ("a / b > 1", "it is not one metric compared with one number"),
        ("a > b", "it is not one metric compared with one number"),
        ("1 < a < 5", "it is not one metric compared with one number"),
        ("Inf > 5", "it is not one metric compared with one number"),
        ('a{b=~"x|y"} > 1', "rules compare each label with one value; this is 'b=~"),
        ('a{b!="x"} > 1', "rules compare each label with one value"),
        ('a{b=""} > 1', "rules compare each label with one value"),
        ('a{b="x",b="y"} > 1', "rules compare each label with one value"),
        ('a{__name__="x"} > 1', "rules compare each label with one value"),
        ("a{b} > 1", "'b' cannot be read as label"),
        ('a{b="\\x41"} > 1', 'the text "\\x41" has an escape'),
        ("rate(a[5]) > 1", "'5' is no duration"),
        (" " * EXPRESSION_MAX_CHARS + "a", "the expression has 4097 characters"),
    ],
)
def test_an_expression_that_asks_for_more_is_refused_with_the_reason(expression: str, reason: str) -> None:
    with pytest.raises(NotMapped) as refusal:
        condition_of(expression)
    assert str(refusal.value).startswith(reason)


@pytest.mark.parametrize(
    ("duration", "seconds"),
    [("0", 0.0), ("5m", 300.0), ("1d12h", 129_600.0), ("1w", 604_800.0), ("1y", 31_536_000.0), ("1s500ms", 1.5)],
)
def test_durations_are_those_of_prometheus(duration: str, seconds: float) -> None:
    assert seconds_of(duration) == seconds
