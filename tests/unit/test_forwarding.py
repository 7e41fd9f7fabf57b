"""What nodes say to each other survives the way, and nothing else is taken for it."""

from __future__ import annotations

import contextlib
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.bus.topics import NEWS, inbox_of
from protocol import forwarding
from protocol.changes import Action
from protocol.commands import Act, CompleteStep, Escalate, Observe, Preview, Ring
from protocol.forwarding import Answered, ForeignLetter, Forward, Seals, Told, check_age, commands_of, pack, results_of
from protocol.items import ItemResult
from protocol.model import Event, EventKind, Reason, Severity, Status
from protocol.previews import Previewed, TooDear
from protocol.rows import SourceReport
from protocol.rule_series import ListSeries, SeriesListed
from protocol.times import SECOND_US
from tests.support.stores import NOW, a_row, an_alert

SEALS = Seals([b"k" * 32])
RING = Ring(
    severity=Severity.ERROR,
    labels={"a": "b"},
    source=SourceReport(labels={"a": "b"}, annotations={}, starts_at=NOW, ends_at=NOW + 1),
)
COMMANDS = [
    RING,
    Observe(metric="cpu", value=97.5, at=NOW),
    Preview(commands=(RING, Observe(metric="cpu", value=1.0, at=NOW))),
    ListSeries(rule="r1", after=0, limit=10, states=()),
    Act(alert_ids=("a1", "a2"), action=Action.ACKNOWLEDGE, by="ann", closed=(a_row(),)),
    CompleteStep(step_id="s1", by="ann"),
    Escalate(alert_id="a1", chain="c", since=NOW, step=1, round=1),
]
FIRED = ItemResult(status=Status.FIRED, reason=Reason.FIRED, alert_id="a1", offset=7)


def there_and_back(letter: Any) -> Any:
    return SEALS.open(SEALS.close(letter, NEWS), NEWS)


def a_forward(**changes: Any) -> Forward:
    fields = {"commands": pack(COMMANDS), "places": (1, 1, 2, 1, 2, 1, 1)} | changes
    return Forward(origin="a", id="1", workspace="acme", framework="checkout", **fields)


def test_every_command_comes_as_it_was_sent() -> None:
    assert commands_of(there_and_back(a_forward())) == COMMANDS


def test_every_kind_of_result_comes_as_it_was_sent() -> None:
    listed = SeriesListed(status=Status.FIRED, reason=Reason.FIRED, items=())
    previewed = Previewed(status=Status.FIRED, reason=Reason.FIRED, rule_id="r1")
    sent = [FIRED, TooDear(status=Status.REJECTED, reason=Reason.BUSY, message="too dear"), listed, previewed]
    assert results_of(there_and_back(Answered(id="1", results=pack(sent)))) == sent


def test_events_come_with_their_places_in_all_streams() -> None:
    event = Event(
        offset=3, kind=EventKind.FIRED, alert=an_alert(assigned_to="ann"), at="t", workspace_offset=9,
        user_offsets={"ann": 2},
    )  # fmt: skip
    told = Told(origin="a", workspace="acme", events=(event,), moved=("checkout",))
    assert there_and_back(told) == told


def test_a_letter_of_somebody_without_the_key_is_foreign() -> None:
    with pytest.raises(ForeignLetter, match="key"):
        SEALS.open(Seals([b"another key, long enough"]).close(a_forward(), NEWS), NEWS)


def test_a_letter_of_another_topic_is_foreign() -> None:
    with pytest.raises(ForeignLetter, match="topic"):
        SEALS.open(SEALS.close(a_forward(), inbox_of("a")), inbox_of("b"))


@pytest.mark.parametrize(("ago_s", "is_good"), [(0, True), (30, True), (31, False), (-30, True), (-31, False)])
def test_what_asks_for_something_is_good_for_half_a_minute(ago_s: int, is_good: bool) -> None:
    with contextlib.nullcontext() if is_good else pytest.raises(ForeignLetter, match=f"{ago_s} s ago, limit 30"):
        check_age(NOW - ago_s * SECOND_US, NOW)


def test_during_a_change_of_keys_letters_of_both_are_opened() -> None:
    old, both = Seals([b"old"]), Seals([b"new", b"old"])
    assert both.open(old.close(a_forward(), NEWS), NEWS) == a_forward()
    assert Seals([b"new"]).open(both.close(a_forward(), NEWS), NEWS) == a_forward()


@given(st.binary(max_size=64))
def test_whatever_bytes_come_they_are_foreign(data: bytes) -> None:
    with pytest.raises(ForeignLetter):
        SEALS.open(data, NEWS)


@pytest.mark.parametrize("data", [b"", b"\xc1", b"\x91" * 100_000, msgspec.msgpack.encode({"type": "of tomorrow"})])
def test_what_is_sealed_and_makes_no_sense_is_foreign(data: bytes) -> None:
    sealed = forwarding._hash(SEALS._keys[0], NEWS, data) + data
    with pytest.raises(ForeignLetter):
        SEALS.open(sealed, NEWS)


@pytest.mark.parametrize(
    "changes",
    [
        {"places": (1,)},
        {"places": (0, 1, 2, 1, 2, 1, 1)},
    ],
)
def test_a_request_that_makes_no_sense_is_foreign(changes: dict[str, Any]) -> None:
    with pytest.raises(ForeignLetter):
        commands_of(a_forward(**changes))


@pytest.mark.parametrize(
    "tomorrows",
    [
        ("Rm", b"\x80"),
        ("Ring", b"\x90"),
        ("Preview", b"\xa1a"),
        ("Preview", msgspec.msgpack.encode([("Rm", {})])),
    ],
)
def test_a_command_of_another_version_is_none_and_its_neighbour_is_what_it_was(tomorrows: tuple[str, bytes]) -> None:
    name, data = tomorrows
    mixed = (*pack([RING]), (name, msgspec.Raw(data)))
    assert commands_of(there_and_back(a_forward(commands=mixed, places=(1, 1)))) == [RING, None]


def test_a_result_of_another_version_is_none_and_its_neighbour_is_what_it_was() -> None:
    reason_of_tomorrow = (
        "ItemResult",
        msgspec.Raw(msgspec.msgpack.encode({"status": "fired", "reason": "of tomorrow"})),
    )
    mixed = (("Sung", msgspec.Raw(b"\x80")), reason_of_tomorrow, *pack([FIRED]))
    assert results_of(there_and_back(Answered(id="1", results=mixed))) == [None, None, FIRED]
