"""How entries are written: keys that mean one thing, values that only count with their tokens."""

from __future__ import annotations

import contextlib
from fnmatch import fnmatchcase

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.cache.strategies import (
    LIFETIME_S,
    OPEN_ALERTS,
    PATTERNS,
    RULES,
    STATISTICS,
    STRATEGIES,
    Key,
    Statistics,
    Strategy,
)
from engine.cache.wire import (
    MAGIC,
    SEAL_BYTES,
    TOKEN_BYTES,
    TOKEN_LIFETIME_S,
    Names,
    Unreadable,
    decode,
    encode,
    tokens_of,
    workspace_of,
)

NAMES = Names("app", "an epoch")
TOKEN, OTHER = b"t" * TOKEN_BYTES, b"o" * TOKEN_BYTES
texts = st.text(max_size=12)
keys = st.builds(Key, texts, st.none() | texts.filter(bool), st.tuples(texts, texts))


def test_the_strategies_live_as_long_as_the_reference_says():
    assert {one.name: one.lifetime_s for one in STRATEGIES} == {
        "rules": 300.0,
        "statistics": 3_600.0,
        "patterns": 21_600.0,
        "open_alerts": 60.0,
    }
    assert Strategy("another", int).lifetime_s == LIFETIME_S == 3_600.0
    assert max(one.lifetime_s for one in STRATEGIES) < TOKEN_LIFETIME_S


def test_a_framework_is_a_tag_of_whatever_is_of_it_whatever_the_strategy():
    for strategy in STRATEGIES:
        assert "framework/checkout" in strategy.tags(Key("acme", "checkout"))
        assert strategy.tags(Key("acme")) == strategy.follows
    assert RULES.follows == ("objects/rule",)
    assert OPEN_ALERTS.follows == ("alerts",)


def test_a_key_begins_with_the_prefix_and_the_workspace():
    key = NAMES.entry(STATISTICS, Key("acme", "checkout", ("a:b", "c d", "é*")))
    assert key.startswith("app:{acme}:cache:statistics.")
    assert key.endswith(":checkout:a%3Ab:c%20d:%C3%A9%2A")
    assert workspace_of(key) == workspace_of(NAMES.tag("acme", "alerts")) == "{acme}"


@given(keys, keys)
def test_two_keys_are_never_written_alike(one, other):
    assert (NAMES.entry(RULES, one) == NAMES.entry(RULES, other)) == (one == other)


@given(keys)
def test_nothing_in_a_key_means_a_pattern_or_ends_a_workspace(key):
    text = NAMES.entry(RULES, key)
    assert not set(text) & set("*?[]\\ ")
    assert (text.count("{"), text.count("}")) == (1, 1)


def test_a_pattern_matches_its_own_and_nothing_else():
    mine, foreign = NAMES.entry(RULES, Key("acme")), NAMES.entry(RULES, Key("acme2"))
    statistics, tag = NAMES.entry(STATISTICS, Key("acme")), NAMES.tag("acme", "alerts")
    everything = (mine, foreign, statistics, tag, "app:{events.1}", "other:{acme}:cache:x")
    assert [fnmatchcase(key, NAMES.pattern()) for key in everything] == [True] * 4 + [False] * 2
    assert [fnmatchcase(key, NAMES.pattern(RULES)) for key in everything] == [True, True] + [False] * 4
    assert [fnmatchcase(key, NAMES.pattern(RULES, "acme")) for key in everything] == [True] + [False] * 5


def test_another_shape_or_another_store_is_another_key():
    class Wider(msgspec.Struct, frozen=True):
        at: int
        numbers: dict[str, float]
        more: int = 0

    wider = Strategy("statistics", Wider)
    key = Key("acme")
    assert NAMES.entry(STATISTICS, key) != NAMES.entry(wider, key)
    assert NAMES.entry(STATISTICS, key) != Names("app", "another epoch").entry(STATISTICS, key)
    assert NAMES.tag("acme", "alerts") != Names("app", "another epoch").tag("acme", "alerts")


def test_a_value_comes_back_with_the_tokens_that_it_was_kept_with():
    value = Statistics(at=1, numbers={"open": 2.0})
    kept = NAMES.packed("a key", TOKEN + OTHER, encode(value))
    body = NAMES.unpacked("a key", kept, TOKEN + OTHER)
    assert body is not None
    assert decode(STATISTICS, body) == value


def test_with_another_token_it_does_not_count():
    assert NAMES.unpacked("a key", NAMES.packed("a key", TOKEN, b"body"), OTHER) is None


def test_a_value_that_was_copied_from_another_key_or_made_without_the_secret_is_not_read():
    kept = NAMES.packed("a key", TOKEN, b"body")
    with pytest.raises(Unreadable):
        NAMES.unpacked("another key", kept, TOKEN)
    with pytest.raises(Unreadable):
        Names("app", "an epoch", lambda: [b"another secret"]).unpacked("a key", kept, TOKEN)


def test_while_secrets_are_changed_node_by_node_each_reads_what_the_others_have_written():
    ours, theirs = [b"old"], [b"old"]
    here, there = Names("app", "an epoch", lambda: tuple(ours)), Names("app", "an epoch", lambda: tuple(theirs))
    before = here.packed("a key", TOKEN, b"body")
    ours[:] = [b"new", b"old"]
    assert here.unpacked("a key", before, TOKEN) == b"body"
    with pytest.raises(Unreadable):
        there.unpacked("a key", here.packed("a key", TOKEN, b"body"), TOKEN)
    theirs[:] = [b"new", b"old"]
    assert there.unpacked("a key", here.packed("a key", TOKEN, b"body"), TOKEN) == b"body"
    theirs[:] = [b"new"]
    with pytest.raises(Unreadable):
        there.unpacked("a key", before, TOKEN)


@given(st.integers(len(MAGIC), len(MAGIC) + SEAL_BYTES + TOKEN_BYTES + 3), st.integers(1, 255))
def test_no_byte_of_a_value_can_be_changed(place, change):
    kept = bytearray(NAMES.packed("a key", TOKEN, b"body"))
    kept[place] ^= change
    with contextlib.suppress(Unreadable):
        assert NAMES.unpacked("a key", bytes(kept), TOKEN) is None, "other tokens"


@pytest.mark.parametrize("kept", [b"", b"T", MAGIC, MAGIC + b"short", b"XX1" + bytes(SEAL_BYTES) + TOKEN + b"body"])
def test_bytes_of_somebody_else_are_not_read(kept):
    with pytest.raises(Unreadable):
        NAMES.unpacked("a key", kept, TOKEN)


@pytest.mark.parametrize(
    "body",
    [b"", b"\xff", b"\xc1", encode({"at": "no"}), encode(Statistics(at=1, numbers={})) + b"more", b"\x91" * 9_999],
)
def test_a_body_that_is_none_is_not_read(body):
    with pytest.raises(Unreadable):
        decode(STATISTICS, body)


@given(st.binary(max_size=64))
def test_whatever_the_bytes_are_they_are_read_or_refused(body):
    with contextlib.suppress(Unreadable):
        assert isinstance(decode(PATTERNS, body), PATTERNS.type)


def test_tokens_count_only_together():
    assert tokens_of([TOKEN, OTHER]) == TOKEN + OTHER
    assert tokens_of([]) == b""
    assert tokens_of([TOKEN, None]) is None
    assert tokens_of([b"foreign bytes"]) is None
