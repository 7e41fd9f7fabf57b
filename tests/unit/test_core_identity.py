"""What counts as the same alert, Alertmanager's fingerprint, and ids derived from a batch."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core import identity
from engine.core.identity import CACHED_LABELS_MAX_CHARS, derive_id, fingerprint, identity_of
from protocol.commands import Ring

BATCH = "0190a0a0-1234-7abc-8def-0123456789ab"


def test_severity_does_not_belong_to_the_identity() -> None:
    quiet = Ring(title="disk", labels={"host": "h1", "severity": "warning"})
    loud = Ring(title="disk", labels={"severity": "critical", "host": "h1"})
    assert identity_of("f", quiet) == identity_of("f", loud)


@pytest.mark.parametrize(
    "other",
    [
        Ring(title="disk", labels={"host": "h2"}),
        Ring(title="disk", labels={"hos": "th1"}),
        Ring(title="disk", labels={"host": "h1", "zone": ""}),
        Ring(title="disks", labels={"host": "h1"}),
        Ring(rule_id="disk", labels={"host": "h1"}),
        Ring(title="disk", labels={"host": "h1"}, dedup_key="disk"),
        Ring(),
    ],
)
def test_any_other_label_name_or_key_is_another_alert(other: Ring) -> None:
    assert identity_of("f", Ring(title="disk", labels={"host": "h1"})) != identity_of("f", other)


def test_the_framework_belongs_to_the_identity() -> None:
    assert identity_of("f", Ring(title="disk")) != identity_of("g", Ring(title="disk"))
    assert identity_of("f", Ring(dedup_key="k")) != identity_of("g", Ring(dedup_key="k"))


def test_a_dedup_key_replaces_name_and_labels() -> None:
    one = Ring(dedup_key="k", title="disk", labels={"host": "h1"})
    assert identity_of("f", one) == identity_of("f", Ring(dedup_key="k", rule_id="cpu"))


def test_an_empty_dedup_key_is_none() -> None:
    assert identity_of("f", Ring(dedup_key="", title="disk")) == identity_of("f", Ring(title="disk"))


@pytest.mark.parametrize(
    ("fuller", "barer"),
    [
        (Ring(rule_id="r", title="t", alert_type="a"), Ring(rule_id="r")),
        (Ring(title="t", alert_type="a"), Ring(title="t")),
        (Ring(labels={"alertname": "n"}, title="t"), Ring(labels={"alertname": "n"}, alert_type="a")),
    ],
)
def test_the_name_is_the_rule_else_alertname_else_title_else_type(fuller: Ring, barer: Ring) -> None:
    assert identity_of("f", fuller) == identity_of("f", barer)


def test_long_label_sets_are_hashed_and_not_cached() -> None:
    identity._cached_digest.cache_clear()
    long = Ring(title="disk", labels={"text": "x" * CACHED_LABELS_MAX_CHARS})
    assert identity_of("f", long) == identity_of("f", long)
    assert identity._cached_digest.cache_info().currsize == 0


@given(
    st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=3),
    st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=3),
)
def test_different_labels_never_share_an_identity(one: dict[str, str], other: dict[str, str]) -> None:
    def bare(labels: dict[str, str]) -> dict[str, str]:
        return {name: value for name, value in labels.items() if name != "severity"}

    same = identity_of("f", Ring(rule_id="r", labels=one)) == identity_of("f", Ring(rule_id="r", labels=other))
    assert same == (bare(one) == bare(other))


def test_an_identity_is_stable_between_processes_and_versions() -> None:
    ring = Ring(rule_id="cpu", labels={"host": "h1", "alertname": "n"})
    # blake2b-128 of "1:f4:rule3:cpu9:alertname1:n4:host2:h1": stores hold it, so it must never change.
    assert identity_of("f", ring) == "c2515191f0602658cbf85e879819798c"


def test_the_fingerprint_is_alertmanagers() -> None:
    labels = {"service": "db", "alertname": "DiskFull", "severity": "warning", "host": "h1"}
    assert fingerprint(labels) == "cb96ba6f5cd47f45"


def test_the_fingerprint_of_a_long_label_set_is_computed_and_not_cached() -> None:
    identity._cached_fnv.cache_clear()
    long = {"text": "x" * (CACHED_LABELS_MAX_CHARS - len("text") - 1)}
    assert fingerprint(long) == fingerprint(long) == identity._fnv(b"text\xff%b\xff" % long["text"].encode())
    assert identity._cached_fnv.cache_info().currsize == 0
    short = {"text": long["text"][1:]}
    assert fingerprint(short) == fingerprint(short)
    assert identity._cached_fnv.cache_info().hits == 1


def test_the_fingerprint_of_no_labels_is_the_start_value() -> None:
    assert fingerprint({}) == "cbf29ce484222325"


@given(st.integers(0, 1000), st.integers(0, 1000))
def test_derived_ids_are_uuid7_of_the_batch_and_differ(n: int, k: int) -> None:
    derived = uuid.UUID(derive_id(BATCH, n))
    assert derived.version == 7
    assert derived.variant == uuid.RFC_4122
    assert str(derived)[:18] == BATCH[:18]
    assert derived.int == uuid.UUID(BATCH).int + 1 + n
    assert (derive_id(BATCH, n) == derive_id(BATCH, k)) == (n == k)


def test_a_derived_id_wraps_inside_the_random_bits() -> None:
    assert derive_id("0190a0a0-1234-7abc-bfff-ffffffffffff", 0) == "0190a0a0-1234-7abc-8000-000000000000"


def test_a_batch_id_that_is_no_uuid_is_refused() -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        derive_id("batch", 0)
