"""What is said of an object that does not fit its types: the field, what is allowed there, and a right example."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from msgspec import inspect as types

from engine.http import (
    admission,
    alert_changes,
    bodies,
    broadcasts,
    endpoints,
    notifications,
    objects,
    rule_files,
    trials,
    workflows,
)
from engine.input.misfits import explained, shown_value
from engine.input.right_values import SHOWN
from protocol.directory import Framework, Team, User, Workspace
from protocol.endpoints import EndpointGiven
from protocol.escalation import Escalation
from protocol.preferences import Preference
from protocol.quieting import Maintenance, Silence
from protocol.rules import Rule
from protocol.schedules import OwnSchedule
from protocol.workflows import TrackerInput, Workflow

KINDS: tuple[Any, ...] = (
    *(
        Rule,
        Silence,
        Maintenance,
        Framework,
        Team,
        User,
        Workspace,
        Workflow,
        Preference,
        Escalation,
        EndpointGiven,
        OwnSchedule,
    ),
)
# What is posted to our own routes; a foreign sender's fields are its own.
BODIES: tuple[Any, ...] = (
    bodies.TriggersBody,
    bodies.ReadingsBody,
    workflows.GenerateBody,
    workflows.AdvanceBody,
    TrackerInput,
    broadcasts.BroadcastBody,
    admission.RevocationBody,
    objects.BulkBody,
    alert_changes.BulkDeedBody,
    rule_files.ImportBody,
    trials.TestBody,
    trials.BacktestBody,
    endpoints.RotateBody,
    notifications.ReadBody,
)
OTHER = {"id": "a", "framework": "web", "metric": "m"}


def structs_in(kind: Any) -> Iterator[types.StructType]:
    """All Structs that an object of a kind is made of."""
    if isinstance(kind, types.StructType):
        yield kind
        for field in kind.fields:
            yield from structs_in(field.type)
    elif isinstance(kind, types.UnionType):
        for each in kind.types:
            yield from structs_in(each)
    else:
        inner = [getattr(kind, name, None) for name in ("type", "item_type", "value_type")]
        for each in inner:
            if isinstance(each, types.Type):
                yield from structs_in(each)


STRUCTS = {struct.cls: struct for kind in (*KINDS, *BODIES) for struct in structs_in(types.type_info(kind))}


@pytest.mark.parametrize("cls", STRUCTS, ids=lambda cls: cls.__name__)
def test_each_field_has_an_example_that_is_right(cls: Any) -> None:
    fields = {field.name: field for field in msgspec.structs.fields(cls)}
    for name, field in fields.items():
        msgspec.convert(shown_value(STRUCTS[cls], name), field.type)


def test_no_example_is_left_over() -> None:
    names = {field.encode_name for struct in STRUCTS.values() for field in struct.fields}
    assert {name.partition(".")[2] or name for name in SHOWN} <= names


@pytest.mark.parametrize(
    ("kind", "given", "said"),
    [
        (
            Rule,
            OTHER | {"kind": "anomaly", "season": "x"},
            'allowed: none, hour, day, week; for example "season": "day"',
        ),
        (
            Rule,
            OTHER | {"kind": "milestone", "goals": []},
            'length >= 1 - at `$.goals`; for example "goals": [100,1000]',
        ),
        (Rule, OTHER | {"kind": "milestone"}, 'required field `goals`; for example "goals": [100,1000]'),
        (
            Rule,
            OTHER | {"kind": "performance", "threshold": 1, "percentile": 7},
            '`$.percentile`; for example "percentile": 95',
        ),
        (
            Rule,
            OTHER | {"kind": "anomaly", "schedule": {"x": 1}},
            '; its fields: start, end, days, zone; for example "start": ',
        ),
        (Rule, OTHER | {"kind": "anomaly", "notify": [1]}, '`$.notify[0]`; for example "notify": ["pager"]'),
        (Silence, {"id": "a", "matchers": [{"name": "x" * 300}]}, '; for example "name": "host"'),
        (User, {"id": "a", "email": "nobody"}, '`$.email`; for example "email": "ann@example.org"'),
        (Framework, {"id": "a", "kind": "x"}, 'network, job, other; for example "kind": "service"'),
        (Framework, {"id": "a", "metrics": {"m": "x"}}, "; allowed: performance, availability, "),
        (list[User], [{"id": "a"}, {"id": "b", "zone": 5}], 'at `$[1].zone`; for example "zone": "Europe/Berlin"'),
        (
            rule_files.ImportBody,
            {"rules": [OTHER | {"kind": "milestone", "goals": [1]}, OTHER | {"kind": "anomaly", "season": 5}]},
            'at `$.rules[1].season`; allowed: none, hour, day, week; for example "season": "day"',
        ),
        (rule_files.ImportBody, {"rules": [{"kind": "x"}]}, "; allowed: threshold, anomaly, performance, milestone; "),
        (
            Preference,
            {"id": "a", "channels": {"loud": ["email"]}},
            'allowed: info, warning, error, critical; for example "channels": {"critical":["email","slack"]}',
        ),
        (Preference, {"id": "a", "channels": {"critical": ["mail"]}}, "; allowed: in_app, email, slack; for "),
        (Preference, {"id": "a", "channels": {"critical": "email"}}, "; allowed: in_app, email, slack; for "),
        (EndpointGiven, {"id": "a", "channel": "pigeon"}, "; allowed: email, slack, webhook, apprise; for example"),
        (OwnSchedule, {"id": "a", "cron": "* * * * *"}, 'field `kind`; for example "kind": "workflow_generate"'),
        (OwnSchedule, {"id": "a"}, 'required field `cron`; for example "cron": "0 2 * * 1-5"'),
        (OwnSchedule, {"id": "a", "colour": 1}, '; for example "id": "nightly"'),
        (Preference, {"id": "a", "digest": {"frequency": "weekly"}}, "allowed: off, hourly, daily; for example"),
        (Preference, {"id": "a", "quiet_hours": {"start": "25:00"}}, '; for example "start": "08:00"'),
        (Escalation, {"id": "a", "repeat": 6}, '<= 5 - at `$.repeat`; for example "repeat": 1'),
        (Team, {"id": "a", "rota": {"overrides": [{"start": 1}]}}, '; for example "start": "2026-01-05T09:00:00Z"'),
    ],
)
def test_a_field_that_is_wrong_is_told_with_what_is_right(kind: Any, given: Any, said: str) -> None:
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.convert(given, kind)
    assert said in explained(kind, given, caught.value)


def test_what_was_sent_is_quoted_no_longer_than_one_needs_to_recognise_it() -> None:
    given = {"id": "a", "kind": "x" * 100_000}
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.convert(given, Framework)
    text = explained(Framework, given, caught.value)
    assert text.startswith(f"Invalid enum value '{'x' * 64}…' - at `$.kind`; allowed: service, ")


def test_a_complaint_about_the_whole_stays_as_it_is() -> None:
    fault = msgspec.ValidationError("Expected `object`, got `array`")
    assert explained(Rule, {}, fault) == "Expected `object`, got `array`"


def test_a_foreign_field_without_an_example_is_told_without_one() -> None:
    fault = msgspec.ValidationError("Expected `str`, got `int` - at `$.labels[...].deep`")
    assert explained(Framework, None, fault) == str(fault)


def test_a_rule_of_a_kind_that_is_not_known_may_have_the_words_of_any() -> None:
    fault = msgspec.ValidationError("Invalid enum value 'x' - at `$.rules[7].season`")
    assert explained(rule_files.ImportBody, None, fault).endswith(
        '; allowed: none, hour, day, week; for example "season": "day"'
    )
