"""The harmless part of YAML: values as YAML 1.2 says, everything that could hurt refused with its place."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.foreign_forms import yaml_text
from engine.foreign_forms.yaml_text import from_yaml, to_yaml
from protocol.errors import BadRequest

# What YAML can carry: no halves of surrogate pairs, no control characters.
TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="\ufeff\ufffe\uffff"))
NUMBERS = st.integers(-(10**17), 10**17) | st.floats(allow_nan=False, allow_infinity=False)
LEAVES = st.none() | st.booleans() | NUMBERS | TEXTS | st.from_regex(r"[-+0-9.eE:xo_]{1,8}", fullmatch=True)
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner), max_leaves=10)


@given(VALUES)
def test_what_is_written_is_read_again_as_it_was(value: Any) -> None:
    if len(repr(value)) < 2000 and repr(value).count("[") + repr(value).count("{") < yaml_text.DEPTH_MAX:
        assert from_yaml(to_yaml(value)) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: no", {"a": "no"}),
        ("a: 12:30", {"a": "12:30"}),
        ("a: 2026-01-01", {"a": "2026-01-01"}),
        ("a:\nb: ~", {"a": None, "b": None}),
        ("[true, False, 5, -1.5e3, .5, '5']", [True, False, 5, -1500.0, 0.5, "5"]),
        ("{1: a, true: b}", {"1": "a", "true": "b"}),
        ("a: |\n  two\n  lines\n", {"a": "two\nlines\n"}),
        ("", None),
    ],
)
def test_plain_scalars_mean_what_yaml_1_2_says(text: str, value: Any) -> None:
    assert from_yaml(text) == value


def test_without_types_every_scalar_is_a_text_as_it_stands() -> None:
    assert from_yaml("{a: 010, b: true, c: , d: 1.10}", is_typed=False) == {
        "a": "010",
        "b": "true",
        "c": "",
        "d": "1.10",
    }


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("a: &x [1]\nb: *x", "has an anchor (&name): write it out, line 1, column 4"),
        ("- *x", "has an alias (*name): write it out, line 1, column 3"),
        ("a: !!python/object:os.system x", "has a tag (tag:yaml.org,2002:python/object:os.system)"),
        ("a: 1\na: 2", "has the key 'a' twice, line 2, column 1"),
        ("? [a]\n: 1", "has a key that is no text"),
        ("--- 1\n--- 2", "has a second document (---)"),
        ("[" * 100_000, "is nested deeper than 16, line 1, column 17"),
        ("- " * 100_000, "is nested deeper than 16"),
        ("a: [", "cannot be read: did not find expected node content, line 2"),
        ("a: \x00", "cannot be read: "),
        ("a: \ud800", "not valid UTF-8"),
        ("a" * (yaml_text.YAML_MAX_CHARS + 1), "has 2097153 characters, at most 2097152 are read"),
        ("[" + "a," * (yaml_text.NODES_MAX + 1) + "]", "has more than 400000 nodes"),
    ],
    ids=range(13),
)
def test_what_could_hurt_is_refused_with_its_place(text: str, complaint: str) -> None:
    with pytest.raises(BadRequest) as refusal:
        from_yaml(text)
    assert complaint in refusal.value.message


def test_a_fault_without_a_place_has_none() -> None:
    assert yaml_text._place(None) == ""
