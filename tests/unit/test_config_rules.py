"""Rules in the configuration: of every kind, from a file or by hand, and what is said of a mistake."""

from __future__ import annotations

import pytest

from engine.configuration.config import Config
from engine.configuration.fields import ConfigError
from engine.configuration.settings import effective, load
from engine.sections.watching import HOST_RULES, Host
from protocol.model import Severity
from protocol.rules import ThresholdRule
from tests.support.configured import refused, write


def test_rules_in_a_file_replace_the_default_ones(tmp_path):
    path = write(tmp_path, '[[rules]]\nid = "r"\nframework = "f"\nmetric = "m"\nthreshold = 3\nseverity = "critical"\n')
    rule = ThresholdRule(id="r", framework="f", metric="m", threshold=3.0, severity=Severity.CRITICAL)
    assert load(environ={}, file=path).rules == (rule,)
    assert load(environ={}, file=write(tmp_path, "rules = []\n")).rules == ()


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("framework = '..'", "rules[1].framework: '..' is not allowed: use 1-128 letters"),
        ("workspace = 'a:b'", "rules[1].workspace: 'a:b' is not allowed: use 1-128 letters"),
        ("suppression_s = -1", "rules[1].suppression_s: -1 is not allowed: use a number from 0 to 2592000"),
        ("suppression_s = 'x'", "rules[1].suppression_s: 'x' is not allowed: use a finite number"),
        ("threshold = 'high'", "rules[1].threshold: 'high' is not allowed: use a finite number"),
        ("severity = 'loud'", "rules[1].severity: 'loud' is not allowed: use one of info, warning, error, critical"),
        ("comparison = '=>'", "rules[1].comparison: '=>' is not allowed: use one of >, >=, <, <=, ==, !="),
        ("enabled = 'yes'", "rules[1].enabled: 'yes' is not allowed: use true or false"),
        (f"title = '{'x' * 513}'", "is not allowed: use a text of 0 to 512 characters"),
        ("sverity = 'info'", "rules[1].sverity: is no setting; did you mean severity?"),
        ("id = 'first'", "rules[1].id: two rules have the id 'first': use another, ids are unique"),
    ],
)
def test_a_wrong_value_in_a_rule_names_rule_key_value_and_what_is_allowed(tmp_path, line, said):
    members = {"id": "'second'", "framework": "'f'", "metric": "'m'", "threshold": "1"}
    name, _, value = line.partition(" = ")
    second = "".join(f"{key} = {given}\n" for key, given in (members | {name: value}).items())
    first = "[[rules]]\nid = 'first'\nframework = 'f'\nmetric = 'm'\nthreshold = 3\n"
    text = refused(file=write(tmp_path, f"{first}[[rules]]\n{second}"))
    assert said in text
    assert text.endswith(f"(set by {tmp_path / 'tocsin.toml'}, key rules)")


def test_a_rule_may_name_its_workspace_and_its_window(tmp_path):
    text = "[[rules]]\nid = 'r'\nframework = 'f'\nmetric = 'm'\nthreshold = 3\nworkspace = 'w'\nsuppression_s = 7\n"
    (rule,) = load(environ={}, file=write(tmp_path, text)).rules
    assert (rule.workspace, rule.suppression_s) == ("w", 7)


def test_the_rules_of_a_configuration_made_by_hand_are_checked_as_well():
    with pytest.raises(ConfigError, match=r"rules\[0\]\.threshold: nan is not allowed: use a finite number"):
        Config(rules=(ThresholdRule(id="r", framework="f", metric="m", threshold=float("nan")),))


def test_the_default_rules_follow_the_host_when_it_is_renamed():
    config = load(environ={"TOCSIN_HOST_FRAMEWORK": "plant-7"})
    assert {rule.framework for rule in config.rules} == {"plant-7"}
    assert [rule.id for rule in config.rules] == [rule.id for rule in HOST_RULES]


def test_rules_that_somebody_wrote_stay_as_they_are_when_the_host_is_renamed():
    rule = ThresholdRule(id="r", framework="host", metric="m", threshold=3.0)
    assert Config(host=Host(framework="plant-7"), rules=(rule,)).rules == (rule,)


def test_the_effective_configuration_says_when_there_are_no_rules(tmp_path):
    config = Config(rules=())
    assert load(environ={}, file=write(tmp_path, effective(config))) == config


def test_a_rule_may_say_of_which_kind_it_is(tmp_path):
    rule = '[[rules]]\nid = "hot"\nframework = "f"\nmetric = "m"\nthreshold = 1.0\nkind = '
    assert load(environ={}, file=write(tmp_path, rule + '"threshold"')).rules[0].id == "hot"
    said = refused(file=write(tmp_path, rule + '"magic"'))
    assert "rules[0].kind: 'magic' is not allowed: use threshold" in said


def test_a_file_may_have_rules_of_every_kind_and_the_effective_one_says_the_same(tmp_path):
    text = """
[[rules]]
kind = "milestone"
id = "sales"
framework = "shop"
metric = "orders"
goals = [100, 1000]
is_cumulative = true

[[rules]]
kind = "performance"
id = "slow"
framework = "shop"
metric = "latency_ms"
threshold = 500
percentile = 99.0
schedule = {start = "08:00", end = "18:00", days = ["mon", "fri"], zone = "Europe/Berlin"}
labels = {team = "shop", "odd name" = "x"}

[[rules]]
kind = "anomaly"
id = "odd"
framework = "shop"
metric = "orders"

[[rules]]
id = "plain"
framework = "shop"
metric = "orders"
threshold = 5
"""
    config = load(environ={}, file=write(tmp_path, text))
    kinds = [rule.__struct_config__.tag for rule in config.rules]
    assert kinds == ["milestone", "performance", "anomaly", "threshold"]
    assert config.rules[1].schedule.days == ("mon", "fri")
    assert load(environ={}, file=write(tmp_path, effective(config))).rules == config.rules


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("kind = 'milestone'\ngoals = ['a']", "rules[0].goals: ['a'] is not allowed: use a list of numbers"),
        ("kind = 'milestone'\nthreshold = 3", "rules[0].threshold: is no setting; did you mean"),
        ("kind = 'anomaly'\nschedule = 5", "rules[0].schedule: 5 is not allowed: use a table"),
        ("kind = 5", "rules[0].kind: 5 is not allowed: use threshold, anomaly, performance, milestone"),
        ("threshold = 90\nrecovery = 95", "rules[0].recovery: "),
    ],
)
def test_a_mistake_in_a_rule_of_any_kind_is_named(tmp_path, text, complaint):
    first = "[[rules]]\nid = 'r'\nframework = 'f'\nmetric = 'm'\n"
    assert complaint in refused(file=write(tmp_path, first + text + "\n"))
